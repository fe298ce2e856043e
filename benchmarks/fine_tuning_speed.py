"""How many images a second are trained on end to end, against a bare torch loop.

Both train the same backbone on images in memory with Deep CORAL, in the same precision and
in channels-last order, in turns; wall time, medians. On a GPU the peak of its memory is
reported too.

    python benchmarks/fine_tuning_speed.py --device cuda --precision bfloat16 \
        --output benchmarks/results/fine_tuning_speed_cuda.json
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from _report import environment, write_json
from torch import nn

from domadapt import DeepCORALClassifier
from domadapt.nn import load_backbone

BATCH, N_CLASSES, RATE, CORAL_WEIGHT = 32, 31, 0.003, 6.0
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def covariance(rows):
    """Unbiased covariance of the columns."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)


def bare_loop(name, X, y, X_target, steps, device, precision):
    """Train by hand as a careful person does, and return the seconds after the first step."""
    torch.manual_seed(0)
    X, y, X_target = (torch.from_numpy(a).to(device) for a in (X, y, X_target))
    X, X_target = (a.contiguous(memory_format=torch.channels_last) for a in (X, X_target))
    backbone = load_backbone(name).to(device).to(memory_format=torch.channels_last)
    head = nn.Linear(backbone(X[:2]).shape[1], N_CLASSES).to(device)
    parameters = [*backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=0.9, nesterov=True, fused=True)
    wait(device)
    start = time.perf_counter()
    for _ in range(steps):
        rows = torch.randint(len(X), (2, BATCH), device=device)
        inputs = torch.cat([X[rows[0]], X_target[rows[1]]])
        with torch.autocast(device, dtype=precision, enabled=precision != torch.float32):
            features = backbone(inputs)
        logits = head(features.float())
        difference = covariance(logits[:BATCH]) - covariance(logits[BATCH:])
        loss = F.cross_entropy(logits[:BATCH], y[rows[0]])
        loss = loss + CORAL_WEIGHT * difference.square().sum() / (4 * N_CLASSES**2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    wait(device)
    return time.perf_counter() - start


class Clock:
    """A callback that times one epoch."""

    def setup(self, estimator, context):
        """Do nothing before the fit."""

    def teardown(self, estimator, context):
        """Do nothing after the fit."""

    def on_fit_task_begin(self, estimator, context):
        """Start."""
        if context.task_name == "epoch":
            self.start = time.perf_counter()

    def on_fit_task_end(self, estimator, context):
        """Stop; at the end of an epoch the losses have arrived, and so is all work done."""
        if context.task_name == "epoch":
            self.seconds = time.perf_counter() - self.start


def domadapt_epoch(name, X, y, X_target, steps, device, precision):
    """Train through the estimator, and return the seconds of its one epoch."""
    torch.manual_seed(0)
    clock = Clock()
    clf = DeepCORALClassifier(
        backbone=load_backbone(name),
        batch_norm="joint",
        batch_size=BATCH,
        learning_rate=RATE,
        alignment_weight=CORAL_WEIGHT,
        max_epochs=1,
        steps_per_epoch=steps,
        precision="bfloat16" if precision == torch.bfloat16 else "float32",
        device=device,
        random_state=0,
    )
    clf.set_callbacks(clock).fit(X, y, X_target=X_target)
    return clock.seconds


def wait(device):
    """Wait for the GPU, where one is at work."""
    if device != "cpu":
        torch.cuda.synchronize()


def peak(device):
    """Return the peak of the GPU's memory in MiB since the last call, None on a CPU."""
    if device == "cpu":
        return None
    mebibytes = torch.cuda.max_memory_allocated() / 2**20
    torch.cuda.reset_peak_memory_stats()
    return round(mebibytes)


def main():
    """Run both in turns, print the rates and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=list(PRECISIONS))
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (8 * BATCH, 3, arguments.pixels, arguments.pixels)
    X, X_target = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
    y = np.arange(len(X)) % N_CLASSES
    work = (X, y, X_target, arguments.steps, arguments.device, PRECISIONS[arguments.precision])
    contestants = {"bare loop": bare_loop, "domadapt": domadapt_epoch}
    seconds = {name: [] for name in contestants}
    memory = {}
    for turn in range(arguments.repeats + 1):
        for name, function in contestants.items():
            elapsed = function(arguments.backbone, *work)
            memory[name] = peak(arguments.device)
            if turn > 0:
                seconds[name].append(elapsed)
    images = 2 * BATCH * arguments.steps
    rates = {name: images / statistics.median(values) for name, values in seconds.items()}
    report = environment(arguments.device) | {
        "workload": f"{arguments.backbone} at {arguments.pixels} pixels, {BATCH} + {BATCH} images "
        f"in memory, {arguments.precision}, channels-last, Deep CORAL, {arguments.steps} steps; "
        f"wall time, medians of {arguments.repeats} turns",
        "images per second": {name: round(rate, 1) for name, rate in rates.items()},
        "domadapt over bare loop": round(rates["domadapt"] / rates["bare loop"], 3),
        "peak GPU memory in MiB": memory,
    }
    print(json.dumps(report, indent=1))
    if arguments.output:
        write_json(arguments.output, report)


if __name__ == "__main__":
    main()
