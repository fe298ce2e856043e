"""How long a training step takes with each criterion, against one with CORAL.

A step is a forward and a backward pass of a network of 256 features on a mini-batch of 64 + 64
samples and 10 classes, with its update, on one thread; process CPU time, all criteria in
turns, medians.

    python benchmarks/criteria_speed.py --output benchmarks/results/criteria_speed_cpu.json

With ``--names`` a few are timed beside CORAL, and their factors join those of the file.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from _report import environment, write_json

from domadapt import AlignmentClassifier, OSBPClassifier
from domadapt.methods import METHODS
from domadapt.training.loss_weights import LOSS_WEIGHTS

N_SAMPLES, N_COLUMNS, N_CLASSES, STEPS = 640, 1024, 10, 200
# These plan transport, run the network once more, train networks of their own on the inputs or
# take gradients one by one, and are exempt from the limit.
SLOW = {"deepjdot", "vat", "mean_teacher", "self_supervision", "untied_adversarial", "gradnorm"}
SLOW |= {"domain_separation"}
REFERENCE = "coral"


def make_data():
    """Draw two sources and a target at random: only the time matters."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * N_SAMPLES, N_COLUMNS)).astype(np.float32)
    y = rng.integers(0, N_CLASSES, 2 * N_SAMPLES)
    return X, y, np.repeat([1, 2, -1], [N_SAMPLES // 2, N_SAMPLES // 2, N_SAMPLES])


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


def contestants():
    """Return an estimator for every criterion, and for two with weights of three kinds."""
    settings = {"device": "cpu", "random_state": 0, "max_epochs": 1, "steps_per_epoch": STEPS}
    made = {
        name: AlignmentClassifier(name, **settings)
        for name, method in METHODS.items()
        # Those of several criteria, or of two stages, are made of the others.
        if method.classes is not None
        and method.stages == 1
        and not isinstance(method.classes(), list)
    }
    made["osbp"] = OSBPClassifier(**settings)
    pair = [(1.0, "deepcoral"), (1.0, "mcc")]
    made["deepcoral and mcc"] = AlignmentClassifier(pair, **settings)
    for loss_weights in LOSS_WEIGHTS:
        made[loss_weights] = AlignmentClassifier(pair, loss_weights=loss_weights, **settings)
    return made


def time_step(clf, data):
    """Return the milliseconds of a step."""
    clock = StepClock()
    X, y, sample_domain = data
    clf.set_callbacks(clock).fit(X, y, sample_domain=sample_domain)
    return clock.milliseconds


def main():
    """Time all criteria in turns, print the factors and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--names", nargs="*", help="keep the others of the file")
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made, data = contestants(), make_data()
    if arguments.names is not None:
        made = {name: made[name] for name in [REFERENCE, *arguments.names]}
    times = {name: [] for name in made}
    for turn in range(arguments.repeats + 1):
        for name, clf in made.items():
            several = name in METHODS and METHODS[name].setting == "several sources"
            sources = data[2] if several else np.sign(data[2])
            milliseconds = time_step(clf, (*data[:2], sources))
            if turn > 0:
                times[name].append(milliseconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    if arguments.names is not None:
        kept = json.loads(Path(arguments.output).read_text())["milliseconds"]
        # As they would be on the machine of the others.
        pace = kept[REFERENCE] / medians[REFERENCE]
        medians = kept | {name: pace * medians[name] for name in arguments.names}
        medians = {name: medians[name] for name in contestants()}
    report = environment() | {
        "workload": f"MLP {N_COLUMNS}-256-{N_CLASSES}, batch 64 + 64, {STEPS} steps, one thread, "
        f"process CPU time, medians of {arguments.repeats} turns",
        "milliseconds": {name: round(value, 3) for name, value in medians.items()},
        "over CORAL": {name: round(v / medians[REFERENCE], 2) for name, v in medians.items()},
        "exempt": sorted(SLOW),
    }
    print(json.dumps(report, indent=1))
    if arguments.output:
        write_json(arguments.output, report)


if __name__ == "__main__":
    main()
