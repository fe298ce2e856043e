"""How long a training step takes on a GPU: captured, operation by operation, by hand, and in SKADA.

Everything that is compared runs in turns in this one process and is timed by the clock, the GPU's
queue emptied before and after. The time of a step is the difference of two fits that differ in
their epochs, so that what a fit does once does not count. What is reported are ratios of medians.

    python benchmarks/gpu_speed.py --output benchmarks/results/gpu_speed.json

``--dry-run`` runs all of it once, at tiny sizes, on the CPU, where nothing is captured.
"""

import argparse
import contextlib
import importlib.util
import json
import statistics
import time
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
import training_speed
from _report import environment, write_json
from _rivals import RIVALS
from torch import nn

from domadapt import AlignmentClassifier, fit_together
from domadapt.alignment import CORAL
from domadapt.nn import load_backbone
from domadapt.training import captured

N_CLASSES, RATE = 31, 0.003


class Sizes:
    """How much is measured."""

    device, repeats = "cuda", 5
    epochs, n_members = (10, 40), 64
    backbone, precision, image_size, batch, n_images = "resnet50", "bfloat16", 224, 32, 256
    image_epochs = (1, 4)


class DrySizes(Sizes):
    """As little as runs."""

    device, repeats = "cpu", 0
    epochs, n_members = (1, 2), 2
    backbone, image_size, batch, n_images = "shufflenet_v2_x0_5", 32, 4, 8
    image_epochs = (1, 2)


def wait(device):
    """Wait for the GPU, where one is at work."""
    if device == "cuda":
        torch.cuda.synchronize()


def step_times(contestants, epochs, n_steps, sizes):
    """Return the milliseconds that a step of each takes: medians of turns.

    Contestants take a number of epochs; ``n_steps`` are in an epoch.
    """
    times = {name: [] for name in contestants}
    for turn in range(sizes.repeats + 1):
        for name, train in contestants.items():
            seconds = []
            for n_epochs in epochs:
                wait(sizes.device)
                start = time.perf_counter()
                train(n_epochs)
                wait(sizes.device)
                seconds.append(time.perf_counter() - start)
            # The first of several turns only warms up.
            if turn > 0 or sizes.repeats == 0:
                extra = (epochs[1] - epochs[0]) * n_steps
                times[name].append(1e3 * (seconds[1] - seconds[0]) / extra)
    return {name: statistics.median(values) for name, values in times.items()}


def eager():
    """Let no step be captured, inside."""
    return mock.patch.object(captured, "DEVICES", ())


def compare_steps(method, sizes):
    """Time a step of 1024-256-10 at 64 + 64 samples, and one of many networks at once."""
    data = training_speed.make_data(training_speed.N_ROWS)

    def fit(n_epochs):
        training_speed.domadapt_fit(method, *data, sizes.device, max_epochs=n_epochs)

    def fit_eagerly(n_epochs):
        with eager():
            fit(n_epochs)

    def loop(n_epochs):
        with mock.patch.object(training_speed, "EPOCHS", n_epochs):
            training_speed.bare_loop(method, *data, sizes.device)

    def members(n_epochs):
        X, y, X_target = data
        settings = {"hidden_layer_sizes": (training_speed.WIDTH,), "max_epochs": n_epochs}
        estimators = [
            AlignmentClassifier(CORAL(), device=sizes.device, random_state=seed, **settings)
            for seed in range(sizes.n_members)
        ]
        fit_together(estimators, X, y, X_target=X_target)

    contestants = {"captured": fit, "eager": fit_eagerly, "bare loop": loop}
    if method in RIVALS["skada"] and importlib.util.find_spec("skada"):
        settings = training_speed.SETTINGS

        def rival(n_epochs):
            changed = settings | {"epochs": n_epochs}
            RIVALS["skada"][method](*data, sizes.device, changed)

        contestants["SKADA"] = rival
    if method == "coral":
        contestants[f"{sizes.n_members} members"] = members
    n_steps = training_speed.N_ROWS // training_speed.BATCH
    medians = step_times(contestants, sizes.epochs, n_steps, sizes)
    own = medians["captured"]
    return {
        "milliseconds": medians,
        "over captured": {name: value / own for name, value in medians.items()},
    }


def image_loop(backbone, X, y, X_target, n_epochs, sizes):
    """Fine-tune by hand, as a careful person writes it: channels last, autocast, CORAL."""
    device = sizes.device
    torch.manual_seed(0)
    X, y, X_target = (torch.from_numpy(a).to(device) for a in (X, y, X_target))
    X, X_target = (x.contiguous(memory_format=torch.channels_last) for x in (X, X_target))
    backbone = backbone.to(device, memory_format=torch.channels_last)
    with torch.no_grad():
        n_features = backbone(X[:2]).shape[1]
    features = nn.Sequential(backbone, nn.Linear(n_features, 256), nn.ReLU()).to(device)
    head = nn.Linear(256, N_CLASSES).to(device)
    parameters = [*features.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=0.9, nesterov=True, fused=True)
    features.train()
    batch = sizes.batch
    for _ in range(n_epochs):
        orders = [torch.randperm(len(X), device=device).split(batch) for _ in range(2)]
        for source, target in zip(*orders, strict=True):
            with torch.autocast(device, torch.bfloat16):
                f = features(torch.cat([X[source], X_target[target]]))
            f = f.float()
            loss = F.cross_entropy(head(f[:batch]), y[source])
            loss = loss + training_speed.plain_coral(f[:batch], f[batch:])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()


def compare_images(sizes):
    """Time a step of fine-tuning on images that are in memory."""
    rng = np.random.default_rng(0)
    shape = (sizes.n_images, 3, sizes.image_size, sizes.image_size)
    X, X_target = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
    y = np.arange(sizes.n_images) % N_CLASSES

    def backbone():
        return load_backbone(sizes.backbone, weights=None)

    def fit(n_epochs):
        AlignmentClassifier(
            CORAL(),
            backbone=backbone(),
            hidden_layer_sizes=256,
            batch_norm="joint",
            batch_size=sizes.batch,
            max_epochs=n_epochs,
            steps_per_epoch=n_steps,
            learning_rate=RATE,
            optimizer="sgd",
            label_smoothing=0.0,
            precision=sizes.precision,
            device=sizes.device,
            random_state=0,
        ).fit(X, y, X_target=X_target)

    def fit_eagerly(n_epochs):
        with eager():
            fit(n_epochs)

    def loop(n_epochs):
        image_loop(backbone(), X, y, X_target, n_epochs, sizes)

    n_steps = sizes.n_images // sizes.batch
    contestants = {"captured": fit, "eager": fit_eagerly, "bare loop": loop}
    medians = step_times(contestants, sizes.image_epochs, n_steps, sizes)
    return {
        "milliseconds": medians,
        "share of the bare loop's speed": medians["bare loop"] / medians["captured"],
    }


def main(arguments=None):
    """Run all comparisons, print them and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes, on the CPU")
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args(arguments)
    sizes = DrySizes if arguments.dry_run else Sizes
    if sizes.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --dry-run runs on the CPU")
    with contextlib.ExitStack() as stack:
        if arguments.dry_run:
            for name, value in {"N_ROWS": 128, "N_COLUMNS": 16, "WIDTH": 8}.items():
                stack.enter_context(mock.patch.object(training_speed, name, value))
        report = environment(sizes.device) | {
            "step": {method: compare_steps(method, sizes) for method in ("dann", "coral")},
            "images": compare_images(sizes),
        }
    print(json.dumps(report, indent=1))
    if arguments.output:
        write_json(arguments.output, report)
    return report


if __name__ == "__main__":
    main()
