"""How much faster many fits are at once than one after the other.

Sixteen estimators that differ in their seeds are fitted to 2,000 + 2,000 rows, one by one and by
``fit_together``, in turns in this one process, with one thread, and timed in process CPU time. The
validation of what is passed and the prediction for the target are part of both. What is reported
are ratios of medians.

    python benchmarks/together.py --output benchmarks/results/together
"""

import argparse
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _report import environment, write_json

from domadapt import AlignmentClassifier, fit_together
from domadapt.alignment import CORAL, MMD

N_ROWS, N_CLASSES, N_FITS, BATCH = 2000, 10, 16, 64
# Columns, hidden units and epochs: about as long each.
SIZES = [(20, 32, 20), (100, 64, 12), (400, 128, 6), (1024, 256, 3)]
METHODS = {"CORAL": CORAL, "MMD": MMD, "DANN": lambda: "dann", "MCC": lambda: "mcc"}
CLOCK = time.process_time


def make_data(n_columns):
    """Draw both domains: Gaussian classes, and the same moved."""
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=0.2, size=(N_CLASSES, n_columns))
    y = rng.integers(0, N_CLASSES, N_ROWS)
    X = centres[y] + rng.normal(size=(N_ROWS, n_columns))
    X_target = 0.2 + centres[rng.integers(0, N_CLASSES, N_ROWS)]
    X_target = X_target + rng.normal(size=(N_ROWS, n_columns))
    return X.astype(np.float32), y, X_target.astype(np.float32)


def make(method, width, epochs):
    """Return estimators that are not fitted and differ in their seeds."""
    common = {"hidden_layer_sizes": (width,), "batch_size": BATCH, "max_epochs": epochs}
    return [
        AlignmentClassifier(METHODS[method](), random_state=seed, **common)
        for seed in range(N_FITS)
    ]


def apart(estimators, X, y, X_target):
    """Fit one after the other."""
    for estimator in estimators:
        estimator.fit(X, y, X_target=X_target)


def together(estimators, X, y, X_target):
    """Fit at once."""
    fit_together(estimators, X, y, X_target=X_target)


def measure(method, size, repetitions):
    """Return seconds of each way, in turns, and how far their predictions are apart."""
    n_columns, width, epochs = size
    data = make_data(n_columns)
    seconds = {"apart": [], "together": []}
    for _ in range(repetitions + 1):
        fitted = {}
        for name, fit in (("apart", apart), ("together", together)):
            fitted[name] = make(method, width, epochs)
            start = CLOCK()
            fit(fitted[name], *data)
            seconds[name].append(CLOCK() - start)
    # The first round of both only warms up.
    medians = {name: statistics.median(found[1:]) for name, found in seconds.items()}
    both = zip(fitted["apart"], fitted["together"], strict=True)
    gaps = [np.abs(a.predict_proba(data[2]) - b.predict_proba(data[2])).max() for a, b in both]
    return {
        "method": method,
        "columns": n_columns,
        "units": width,
        "ratio": round(medians["apart"] / medians["together"], 2),
        "seconds_apart": round(medians["apart"], 3),
        "largest_difference": float(max(gaps)),
    }


def text_of(cells):
    """Return the table of ratios."""
    sizes = list(dict.fromkeys((cell["columns"], cell["units"]) for cell in cells))
    lines = ["| | " + " | ".join(f"{c} columns, {w} units" for c, w in sizes) + " |"]
    lines.append("| --- |" + " ---: |" * len(sizes))
    for method in dict.fromkeys(cell["method"] for cell in cells):
        found = {(c["columns"], c["units"]): c["ratio"] for c in cells if c["method"] == method}
        lines.append(f"| {method} | " + " | ".join(f"{found[size]:.1f}" for size in sizes) + " |")
    return "\n".join(lines) + "\n"


def main():
    """Measure all methods at all sizes, print the table and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--output", type=Path, help="without the ending")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cells = []
    for size in SIZES:
        for method in METHODS:
            cells.append(measure(method, size, arguments.repetitions))
            print(cells[-1], flush=True)
    print(text_of(cells))
    if arguments.output:
        settings = environment() | {"fits": N_FITS, "rows": N_ROWS, "batch_size": BATCH}
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        arguments.output.with_suffix(".md").write_text(text_of(cells))


if __name__ == "__main__":
    main()
