"""Every method with its defaults on every pair of the real data sets.

The folder that the environment variable ``DOMADAPT_DATA`` names holds, at any depth,
folders with one ``<domain>.npz`` per domain, each with ``X`` and ``y``. Every ordered
pair of domains is a task. Samples are standardised by the mean and variance of their own
domain; where numbers are to be predicted, which may depend on the level of a column, by those
of the source. Beside the methods stand a linear model and extra trees of the source alone. Target
labels are used for the scores in the last columns and nothing else.

    DOMADAPT_DATA=... python benchmarks/real_data.py --output benchmarks/results/real_data
"""

import argparse
import itertools
import os
from pathlib import Path

import numpy as np
import torch
from _accuracy_tables import (
    BASELINE,
    SOURCE_ONLY,
    STATISTICS,
    kind_of,
    names,
    summaries,
    table_of_pairs,
)
from _report import environment, read_kept, write_json
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler, normalize

from domadapt import AlignmentClassifier, methods
from domadapt.experiments.recipes import on_vectors, with_equal_updates
from domadapt.shallow._combinations import read_shallow

# What is for one source and the same classes.
SETTINGS = ("one source", "source-free")
PLAIN = {"classes": ("lr", "extra_trees"), "values": ("ridge", "extra_trees")}


def estimators_for(learns):
    """Return all estimators that are compared, by title."""
    found = {
        method.title: on_vectors(method.name, learns=learns)
        for method in methods.METHODS.values()
        if method.setting in SETTINGS and _is_compared(method, learns)
    }
    if learns == "classes":
        found[STATISTICS] = AlignmentClassifier(alignment=None, batch_norm="per_domain")
    return found | {read_shallow(n).title: read_shallow(n).build(learns, 0) for n in PLAIN[learns]}


def _is_compared(method, learns):
    """Return whether a method has an estimator of its own, or learns numbers at all."""
    if learns == "classes":
        return method.classifier is not None
    return method.values is not None or method.title == BASELINE


METHODS = estimators_for("classes")
OF_VALUES = estimators_for("values")


def find_sets(root):
    """Return the folders below ``root`` that hold one npz per domain, by name."""
    folders = sorted({path.parent for path in Path(root).rglob("*.npz")})
    return {str(folder.relative_to(root)): folder for folder in folders}


def load_pairs(folder):
    """Yield every ordered pair of the domains of a folder.

    Each domain is standardised by itself, or by the source where the labels are numbers;
    counts of words become shares first.

    Yields
    ------
    source, target : str
        Names of the domains.
    Xs, ys, Xt, yt : ndarrays
        Their samples and labels.
    """
    domains = {}
    for path in sorted(Path(folder).glob("*.npz")):
        with np.load(path) as data:
            X, y = data["X"].astype(np.float32), data["y"]
        domains[path.stem] = normalize(X, norm="l1") if Path(folder).name == "surf" else X, y
    by_source = kind_of(Path(folder).name) == "values"
    for source, target in itertools.permutations(domains, 2):
        (Xs, ys), (Xt, yt) = domains[source], domains[target]
        scaler = StandardScaler().fit(Xs)
        of_target = scaler if by_source else StandardScaler().fit(Xt)
        yield source, target, scaler.transform(Xs), ys, of_target.transform(Xt), yt


def run_task(name, pair, methods, seeds, device):
    """Fit methods on one pair of domains, with every seed."""
    torch.set_num_threads(1)
    source, target, Xs, ys, Xt, yt = pair
    cells = []
    for (method, estimator), seed in itertools.product(methods.items(), range(seeds)):
        fresh = clone(estimator).set_params(random_state=seed)
        if method not in SOURCE_ONLY:
            fresh.set_params(device=device).fit(Xs, ys, X_target=Xt)
        elif method == BASELINE:
            with_equal_updates(fresh.set_params(device=device), len(Xs), len(Xt)).fit(Xs, ys)
        else:
            fresh.fit(Xs, ys)
        cell = {"set": name, "source": source, "target": target, "method": method, "seed": seed}
        cells.append(cell | {"score": round(100 * float(fresh.score(Xt, yt)), 2)})
    print(f"{name}: {source} to {target} done", flush=True)
    return cells


def report_of(cells, seeds):
    """Write the tables of a result file: all sets, then every pair."""
    order = list(METHODS | OF_VALUES)
    cells = sorted(cells, key=lambda cell: (order.index(cell["method"]), cell["set"]))
    parts = [f"Mean of {seeds} seeds, default parameters.", summaries(cells)]
    for name in sorted(names(cells, "set")):
        parts += [f"### {name}", table_of_pairs(cells, name)]
    return "\n\n".join(parts) + "\n"


def main():
    """Run all tasks, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root; keep those of others")
    parser.add_argument("--pairs", nargs="*", help="source:target; keep those of others")
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS | OF_VALUES, help="keep the results of others"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    settings = environment(arguments.device) | {"seeds": arguments.seeds}
    tasks = []
    for name in arguments.sets or list(sets):
        fitting = OF_VALUES if kind_of(name) == "values" else METHODS
        chosen = {m: e for m, e in fitting.items() if m in (arguments.methods or fitting)}
        tasks += [
            (name, pair, chosen, arguments.seeds, arguments.device)
            for pair in load_pairs(sets[name])
            if arguments.pairs is None or f"{pair[0]}:{pair[1]}" in arguments.pairs
        ]
    new = {(task[0], *task[1][:2], method) for task in tasks for method in task[2]}

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
