"""How fast photographs are read, and how fast a small convolutional network trains on images.

Reading is compared with a plain torch DataLoader that has the same transforms and as many
workers, by wall time, in turns: the work is done in other processes. Training is compared
with a bare float32 loop in torch's default memory layout, by process CPU time, with one
thread, in turns.

    DOMADAPT_DATA=... python benchmarks/image_speed.py \
        --output benchmarks/results/image_speed_cpu.json
"""

import argparse
import json
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from _report import environment, write_json
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from domadapt import AlignmentClassifier, ImageLoader
from domadapt.alignment import CORAL
from domadapt.datasets import load_office_caltech10
from domadapt.inputs.images import ImageBatches
from domadapt.training.orders import EndlessPermutations

BATCH, STEPS = 32, 20
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
N_IMAGES, N_CLASSES, WIDTH, EPOCHS, RATE = 640, 10, 256, 2, 0.01


class PlainDataset(torch.utils.data.Dataset):
    """Photographs and transforms as every script has them."""

    def __init__(self, paths):
        self.paths = paths
        self.transform = v2.Compose(
            [
                v2.PILToTensor(),
                v2.Resize((256, 256), antialias=True),
                v2.RandomResizedCrop(224, scale=(0.08, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __getitem__(self, row):
        return self.transform(Image.open(self.paths[row]).convert("RGB"))

    def __len__(self):
        return len(self.paths)


def read_plainly(source, target, n_workers):
    """Read STEPS batches of both domains with two plain loaders of half the workers each."""
    loaders = [
        torch.utils.data.DataLoader(
            PlainDataset(paths),
            batch_size=BATCH,
            sampler=EndlessPermutations(len(paths), 0).take(STEPS, BATCH).flatten().tolist(),
            num_workers=max(1, n_workers // 2),
        )
        for paths in (source, target)
    ]
    return sum(len(torch.cat(pair)) for pair in zip(*loaders, strict=True))


def read_our_way(source, target, n_workers, cache_megabytes, n_epochs=1):
    """Read STEPS batches of both domains as the estimators do, several times."""
    loader = ImageLoader(n_workers=n_workers, cache_megabytes=cache_megabytes)
    batches = ImageBatches(
        {"source": source, "target": target}, loader, torch.device("cpu"), torch.float32, 0
    )
    seconds = []
    for epoch in range(n_epochs):
        orders = [EndlessPermutations(len(paths), 0) for paths in (source, target)]
        index = [order.take(STEPS, BATCH) for order in orders]
        start = time.perf_counter()
        assert sum(len(inputs) for inputs in batches.epoch(index, epoch)) == 2 * STEPS * BATCH
        seconds.append(time.perf_counter() - start)
    return seconds[-1]


def compare_reading(root, repeats):
    """Time both in turns, and ours again where the images are in memory."""
    data = load_office_caltech10(root)
    source, target = (data.paths[data.domain == name] for name in ("amazon", "caltech10"))
    n_workers = 2
    times = {"plain": [], "domadapt": [], "domadapt, decoded images in memory": []}
    for turn in range(repeats + 1):
        start = time.perf_counter()
        read_plainly(source, target, n_workers)
        seconds = [time.perf_counter() - start, read_our_way(source, target, n_workers, 0)]
        seconds.append(read_our_way(source, target, n_workers, 1024, n_epochs=2))
        if turn > 0:
            for name, value in zip(times, seconds, strict=True):
                times[name].append(value)
    rates = {name: 2 * STEPS * BATCH / statistics.median(v) for name, v in times.items()}
    return {
        "workload": f"{STEPS} batches of {BATCH} + {BATCH} photographs at 224 pixels, "
        f"{n_workers} workers, medians of {repeats} turns of wall time",
        "images per second": {name: round(rate, 1) for name, rate in rates.items()},
        "domadapt over plain": round(rates["domadapt"] / rates["plain"], 3),
        "in memory over plain": round(
            rates["domadapt, decoded images in memory"] / rates["plain"], 3
        ),
    }


def plain_network():
    """domadapt's default network for images, without batch norm, as everyone writes it."""
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, WIDTH), nn.ReLU()),
    )


def covariance(rows):
    """Unbiased covariance of the columns."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)


def bare_loop(X, y, X_target):
    """Train by hand in torch's default layout, samples by index."""
    torch.manual_seed(0)
    X, y, X_target = map(torch.from_numpy, (X, y, X_target))
    features, head = plain_network(), nn.Linear(WIDTH, N_CLASSES)
    parameters = [*features.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=0.9)
    n_steps = len(X) // 64
    for epoch in range(EPOCHS):
        order = torch.randperm(len(X)), torch.randperm(len(X))
        for i in range(n_steps):
            source, target = (rows[i * 64 : (i + 1) * 64] for rows in order)
            weight = 2 / (1 + math.exp(-10 * (epoch * n_steps + i) / (EPOCHS * n_steps))) - 1
            f = features(torch.cat([X[source], X_target[target]]))
            difference = covariance(f[:64]) - covariance(f[64:])
            loss = F.cross_entropy(head(f[:64]), y[source])
            loss = loss + weight * difference.square().sum() / (4 * WIDTH**2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def compare_training(repeats):
    """Time the bare loop and fit in turns, one thread, process CPU time."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    y = rng.integers(0, N_CLASSES, N_IMAGES)
    X, X_target = (rng.normal(size=(N_IMAGES, 3, 32, 32)).astype(np.float32) for _ in range(2))
    settings = {
        "hidden_layer_sizes": (WIDTH,),
        "batch_norm": None,
        "label_smoothing": 0.0,
        "learning_rate": RATE,
        "max_epochs": EPOCHS,
        "alignment_weight": 1.0,
        "device": "cpu",
        "random_state": 0,
    }
    times = {"bare loop": [], "domadapt": []}
    for turn in range(repeats + 1):
        for name in times:
            start = time.process_time()
            if name == "bare loop":
                bare_loop(X, y, X_target)
            else:
                AlignmentClassifier(CORAL(), **settings).fit(X, y, X_target=X_target)
            if turn > 0:
                times[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "workload": f"{N_IMAGES} + {N_IMAGES} images of 3 x 32 x 32, two convolutions of 32 and 64 "
        f"channels and {WIDTH} units, CORAL, batch 64 + 64, {EPOCHS} epochs; one thread, process "
        f"CPU time, medians of {repeats} turns; fit includes the prediction of the target",
        "seconds": medians,
        "domadapt over bare loop": round(medians["domadapt"] / medians["bare loop"], 3),
    }


def main():
    """Run both comparisons, print them and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    images = Path(arguments.root) / "office_caltech10" / "images"
    report = {"reading": compare_reading(images, arguments.repeats)}
    report["training"] = compare_training(arguments.repeats)
    print(json.dumps(report, indent=1))
    if arguments.output:
        write_json(arguments.output, environment() | report)


if __name__ == "__main__":
    main()
