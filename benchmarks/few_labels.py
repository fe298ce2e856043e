"""A few labelled target rows: fine-tuning, what takes the source beside them, and they alone.

Of every target five rows a class are labelled, in several draws; the other rows are scored, and
their labels used for nothing else. On ``mnist_usps`` each set of digits is the source of the
other, as images of 16 by 16 pixels that are scaled as a whole; on ``wisdm_activity`` each group of
people is the target of the other three together, and columns are standardised within the source
and within the target. Every method has its defaults; source models are
``AlignmentClassifier(alignment=None)`` on all source rows. Beside them stand plain models: that
network, a linear model and trees, on the source or the few rows alone, and on both.

    DOMADAPT_DATA=... python benchmarks/few_labels.py --output benchmarks/results/few_labels
"""

import argparse
import functools
import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from _few_labels_tables import NETWORK, PLAIN, table_of
from _plain_models import plain_models
from _report import environment, keep_others, write_json
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier
from domadapt.inductive import FineTuneClassifier
from domadapt.shallow import AdaptedClassifier

ROWS_A_CLASS = 5
SIDE = 16
SETS = ("mnist_usps", "wisdm_activity")
STRATEGIES = ("full", "head", "gradual", "discriminative")
PENALTIES = ("l2_sp", "ewc", "distillation")
METHODS = [
    *PLAIN,
    *(f"source and few, {title}" for title in plain_models()),
    *(f"fine-tuning, {strategy}" for strategy in STRATEGIES),
    *(f"fine-tuning, full, {penalty}" for penalty in PENALTIES),
    "feature augmentation, logistic regression",
    "MCC with y_target",
]


def load_targets(folder):
    """Yield the name of every target with the rows of its source and its own."""
    domains = {}
    for path in sorted(Path(folder).glob("*.npz")):
        with np.load(path) as data:
            domains[path.stem] = data["X"].astype(np.float32), data["y"]
    for target, (Xt, yt) in domains.items():
        others = [rows for name, rows in domains.items() if name != target]
        Xs, ys = (np.concatenate(parts) for parts in zip(*others, strict=True))
        yield target, *_scaled(Path(folder).name, Xs, Xt), ys, yt


def _scaled(name, *domains):
    """Return the rows of each domain, scaled within it; digits as images."""
    if name != "mnist_usps":
        return tuple(StandardScaler().fit_transform(X) for X in domains)
    return tuple(((X - X.mean()) / X.std()).reshape(-1, 1, SIDE, SIDE) for X in domains)


def draw(y, seed):
    """Return the rows that are labelled, and the others."""
    rng = np.random.default_rng(seed)
    few = [rng.permutation(np.flatnonzero(y == c))[:ROWS_A_CLASS] for c in np.unique(y)]
    few = np.sort(np.concatenate(few))
    return few, np.setdiff1d(np.arange(len(y)), few)


def flat(X):
    """Return rows as vectors."""
    return X.reshape(len(X), -1)


def on_vectors(clf, X, y, **more):
    """Fit an estimator of vectors, and return what predicts rows of any shape."""
    clf.fit(flat(X), y, **more)
    return lambda rows: clf.predict(flat(rows))


def learners(rows, source, seed):
    """Return what fits each method that sees labels of the target, by title.

    Called, it returns what predicts target rows.
    """
    Xs, ys, Xt, yt, few = rows
    X, y = Xt[few], yt[few]
    known = np.full(len(yt), None, dtype=object)
    known[few] = y
    both = np.concatenate([Xs, X]), np.concatenate([ys, y])
    new = functools.partial(AlignmentClassifier, random_state=seed)
    found = {f"few alone, {NETWORK}": lambda: new(alignment=None).fit(X, y).predict}
    for where, given in (("few alone", (X, y)), ("source and few", both)):
        for title, clf in plain_models(seed).items():
            found[f"{where}, {title}"] = functools.partial(on_vectors, clf, *given)
    for strategy in STRATEGIES:
        settings = {"strategy": strategy, "regularisation": None}
        found[f"fine-tuning, {strategy}"] = functools.partial(tuned, source, X, y, seed, **settings)
    for penalty in PENALTIES:
        settings = {"regularisation": penalty, "source_samples": Xs}
        found[f"fine-tuning, full, {penalty}"] = functools.partial(
            tuned, source, X, y, seed, **settings
        )
    augmented = AdaptedClassifier(LogisticRegression(max_iter=1000), "feature_augmentation")
    found["feature augmentation, logistic regression"] = functools.partial(
        on_vectors, augmented, Xs, ys, X_target=flat(Xt), y_target=known
    )
    found["MCC with y_target"] = lambda: new("mcc").fit(Xs, ys, X_target=Xt, y_target=known).predict
    return found


def tuned(source, X, y, seed, source_samples=None, **settings):
    """Return what a fine-tuned network predicts with."""
    if source_samples is not None:
        # The Fisher information is that of the source, whatever rows are drawn.
        source_samples = vars(source).setdefault("_fisher_of_benchmark", source_samples)
    clf = FineTuneClassifier(
        source, source_samples=source_samples, random_state=seed, **settings
    ).fit(X, y)
    if settings["regularisation"] == "ewc":
        source._fisher_of_benchmark = clf.fisher_
    return clf.predict


def run_target(name, target, Xs, Xt, ys, yt, seeds, chosen):
    """Score methods on one target, in every draw."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cells = []
    source = AlignmentClassifier(alignment=None, random_state=0).fit(Xs, ys)
    alone = {f"source alone, {NETWORK}": source.predict}
    for title, clf in plain_models().items():
        if f"source alone, {title}" in chosen:
            alone[f"source alone, {title}"] = on_vectors(clf, Xs, ys)
    for seed in range(seeds):
        few, rest = draw(yt, seed)
        fits = {title: lambda found=found: found for title, found in alone.items()}
        fits |= learners((Xs, ys, Xt, yt, few), source, seed)
        for title, fit in fits.items():
            if title in chosen:
                right = np.mean(fit()(Xt[rest]) == yt[rest])
                cell = {"set": name, "target": target, "method": title, "seed": seed}
                cells.append(cell | {"score": round(100 * float(right), 2)})
        print(f"{name}: {target}, draw {seed} done", flush=True)
    return cells


def main():
    """Run all targets, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", default=SETS, help="folders below the root")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the labelled rows")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument(
        "--methods", nargs="*", choices=METHODS, default=METHODS, help="keep the results of others"
    )
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    tasks = [
        delayed(run_target)(name, *target, arguments.seeds, arguments.methods)
        for name in arguments.sets
        for target in load_targets(Path(arguments.root, name))
    ]
    settings = environment() | {"seeds": arguments.seeds, "rows a class": ROWS_A_CLASS}
    kept = keep_others(arguments.output, settings, arguments.methods) if arguments.output else []
    done = Parallel(n_jobs=arguments.jobs)(tasks)
    cells = sorted(itertools.chain(kept, *done), key=lambda cell: METHODS.index(cell["method"]))
    print(table_of(cells))
    if arguments.output:
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(table_of(cells) + "\n")


if __name__ == "__main__":
    main()
