"""A few labelled target rows: fine-tuning, what takes the source beside them, and they alone.

Of every target five rows a class are labelled, in several draws; the other rows are scored, and
their labels used for nothing else. On ``mnist_usps`` each set of digits is the source of the
other, as images of 16 by 16 pixels that are scaled as a whole; on ``wisdm_activity`` each group of
people is the target of the other three together, and columns are standardised within the source
and within the target. Every method has its defaults; source models are
``AlignmentClassifier(alignment=None)`` on all source rows.

    DOMADAPT_DATA=... python benchmarks/few_labels.py --output benchmarks/results/few_labels
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from _few_labels_tables import table_of
from _report import environment, write_json
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


def fitted_to(rows, source, seed):
    """Yield each method by title, with what predicts target rows."""
    Xs, ys, Xt, yt, few = rows
    X, y = Xt[few], yt[few]
    flat = lambda A: A.reshape(len(A), -1)  # noqa: E731
    known = np.full(len(yt), None, dtype=object)
    known[few] = y
    yield "source alone", source.predict
    yield (
        "few alone, network",
        AlignmentClassifier(alignment=None, random_state=seed).fit(X, y).predict,
    )
    plain = LogisticRegression(max_iter=1000).fit(flat(X), y)
    yield "few alone, logistic regression", lambda A: plain.predict(flat(A))
    for strategy in STRATEGIES:
        clf = FineTuneClassifier(source, strategy=strategy, regularisation=None, random_state=seed)
        yield f"fine-tuning, {strategy}", clf.fit(X, y).predict
    for penalty in PENALTIES:
        # The Fisher information is that of the source, whatever rows are drawn.
        samples = vars(source).setdefault("_fisher_of_benchmark", Xs)
        clf = FineTuneClassifier(
            source, regularisation=penalty, source_samples=samples, random_state=seed
        ).fit(X, y)
        if penalty == "ewc":
            source._fisher_of_benchmark = clf.fisher_
        yield f"fine-tuning, {clf.strategy}, {penalty}", clf.predict
    linear = AdaptedClassifier(LogisticRegression(max_iter=1000), "feature_augmentation")
    linear.fit(flat(Xs), ys, X_target=flat(Xt), y_target=known)
    yield "feature augmentation, logistic regression", lambda A: linear.predict(flat(A))
    both = AlignmentClassifier("mcc", random_state=seed)
    yield "MCC with y_target", both.fit(Xs, ys, X_target=Xt, y_target=known).predict


def run_target(name, target, Xs, Xt, ys, yt, seeds):
    """Score every method on one target, in every draw."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cells = []
    source = AlignmentClassifier(alignment=None, random_state=0).fit(Xs, ys)
    for seed in range(seeds):
        few, rest = draw(yt, seed)
        for title, predict in fitted_to((Xs, ys, Xt, yt, few), source, seed):
            right = np.mean(predict(Xt[rest]) == yt[rest])
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
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    tasks = [
        delayed(run_target)(name, *target, arguments.seeds)
        for name in arguments.sets
        for target in load_targets(Path(arguments.root, name))
    ]
    done = Parallel(n_jobs=arguments.jobs)(tasks)
    cells = [cell for part in done for cell in part]
    print(table_of(cells))
    if arguments.output:
        settings = environment() | {"seeds": arguments.seeds, "rows a class": ROWS_A_CLASS}
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(table_of(cells) + "\n")


if __name__ == "__main__":
    main()
