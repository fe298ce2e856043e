"""Small domains in folders, and the command called in this process."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from domadapt.cli import main
from domadapt.experiments import cells
from domadapt.experiments.tasks import load_data
from domadapt.nn.pretrained import NamedBackbone


@pytest.fixture
def features(tmp_path):
    """Three domains of two classes of vectors."""
    root = tmp_path / "features"
    root.mkdir()
    for number, name in enumerate(("amazon", "dslr", "webcam")):
        rng = np.random.default_rng(number)
        y = np.arange(60) % 2
        X = rng.normal(size=(60, 5)) + 3 * y[:, None] + number
        np.savez(root / f"{name}.npz", X=X.astype(np.float32), y=y)
    load_data.cache_clear()
    return root


@pytest.fixture
def photographs(tmp_path):
    """Two domains of two classes of small pictures: dark and light, in two tints."""
    root = tmp_path / "photographs"
    for number, domain in enumerate(("left", "right")):
        rng = np.random.default_rng(number)
        for label, name in enumerate(("dark", "light")):
            folder = root / domain / name
            folder.mkdir(parents=True)
            for picture in range(6):
                pixels = rng.integers(0, 90, (12, 12, 3)) + 120 * label
                pixels[..., number] //= 2
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{picture}.png")
    load_data.cache_clear()
    return root


@pytest.fixture
def small_backbone(monkeypatch):
    """Let bench train a backbone of one convolution, whatever its name."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 5, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    backbone = NamedBackbone("small", nn.Sequential(*layers))
    monkeypatch.setattr(cells, "named_backbone", lambda name, weights: backbone)


@pytest.fixture
def bench():
    """Run ``domadapt bench`` and return its status."""
    return lambda *arguments: main(["bench", *map(str, arguments)])


@pytest.fixture
def read_run():
    """Read everything that the folder of a run holds."""

    def read(out):
        out = Path(out)
        return SimpleNamespace(
            settings=json.loads((out / "settings.json").read_text()),
            results=json.loads((out / "results.json").read_text()),
            cells={p.name: json.loads(p.read_text()) for p in (out / "cells").glob("*.json")},
        )

    return read
