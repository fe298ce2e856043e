"""Runs that are continued on other data, beside another process, or with changed files."""

import json
import os
import signal

import numpy as np
import pytest
from forks import end_of, start_fork
from PIL import Image

from domadapt._storage import locks
from domadapt.cli import main
from domadapt.experiments import run as run_module
from domadapt.experiments import tasks
from domadapt.experiments.tasks import load_data

SHORT = ["--seeds", "1", "--epochs", "1", "--device", "cpu", "--methods", "source"]
FROZEN = ["--backbone", "shufflenet_v2_x0_5", "--weights", "random", "--freeze"]
FROZEN += ["--image-size", "32", "--workers", "0"]


def change_numbers(root):
    with np.load(root / "dslr.npz") as old:
        np.savez(root / "dslr.npz", X=old["X"] * [2, 1, 1, 1, 1], y=old["y"])


def change_labels(root):
    with np.load(root / "dslr.npz") as old:
        np.savez(root / "dslr.npz", X=old["X"], y=1 - old["y"])


@pytest.mark.parametrize("change", [change_numbers, change_labels])
def test_a_run_on_features_that_have_changed_is_not_continued(
    features, tmp_path, capsys, bench, read_run, change
):
    arguments = ("features", "--root", features, "--out", tmp_path / "run", *SHORT)
    assert bench(*arguments, "--pairs", "A:W") == 0
    first = read_run(tmp_path / "run")
    change(features)
    load_data.cache_clear()
    capsys.readouterr()
    assert bench(*arguments, "--pairs", "A:D", "--resume") == 2
    complaint = capsys.readouterr().err
    assert "holds a run on other data" in complaint
    assert str(features) in complaint
    assert complaint.count("\n") == 1
    assert read_run(tmp_path / "run") == first


def test_features_that_were_only_written_again_are_the_same(features, tmp_path, bench):
    arguments = ("features", "--root", features, "--out", tmp_path / "run", *SHORT)
    assert bench(*arguments, "--pairs", "A:W") == 0
    with np.load(features / "dslr.npz") as old:
        np.savez_compressed(features / "dslr.npz", X=old["X"], y=old["y"])
    load_data.cache_clear()
    assert bench(*arguments, "--pairs", "A:W,D:W", "--resume") == 0


def repaint(root):
    Image.new("RGB", (12, 12), (9, 9, 9)).save(root / "left" / "dark" / "0.png")


def swap_classes(root):
    for old, new in (("dark", "x"), ("light", "dark"), ("x", "light")):
        (root / "right" / old).rename(root / "right" / new)


@pytest.mark.parametrize("change", [repaint, swap_classes])
def test_a_run_on_photographs_that_have_changed_is_not_continued(
    photographs, tmp_path, capsys, bench, change
):
    options = ("--out", tmp_path / "run", "--pairs", "l:r", *SHORT, *FROZEN)
    assert bench("folder", "--root", photographs, *options) == 0
    for path in photographs.rglob("*.png"):
        os.utime(path, (0, 0))
    load_data.cache_clear()
    assert bench("folder", "--root", photographs, *options, "--resume") == 0
    change(photographs)
    load_data.cache_clear()
    capsys.readouterr()
    assert bench("folder", "--root", photographs, *options, "--resume") == 2
    assert "holds a run on other data" in capsys.readouterr().err


def test_a_run_that_was_begun_without_a_digest_is_not_continued(
    features, tmp_path, capsys, bench, read_run
):
    out = tmp_path / "run"
    arguments = ("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT)
    assert bench(*arguments) == 0
    settings = read_run(out).settings
    assert settings.pop("data_digest")
    (out / "settings.json").write_text(json.dumps(settings))
    assert bench(*arguments, "--resume") == 2
    assert "begun without a digest of its data" in capsys.readouterr().err


def test_the_data_are_read_once_for_their_digest(features, tmp_path, monkeypatch, bench):
    read = []
    digest = tasks.digest_of_array
    monkeypatch.setattr(tasks, "digest_of_array", lambda x: read.append(x.shape) or digest(x))
    arguments = ("features", "--root", features, "--out", tmp_path / "run", *SHORT)
    assert bench(*arguments, "--seeds", 2) == 0
    assert read == [(180, 5), (180,), (180,)]


@pytest.mark.skipif(locks.fcntl is None, reason="there are no locks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_run_beside_a_running_one_is_refused_until_that_is_killed(
    features, tmp_path, capsys, monkeypatch, bench
):
    arguments = ["features", "--root", str(features), "--out", str(tmp_path / "run"), *SHORT]
    reading, writing = os.pipe()

    def wait(cell, *more):
        os.write(writing, b"trains")
        signal.pause()

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "run_cell", wait)
        process = start_fork(lambda: bench(*arguments))
    os.close(writing)
    try:
        with open(reading, "rb", buffering=0) as told:
            assert told.read(6) == b"trains"
        for option in ([], ["--resume"]):
            assert bench(*arguments, *option) == 2
            assert "is in use: another process runs in it" in capsys.readouterr().err
    finally:
        os.kill(process, signal.SIGKILL)
    assert end_of(process) == -signal.SIGKILL
    assert bench(*arguments) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert bench(*arguments, "--resume") == 0


def test_a_run_that_was_killed_as_it_began_leaves_its_folder_to_the_next(features, tmp_path, bench):
    out = tmp_path / "run"
    out.mkdir()
    for name in (".lock", ".settings.json.host.1-2.part"):
        (out / name).touch()
    assert bench("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT) == 0


@pytest.fixture
def stopped(features, tmp_path, monkeypatch, bench):
    """A run with one cell that is left to do, whose data may not be trained on again."""
    out = tmp_path / "run"
    arguments = ("features", "--root", features, "--out", out, "--pairs", "A:W,W:A", *SHORT)
    assert bench(*arguments) == 0
    results = json.loads((out / "results.json").read_text())
    (out / "results.json").write_text(json.dumps(results[:1]))
    monkeypatch.setattr("domadapt.experiments.run.run_cell", None)
    return arguments


CELL = {"source": "amazon", "target": "webcam", "method": "source", "seed": 0}
RESULT = CELL | {"accuracy": 50.0, "best_accuracy_by_target_labels": 50.0}
DETAILS = CELL | {"target_accuracy": [50.0], "history": {"task_loss": [1.0]}}
FILE = "cells/amazon__webcam__source__0.json"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("settings.json", lambda old: [], "is of format None"),
        ("settings.json", lambda old: old | {"dataset": "\ud800"}, "is not JSON, perhaps cut"),
        ("settings.json", lambda old: old | {"methods": "dan"}, "has methods=dan; a list of names"),
        ("settings.json", lambda old: old | {"methods": ["a", "a"]}, "a list of names, each once"),
        ("settings.json", lambda old: old | {"pairs": [["amazon"]]}, "a list of pairs of two"),
        ("settings.json", lambda old: old | {"pairs": {"a": 1}}, "a list of pairs of two"),
        ("settings.json", lambda old: old | {"seeds": "3"}, "a whole number from 1 to"),
        ("settings.json", lambda old: old | {"seeds": 10**400}, "a whole number from 1 to"),
        ("settings.json", lambda old: old | {"domains": [[]]}, "has domains=[[]]; a list of"),
        ("results.json", lambda old: {"cells": old}, "holds a dict, not a list of cells"),
        ("results.json", lambda old: [*old, *old], "twice. Remove the one"),
        ("results.json", lambda old: [RESULT | {"source": "dslr"}], "do not name"),
        ("results.json", lambda old: [RESULT | {"seed": 1}], "do not name"),
        ("results.json", lambda old: [RESULT | {"seed": True}], "do not name"),
        ("results.json", lambda old: [RESULT | {"method": ["dan"]}], "do not name"),
        ("results.json", lambda old: [RESULT | {"accuracy": float("nan")}], "has accuracy=nan"),
        ("results.json", lambda old: [RESULT | {"accuracy": "50"}], "has accuracy='50'"),
        ("results.json", lambda old: [RESULT | {"accuracy": True}], "has accuracy=True"),
        (FILE, lambda old: [], "holds '[]' where a record was expected"),
        (FILE, lambda old: CELL, "lacks target_accuracy"),
        (FILE, lambda old: DETAILS | {"target_accuracy": 3}, "has target_accuracy=3; a list of"),
        (FILE, lambda old: DETAILS | {"target_accuracy": [float("nan")]}, "a list of percentages"),
        (FILE, lambda old: DETAILS | {"history": [1]}, "a list of numbers for each loss"),
        (FILE, lambda old: DETAILS | {"history": {"a": ["b"]}}, "has history={'a': ['b']}"),
        (FILE, lambda old: DETAILS | {"history": {"a": [10**400]}}, "has history={'a': [1000"),
        (FILE, lambda old: DETAILS | {"map": 3}, "holds '3' where a record was expected"),
        (
            FILE,
            lambda old: DETAILS | {"map": {"x": 1, "y": 1, "is_target": 1}},
            "has map x=1; a list of numbers was expected",
        ),
        (FILE, lambda old: DETAILS | {"method": "dan"}, "the settings of the run do not name"),
        (
            FILE,
            lambda old: DETAILS | {"source": "webcam", "target": "amazon"},
            "is the file of another cell",
        ),
    ],
)
def test_files_of_another_shape_are_told_before_anything_is_trained(
    stopped, tmp_path, capsys, bench, name, change, message
):
    path = tmp_path / "run" / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    commands = [["bench", *map(str, stopped), "--resume"]]
    if message not in ("lacks target_accuracy", "is the file of another cell"):
        commands.append(["report", str(tmp_path / "run")])
    for command in commands:
        capsys.readouterr()
        assert main(command) == 2
        complaint = capsys.readouterr().err
        assert complaint.startswith(f"domadapt: error: {str(path)!r} ")
        assert message in complaint
        assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    "change", [{"methods": ["source", "magic"]}, {"pairs": [["amazon", "webcam"], ["x", "dslr"]]}]
)
def test_settings_that_name_what_is_not_there_are_told(stopped, tmp_path, capsys, bench, change):
    path = tmp_path / "run" / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for file in (tmp_path / "run" / "cells").iterdir():
        file.unlink()
    capsys.readouterr()
    assert bench(*stopped, "--resume") == 2
    assert "which is neither a method nor a domain here" in capsys.readouterr().err


def test_two_files_of_one_cell_are_told(stopped, tmp_path, capsys):
    path = tmp_path / "run" / FILE
    path.with_name("copy.json").write_bytes(path.read_bytes())
    assert main(["report", str(tmp_path / "run")]) == 2
    assert "as another file does" in capsys.readouterr().err
    path.with_name("copy.json").write_text("[" * 100_000)
    assert main(["report", str(tmp_path / "run")]) == 2
    assert "copy.json' is not JSON" in capsys.readouterr().err
