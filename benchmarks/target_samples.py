"""How many samples of the target a method needs: digits seen by a poor camera, no download.

Of the target's samples half are held out, and counted alone; of the other half more and more are
given to ``fit``, without labels. Columns are scaled by each domain, the target's by the samples
that are given. Target labels are used for the accuracy in the table and nothing else.

    python benchmarks/target_samples.py --output benchmarks/results/target_samples
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from _markdown import markdown
from _report import environment, write_json
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, DANClassifier, DANNClassifier, MCCClassifier
from domadapt.datasets import load_camera_digits
from domadapt.shallow import AdaptedClassifier

SIZES = (5, 10, 20, 50, 100, 200, 400)


def models(seed):
    """Return the models by the names of the table."""
    return {
        "network, source only": AlignmentClassifier(None, random_state=seed),
        "logistic regression": LogisticRegression(max_iter=1000),
        "CORAL mapping + logistic regression": AdaptedClassifier(
            LogisticRegression(max_iter=1000), "coral"
        ),
        "DAN": DANClassifier(random_state=seed),
        "DANN": DANNClassifier(random_state=seed),
        "MCC": MCCClassifier(random_state=seed),
    }


def run_seed(seed):
    """Return the cells of one draw of the digits and of the samples that are given."""
    data = load_camera_digits(random_state=seed)
    Xs = StandardScaler().fit_transform(data.X_source)
    rows = np.random.default_rng(seed).permutation(len(data.X_target))
    given, held_out = np.array_split(rows, 2)
    cells = []
    for size in SIZES:
        Xt = StandardScaler().fit(data.X_target[given[:size]]).transform(data.X_target)
        for title, clf in models(seed).items():
            both = {} if title == "logistic regression" else {"X_target": Xt[given[:size]]}
            clf.fit(Xs, data.y_source, **both)
            score = round(100 * clf.score(Xt[held_out], data.y_target[held_out]), 2)
            cells.append({"seed": seed, "size": size, "model": title, "accuracy": score})
    print(f"seed {seed} done", flush=True)
    return cells


def text_of(cells):
    """Write one row for each model, with a column for each number of samples."""
    rows = []
    for title in dict.fromkeys(cell["model"] for cell in cells):
        means = [
            np.mean([c["accuracy"] for c in cells if c["model"] == title and c["size"] == size])
            for size in SIZES
        ]
        rows.append([title, *(f"{mean:.1f}" for mean in means)])
    return markdown(["model", *map(str, SIZES)], rows) + "\n"


def main():
    """Run all seeds, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = [cell for seed in range(arguments.seeds) for cell in run_seed(seed)]
    print(text_of(cells))
    if arguments.output:
        write_json(
            f"{arguments.output}.json",
            environment() | {"seeds": arguments.seeds, "cells": cells},
        )
        Path(f"{arguments.output}.md").write_text(text_of(cells))


if __name__ == "__main__":
    main()
