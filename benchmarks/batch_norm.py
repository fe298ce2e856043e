"""Batch normalisation by domain, over both and none, where class proportions moved and where not.

Some pairs of each real data set, 900 samples of a domain at most, columns standardised over both
domains together. They stand as they are, and with class proportions moved by drawing: classes in
a random order have weights from 1 to 1/8 in the source and from 1/8 to 1 in the target. Target
labels are used for drawing, for the accuracy in the last columns and nothing else.

    DOMADAPT_DATA=... python benchmarks/batch_norm.py --output benchmarks/results/batch_norm
"""

import argparse
import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from _accuracy_tables import VALUES
from _markdown import markdown
from _report import environment, write_json
from joblib import Parallel, delayed
from real_data import find_sets
from sklearn.preprocessing import StandardScaler, normalize

from domadapt import methods
from domadapt.datasets import load_features
from domadapt.experiments.recipes import on_vectors, with_equal_updates

METHODS = ("source", "dan", "coral", "dann", "mcc")
TITLES = {name: methods.METHODS[name].title for name in METHODS}
# The plain network comes first: all others are compared with it.
CHOICES = (None, "per_domain", "joint")
DRAWN = ("as they are", "moved")
N_SAMPLES = 900


def load_pairs(folder, n_pairs=2):
    """Yield the first domains of a folder, each with the one that comes next.

    Parameters
    ----------
    folder : str or path
        With one npz file for each domain.
    n_pairs : int, default=2
        How many pairs, or as many as there are.

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
        X, y = data.X[data.domain == name], data.y[data.domain == name]
        domains[name] = normalize(X, norm="l1") if Path(folder).name == "surf" else X, y
    of_names = list(domains)
    for source, target in zip(of_names[:n_pairs], of_names[1:] + of_names[:1], strict=False):
        yield source, target, *domains[source], *domains[target]


def draw(kind, rng, ys, yt):
    """Return the places of the samples of both domains that are taken."""
    if kind == "as they are":
        return [rng.permutation(len(y))[:N_SAMPLES] for y in (ys, yt)]
    classes = np.unique(np.concatenate([ys, yt]))
    weight = np.geomspace(1, 1 / 8, len(classes))[rng.permutation(len(classes))]
    taken = []
    for y, of_class in ((ys, weight), (yt, 1 / weight)):
        p = of_class[np.searchsorted(classes, y)]
        # Of all samples of a small domain none would be left to choose from.
        n = min(N_SAMPLES, int(0.6 * len(y)))
        taken.append(rng.choice(len(y), n, replace=False, p=p / p.sum()))
    return taken


def standardised(kind, seed, Xs, ys, Xt, yt):
    """Return drawn samples and labels of both domains, standardised over both together."""
    taken = draw(kind, np.random.default_rng(seed), ys, yt)
    Xs, ys, Xt, yt = Xs[taken[0]], ys[taken[0]], Xt[taken[1]], yt[taken[1]]
    scaler = StandardScaler().fit(np.concatenate([Xs, Xt]))
    Xs, Xt = (scaler.transform(X).astype(np.float32) for X in (Xs, Xt))
    return Xs, ys, Xt, yt


def run_task(name, pair, kind, seed):
    """Fit every method with every choice on one pair of domains."""
    torch.set_num_threads(1)
    source, target, *samples = pair
    Xs, ys, Xt, yt = standardised(kind, seed, *samples)
    cells = []
    for method, choice in itertools.product(METHODS, CHOICES):
        clf = on_vectors(method, random_state=seed, device="cpu", batch_norm=choice)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with_equal_updates(clf, len(Xs), len(Xt)).fit(Xs, ys, X_target=Xt)
        cell = {"set": name, "source": source, "target": target, "drawn": kind, "seed": seed}
        cell |= {"method": TITLES[method], "batch_norm": choice}
        cells.append(cell | {"accuracy": round(100 * clf.score(Xt, yt), 2)})
    print(f"{name}: {source} to {target}, {kind} done", flush=True)
    return cells


def by_pair(cells, **wanted):
    """Return the mean accuracy of each pair of domains, by set, source and target."""
    found = {}
    for cell in cells:
        if all(cell[key] == value for key, value in wanted.items()):
            pair = cell["set"], cell["source"], cell["target"]
            found.setdefault(pair, []).append(cell["accuracy"])
    return {pair: float(np.mean(values)) for pair, values in found.items()}


def set_mean(values):
    """Return the mean over sets of values by pair."""
    sets = {name for name, _, _ in values}
    return np.mean([np.mean([v for pair, v in values.items() if pair[0] == s]) for s in sets])


def table(cells):
    """Write one row for each method and choice, compared with the plain network."""
    titles = ["method", "`batch_norm`"]
    for kind in DRAWN:
        n = len(by_pair(cells, drawn=kind, method=TITLES["source"], batch_norm=None))
        titles += [f"{kind}: mean of sets", f"harmed of {n}", "worst"]
    rows = []
    for method, choice in itertools.product(TITLES.values(), CHOICES):
        row = [method, f"`{choice!r}`"]
        for kind in DRAWN:
            plain = by_pair(cells, drawn=kind, method=TITLES["source"], batch_norm=None)
            own = by_pair(cells, drawn=kind, method=method, batch_norm=choice)
            gains = np.array([own[pair] - plain[pair] for pair in plain])
            row += [f"{set_mean(own):.1f}", str((gains < -1).sum()), f"{gains.min():+.1f}"]
        rows.append(row)
    return markdown(titles, rows)


def main():
    """Run all tasks, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root, default: all of classes")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    of_classes = [name for name in sets if name not in VALUES]
    tasks = [
        (name, pair, kind, seed)
        for name in arguments.sets or of_classes
        for pair in load_pairs(sets[name])
        for kind, seed in itertools.product(DRAWN, range(arguments.seeds))
    ]
    results = Parallel(n_jobs=arguments.jobs)(delayed(run_task)(*task) for task in tasks)
    cells = list(itertools.chain.from_iterable(results))
    print(table(cells))
    if arguments.output:
        settings = environment() | {"seeds": arguments.seeds}
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(table(cells) + "\n")


if __name__ == "__main__":
    main()
