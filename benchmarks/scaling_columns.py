"""Four ways to scale columns, where class proportions moved and where they did not.

The pairs and the drawing of ``batch_norm.py``: two pairs of each real data set of classes, as they
are, and with class proportions moved. Columns are left as they are, or brought to mean 0 and
variance 1 by both domains together, by the source alone, or each domain by itself. Target labels
are used for drawing, for the accuracy in the table and nothing else.

    DOMADAPT_DATA=... python benchmarks/scaling_columns.py \\
        --output benchmarks/results/scaling_columns
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
from batch_norm import DRAWN, by_pair, draw, load_pairs
from joblib import Parallel, delayed
from real_data import find_sets
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from domadapt.experiments.recipes import on_vectors, with_equal_updates

SCALINGS = ("not scaled", "both together", "source alone", "each by itself")
N_SAMPLES = 600


def scaled(how, Xs, Xt):
    """Return the samples of both domains with scaled columns."""
    if how == "not scaled":
        return Xs, Xt
    if how == "each by itself":
        return [StandardScaler().fit_transform(X) for X in (Xs, Xt)]
    scaler = StandardScaler().fit(np.concatenate([Xs, Xt]) if how == "both together" else Xs)
    return scaler.transform(Xs), scaler.transform(Xt)


def models(n_source, n_target, seed):
    """Return the models by the names of the table, ready to be fitted."""
    deep = {}
    for title, name in {"network, source only": "source", "network, DAN": "dan"}.items():
        clf = on_vectors(name, random_state=seed, device="cpu", batch_norm=None)
        deep[title] = with_equal_updates(clf, n_source, n_target)
    return {
        "logistic regression": LogisticRegression(max_iter=500),
        "extra trees": ExtraTreesClassifier(random_state=seed),
    } | deep


def run_task(name, pair, drawn, seed):
    """Fit every model with every scaling on one pair of domains."""
    torch.set_num_threads(1)
    source, target, *samples = pair
    Xs, ys, Xt, yt = samples
    taken = [rows[:N_SAMPLES] for rows in draw(drawn, np.random.default_rng(seed), ys, yt)]
    Xs, ys, Xt, yt = Xs[taken[0]], ys[taken[0]], Xt[taken[1]], yt[taken[1]]
    cells = []
    for how in SCALINGS:
        of_source, of_target = (X.astype(np.float32) for X in scaled(how, Xs, Xt))
        for title, clf in models(len(Xs), len(Xt), seed).items():
            both = {"X_target": of_target} if title.startswith("network") else {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                clf.fit(of_source, ys, **both)
            cell = {"set": name, "source": source, "target": target, "drawn": drawn, "seed": seed}
            cell |= {"model": title, "scaling": how}
            cells.append(cell | {"accuracy": round(100 * clf.score(of_target, yt), 2)})
    print(f"{name}: {source} to {target}, {drawn} done", flush=True)
    return cells


def table(cells, drawn):
    """Write one row for each model and scaling, with the mean of each set."""
    sets = list(dict.fromkeys(cell["set"] for cell in cells))
    titles = ["model", "columns scaled by", *sets, "mean"]
    rows = []
    for model in dict.fromkeys(cell["model"] for cell in cells):
        for how in SCALINGS:
            found = by_pair(cells, drawn=drawn, model=model, scaling=how)
            means = [np.mean([v for pair, v in found.items() if pair[0] == s]) for s in sets]
            rows.append([model, how, *(f"{mean:.1f}" for mean in [*means, np.mean(means)])])
    return markdown(titles, rows)


def text_of(cells):
    """Return both tables as Markdown."""
    heads = {"as they are": "As the sets are:", "moved": "With class proportions moved:"}
    return "\n\n".join(f"{heads[drawn]}\n\n{table(cells, drawn)}" for drawn in DRAWN) + "\n"


def main():
    """Run all tasks, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = {name: at for name, at in find_sets(arguments.root).items() if name not in VALUES}
    tasks = [
        (name, pair, drawn, seed)
        for name in sets
        for pair in load_pairs(sets[name])
        for drawn, seed in itertools.product(DRAWN, range(arguments.seeds))
    ]
    results = Parallel(n_jobs=arguments.jobs)(delayed(run_task)(*task) for task in tasks)
    cells = list(itertools.chain.from_iterable(results))
    print(text_of(cells))
    if arguments.output:
        settings = environment() | {"seeds": arguments.seeds}
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(text_of(cells))


if __name__ == "__main__":
    main()
