"""How often ``adaptation_report`` speaks against models that are good, and against harmed ones.

    DOMADAPT_DATA=folder python benchmarks/harm.py

Pairs of domains of real sets, as they are and with a tenth of half of the target's classes, and
drawn domains. On each, models are fitted and their predictions are spoilt on purpose. A model is
good if it loses at most two points to the plain models that the report compares with, and harmed
if it loses ten or more; labels of the target are read for that alone.
"""

import argparse
import collections
import os
import warnings
from pathlib import Path

import numpy as np
from _drawn_domains import DRAWS
from _report import environment, write_json
from sklearn.linear_model import LogisticRegression

from domadapt import AlignmentClassifier, DANClassifier, DANNClassifier, MCCClassifier
from domadapt.model_selection._answers import ask, columns_of
from domadapt.model_selection._harm import classifier_checks
from domadapt.model_selection._source_model import (
    plain_classifiers,
    scaled_tables,
    source_beliefs,
    with_roughness,
)
from domadapt.shallow import AdaptedClassifier

GOOD, HARMED = -0.02, -0.1
N_SAMPLES, SEED = 500, 10_000
PAIRS = {
    "mnist_usps": ["mnist usps", "usps mnist"],
    "amazon_reviews_400": ["books kitchen", "dvd electronics", "electronics books"],
    "office_caltech10/mobilenetv2": ["amazon webcam", "caltech10 amazon"],
    "office_caltech10/surf": ["amazon webcam", "caltech10 amazon", "webcam caltech10"],
    "wisdm_activity": ["people_a people_b", "people_b people_c", "people_c people_d"],
    "occupancy": ["february_a february_c", "february_c february_b"],
}


def adapted(adapter):
    """Return logistic regression with an adapter."""
    return AdaptedClassifier(LogisticRegression(max_iter=500), adapter, random_state=0)


DEEP = {
    "source only": AlignmentClassifier(alignment=None, random_state=0),
    "MCC": MCCClassifier(random_state=0),
    "DAN": DANClassifier(random_state=0),
    "DAN, weight 1000": DANClassifier(alignment_weight=1000.0, random_state=0),
    "DANN": DANNClassifier(random_state=0),
    "DANN, weight 50": DANNClassifier(alignment_weight=50.0, random_state=0),
    "CORAL mapping": adapted("coral"),
}
SHALLOW = {name: adapted(name) for name in ("coral", "linear_ot", "per_domain_scaling")}


def read(name, rng, moved=False):
    """Return some samples of a domain; with moved proportions half of its classes are rare."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / f"{name}.npz")
    X, y = content["X"].reshape(len(content["X"]), -1).astype(np.float64), content["y"]
    rows = rng.permutation(len(y))
    if moved:
        classes = np.unique(y)
        rare = rng.permutation(classes)[: (len(classes) + 1) // 2]
        rows = rows[~np.isin(y[rows], rare) | (rng.random(len(rows)) < 0.1)]
    rows = rows[:N_SAMPLES]
    return X[rows], y[rows]


def spoilt(codes, n_classes, rng):
    """Return labels that were spoilt on purpose, by name."""
    *_, second, first = np.argsort(np.bincount(codes, minlength=n_classes), kind="stable")
    return {
        "all of one class": np.full_like(codes, first),
        "permuted": rng.permutation(codes),
        "every class exchanged": (codes + 1) % n_classes,
        "two classes exchanged": np.select(
            [codes == first, codes == second], [second, first], codes
        ),
        "a class lost": np.where(codes == second, first, codes),
        "half of one class": np.where(rng.random(len(codes)) < 0.5, first, codes),
    }


def cells_of(group, models, Xs, ys, Xt, yt, rng):
    """Return what the checks say of each model on a pair, and of spoilt labels of the best."""
    frequent = np.flatnonzero(np.bincount(ys) >= 5)
    is_source, is_target = np.isin(ys, frequent), np.isin(yt, frequent)
    Xs, Xt = scaled_tables(Xs[is_source], Xt[is_target])
    ys, yt = ys[is_source], yt[is_target]
    beliefs = with_roughness(source_beliefs(plain_classifiers(0), Xs, ys, Xt, 0), Xs, Xt, 0)
    true = columns_of(yt, beliefs.classes)
    plain = np.mean(beliefs.target.argmax(axis=1) == true)

    def cell(name, codes, **given):
        checks = classifier_checks(codes, beliefs, **given)
        against = [check.name for check in checks if check.speaks_against]
        gain = round(float(np.mean(codes == true) - plain), 4)
        return {"group": group, "model": name, "gain": gain, "against": against}

    cells, found = [], []
    for name, model in models.items():
        model.fit(Xs, ys, X_target=Xt)
        codes = columns_of(model.predict(Xt), beliefs.classes)
        source = columns_of(ask(model, "predict", Xs, np.ones(len(Xs))), beliefs.classes)
        features = model.transform(Xt) if hasattr(model, "transform") else None
        cells.append(cell(name, codes, source_codes=source, features=features))
        found.append(codes)
    best = found[int(np.argmax([c["gain"] for c in cells]))]
    for name, codes in spoilt(best, len(beliefs.classes), rng).items():
        cells.append(cell(f"spoilt: {name}", codes))
    return cells


def real_cells():
    """Return the cells of real sets."""
    cells = []
    for moved in (False, True):
        for folder, pairs in PAIRS.items():
            for number, pair in enumerate(pairs):
                rng = np.random.default_rng([SEED, number, moved])
                source, target = (f"{folder}/{name}" for name in pair.split())
                group = "digits" if folder == "mnist_usps" else "other real sets"
                given = *read(source, rng), *read(target, rng, moved)
                cells += cells_of(group, DEEP, *given, rng)
                print(source, target, len(cells), flush=True)
    return cells


def drawn_cells(n_draws):
    """Return the cells of drawn domains."""
    cells = []
    for seed in range(SEED, SEED + n_draws):
        for number, draw in enumerate(DRAWS.values()):
            rng = np.random.default_rng([seed, number])
            cells += cells_of("drawn", SHALLOW, *draw(rng)[:4], rng)
    return cells


def text_of(cells):
    """Return the table as Markdown."""
    kinds = {
        "lost at most two points": lambda c: c["gain"] >= GOOD,
        "lost up to ten": lambda c: GOOD > c["gain"] > HARMED,
        "lost ten and more": lambda c: c["gain"] <= HARMED,
    }
    groups = dict.fromkeys(c["group"] for c in cells)
    lines = [f"| marked | {' | '.join(groups)} |", "|---" * (len(groups) + 1) + "|"]
    rows = {
        name: [c for c in cells if "spoilt" not in c["model"] and is_of(c)]
        for name, is_of in kinds.items()
    }
    # Spoilt labels that lost little are no harm.
    for name in dict.fromkeys(c["model"] for c in cells if "spoilt" in c["model"]):
        rows[name] = [c for c in cells if c["model"] == name and c["gain"] <= HARMED]
    for name, of_row in rows.items():
        n = collections.Counter(c["group"] for c in of_row)
        marked = collections.Counter(c["group"] for c in of_row if c["against"])
        told = " | ".join(f"{marked[group]} of {n[group]}" for group in groups)
        lines.append(f"| {name} | {told} |")
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=15)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/harm"))
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = drawn_cells(arguments.draws)
        if "DOMADAPT_DATA" in os.environ:
            cells += real_cells()
    text = text_of(cells)
    print(text)
    write_json(
        arguments.output.with_suffix(".json"), {"environment": environment(), "cells": cells}
    )
    arguments.output.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
