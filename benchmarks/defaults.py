"""One default changed at a time: what each choice does to every method.

Runs on the camera digits, which need no download, and on sets of the folder that the
environment variable ``DOMADAPT_DATA`` names, prepared as in ``real_data.py``.

    DOMADAPT_DATA=... python benchmarks/defaults.py --output benchmarks/results/defaults
"""

import argparse
import itertools
import os
from pathlib import Path

import numpy as np
import torch
from _markdown import markdown
from _report import environment, write_json
from joblib import Parallel, delayed
from real_data import load_pairs
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, methods
from domadapt.alignment import CORAL, MMD
from domadapt.datasets import load_camera_digits
from domadapt.experiments.recipes import on_vectors, with_equal_updates

METHODS = {name: methods.METHODS[name].title for name in ("source", "dan", "deepcoral", "dann")}
SETS = ["mnist_usps", "office_caltech10/mobilenetv2"]
DIGITS = "camera digits"
SGD = {"optimizer": "sgd", "learning_rate": 0.03}
ADAM = {"optimizer": "adam", "learning_rate": 3e-4}

CHANGES = {
    "batch_norm='joint'": {"batch_norm": "joint"},
    "batch_norm=None": {"batch_norm": None},
    "hidden_layer_sizes=(256, 64)": {"hidden_layer_sizes": (256, 64)},
    "SGD, 0.03": SGD,
    "Adam, 3e-4": ADAM,
    "label_smoothing=0": {"label_smoothing": 0.0},
    "label_smoothing=0.1": {"label_smoothing": 0.1},
    "max_epochs=15": {"max_epochs": 15},
    "max_epochs=60": {"max_epochs": 60},
    "batch_size=32": {"batch_size": 32},
    "batch_size=128": {"batch_size": 128},
}
FACTORS = (0.4, 2.5)


def variants():
    """Return every estimator to be tried, by method and change: the defaults, and one changed."""
    made = {}
    for name, title in METHODS.items():
        estimator = on_vectors(name)
        made[title, "defaults"] = estimator
        for change, parameters in CHANGES.items():
            made[title, change] = clone(estimator).set_params(**parameters)
        if name == "source":
            continue
        weight = estimator.alignment_weight
        if weight is None:
            weight = methods.METHODS[name].classes().default_weight
        for factor in FACTORS:
            changed = clone(estimator).set_params(alignment_weight=factor * weight)
            made[title, f"alignment_weight x {factor}"] = changed
    made[METHODS["dan"], "MMD biased"] = AlignmentClassifier(MMD(unbiased=False))
    made[METHODS["deepcoral"], "CORAL on the features"] = AlignmentClassifier(CORAL())
    return made


def load_tasks(root):
    """Load every pair of domains, as a list of the set and its arrays."""
    tasks = []
    for seed in range(3):
        data = load_camera_digits(random_state=seed)
        Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
        tasks.append((DIGITS, Xs, data.y_source, Xt, data.y_target))
    for name in SETS:
        tasks += [(name, *arrays) for _, _, *arrays in load_pairs(Path(root) / name)]
    return tasks


def run(key, estimator, tasks, seeds):
    """Fit one variant on every task; return its mean accuracy on each set."""
    torch.set_num_threads(1)
    method, change = key
    found = {}
    for (name, Xs, ys, Xt, yt), seed in itertools.product(tasks, range(seeds)):
        clf = clone(estimator).set_params(random_state=seed, device="cpu")
        if method == METHODS["source"]:
            with_equal_updates(clf, len(Xs), len(Xt)).fit(Xs, ys)
        else:
            clf.fit(Xs, ys, X_target=Xt)
        found.setdefault(name, []).append(100 * clf.score(Xt, yt))
    print(f"{method}, {change} done", flush=True)
    means = {name: round(float(np.mean(values)), 2) for name, values in found.items()}
    return {"method": method, "change": change, "accuracy": means}


def table(rows):
    """Write one row for each variant."""
    names = list(rows[0]["accuracy"])
    shown = []
    for row in sorted(rows, key=lambda row: list(METHODS.values()).index(row["method"])):
        title = f"**{row['method']}**" if row["change"] == "defaults" else ""
        values = [f"{row['accuracy'][name]:.1f}" for name in names]
        shown.append([title, row["change"], *values])
    return markdown(["method", "changed", *names], shown)


def main():
    """Run all variants, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    tasks = load_tasks(arguments.root)
    rows = Parallel(n_jobs=arguments.jobs)(
        delayed(run)(key, estimator, tasks, arguments.seeds)
        for key, estimator in variants().items()
    )
    print(table(rows))
    if arguments.output:
        report = environment() | {"seeds": arguments.seeds, "rows": rows}
        write_json(f"{arguments.output}.json", report)
        Path(f"{arguments.output}.md").write_text(table(rows) + "\n")


if __name__ == "__main__":
    main()
