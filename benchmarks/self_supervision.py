"""Self-supervised tasks as criteria: turns and puzzles of digits, masked columns of vectors.

The digits of MNIST and USPS as images of 16 x 16 pixels, each domain in units of one mean and
deviation of all its pixels, with the small convolutional network; the same digits as vectors, and
two pairs of the people of `wisdm_activity`, with the default network and columns standardised by
domain. Target labels are used for the accuracy and nothing else. Some eight minutes on one core.

    DOMADAPT_DATA=... python benchmarks/self_supervision.py \
        --output benchmarks/results/self_supervision
"""

import argparse
import functools
import itertools
import os
from pathlib import Path

import numpy as np
import torch
from _markdown import markdown
from _plain_models import harmed, plain_models
from _report import environment, keep_others, write_json
from real_data import load_pairs

from domadapt import AlignmentClassifier
from domadapt.alignment import SelfSupervised

SIDE = 16
# So many updates that the plain network has learnt the source.
IMAGES = {"batch_size": 32, "steps_per_epoch": 30, "max_epochs": 10}
PLAIN = {
    "source only": {"alignment": None},
    "target in batch statistics only": {"alignment": None, "batch_norm": "per_domain"},
    "DANN": {"alignment": "dann"},
}
# Of the source alone: what a person can train without the target.
SOURCE_ONLY = ["source only", *plain_models()]
ON_IMAGES = PLAIN | {
    "rotation": {"alignment": SelfSupervised("rotation")},
    "jigsaw": {"alignment": SelfSupervised("jigsaw")},
    "rotation and DANN": {"alignment": [(1.0, SelfSupervised("rotation")), (0.3, "dann")]},
}
ON_VECTORS = PLAIN | {
    "masked columns": {"alignment": SelfSupervised("masked_columns")},
}
METHODS = [*SOURCE_ONLY, *(name for name in ON_IMAGES | ON_VECTORS if name not in SOURCE_ONLY)]
PEOPLE = {("people_a", "people_b"), ("people_b", "people_c")}


def as_images(X, y):
    """Return vectors as images, in units of one mean and deviation of all pixels."""
    return ((X - X.mean()) / X.std()).reshape(-1, SIDE, SIDE), y


def tasks(root):
    """Yield the name of each set of samples, a pair of its domains, and what is fitted to it."""
    digits = Path(root) / "mnist_usps"
    domains = {}
    for path in sorted(digits.glob("*.npz")):
        with np.load(path) as data:
            domains[path.stem] = as_images(data["X"].astype(np.float32), data["y"])
    for source, target in itertools.permutations(domains, 2):
        yield "digits, images", (source, target, *domains[source], *domains[target]), ON_IMAGES
    for pair in load_pairs(digits):
        yield "digits, vectors", pair, ON_VECTORS
    for pair in load_pairs(Path(root) / "wisdm_activity"):
        if pair[:2] in PEOPLE:
            yield "wisdm_activity", pair, ON_VECTORS


def run(name, pair, methods, seed, chosen):
    """Fit the chosen methods to one pair of domains with one seed."""
    source, target, Xs, ys, Xt, yt = pair
    cells = []
    settings = IMAGES if Xs.ndim > 2 else {}
    fits = {
        method: functools.partial(network, Xs, ys, Xt, parameters | settings, seed)
        for method, parameters in methods.items()
    }
    for title, clf in plain_models(seed).items():
        fits[title] = functools.partial(on_vectors, clf, Xs, ys, Xt)
    for method in [method for method in METHODS if method in fits and method in chosen]:
        score = 100 * np.mean(fits[method]() == yt)
        cell = {"set": name, "source": source, "target": target, "method": method, "seed": seed}
        cells.append(cell | {"score": round(float(score), 2)})
        print(*cells[-1].values(), flush=True)
    return cells


def network(Xs, ys, Xt, parameters, seed):
    """Return what a network predicts on the target."""
    return AlignmentClassifier(**parameters, random_state=seed).fit(Xs, ys, X_target=Xt).predict(Xt)


def on_vectors(clf, Xs, ys, Xt):
    """Return what a plain model of the source predicts on the target."""
    return clf.fit(Xs.reshape(len(Xs), -1), ys).predict(Xt.reshape(len(Xt), -1))


def report_of(cells, seeds):
    """Write a table for each set of samples: methods, pairs, and the mean of the pairs."""
    parts = [f"Target accuracy in %, mean of {seeds} seeds; in brackets the spread over them."]
    for name in dict.fromkeys(cell["set"] for cell in cells):
        own = [cell for cell in cells if cell["set"] == name]
        pairs = list(dict.fromkeys((cell["source"], cell["target"]) for cell in own))
        titles = (f"{source} to {target}" for source, target in pairs)
        heads = [name, *titles, "mean", "harmed targets"]
        rows = []
        shown = sorted({cell["method"] for cell in own}, key=METHODS.index)
        scores = {m: np.array([_scores(own, m, pair) for pair in pairs]) for m in shown}
        counts = harmed({m: found.mean(1) for m, found in scores.items()}, SOURCE_ONLY)
        for method, found in scores.items():
            texts = [f"{row.mean():.1f} ({np.ptp(row):.1f})" for row in found]
            texts += [f"{found.mean():.1f}", counts[method]]
            rows.append([method, *texts])
        parts.append(markdown(heads, rows))
    return "\n\n".join(parts) + "\n"


def _scores(cells, method, pair):
    found = [c for c in cells if c["method"] == method and (c["source"], c["target"]) == pair]
    return [cell["score"] for cell in sorted(found, key=lambda cell: cell["seed"])]


def main():
    """Run all tasks, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=METHODS, help="keep the results of others"
    )
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    torch.set_num_threads(1)
    settings = environment() | {"seeds": arguments.seeds}
    cells = keep_others(arguments.output, settings, arguments.methods) if arguments.output else []
    for seed in range(arguments.seeds):
        for task in tasks(arguments.root):
            cells += run(*task, seed, arguments.methods)
    report = report_of(cells, arguments.seeds)
    print(report)
    if arguments.output:
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(report)


if __name__ == "__main__":
    main()
