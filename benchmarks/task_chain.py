"""Chains of tasks: how much of the first is left after the last, by each strategy.

    DOMADAPT_DATA=folder python benchmarks/task_chain.py

The digits of MNIST (2,000 of them, 16 by 16 pixels) come as three tasks, 0 to 3, 4 to 6 and 7 to 9,
and as a chain of the two sets, MNIST and then USPS. 30 % of each are held out by class and scored
on; columns are scaled by the mean and variance of the learnt rows of their set. Networks are the
default layer of 256 units and three of them. All else is as by default, the same for all
strategies. The default weights of strategies come from ``--sweep``, which learns scikit-learn's
digits, none of the above, as the same three tasks with many weights.

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
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from domadapt.inductive import TaskChainClassifier
from domadapt.inductive._chain_training import WEIGHTS
from domadapt.training.finite import NonFiniteLossError

STRATEGIES = ("plain", "l2_sp", "ewc", "distillation", "progressive")
GROUPS = {"0-3": range(4), "4-6": range(4, 7), "7-9": range(7, 10)}
NETWORKS = {
    "one layer": {},
    "three layers": {"hidden_layer_sizes": (256, 256, 256)},
}
# Each default weight times these; the seeds are none of the table's.
FACTORS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
SWEEP_SEEDS = (10, 11, 12)
RESULTS = Path(__file__).parent / "results"


def read(name, seed):
    """Return rows and labels of a set to learn, and those that are held out."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
    else:
        content = np.load(Path(os.environ["DOMADAPT_DATA"]) / "mnist_usps" / f"{name}.npz")
        X, y = content["X"], content["y"]
    X = X.astype(np.float32).reshape(len(X), -1)
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
        for X, y in read("digits" if which == "sweep" else "mnist", seed)
    )


def cell(which, network, strategy, seed, weight=None):
    """Learn a chain and return what is left of its tasks."""
    learnt, held_out = chain_of(which, seed)
    start = time.process_time()
    settings = {"strategy_weight": weight, "random_state": seed, **NETWORKS[network]}
    clf = TaskChainClassifier(strategy, **settings)
    table = clf.fit(learnt, validation=held_out).forgetting_
    X, y = held_out[table.tasks[0]]
    return {
        "chain": which,
        "network": network,
        "strategy": strategy,
        "weight": weight,
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


def swept(seeds):
    """Learn a chain with many weights of each strategy that has one."""
    cells = []
    for network in NETWORKS:
        for strategy, default in WEIGHTS.items():
            for factor in FACTORS:
                weight = float(f"{default * factor:g}")
                for seed in seeds:
                    cells.append(cell_or_nothing("sweep", network, strategy, seed, weight))
                print(network, strategy, weight, cells[-1]["average"], flush=True)
    return cells


def cell_or_nothing(which, network, strategy, seed, weight):
    """Learn a chain; where a loss is no longer finite there is no average."""
    try:
        return cell(which, network, strategy, seed, weight)
    except NonFiniteLossError:
        names = ("chain", "network", "strategy", "seed", "weight", "average")
        return dict(zip(names, (which, network, strategy, seed, weight, None), strict=True))


def table_of_sweep(cells):
    """Write the average accuracy after the last task by the weight over its default."""
    lines = ["| network | strategy | default weight | " + " | ".join(f"{f:g} x" for f in FACTORS)]
    lines = [lines[0] + " |", "|---|---|---|" + "---|" * len(FACTORS)]
    for network in NETWORKS:
        for strategy, default in WEIGHTS.items():
            means = []
            for factor in FACTORS:
                which = (network, strategy, float(f"{default * factor:g}"))
                own = [c for c in cells if (c["network"], c["strategy"], c["weight"]) == which]
                averages = [c["average"] for c in own]
                means.append("diverges" if None in averages else f"{np.mean(averages):.1f}")
            lines.append(f"| {network} | {strategy} | {default:g} | " + " | ".join(means) + " |")
    return "\n".join(lines) + "\n"


def main():
    """Learn all chains, or those of the sweep, and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--output", default=str(RESULTS / "task_chain"))
    parser.add_argument("--sweep", action="store_true", help="choose the weights of strategies")
    options = parser.parse_args()
    torch.set_num_threads(1)
    output = Path(options.output)
    if options.sweep:
        cells = swept(SWEEP_SEEDS)
        output = output.with_name(f"{output.name}_weights")
        write_json(output.with_suffix(".json"), {**environment(), "cells": cells})
        output.with_suffix(".md").write_text(table_of_sweep(cells))
        return
    plan = [("classes", network) for network in options.networks]
    plan += [("domains", network) for network in options.networks]
    cells = []
    for which, network in plan:
        for strategy in STRATEGIES:
            for seed in range(options.seeds):
                cells.append(cell(which, network, strategy, seed))
                print(which, network, strategy, seed, cells[-1]["first after all"], flush=True)
    write_json(output.with_suffix(".json"), {**environment(), "cells": cells})
    output.with_suffix(".md").write_text(tables(cells))


if __name__ == "__main__":
    main()
