"""Every method with its defaults on every pair of the real data sets.

The folder that the environment variable ``DOMADAPT_DATA`` names holds, at any depth,
folders with one ``<domain>.npz`` per domain, each with ``X`` and ``y``. Every ordered
pair of domains is a task. Samples are standardised by the mean and variance of their own
domain. Target labels are used for the accuracy in the last columns and nothing else.

    DOMADAPT_DATA=... python benchmarks/real_data.py --output benchmarks/results/real_data
"""

import argparse
import itertools
import json
import os
from pathlib import Path

import numpy as np
import torch
from _accuracy_tables import BASELINE, by_pair, names, summary
from _report import environment, write_json
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler, normalize

from domadapt import methods
from domadapt.datasets import load_features
from domadapt.experiments.recipes import on_vectors, with_equal_updates

# What has an estimator of its own and is for one source and the same classes.
METHODS = {
    method.title: on_vectors(method.name)
    for method in methods.METHODS.values()
    if method.classifier is not None and method.setting in ("one source", "source-free")
}


def find_sets(root):
    """Return the folders below ``root`` that hold one npz per domain, by name."""
    folders = sorted({path.parent for path in Path(root).rglob("*.npz")})
    return {str(folder.relative_to(root)): folder for folder in folders}


def load_pairs(folder):
    """Yield every ordered pair of the domains of a folder.

    Each domain is standardised by itself; counts of words become shares first.

    Yields
    ------
    source, target : str
        Names of the domains.
    Xs, ys, Xt, yt : ndarrays
        Their samples and labels.
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


def run_task(name, pair, methods, seeds, device):
    """Fit methods on one pair of domains, with every seed."""
    torch.set_num_threads(1)
    source, target, Xs, ys, Xt, yt = pair
    cells = []
    for method, seed in itertools.product(methods, range(seeds)):
        clf = clone(METHODS[method]).set_params(random_state=seed, device=device)
        if method == BASELINE:
            with_equal_updates(clf, len(Xs), len(Xt)).fit(Xs, ys)
        else:
            clf.fit(Xs, ys, X_target=Xt)
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


def report_of(cells, seeds):
    """Write the tables of a result file: all sets, then every pair."""
    order = list(METHODS)
    cells = sorted(cells, key=lambda cell: (order.index(cell["method"]), cell["set"]))
    parts = [f"Target accuracy in %, mean of {seeds} seeds, default parameters.", summary(cells)]
    for name in sorted(names(cells, "set")):
        parts += [f"### {name}", by_pair(cells, name)]
    return "\n\n".join(parts) + "\n"


def read_kept(path, settings, is_new):
    """Return the cells of a result file that are not measured anew, and where they were made.

    A processor changes accuracies by rounding alone, so the file may hold cells of several.
    """
    if not Path(path).is_file():
        return [], []
    report = json.loads(Path(path).read_text())
    if any(report[key] != settings[key] for key in ("versions", "seeds")):
        raise SystemExit(f"{path} was made with other versions or seeds: run all methods.")
    processors = report["hardware"]["processor"].split(", and ")
    return [cell for cell in report["cells"] if not is_new(cell)], processors


def main():
    """Run all tasks, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root; keep those of others")
    parser.add_argument("--pairs", nargs="*", help="source:target; keep those of others")
    parser.add_argument("--methods", nargs="*", choices=METHODS, help="keep the results of others")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    settings = environment(arguments.device) | {"seeds": arguments.seeds}
    methods, of_sets = arguments.methods or list(METHODS), arguments.sets or list(sets)
    tasks = [
        (name, pair, methods, arguments.seeds, arguments.device)
        for name in of_sets
        for pair in load_pairs(sets[name])
        if arguments.pairs is None or f"{pair[0]}:{pair[1]}" in arguments.pairs
    ]
    new = {(task[0], *task[1][:2], method) for task in tasks for method in methods}

    def is_new(cell):
        return tuple(cell[key] for key in ("set", "source", "target", "method")) in new

    kept = []
    if arguments.output:
        kept, processors = read_kept(f"{arguments.output}.json", settings, is_new)
        processors = dict.fromkeys([*processors, settings["hardware"]["processor"]])
        settings["hardware"]["processor"] = ", and ".join(processors)
    results = Parallel(n_jobs=arguments.jobs)(delayed(run_task)(*task) for task in tasks)
    cells = kept + list(itertools.chain.from_iterable(results))
    if arguments.output:
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
    report = report_of(cells, arguments.seeds)
    print(report)
    if arguments.output:
        Path(f"{arguments.output}.md").write_text(report)


if __name__ == "__main__":
    main()
