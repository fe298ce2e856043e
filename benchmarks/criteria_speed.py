"""How long a training step takes with each criterion, against one with CORAL.

A step is a forward and a backward pass of a network of 256 features on a batch of 64 + 64
rows and 10 classes, with its update, on one thread; process CPU time, all criteria in
turns, medians.

    python benchmarks/criteria_speed.py --output benchmarks/results/criteria_speed_cpu.json
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch
from _report import environment, write_json

from domadapt import AlignmentClassifier
from domadapt.alignment import CORAL
from domadapt.alignment.registry import CRITERIA

N_ROWS, N_COLUMNS, N_CLASSES, STEPS = 640, 1024, 10, 200
# These plan transport on the CPU, and are exempt from the limit.
SLOW = {"deepjdot"}


def make_data():
    """Draw both domains at random: only the time matters."""
    rng = np.random.default_rng(0)
    X, X_target = (rng.normal(size=(N_ROWS, N_COLUMNS)).astype(np.float32) for _ in range(2))
    return X, rng.integers(0, N_CLASSES, N_ROWS), X_target


class StepClock:
    """A callback that times the one epoch of a fit, without what comes before and after."""

    def setup(self, estimator, context):
        """Do nothing before the fit."""

    def teardown(self, estimator, context):
        """Do nothing after the fit."""

    def on_fit_task_begin(self, estimator, context):
        """Start."""
        self.start = time.process_time()

    def on_fit_task_end(self, estimator, context):
        """Stop at the end of the epoch."""
        if context.task_name == "epoch":
            self.milliseconds = 1000 * (time.process_time() - self.start) / STEPS


def time_step(alignment, data):
    """Give the milliseconds of a step."""
    X, y, X_target = data
    clock = StepClock()
    clf = AlignmentClassifier(
        alignment, max_epochs=1, steps_per_epoch=STEPS, device="cpu", random_state=0
    )
    clf.set_callbacks(clock).fit(X, y, X_target=X_target)
    return clock.milliseconds


def main():
    """Time all criteria in turns, print the factors and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    criteria = {"CORAL": CORAL()} | {name: make() for name, make in CRITERIA.items()}
    times = {name: [] for name in criteria}
    data = make_data()
    for turn in range(arguments.repeats + 1):
        for name, criterion in criteria.items():
            milliseconds = time_step(criterion, data)
            if turn > 0:
                times[name].append(milliseconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    report = environment() | {
        "workload": f"MLP {N_COLUMNS}-256-{N_CLASSES}, batch 64 + 64, {STEPS} steps, one thread, "
        f"process CPU time, medians of {arguments.repeats} turns",
        "milliseconds": {name: round(value, 3) for name, value in medians.items()},
        "over CORAL": {name: round(v / medians["CORAL"], 2) for name, v in medians.items()},
        "exempt": sorted(SLOW),
    }
    print(json.dumps(report, indent=1))
    if arguments.output:
        write_json(arguments.output, report)


if __name__ == "__main__":
    main()
