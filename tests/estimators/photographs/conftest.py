"""Photographs in files, and classifiers of them that are fitted in no time."""

import copy
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from domadapt import AlignmentClassifier, ImageLoader
from domadapt.inputs.decoding import to_network

ENDINGS = ["png", "jpg", "bmp", "tif", "webp"]
COLOURS = np.array([[190, 70, 70], [70, 190, 70], [70, 70, 190]])


def paint(folder, n, rng, light):
    """Write noisy squares, coloured by their class; return paths and classes."""
    paths, y = [], np.arange(n) % 3
    for number, label in enumerate(y):
        noise = rng.normal(scale=40, size=(40, 40, 3)) + COLOURS[label] + light
        path = folder / f"{number}.{ENDINGS[number % 5]}"
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path)
        paths.append(str(path))
    return np.array(paths), y


@pytest.fixture(scope="session")
def painted(tmp_path_factory):
    """Photographs of a source and of a darker target, which no test may change."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    parts = []
    for name, n, light in (("source", 30, 20), ("target", 24, -30)):
        (folder / name).mkdir()
        parts += paint(folder / name, n, rng, light)
    return tuple(parts)


@pytest.fixture
def photographs(painted):
    """Paths and classes of the source, and of the target."""
    return tuple(array.copy() for array in painted)


@pytest.fixture
def copied(painted, tmp_path):
    """The same in a folder of the test's own."""
    Xs, ys, Xt, yt = painted
    shutil.copytree(Path(Xs[0]).parents[1], tmp_path / "copied")
    Xs, Xt = (
        np.array([str(tmp_path / "copied" / Path(p).parent.name / Path(p).name) for p in paths])
        for paths in (Xs, Xt)
    )
    return Xs, ys.copy(), Xt, yt.copy()


def build_tiny(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def build_loader(**parameters):
    return ImageLoader(**{"resize": 16, "crop": 12, "n_workers": 0, **parameters})


@pytest.fixture(scope="session")
def tiny():
    """Build a backbone with four features."""
    return build_tiny


@pytest.fixture(scope="session")
def loader():
    """Build a loader of small images without worker processes."""
    return build_loader


@pytest.fixture(scope="session")
def small():
    """Build a classifier of photographs that is fitted in no time."""

    def build(**parameters):
        settings = {
            "backbone": build_tiny(),
            "image_loader": build_loader(),
            "max_epochs": 2,
            "steps_per_epoch": 2,
            "batch_size": 12,
            "random_state": 0,
        }
        return AlignmentClassifier(**{**settings, **parameters})

    return build


@pytest.fixture(scope="session")
def exchange_content():
    """Put garbage in files and leave what the system tells of them as it was."""

    def exchange(paths):
        for path in paths:
            state = os.stat(path)
            Path(path).write_bytes(b"x" * state.st_size)
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    return exchange


@pytest.fixture(scope="session")
def cut_off():
    """Cut a file to half of its size."""

    def cut(path):
        with open(path, "r+b") as file:
            file.truncate(os.path.getsize(path) // 2)

    return cut


@pytest.fixture(scope="session")
def through_network():
    """Compute by hand what a module returns for photographs."""

    def compute(module, paths):
        model = copy.deepcopy(module).to(memory_format=torch.channels_last).eval()
        images = torch.stack([build_loader().read(path) for path in paths])
        with torch.no_grad():
            return model(to_network(images, torch.device("cpu"), torch.float32)).numpy()

    return compute
