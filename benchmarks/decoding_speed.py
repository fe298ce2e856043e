"""Whether reading photographs keeps up with the network that trains on them.

Drawn pictures, saved as JPEG at quality 90. Per image, in process CPU time of one thread: to
decode, resize and crop it as ``ImageLoader`` does, by its size and by where it is cached; and to
train on it, or to compute its frozen features, at 224 pixels. Then how long training waits for
its mini-batches where two worker processes read them, and what torch.compile changes.

    python benchmarks/decoding_speed.py --output benchmarks/results/decoding_speed_cpu.json
"""

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from _report import environment, write_json
from PIL import Image, ImageDraw, ImageFilter
from torchvision import models
from torchvision.transforms.v2.functional import resize as resize_image

from domadapt import ImageLoader
from domadapt.inputs.decoding import decode
from domadapt.inputs.images import ImageBatches
from domadapt.nn import split_batch_norm

SIZES = {(400, 300): 24, (640, 480): 24, (800, 600): 24, (4000, 3000): 4}
TRAINED_ON = (800, 600)
NETWORKS = ("mobilenet_v2", "resnet18", "resnet50")
COMPILED = ("mobilenet_v2", "resnet18")
RESIZE, CROP, BATCH, N_CLASSES = 256, 224, 16, 10
N_CORES = 2
CPU = torch.device("cpu")


def draw(size, seed):
    """Draw a picture: ellipses and rectangles on a gradient, with soft edges."""
    rng = np.random.default_rng(seed)
    width, height = size
    across, down = np.linspace(0, 1, width)[:, None], np.linspace(0, 1, height)[:, None, None]
    ground = across * rng.integers(0, 256, 3) + down * rng.integers(0, 128, 3)
    picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    brush = ImageDraw.Draw(picture)
    for n in range(150):
        x, y = rng.integers(0, size)
        reach = rng.integers(5, width // 4, 2)
        colour = tuple(rng.integers(0, 256, 3).tolist())
        form = brush.ellipse if n % 2 else brush.rectangle
        form([x, y, x + reach[0], y + reach[1]], fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(1))


def draw_all(folder):
    """Save pictures of every size, and return their paths by it."""
    paths = {}
    for size, number in SIZES.items():
        paths[size] = [str(folder / f"{size[0]}x{size[1]}_{n}.jpg") for n in range(number)]
        for n, path in enumerate(paths[size]):
            draw(size, n).save(path, quality=90)
    return paths


def seconds_of(function, repeats):
    """Return the median process CPU time of a call, after one that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times)


def measure_reading(paths, folder, repeats):
    """Return milliseconds for an image, decoded for training and out of both caches."""
    loaders = {
        "decoded": ImageLoader(n_workers=0, cache_megabytes=0),
        "cache_folder": ImageLoader(n_workers=0, cache_megabytes=0, cache_folder=folder / "kept"),
        "cache_megabytes": ImageLoader(n_workers=0),
    }
    rows = {}
    for size, files in paths.items():
        index = [torch.arange(len(files)).reshape(1, -1)]
        row = {}
        for name, loader in loaders.items():
            parts = {"source": np.array(files)}
            batches = ImageBatches(parts, loader, CPU, torch.float32, 0)
            seconds = seconds_of(lambda b=batches, i=index: list(b.epoch(i, 0)), repeats)
            row[name] = 1e3 * seconds / len(files)
        rows[f"{size[0]} x {size[1]}"] = row
    return rows


def measure_reduction(files):
    """Compare large photographs that are decoded at a part of their size with whole ones."""
    differences, milliseconds = [], {}
    for path in files:
        whole, reduced = (
            resize_image(decode(path, size), [RESIZE] * 2, antialias=True).int()
            for size in (None, RESIZE)
        )
        differences.append((whole - reduced).abs().float())
    for name, size in (("whole", None), ("reduced", RESIZE)):
        seconds = seconds_of(lambda s=size: [decode(path, s) for path in files], 3)
        milliseconds[name] = 1e3 * seconds / len(files)
    return {
        "milliseconds to decode": milliseconds,
        "decoded at": list(decode(files[0], RESIZE).shape[:0:-1]),
        "mean difference of 255": torch.stack([d.mean() for d in differences]).mean().item(),
        "largest difference of 255": max(d.max().item() for d in differences),
    }


def network_of(name, *, by_domain=False):
    """Build one of torchvision's networks with random weights."""
    torch.manual_seed(0)
    network = getattr(models, name)(num_classes=N_CLASSES).to(memory_format=torch.channels_last)
    return split_batch_norm(network, BATCH // 2) if by_domain else network


def train(network, images):
    """Run one forward and one backward pass."""
    network.zero_grad()
    F.cross_entropy(network(images), torch.zeros(len(images), dtype=torch.int64)).backward()


def predict(network, images):
    """Run one forward pass."""
    with torch.inference_mode():
        network(images)


def drawn_images():
    """Return a mini-batch of noise."""
    images = torch.randn(BATCH, 3, CROP, CROP, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last)


def measure_networks(repeats):
    """Return milliseconds for an image, trained on and without a gradient."""
    images, rows = drawn_images(), {}
    for name in NETWORKS:
        network = network_of(name)
        trained = seconds_of(lambda n=network: train(n, images), repeats)
        network.eval()
        frozen = seconds_of(lambda n=network: predict(n, images), repeats)
        rows[name] = {"training": 1e3 * trained / BATCH, "frozen": 1e3 * frozen / BATCH}
    return rows


def measure_waiting(files, n_steps):
    """Return the share of its wall time that training waits for mini-batches, after the first."""
    batches = ImageBatches(
        {"source": np.array(files), "target": np.array(files)},
        ImageLoader(n_workers=N_CORES, cache_megabytes=0),
        CPU,
        torch.float32,
        0,
    )
    index = [torch.arange(n_steps * BATCH // 2).reshape(n_steps, -1) % len(files)] * 2
    network = network_of("resnet18")
    torch.set_num_threads(N_CORES)
    waited = worked = 0.0
    start = time.perf_counter()
    for step, images in enumerate(batches.epoch(index, 0)):
        came = time.perf_counter()
        train(network, images)
        done = time.perf_counter()
        if step > 0:
            waited, worked = waited + came - start, worked + done - came
        start = done
    torch.set_num_threads(1)
    return waited / (waited + worked)


def measure_compiling(repeats):
    """Compare training with and without torch.compile, batch normalisation by domain."""
    images, rows = drawn_images(), {}
    for name in COMPILED:
        plain = network_of(name, by_domain=True)
        compiled = torch.compile(network_of(name, by_domain=True))
        start = time.perf_counter()
        train(compiled, images)
        row = {"seconds to compile": time.perf_counter() - start}
        times = {"plain": [], "compiled": []}
        for _ in range(repeats):
            for kind, network in (("plain", plain), ("compiled", compiled)):
                times[kind].append(seconds_of(lambda n=network: train(n, images), 1))
        medians = {kind: statistics.median(values) for kind, values in times.items()}
        rows[name] = row | {"compiled over plain": medians["compiled"] / medians["plain"]}
    return rows


def main():
    """Measure all of it and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="of training that is waited in")
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = draw_all(folder)
        report = {
            "workload": f"Drawn JPEGs, read by ImageLoader(resize={RESIZE}, crop={CROP}); "
            f"torchvision's networks in mini-batches of {BATCH}, forward and backward pass in "
            "float32; one thread, process CPU time for an image, medians of "
            f"{arguments.repeats} turns",
            "milliseconds to read": measure_reading(paths, folder, arguments.repeats),
            "large photographs": measure_reduction(paths[max(SIZES, key=math.prod)]),
            "milliseconds in the network": measure_networks(arguments.repeats),
            "share of waiting": measure_waiting(paths[TRAINED_ON], arguments.steps),
            "compiling": measure_compiling(arguments.repeats),
        }
    read = report["milliseconds to read"][" x ".join(map(str, TRAINED_ON))]["decoded"]
    report["trained on"] = " x ".join(map(str, TRAINED_ON))
    report["images read while one is trained on"] = {
        name: row["training"] / read for name, row in report["milliseconds in the network"].items()
    }
    print(report)
    if arguments.output:
        write_json(arguments.output, environment() | report)


if __name__ == "__main__":
    main()
