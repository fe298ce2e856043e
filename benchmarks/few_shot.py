"""Five new classes from five rows of each: prototypes, MAML and Reptile, and the shots alone.

    DOMADAPT_DATA=folder python benchmarks/few_shot.py --episodes 100

Five of the ten classes of a domain are learnt from; episodes are drawn from the other five, in
the same domain or another. Defaults were chosen on other splits of the classes than those that
are reported: the odd and the even ones, and 0, 1, 5, 6, 7. Intervals are 1.96 standard errors over
the episodes of all cells of a row.
"""

import argparse
import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from _plain_models import TREES, harmed, plain_models
from _report import environment, keep_others, write_json
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt.inductive import FewShotClassifier

N_SHOTS, N_QUERIES = 5, 15
OFFICE = "office_caltech10/mobilenetv2/"
# Set, domain that is learnt from, domain of the new classes.
PAIRS = [
    ("digits", "mnist_usps/mnist", "mnist_usps/mnist"),
    ("digits", "mnist_usps/mnist", "mnist_usps/usps"),
    ("photographs", OFFICE + "amazon", OFFICE + "amazon"),
    ("photographs", OFFICE + "amazon", OFFICE + "webcam"),
    ("digits", "mnist_usps/usps", "mnist_usps/usps"),
    ("digits", "mnist_usps/usps", "mnist_usps/mnist"),
    ("photographs", OFFICE + "webcam", OFFICE + "webcam"),
    ("photographs", OFFICE + "webcam", OFFICE + "amazon"),
]
NEW_CLASSES = [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)]
METHODS = {
    "shots": "logistic regression on the shots, standardised by them",
    "many": "the same, standardised by the rows of the many classes",
    "trees": "extra trees on the shots",
    "plain": "class means of the columns (`max_epochs=0`)",
    "prototypes": '`"prototypes"`',
    "maml": '`"maml"`',
    "reptile": '`"reptile"`',
}

# What a person can train from the shots.
PLAIN = ("shots", "many", "trees")


def read(name):
    """Return the rows and labels of a domain."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / f"{name}.npz")
    return content["X"].astype(np.float32).reshape(len(content["X"]), -1), content["y"]


def episodes(y, classes, n, rng):
    """Yield rows of shots and of queries."""
    for _ in range(n):
        rows = [rng.permutation(np.flatnonzero(y == c)) for c in classes]
        shots = np.concatenate([of_class[:N_SHOTS] for of_class in rows])
        queries = [of_class[N_SHOTS : N_SHOTS + N_QUERIES] for of_class in rows]
        yield shots, np.concatenate(queries)


def learners(X_many, y_many, chosen):
    """Return what learns from shots, by name."""
    scaler = StandardScaler().fit(X_many)
    linear = LogisticRegression(max_iter=300)
    known = make_pipeline(FrozenEstimator(scaler), linear)
    found = {
        "shots": make_pipeline(StandardScaler(), linear).fit,
        "many": known.fit,
        "trees": plain_models()[TREES].fit,
    }
    settings = {"plain": {"max_epochs": 0}} | {
        method: {"method": method} for method in ("prototypes", "maml", "reptile")
    }
    for name in settings.keys() & set(chosen):
        clf = FewShotClassifier(random_state=0, **settings[name])
        found[name] = clf.fit(X_many, y_many).adapt
    return {name: found[name] for name in chosen}


def one(pair, classes, n, chosen):
    """Return accuracies on the episodes of a cell, by name."""
    (X_many, y_many), (X, y) = map(read, pair)
    known = ~np.isin(y_many, classes)
    learning = learners(X_many[known], y_many[known], chosen)
    accuracies = {name: [] for name in chosen}
    for shots, queries in episodes(y, classes, n, np.random.default_rng(0)):
        for name, learn in learning.items():
            score = learn(X[shots], y[shots]).score(X[queries], y[queries])
            accuracies[name].append(round(float(score), 4))
    return accuracies


def described(values):
    """Return the mean in % with the half of its interval."""
    values = 100 * np.asarray(values)
    return f"{values.mean():.1f} ± {1.96 * values.std(ddof=1) / np.sqrt(len(values)):.1f}"


def text_of(cells):
    """Return the table as Markdown."""
    rows: dict[str, dict] = {}
    means: dict[str, list] = {}
    for cell in cells:
        where = "within a domain" if cell["pair"][0] == cell["pair"][1] else "across domains"
        of_row = rows.setdefault(f"{cell['set']}, {where}", {})
        of_row.setdefault(cell["method"], []).append(cell["accuracies"])
        means.setdefault(cell["method"], []).append(np.mean(cell["accuracies"]))
    lines = ["| | " + " | ".join([*rows, "harmed cells"]) + " |", "|---" * (len(rows) + 2) + "|"]
    counts = harmed(means, PLAIN)
    for name, title in METHODS.items():
        texts = [described(np.concatenate(of_row[name])) for of_row in rows.values()]
        lines.append(f"| {title} | {' | '.join(texts)} | {counts[name]} |")
    titles = {
        "shots": METHODS["shots"],
        "many": "standardised by the many",
        "trees": METHODS["trees"],
    }
    for rival, title in titles.items():
        gains = [
            np.concatenate(np.subtract(of_row["prototypes"], of_row[rival]))
            for of_row in rows.values()
        ]
        lines.append(f"| prototypes less {title} | {' | '.join(map(described, gains))} | |")
    return "\n".join([*lines, ""])


def main():
    """Run all cells, and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=list(METHODS), help="keep those of others"
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/few_shot"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    settings = environment() | {"episodes": arguments.episodes}
    cells = keep_others(arguments.output, settings, arguments.methods)
    for (kind, *pair), classes in itertools.product(PAIRS, NEW_CLASSES):
        found = one(pair, classes, arguments.episodes, arguments.methods)
        print(pair, classes, {n: described(v) for n, v in found.items()}, flush=True)
        cell = {"set": kind, "pair": pair, "new": classes}
        cells += [cell | {"method": n, "accuracies": v} for n, v in found.items()]
    write_json(f"{arguments.output}.json", settings | {"cells": cells})
    Path(f"{arguments.output}.md").write_text(text_of(cells))


if __name__ == "__main__":
    main()
