"""Digits from a few labelled rows, by features from the unlabelled rows of the other set.

    DOMADAPT_DATA=folder python benchmarks/self_taught.py

Logistic regression, with its default penalty, on columns and features that are centred by the
labelled rows and divided by one scale, and extra trees on the columns. Other rows than the
labelled ones are what they are scored on. The settings of the features are their defaults.
"""

import argparse
import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from _plain_models import LINEAR, harmed, plain_models
from _report import environment, keep_others, write_json

from domadapt.inductive import SelfTaughtFeatures

PAIRS = [("usps", "mnist"), ("mnist", "usps")]
SHOTS, SEEDS = (5, 20), range(5)
FEATURES = ("pca", "sparse_coding", "autoencoder")
# The columns themselves.
PLAIN = [f"raw, {title}" for title in plain_models()]
METHODS = [*PLAIN, *(f"{name}, {LINEAR}" for name in FEATURES)]


def read(name):
    """Return the rows and labels of a set of digits."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / "mnist_usps" / f"{name}.npz")
    return content["X"].astype(np.float64).reshape(len(content["X"]), -1), content["y"]


def accuracy(clf, features, y, n_shots, seed):
    """Return the accuracy on the rows that were not drawn as labelled ones."""
    rng = np.random.default_rng(seed)
    shots = np.concatenate(
        [rng.permutation(np.flatnonzero(y == c))[:n_shots] for c in np.unique(y)]
    )
    others = np.setdiff1d(np.arange(len(y)), shots)
    features = (features - features[shots].mean(0)) / features[shots].std()
    clf.fit(features[shots], y[shots])
    return round(float(clf.score(features[others], y[others])), 4)


def run(pair, method):
    """Return the accuracies of features and the model that learns from them."""
    unlabelled, labelled = pair
    (rows, _), (X, y) = read(unlabelled), read(labelled)
    name, title = method.split(", ")
    features = X
    if name != "raw":
        features = SelfTaughtFeatures(name, random_state=0).fit(rows).transform(X)
    cells = []
    for n_shots in SHOTS:
        found = [accuracy(plain_models(s)[title], features, y, n_shots, s) for s in SEEDS]
        cell = {"pair": pair, "method": method, "shots": n_shots}
        cells.append(cell | {"accuracies": found})
        print(cells[-1], flush=True)
    return cells


def text_of(cells):
    """Return the table as Markdown."""
    places = [(pair, n) for pair in PAIRS for n in SHOTS]
    titles = [f"{a} to {b}, {n} a class" for (a, b), n in places]
    found = {(tuple(c["pair"]), c["shots"], c["method"]): c["accuracies"] for c in cells}
    means = {
        method: [100 * np.mean(found[pair, n, method]) for pair, n in places] for method in METHODS
    }
    counts = harmed(means, PLAIN)
    lines = ["| features, model | " + " | ".join([*titles, "harmed targets"]) + " |"]
    lines.append("|---" * (len(titles) + 2) + "|")
    for method, of_method in means.items():
        texts = [f"{mean:.1f}" for mean in of_method]
        lines.append(f"| {' | '.join([method.replace('_', ' '), *texts, counts[method]])} |")
    return "\n".join([*lines, ""])


def main():
    """Run the methods, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=METHODS, help="keep the results of others"
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/self_taught"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    settings = environment() | {"seeds": len(SEEDS)}
    cells = keep_others(arguments.output, settings, arguments.methods)
    for pair, method in itertools.product(PAIRS, arguments.methods):
        cells += run(pair, method)
    print(text_of(cells))
    write_json(f"{arguments.output}.json", settings | {"cells": cells})
    Path(f"{arguments.output}.md").write_text(text_of(cells))


if __name__ == "__main__":
    main()
