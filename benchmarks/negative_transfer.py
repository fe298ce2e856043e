"""The worked example of docs/negative_transfer.md: how much methods lose where proportions moved.

Measurements of cells, benign or malignant (scikit-learn's breast cancer set, no download). The
source is a clinic, whose patients were sent there: a third and more have a malignant tumour. The
target are other patients of the set, in three ways:

- proportions: a screening, where nine of ten with a malignant tumour are missing;
- columns: another instrument, whose columns are moved and stretched; proportions as they were;
- both at once.

Target labels are used for drawing the screening, for the accuracy in the table and nothing else.

    python benchmarks/negative_transfer.py --output benchmarks/results/negative_transfer
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from _markdown import markdown
from _report import environment, write_json
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from domadapt import (
    AlignmentClassifier,
    AutoAdaptClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    MCCClassifier,
    diagnose,
)
from domadapt.model_selection import adaptation_report
from domadapt.shallow import AdaptedClassifier

MALIGNANT = 0
HEADS = {"proportions": "proportions moved", "columns": "columns moved", "both": "both moved"}
SHIFTS = tuple(HEADS)


def clinic_and_elsewhere(shift, seed):
    """Return samples of the clinic with labels, and of the target, scaled by the clinic's.

    Parameters
    ----------
    shift : {"proportions", "columns", "both"}
        What differs in the target.
    seed : int
        Of the split, of who is left out, and of how columns move.

    Returns
    -------
    Xs, ys, Xt, yt : ndarrays
        Half of the set each, but for those left out of the target.
    """
    X, y = load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))
    source, target = np.array_split(rows, 2)
    is_left_out = (y[target] == MALIGNANT) & (rng.random(len(target)) > 0.1)
    move, stretch = rng.normal(0, 1, X.shape[1]), np.exp(rng.normal(0, 0.3, X.shape[1]))
    if shift != "columns":
        target = target[~is_left_out]
    scaler = StandardScaler().fit(X[source])
    Xs, Xt = scaler.transform(X[source]), scaler.transform(X[target])
    if shift != "proportions":
        Xt = Xt * stretch + move
    return Xs, y[source], Xt, y[target]


def adapted(adapter):
    """Return logistic regression with an adapter."""
    return AdaptedClassifier(LogisticRegression(max_iter=1000), adapter, random_state=0)


def models(seed):
    """Return plain models and methods by the names of the table."""
    return {
        "logistic regression": LogisticRegression(max_iter=1000),
        "extra trees": ExtraTreesClassifier(random_state=seed),
        "network, source only": AlignmentClassifier(None, random_state=seed),
        "scaling each domain by itself + logistic regression": adapted("per_domain_scaling"),
        "CORAL mapping + logistic regression": adapted("coral"),
        "linear OT + logistic regression": adapted("linear_ot"),
        "DAN": DANClassifier(random_state=seed),
        "DeepCORAL": DeepCORALClassifier(random_state=seed),
        "DANN": DANNClassifier(random_state=seed),
        "MCC": MCCClassifier(random_state=seed),
        "EM proportions + logistic regression": adapted("em"),
        "automatic choice": AutoAdaptClassifier(random_state=seed),
    }


def run_task(shift, seed):
    """Fit all models on one draw; return the cells and what was seen before fitting."""
    Xs, ys, Xt, yt = clinic_and_elsewhere(shift, seed)
    found = diagnose(Xs, ys, Xt)
    seen = {"shift": shift, "seed": seed, "kind": found.kind, "advice": found.advice}
    (proportion,) = (one for one in found.class_proportions if one.name == MALIGNANT)
    seen |= {"source": round(float(proportion.source), 4), "em": round(float(proportion.em), 4)}
    seen |= {"target": round(float(np.mean(yt == MALIGNANT)), 4), "n_target": len(yt)}
    cells = []
    for title, clf in models(seed).items():
        is_plain = title in ("logistic regression", "extra trees")
        clf.fit(Xs, ys, **({} if is_plain else {"X_target": Xt}))
        codes = clf.predict(Xt)
        report = adaptation_report(clf, Xs, ys, Xt, random_state=seed)
        cell = {"shift": shift, "seed": seed, "model": title}
        cell |= {"accuracy": round(100 * float(np.mean(codes == yt)), 2)}
        cell |= {"balanced": round(100 * float(balanced_accuracy_score(yt, codes)), 2)}
        cell |= {"malignant": round(100 * float(np.mean(codes == MALIGNANT)), 2)}
        cell["against"] = [check.name for check in report.checks if check.speaks_against]
        if title == "automatic choice":
            cell["adapts"] = bool(clf.adapts_)
        cells.append(cell)
    print(f"{shift}, seed {seed} done", flush=True)
    return cells, seen


def mean_of(cells, key):
    """Return the mean of what stands under a key."""
    return float(np.mean([cell[key] for cell in cells]))


def table(cells, shifts):
    """Write one row for each model: how often it is right under some shifts, and marked."""
    titles = ["model"]
    for shift in shifts:
        titles += [f"{HEADS[shift]}: right"]
        if shift == "proportions":
            titles += ["mean of the classes", "called malignant"]
        titles.append("marked")
    rows = []
    for title in dict.fromkeys(cell["model"] for cell in cells):
        row = [title]
        for shift in shifts:
            own = [c for c in cells if c["model"] == title and c["shift"] == shift]
            row.append(f"{mean_of(own, 'accuracy'):.1f}")
            if shift == "proportions":
                row.append(f"{mean_of(own, 'balanced'):.1f}")
                row.append(f"{mean_of(own, 'malignant'):.0f} %")
            row.append(f"{sum(bool(c['against']) for c in own)} of {len(own)}")
        rows.append(row)
    return markdown(titles, rows)


def text_of(cells, seen):
    """Return the tables as Markdown."""
    return (
        f"{table(cells, ['proportions'])}\n\n"
        f"The same with another instrument, and with both:\n\n{table(cells, ['columns', 'both'])}"
        f"\n\nWhat `diagnose` said before:\n\n{seen_before(seen)}\n"
    )


def seen_before(seen):
    """Write what ``diagnose`` says of each shift."""
    titles = ["what moved", "`kind`", "`advice`", "malignant in the source", "found by EM", "true"]
    rows = []
    for shift in SHIFTS:
        own = [one for one in seen if one["shift"] == shift]
        row = [shift]
        for key in ("kind", "advice"):
            said = [one[key] for one in own]
            row.append(", ".join(f"{name} {said.count(name)}" for name in dict.fromkeys(said)))
        for key in ("source", "em", "target"):
            row.append(f"{100 * np.mean([one[key] for one in own]):.0f} %")
        rows.append(row)
    return markdown(titles, rows)


def main():
    """Run all draws, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells, seen = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for shift in SHIFTS:
            for seed in range(arguments.seeds):
                own, before = run_task(shift, seed)
                cells += own
                seen.append(before)
    text = text_of(cells, seen)
    print(text)
    if arguments.output:
        settings = environment() | {"seeds": arguments.seeds}
        write_json(f"{arguments.output}.json", settings | {"cells": cells, "seen": seen})
        Path(f"{arguments.output}.md").write_text(text)


if __name__ == "__main__":
    main()
