"""Chains of tasks: how much of the first is left after the last, by each strategy.

    DOMADAPT_DATA=folder python benchmarks/task_chain.py

The digits of MNIST (2,000 of them, 16 by 16 pixels) come as three tasks, 0 to 3, 4 to 6 and 7 to 9,
and as a chain of the two sets, MNIST and then USPS. 30 % of each are held out by class and scored
on; columns are scaled by the mean and variance of the learnt rows of their set. Networks are the
default layer of 256 units and three of them. All else is as by default, the same for all
strategies; the weights of strategies were chosen by the average accuracy on scikit-learn's digits,
which are not among these.

"Task told" chooses among the classes of the sample's task, as each task has a head of its own;
"not told" among those of all tasks.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from _report import environment, write_json
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from domadapt.inductive import TaskChainClassifier

STRATEGIES = ("plain", "l2_sp", "ewc", "distillation", "progressive")
GROUPS = {"0-3": range(4), "4-6": range(4, 7), "7-9": range(7, 10)}
NETWORKS = {
    "one layer": {},
    "three layers": {"hidden_layer_sizes": (256, 256, 256)},
}
RESULTS = Path(__file__).parent / "results"


def read(name, seed):
    """Return rows and labels of a set to learn, and those that are held out."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / "mnist_usps" / f"{name}.npz")
    X, y = content["X"].astype(np.float32), content["y"]
    X = X.reshape(len(X), -1)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X)
    return (scaler.transform(X), y), (scaler.transform(X_test), y_test)


def chain_of(which, seed):
    """Return the tasks of a chain to learn, and to score on."""
    if which == "domains":
        mnist, usps = read("mnist", seed), read("usps", seed)
        return tuple({"mnist": a, "usps": b} for a, b in zip(mnist, usps, strict=True))
    return tuple(
        {name: (X[np.isin(y, group)], y[np.isin(y, group)]) for name, group in GROUPS.items()}
        for X, y in read("mnist", seed)
    )


def cell(which, network, strategy, seed):
    """Learn a chain and return what is left of its tasks."""
    learnt, held_out = chain_of(which, seed)
    start = time.process_time()
    clf = TaskChainClassifier(strategy, random_state=seed, **NETWORKS[network])
    table = clf.fit(learnt, validation=held_out).forgetting_
    X, y = held_out[table.tasks[0]]
    return {
        "chain": which,
        "network": network,
        "strategy": strategy,
        "seed": seed,
        "accuracies": np.nan_to_num(table.accuracies, nan=-1.0).round(4).tolist(),
        "first": round(100 * table.accuracies[0, 0], 2),
        "first after all": round(100 * table.accuracies[-1, 0], 2),
        "average": round(100 * table.average_accuracy, 2),
        "backward transfer": round(100 * table.backward_transfer, 2),
        "new": round(100 * table.accuracies.diagonal()[1:].mean(), 2),
        "not told": round(100 * clf.score(X, y), 2),
        "seconds": round(time.process_time() - start, 2),
    }


COLUMNS = ("first", "first after all", "new", "average", "backward transfer", "not told", "seconds")
HEADS = (
    "first task when learnt",
    "first after the last",
    "later tasks when learnt",
    "average after the last",
    "backward transfer",
    "first after the last, not told",
    "CPU seconds",
)


def tables(cells):
    """Write a table for each chain and network."""
    parts = []
    for which, network in dict.fromkeys((c["chain"], c["network"]) for c in cells):
        title = "Digits by class" if which == "classes" else "MNIST, then USPS"
        lines = [f"{title}, {network}.", ""]
        lines += ["| strategy | " + " | ".join(HEADS) + " |", "|---|" + "---|" * len(HEADS)]
        for strategy in STRATEGIES:
            own = [
                c
                for c in cells
                if (c["chain"], c["network"], c["strategy"]) == (which, network, strategy)
            ]
            means = (f"{np.mean([c[column] for c in own]):.1f}" for column in COLUMNS)
            lines.append(f"| {strategy} | " + " | ".join(means) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def main():
    """Learn all chains, and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--output", default=str(RESULTS / "task_chain"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = [("classes", network) for network in options.networks]
    plan += [("domains", network) for network in options.networks]
    cells = []
    for which, network in plan:
        for strategy in STRATEGIES:
            for seed in range(options.seeds):
                cells.append(cell(which, network, strategy, seed))
                print(which, network, strategy, seed, cells[-1]["first after all"], flush=True)
    output = Path(options.output)
    write_json(output.with_suffix(".json"), {**environment(), "cells": cells})
    output.with_suffix(".md").write_text(tables(cells))


if __name__ == "__main__":
    main()
