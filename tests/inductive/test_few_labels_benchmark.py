"""The measurement of few labels runs every method, and its table has a line for each."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import domadapt
from domadapt.training import TrainingSettings

ROOT = Path(domadapt.__file__).parent.parent


@pytest.fixture
def benchmark(monkeypatch):
    """Import a script of benchmarks/ by name, whose fits end after a few updates."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(
        "domadapt.estimators._deep.TrainingSettings",
        lambda **settings: TrainingSettings(**{**settings, "max_epochs": 1, "steps_per_epoch": 2}),
    )
    return importlib.import_module


def test_every_method_has_a_line(benchmark, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "tiny").mkdir()
    for domain in ("one", "two"):
        X, y = rng.normal(size=(30, 4)), np.arange(30) % 2
        np.savez(tmp_path / "tiny" / f"{domain}.npz", X=X, y=y)
    output = tmp_path / "few"
    arguments = ["--root", str(tmp_path), "--sets", "tiny", "--seeds", "1", "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", ["few_labels.py", *arguments, "--output", str(output)])
    few_labels = benchmark("few_labels")
    few_labels.main()
    cells = json.loads(output.with_suffix(".json").read_text())["cells"]
    methods = list(dict.fromkeys(cell["method"] for cell in cells))
    assert len(methods) == 3 + len(few_labels.STRATEGIES) + len(few_labels.PENALTIES) + 2
    assert len(cells) == 2 * len(methods)
    lines = output.with_suffix(".md").read_text().splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == methods


def test_five_rows_a_class_are_labelled_and_the_others_scored(benchmark):
    y = np.arange(40) % 3
    few, rest = benchmark("few_labels").draw(y, 0)
    assert np.bincount(y[few]).tolist() == [5, 5, 5]
    assert sorted([*few, *rest]) == list(range(40))
