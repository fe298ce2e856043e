"""Every method with its defaults on every pair of the real data sets.

The folder that the environment variable ``DOMADAPT_DATA`` names holds, at any depth,
folders with one ``<domain>.npz`` per domain, each with ``X`` and ``y``. Every ordered
pair of domains is a task. Rows are standardised by the mean and variance of their own
domain. Target labels are used for the accuracy in the last columns and nothing else.

    DOMADAPT_DATA=... python benchmarks/real_data.py --output benchmarks/results/real_data
"""

import argparse
import itertools
import os
from pathlib import Path

import numpy as np
import torch
from _report import environment, write_json
from joblib import Parallel, delayed
from sklearn.preprocessing import StandardScaler, normalize

from domadapt import AlignmentClassifier, DANClassifier, DANNClassifier, DeepCORALClassifier
from domadapt.datasets import load_features

METHODS = {
    "source only": AlignmentClassifier(alignment=None),
    "DAN": DANClassifier(),
    "DeepCORAL": DeepCORALClassifier(),
    "DANN": DANNClassifier(),
}


def find_sets(root):
    """Name the folders below ``root`` that hold one npz per domain."""
    folders = sorted({path.parent for path in Path(root).rglob("*.npz")})
    return {str(folder.relative_to(root)): folder for folder in folders}


def load_pairs(folder):
    """Load every ordered pair of the domains of a folder.

    Each domain is standardised by itself; counts of words become shares first.

    Yields
    ------
    source, target : str
        Names of the domains.
    Xs, ys, Xt, yt : ndarrays
        Their rows and labels.
    """
    data = load_features(folder)
    domains = {}
    for name in data.domain_names:
        rows = data.domain == name
        X = data.X[rows].astype(np.float32)
        if Path(folder).name == "surf":
            X = normalize(X, norm="l1")
        domains[name] = StandardScaler().fit_transform(X), data.y[rows]
    for source, target in itertools.permutations(domains, 2):
        yield source, target, *domains[source], *domains[target]


def run_task(name, pair, seeds, device):
    """Fit every method on one pair of domains, with every seed."""
    torch.set_num_threads(1)
    source, target, Xs, ys, Xt, yt = pair
    cells = []
    for method, seed in itertools.product(METHODS, range(seeds)):
        clf = METHODS[method].set_params(random_state=seed, device=device)
        clf.fit(Xs, ys) if method == "source only" else clf.fit(Xs, ys, X_target=Xt)
        cells.append(
            {
                "set": name,
                "source": source,
                "target": target,
                "method": method,
                "seed": seed,
                "accuracy": round(100 * clf.score(Xt, yt), 2),
            }
        )
    print(f"{name}: {source} to {target} done", flush=True)
    return cells


def mean(cells, **wanted):
    """Average the accuracy of the cells that agree with what is wanted."""
    chosen = [c["accuracy"] for c in cells if all(c[key] == v for key, v in wanted.items())]
    return float(np.mean(chosen))


def table(cells):
    """Write one row for each set, and one below it for each pair of its domains."""
    lines = ["| set | source | target | " + " | ".join(METHODS) + " |"]
    lines.append("|---|---|---|" + "---|" * len(METHODS))

    def row(*titles, **wanted):
        values = [f"{mean(cells, method=method, **wanted):.1f}" for method in METHODS]
        return "| " + " | ".join([*titles, *values]) + " |"

    for name in dict.fromkeys(c["set"] for c in cells):
        pairs = dict.fromkeys((c["source"], c["target"]) for c in cells if c["set"] == name)
        bold = f"**{name}**"
        lines.append(row(bold, f"mean of {len(pairs)}", "", set=name))
        lines += [row("", s, t, set=name, source=s, target=t) for s, t in pairs]
    return "\n".join(lines)


def main():
    """Run all tasks, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root, default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    tasks = [
        (name, pair, arguments.seeds, arguments.device)
        for name in arguments.sets or sets
        for pair in load_pairs(sets[name])
    ]
    results = Parallel(n_jobs=arguments.jobs)(delayed(run_task)(*task) for task in tasks)
    cells = list(itertools.chain.from_iterable(results))
    print(table(cells))
    if arguments.output:
        report = environment(arguments.device) | {"seeds": arguments.seeds, "cells": cells}
        write_json(f"{arguments.output}.json", report)
        note = f"Target accuracy in %, mean of {arguments.seeds} seeds, default parameters.\n\n"
        Path(f"{arguments.output}.md").write_text(note + table(cells) + "\n")


if __name__ == "__main__":
    main()
