"""Digits from a few labelled rows, by features from the unlabelled rows of the other set.

    DOMADAPT_DATA=folder python benchmarks/self_taught.py

Logistic regression, with its default penalty, on columns and features that are centred by the
labelled rows and divided by one scale. Other rows than the labelled ones are what it is scored on.
The settings of the features are their defaults.
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from _report import environment, write_json
from sklearn.linear_model import LogisticRegression

from domadapt.inductive import SelfTaughtFeatures

PAIRS = [("usps", "mnist"), ("mnist", "usps")]
SHOTS, SEEDS = (5, 20), range(5)
METHODS = ("raw", "pca", "sparse_coding", "autoencoder")


def read(name):
    """Return the rows and labels of a set of digits."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / "mnist_usps" / f"{name}.npz")
    return content["X"].astype(np.float64).reshape(len(content["X"]), -1), content["y"]


def accuracy(features, y, n_shots, seed):
    """Return the accuracy on the rows that were not drawn as labelled ones."""
    rng = np.random.default_rng(seed)
    shots = np.concatenate(
        [rng.permutation(np.flatnonzero(y == c))[:n_shots] for c in np.unique(y)]
    )
    others = np.setdiff1d(np.arange(len(y)), shots)
    features = (features - features[shots].mean(0)) / features[shots].std()
    clf = LogisticRegression(max_iter=1000).fit(features[shots], y[shots])
    return clf.score(features[others], y[others])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/self_taught"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cells = []
    for unlabelled, labelled in PAIRS:
        (rows, _), (X, y) = read(unlabelled), read(labelled)
        for method in METHODS:
            features = X
            if method != "raw":
                features = SelfTaughtFeatures(method, random_state=0).fit(rows).transform(X)
            for n_shots in SHOTS:
                found = [round(accuracy(features, y, n_shots, seed), 4) for seed in SEEDS]
                cells.append(
                    {"pair": [unlabelled, labelled], "features": method, "shots": n_shots}
                    | {"accuracies": found}
                )
                print(cells[-1], flush=True)
    titles = [f"{a} to {b}, {n} a class" for a, b in PAIRS for n in SHOTS]
    lines = ["| features | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]
    for method in METHODS:
        means = [f"{100 * np.mean(c['accuracies']):.1f}" for c in cells if c["features"] == method]
        lines.append(f"| {method.replace('_', ' ')} | {' | '.join(means)} |")
    text = "\n".join([*lines, ""])
    print(text)
    write_json(
        arguments.output.with_suffix(".json"), {"environment": environment(), "cells": cells}
    )
    arguments.output.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
