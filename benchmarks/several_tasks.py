"""What several tasks of few rows gain by being learnt together, for every way of sharing.

    DOMADAPT_DATA=folder python benchmarks/several_tasks.py

``activities``: four groups of persons are tasks of the same six activities (wisdm_activity), with
ten rows of each class and group. ``digits``: digits of MNIST and of USPS are two tasks of ten
classes, and whether a digit of MNIST is even, on other rows, is a third, with five rows of each
digit. Columns are standardised by all training rows; accuracies are on all rows that are left,
or 1,000 of them. Everything else has its
default.
"""

import argparse
import functools
import itertools
import os
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _markdown import markdown
from _plain_models import harmed, plain_models
from _report import environment, keep_others, write_json
from sklearn.preprocessing import StandardScaler

from domadapt.inductive import MultiTaskClassifier

N_TESTED = 1000
ALONE, ONE_MODEL = "each task alone", "one model of all rows"
NETWORK = "network"
WAYS = {
    "hard": {},
    "hard, then alone": {"then_alone": True},
    "hard, uncertainty": {"loss_weights": "uncertainty"},
    "hard, GradNorm": {"loss_weights": "gradnorm"},
    "cross-stitch": {"sharing": "cross_stitch"},
    "hierarchical": {"sharing": "hierarchical"},
    "shared and private": {"sharing": "shared_private"},
    "drawn to the mean, 0.01": {"sharing": "mean_regularised", "sharing_weight": 0.01},
    "drawn to the mean, 0.1": {"sharing": "mean_regularised", "sharing_weight": 0.1},
    "drawn to the mean, 1": {"sharing": "mean_regularised", "sharing_weight": 1.0},
    "joint features, 0.001": {"sharing": "joint_features", "sharing_weight": 0.001},
    "joint features, 0.01": {"sharing": "joint_features", "sharing_weight": 0.01},
}

# Models that know of one task, or of none.
PLAIN = [
    f"{where}, {title}" for where in (ALONE, ONE_MODEL) for title in (NETWORK, *plain_models())
]
METHODS = [*PLAIN, *WAYS]


def read(name):
    """Return the rows and labels of a domain."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / f"{name}.npz")
    return content["X"].reshape(len(content["X"]), -1).astype(np.float32), content["y"]


def drawn(y, n_by_class, rng):
    """Return rows to train on, some of each class that has so many, and all others, shuffled."""
    order = rng.permutation(len(y))
    chosen = [order[y[order] == label][:n_by_class] for label in np.unique(y)]
    rows = np.sort(np.concatenate(chosen))
    return rows, np.setdiff1d(order, rows)


def activities(seed):
    """Return training and test rows of the four groups of persons."""
    rng, train, test = np.random.default_rng(seed), {}, {}
    for group in "abcd":
        X, y = read(f"wisdm_activity/people_{group}")
        rows, others = drawn(y, 10, rng)
        others = rng.permutation(others)[:N_TESTED]
        name = f"people {group}"
        train[name], test[name] = (X[rows], y[rows]), (X[others], y[others])
    return train, test


def digits(seed):
    """Return training and test rows of two sets of digits, and of even and odd ones."""
    rng, train, test = np.random.default_rng(seed), {}, {}
    for name in ("mnist", "usps"):
        X, y = read(f"mnist_usps/{name}")
        rows, others = drawn(y, 5, rng)
        others = rng.permutation(others)
        tested = others[:N_TESTED]
        train[name], test[name] = (X[rows], y[rows]), (X[tested], y[tested])
        if name == "mnist":
            # Rows that the task of digits does not see.
            left = others[N_TESTED:]
            more = left[drawn(y[left], 5, rng)[0]]
            even = (X[more], y[more] % 2), (X[tested], y[tested] % 2)
    train["even"], test["even"] = even
    return train, test


SETS = {"activities": activities, "digits": digits}


def scaled(train, test):
    """Return tasks with columns standardised by the training rows of all of them."""
    scaler = StandardScaler().fit(np.concatenate([X for X, _ in train.values()]))
    return tuple(
        {name: (scaler.transform(X), y) for name, (X, y) in tasks.items()}
        for tasks in (train, test)
    )


def together(train, test, seed, settings):
    """Return the accuracy on each task of one estimator of all."""
    return MultiTaskClassifier(random_state=seed, **settings).fit(train).score(test)


def network(X, y, seed):
    """Return a network that knows of one task."""
    clf = MultiTaskClassifier(random_state=seed).fit({"one": (X, y)})
    return lambda X, y: clf.score({"one": (X, y)})["one"]


def plain(title, X, y, seed):
    """Return what scores rows with a plain model."""
    return network(X, y, seed) if title == NETWORK else plain_models(seed)[title].fit(X, y).score


def apart(train, test, seed, title):
    """Return the accuracy on each task of a model of its own."""
    return {name: plain(title, *task, seed)(*test[name]) for name, task in train.items()}


def pooled(train, test, seed, title):
    """Return the accuracy on each task of one model that knows no tasks."""
    X, y = (np.concatenate(values) for values in zip(*train.values(), strict=True))
    score = plain(title, X, y, seed)
    return {name: score(*task) for name, task in test.items()}


def cells_of(name, seed, chosen):
    """Return the accuracies of the chosen ways on one draw of a set."""
    train, test = scaled(*SETS[name](seed))
    ways = {}
    for title in (NETWORK, *plain_models()):
        ways[f"{ALONE}, {title}"] = functools.partial(apart, train, test, seed, title)
        if name == "activities":
            ways[f"{ONE_MODEL}, {title}"] = functools.partial(pooled, train, test, seed, title)
    for way, settings in WAYS.items():
        ways[way] = functools.partial(together, train, test, seed, settings)
    cells = []
    for way in [way for way in METHODS if way in ways and way in chosen]:
        start = time.process_time()
        scores = {task: round(100 * value, 2) for task, value in ways[way]().items()}
        seconds = round(time.process_time() - start, 2)
        cell = {"set": name, "seed": seed, "method": way, "scores": scores}
        cells.append(cell | {"seconds": seconds})
        print(cells[-1], flush=True)
    return cells


def text_of(cells):
    """Return the tables of all cells in Markdown."""
    cells = sorted(cells, key=lambda cell: (METHODS.index(cell["method"]), cell["seed"]))
    return "\n".join(
        f"## {name.capitalize()}\n\n{table([c for c in cells if c['set'] == name])}\n"
        for name in SETS
    )


def table(cells):
    """Write one row for each method, of the cells of a set."""
    tasks, by_way = list(cells[0]["scores"]), {}
    for cell in cells:
        by_way.setdefault(cell["method"], []).append([cell["scores"][task] for task in tasks])
    means = {way: np.mean(scores, axis=0) for way, scores in by_way.items()}
    counts = harmed(means, [way for way in PLAIN if way in means])
    alone = np.array(by_way[f"{ALONE}, {NETWORK}"])
    rows = []
    for way, scores in by_way.items():
        gains = (np.array(scores) - alone).mean(1)
        error = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        texts = [f"{value:.1f}" for value in (*means[way], means[way].mean())]
        gain = "" if way == f"{ALONE}, {NETWORK}" else f"{gains.mean():+.1f} ± {error:.1f}"
        seconds = np.mean([cell["seconds"] for cell in cells if cell["method"] == way])
        rows.append([way, *texts, gain, counts[way], f"{seconds:.1f}"])
    return markdown(["", *tasks, "mean", "to the network alone", "harmed tasks", "s"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=METHODS, help="keep the results of others"
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/several_tasks"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    settings = environment() | {"seeds": arguments.seeds}
    cells = keep_others(arguments.output, settings, arguments.methods)
    for name, seed in itertools.product(SETS, range(arguments.seeds)):
        cells += cells_of(name, seed, arguments.methods)
    text = text_of(cells)
    print(text)
    write_json(f"{arguments.output}.json", settings | {"cells": cells})
    Path(f"{arguments.output}.md").write_text(text)


if __name__ == "__main__":
    main()
