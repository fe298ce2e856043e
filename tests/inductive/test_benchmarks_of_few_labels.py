"""The measurements of what learns from few labels hold the plain models, and every method."""

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
        "domadapt.estimators._stages.TrainingSettings",
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
    monkeypatch.setattr(benchmark("_plain_models"), "N_TREES", 3)
    few_labels.main()
    cells = json.loads(output.with_suffix(".json").read_text())["cells"]
    methods = list(dict.fromkeys(cell["method"] for cell in cells))
    assert methods == few_labels.METHODS
    assert len(cells) == 2 * len(methods)
    lines = output.with_suffix(".md").read_text().splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == methods
    # One of them is measured anew, and the others stay.
    changed = [{**cell, "score": -1.0} for cell in cells]
    report = json.loads(output.with_suffix(".json").read_text())
    output.with_suffix(".json").write_text(json.dumps({**report, "cells": changed}))
    only = "source alone, extra trees"
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--methods", only])
    few_labels.main()
    after = json.loads(output.with_suffix(".json").read_text())["cells"]
    assert [c for c in after if c["method"] == only] == [c for c in cells if c["method"] == only]
    assert {c["score"] for c in after if c["method"] != only} == {-1.0}


def test_harmed_are_the_targets_below_the_best_plain_model_of_each(benchmark):
    means = {"a": [1.0, 5.0, 3.0], "b": [4.0, 2.0, 3.0], "low": [3.9, 4.9, 3.0], "high": [4, 5, 3]}
    counts = benchmark("_plain_models").harmed(means, ["a", "b"])
    assert counts == {"a": "", "b": "", "low": "2 of 3", "high": "0 of 3"}


RESULTS = ROOT / "benchmarks" / "results"


@pytest.mark.parametrize("name", ["few_shot", "several_tasks", "self_taught"])
def test_the_tables_are_those_of_the_cells(benchmark, name):
    cells = json.loads((RESULTS / f"{name}.json").read_text())["cells"]
    assert (RESULTS / f"{name}.md").read_text() == benchmark(name).text_of(cells)
    assert {cell["method"] for cell in cells} == set(benchmark(name).METHODS)


def test_the_table_of_few_labels_is_that_of_the_cells(benchmark):
    cells = json.loads((RESULTS / "few_labels.json").read_text())["cells"]
    table = benchmark("_few_labels_tables").table_of(cells)
    assert (RESULTS / "few_labels.md").read_text() == table + "\n"


def test_five_rows_a_class_are_labelled_and_the_others_scored(benchmark):
    y = np.arange(40) % 3
    few, rest = benchmark("few_labels").draw(y, 0)
    assert np.bincount(y[few]).tolist() == [5, 5, 5]
    assert sorted([*few, *rest]) == list(range(40))
