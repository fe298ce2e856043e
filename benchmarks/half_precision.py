"""What bfloat16 costs in accuracy and saves in time, on a CPU that computes in it.

Accuracy: two pairs of each real data set, 900 samples of a domain at most, standardised over both
domains together, with both precisions and several seeds. Time: process CPU time of ``fit`` on
vectors and on images, one thread, both precisions in turns; ratios of medians. Target labels are
used for the accuracies of the last columns and for nothing else.

    DOMADAPT_DATA=... python benchmarks/half_precision.py --output benchmarks/results/half_precision
"""

import argparse
import itertools
import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _accuracy_tables import VALUES
from _report import environment, write_json
from batch_norm import by_pair, load_pairs, set_mean, standardised
from joblib import Parallel, delayed
from real_data import find_sets

from domadapt import AlignmentClassifier, methods
from domadapt.experiments.recipes import on_vectors, with_equal_updates

METHODS = ("source", "dan", "coral", "dann", "mcc")
TITLES = {name: methods.METHODS[name].title for name in METHODS}
PRECISIONS = ("float32", "bfloat16")
# What is timed: rows of a domain and the shape of a sample.
WORKLOADS = {
    "vectors of 100": (2000, (100,)),
    "vectors of 1,024": (2000, (1024,)),
    "vectors of 4,096": (1000, (4096,)),
    "images of 3 x 32 x 32": (320, (3, 32, 32)),
}


def run_task(name, pair, seed):
    """Fit every method in both precisions on one pair of domains."""
    torch.set_num_threads(1)
    source, target, *samples = pair
    Xs, ys, Xt, yt = standardised("as they are", seed, *samples)
    cells = []
    for method, precision in itertools.product(METHODS, PRECISIONS):
        clf = on_vectors(method, random_state=seed, device="cpu", precision=precision)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with_equal_updates(clf, len(Xs), len(Xt)).fit(Xs, ys, X_target=Xt)
        cell = {"set": name, "source": source, "target": target, "seed": seed}
        cell |= {"method": TITLES[method], "precision": precision}
        cells.append(cell | {"accuracy": round(100 * clf.score(Xt, yt), 2)})
    print(f"{name}: {source} to {target} done", flush=True)
    return cells


def time_fits(repetitions):
    """Return how many times longer a fit takes in float32 than in bfloat16."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    ratios = {}
    for name, (n_rows, shape) in WORKLOADS.items():
        X, X_target = (rng.standard_normal((n_rows, *shape), dtype=np.float32) for _ in range(2))
        y = np.arange(n_rows) % 10
        seconds = {precision: [] for precision in PRECISIONS}
        for turn in range(repetitions + 1):
            for precision in PRECISIONS:
                clf = AlignmentClassifier("coral", precision=precision, random_state=0)
                clf.set_params(device="cpu", max_epochs=3)
                start = time.process_time()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    clf.fit(X, y, X_target=X_target)
                # The first turn only warms up.
                if turn > 0:
                    seconds[precision].append(time.process_time() - start)
        medians = [statistics.median(seconds[precision]) for precision in PRECISIONS]
        ratios[name] = round(medians[0] / medians[1], 3)
        print(name, ratios[name], flush=True)
    return ratios


def text_of(cells, ratios):
    """Return both tables."""
    n_pairs = len(by_pair(cells, method=TITLES["source"], precision="float32"))
    lines = [f"| mean of sets | float32 | bfloat16 | worse by over a point, of {n_pairs} | worst |"]
    lines.append("| --- |" + " ---: |" * 4)
    for method in TITLES.values():
        full, half = (by_pair(cells, method=method, precision=p) for p in PRECISIONS)
        gains = np.array([half[pair] - full[pair] for pair in full])
        lines.append(
            f"| {method} | {set_mean(full):.1f} | {set_mean(half):.1f} | {(gains < -1).sum()} | "
            f"{gains.min():+.1f} |"
        )
    lines += ["", "| a fit on | float32 takes |", "| --- | ---: |"]
    lines += [f"| {name} | {ratio:.2f} times as long |" for name, ratio in ratios.items()]
    return "\n".join(lines) + "\n"


def main():
    """Run all, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root, default: all of classes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    tasks = [
        (name, pair, seed)
        for name in arguments.sets or [name for name in sets if name not in VALUES]
        for pair in load_pairs(sets[name])
        for seed in range(arguments.seeds)
    ]
    found = Parallel(n_jobs=arguments.jobs)(delayed(run_task)(*task) for task in tasks)
    cells = list(itertools.chain.from_iterable(found))
    ratios = time_fits(arguments.repetitions)
    print(text_of(cells, ratios))
    if arguments.output:
        settings = environment() | {"seeds": arguments.seeds, "float32_over_bfloat16": ratios}
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(text_of(cells, ratios))


if __name__ == "__main__":
    main()
