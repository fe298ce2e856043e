"""Five new classes from five rows of each: prototypes, MAML and Reptile, and the shots alone.

    DOMADAPT_DATA=folder python benchmarks/few_shot.py --episodes 100

Five of the ten classes of a domain are learnt from; episodes are drawn from the other five, in
the same domain or another. Defaults were chosen on other splits of the classes than those that
are reported: the odd and the even ones, and 0, 1, 5, 6, 7. Intervals are 1.96 standard errors over
the episodes of all cells of a row.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _report import environment, write_json
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from domadapt.inductive import FewShotClassifier

N_SHOTS, N_QUERIES = 5, 15
OFFICE = "office_caltech10/mobilenetv2/"
# Set, domain that is learnt from, domain of the new classes.
PAIRS = [
    ("digits", "mnist_usps/mnist", "mnist_usps/mnist"),
    ("digits", "mnist_usps/mnist", "mnist_usps/usps"),
    ("photographs", OFFICE + "amazon", OFFICE + "amazon"),
    ("photographs", OFFICE + "amazon", OFFICE + "webcam"),
    ("digits", "mnist_usps/usps", "mnist_usps/usps"),
    ("digits", "mnist_usps/usps", "mnist_usps/mnist"),
    ("photographs", OFFICE + "webcam", OFFICE + "webcam"),
    ("photographs", OFFICE + "webcam", OFFICE + "amazon"),
]
NEW_CLASSES = [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]
NAMES = {
    "shots": "logistic regression on the shots, standardised by them",
    "many": "the same, standardised by the rows of the many classes",
    "plain": "class means of the columns (`max_epochs=0`)",
    "prototypes": '`"prototypes"`',
    "maml": '`"maml"`',
    "reptile": '`"reptile"`',
}


def read(name):
    """Return the rows and labels of a domain."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / f"{name}.npz")
    return content["X"].astype(np.float32).reshape(len(content["X"]), -1), content["y"]


def episodes(y, classes, n, rng):
    """Yield rows of shots and of queries."""
    for _ in range(n):
        rows = [rng.permutation(np.flatnonzero(y == c)) for c in classes]
        shots = np.concatenate([of_class[:N_SHOTS] for of_class in rows])
        queries = [of_class[N_SHOTS : N_SHOTS + N_QUERIES] for of_class in rows]
        yield shots, np.concatenate(queries)


def one(pair, classes, n):
    """Return the accuracy of everyone on the episodes of a cell."""
    (X_many, y_many), (X, y) = map(read, pair)
    known = ~np.isin(y_many, classes)
    learners = {"plain": {"max_epochs": 0}} | {
        method: {"method": method} for method in ("prototypes", "maml", "reptile")
    }
    fitted = {
        name: FewShotClassifier(random_state=0, **settings).fit(X_many[known], y_many[known])
        for name, settings in learners.items()
    }
    scaler = StandardScaler().fit(X_many[known])
    accuracies = {name: [] for name in NAMES}
    for shots, queries in episodes(y, classes, n, np.random.default_rng(0)):
        for name, fit_scaler in (("shots", StandardScaler().fit(X[shots])), ("many", scaler)):
            clf = LogisticRegression(max_iter=300).fit(fit_scaler.transform(X[shots]), y[shots])
            accuracies[name].append(clf.score(fit_scaler.transform(X[queries]), y[queries]))
        for name, clf in fitted.items():
            accuracies[name].append(clf.adapt(X[shots], y[shots]).score(X[queries], y[queries]))
    return accuracies


def described(values):
    """Return the mean in % with the half of its interval."""
    values = 100 * np.asarray(values)
    return f"{values.mean():.1f} ± {1.96 * values.std(ddof=1) / np.sqrt(len(values)):.1f}"


def text_of(cells):
    """Return the table as Markdown."""
    rows: dict[str, list] = {}
    for cell in cells:
        where = "within a domain" if cell["pair"][0] == cell["pair"][1] else "across domains"
        rows.setdefault(f"{cell['set']}, {where}", []).append(cell["accuracies"])
    lines = ["| | " + " | ".join(rows) + " |", "|---|" + "---|" * len(rows)]
    for name, title in NAMES.items():
        means = [described(np.concatenate([c[name] for c in of_row])) for of_row in rows.values()]
        lines.append(f"| {title} | {' | '.join(means)} |")
    for rival in ("shots", "many"):
        gains = [
            np.concatenate([np.subtract(c["prototypes"], c[rival]) for c in of_row])
            for of_row in rows.values()
        ]
        title = NAMES["shots"] if rival == "shots" else "standardised by the many"
        lines.append(f"| prototypes less {title} | {' | '.join(map(described, gains))} |")
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/few_shot"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cells, start = [], time.process_time()
    for kind, *pair in PAIRS:
        for classes in NEW_CLASSES:
            found = one(pair, classes, arguments.episodes)
            print(pair, classes, {n: described(v) for n, v in found.items()}, flush=True)
            found = {name: np.round(values, 4).tolist() for name, values in found.items()}
            cells.append({"set": kind, "pair": pair, "new": classes, "accuracies": found})
            # What was measured is there, whatever ends the run.
            seconds = round(time.process_time() - start)
            report = {"environment": environment(), "cpu_seconds": seconds, "cells": cells}
            write_json(arguments.output.with_suffix(".json"), report)
            arguments.output.with_suffix(".md").write_text(text_of(cells))


if __name__ == "__main__":
    main()
