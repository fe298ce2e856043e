"""Runs that are stopped, continued and added to, and folders that hold something else."""

import itertools
import json
import os
import signal

import numpy as np
import pytest
from forks import Forks
from joblib import parallel_config

import domadapt
from domadapt.cli import main
from domadapt.experiments import run as run_module
from domadapt.experiments.cells import TargetWatch

SHORT = ["--seeds", "1", "--epochs", "2", "--device", "cpu"]
END_TO_END = ["--pairs", "l:r", "--backbone", "shufflenet_v2_x0_5", "--weights", "random"]
END_TO_END += ["--image-size", "32", "--workers", "0", "--seeds", "1", "--steps-per-epoch", "2"]


@pytest.fixture
def trained(monkeypatch):
    """The cells that are trained, as they are trained."""
    cells, run_cell = [], run_module.run_cell

    def recording(cell, *more):
        cells.append(cell)
        return run_cell(cell, *more)

    monkeypatch.setattr(run_module, "run_cell", recording)
    return cells


def bytes_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_cell_is_not_run_again(features, tmp_path, capsys, trained, bench, read_run):
    out = tmp_path / "run"
    arguments = ("features", "--root", features, "--out", out, "--pairs", "A:W,W:A", *SHORT)
    assert bench(*arguments) == 0
    first = read_run(out).results
    (out / "results.json").write_text(json.dumps(first[:5]))
    trained.clear()
    assert bench(*arguments, "--resume") == 0
    assert "5 of 8 cells are finished already" in capsys.readouterr().err
    assert [(c.source, c.method) for c in trained] == [
        (c["source"], c["method"]) for c in first[5:]
    ]
    assert read_run(out).results == first


def test_an_interrupt_keeps_what_is_finished(
    features, tmp_path, capsys, monkeypatch, bench, read_run
):
    out = tmp_path / "run"
    arguments = ("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT)
    run_cell = run_module.run_cell

    def interrupted(cell, *more):
        if cell.method == "dann":
            raise KeyboardInterrupt
        return run_cell(cell, *more)

    monkeypatch.setattr(run_module, "run_cell", interrupted)
    assert bench(*arguments) == 130
    assert "--resume" in capsys.readouterr().err
    assert [c["method"] for c in read_run(out).results] == ["source", "dan"]
    monkeypatch.undo()
    assert bench(*arguments, "--resume") == 0
    assert len(read_run(out).results) == 4


def test_a_run_grows_to_all_that_was_asked_for(
    features, tmp_path, capsys, trained, bench, read_run
):
    shared = ("features", "--root", features, "--epochs", 2, "--device", "cpu")
    grown, at_once = tmp_path / "grown", tmp_path / "at_once"
    first = ("--pairs", "A:W", "--methods", "source,dan", "--seeds", 1)
    assert bench(*shared, *first, "--out", grown) == 0
    finished = bytes_below(grown / "cells")
    # One that the first request left open.
    (grown / "results.json").write_text(json.dumps(read_run(grown).results[:1]))
    trained.clear()
    capsys.readouterr()
    second = ("--pairs", "W:D,A:W", "--methods", "dann,source", "--seeds", 2)
    assert bench(*shared, *second, "--out", grown, "--resume") == 0
    table = capsys.readouterr().out
    pairs = [["amazon", "webcam"], ["webcam", "dslr"]]
    methods = ["source", "dan", "dann"]
    run = read_run(grown)
    assert run.settings["pairs"] == pairs
    assert run.settings["methods"] == methods
    assert run.settings["seeds"] == 2
    keys = [(c["source"], c["target"], c["method"], c["seed"]) for c in run.results]
    every = {(*pair, m, seed) for pair, m, seed in itertools.product(pairs, methods, range(2))}
    assert len(keys) == len(every)
    assert set(keys) == every
    assert len(trained) == 11
    assert keys[0] == ("amazon", "webcam", "source", 0)
    assert bytes_below(grown / "cells").items() >= finished.items()
    assert all(title in table for title in ("| source only ", "| DAN ", "| DANN "))
    assert "amazon > webcam | webcam > dslr" in table
    # A smaller request leaves the run as large as it is.
    trained.clear()
    assert bench(*shared, *first, "--out", grown, "--resume") == 0
    assert capsys.readouterr().out == table
    assert not trained
    assert read_run(grown) == run
    union = ("--pairs", "A:W,W:D", "--methods", ",".join(methods), "--seeds", 2)
    assert bench(*shared, *union, "--out", at_once) == 0
    assert read_run(at_once).cells == run.cells
    assert capsys.readouterr().out == table


def bench_and_die(arguments):
    """Kill this process when the third epoch is written down, but its checkpoint is not."""
    write = TargetWatch.write

    def write_and_die(watch, estimator):
        write(watch, estimator)
        if len(watch.accuracies) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    TargetWatch.write = write_and_die
    main(["bench", *arguments])


def test_a_killed_run_resumes_to_what_it_would_have_been(
    photographs, tmp_path, bench, read_run, untrained_fork
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = ["folder", "--root", str(photographs), "--methods", "dann", *END_TO_END]
    arguments += ["--epochs", "4"]
    status, printed = untrained_fork.run(bench_and_die, [*arguments, "--out", str(killed)])
    assert status == -signal.SIGKILL, printed
    assert bench(*arguments, "--out", whole) == 0
    stopped = read_run(killed)
    assert stopped.results == []
    assert len(stopped.cells["left__right__dann__0.json"]["target_accuracy"]) == 3
    checkpoint = killed / "cells" / "left__right__dann__0.safetensors"
    assert checkpoint.exists()
    assert bench(*arguments, "--out", killed, "--resume") == 0
    assert read_run(killed).cells == read_run(whole).cells
    assert read_run(killed).results == read_run(whole).results
    assert not checkpoint.exists()


def bench_side_by_side(arguments, n_finished, expected):
    """Run cells in two processes, and stop when so many are finished."""

    def interrupt(text):
        if text.startswith(f"[{n_finished}/"):
            raise KeyboardInterrupt

    run_module.log = interrupt
    with parallel_config(Forks()):
        assert main(["bench", *arguments, "--jobs", "2"]) == expected


def test_cells_side_by_side_resume_to_what_they_would_have_been(
    features, tmp_path, bench, read_run, untrained_fork
):
    arguments = ["features", "--root", str(features), "--pairs", "A:W", *SHORT]
    stopped = [*arguments, "--out", str(tmp_path / "stopped")]
    for more, n_finished, expected in (([], 2, 130), (["--resume"], None, 0)):
        call = (bench_side_by_side, [*stopped, *more], n_finished, expected)
        status, printed = untrained_fork.run(*call)
        assert status == 0, printed
        assert len(read_run(tmp_path / "stopped").results) == (n_finished or 4)
    assert bench(*arguments, "--out", tmp_path / "whole") == 0
    run, whole = read_run(tmp_path / "stopped"), read_run(tmp_path / "whole")
    assert sorted(run.results, key=str) == sorted(whole.results, key=str)
    assert run.cells == whole.cells


@pytest.mark.usefixtures("small_backbone")
def test_a_checkpoint_stays_until_the_result_is_written(
    photographs, tmp_path, bench, read_run, monkeypatch
):
    arguments = ["folder", "--root", photographs, "--methods", "dann", *END_TO_END]
    arguments += ["--epochs", 2, "--out", tmp_path / "run"]
    write_json = run_module._write_json

    def write(path, value):
        if path.name == "results.json" and value:
            raise OSError("No space left on device")
        write_json(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "_write_json", write)
        assert bench(*arguments) == 2
    (checkpoint,) = (tmp_path / "run" / "cells").glob("*.safetensors")
    assert bench(*arguments, "--resume") == 0
    assert not checkpoint.exists()
    assert len(read_run(tmp_path / "run").results) == 1


@pytest.mark.usefixtures("small_backbone")
def test_a_second_stage_resumes_to_what_it_would_have_been(
    photographs, tmp_path, capsys, monkeypatch, bench, read_run
):
    arguments = ["folder", "--root", photographs, "--methods", "shot", *END_TO_END, "--epochs", 2]
    assert bench(*arguments, "--out", tmp_path / "whole") == 0
    assert "epoch 4/4" in capsys.readouterr().err

    def interrupt(text):
        if "epoch 4/4" in text:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "log", interrupt)
        assert bench(*arguments, "--out", tmp_path / "stopped") == 130
    checkpoints = {path.name for path in (tmp_path / "stopped" / "cells").glob("*.safetensors*")}
    assert len(checkpoints) == 2
    assert bench(*arguments, "--out", tmp_path / "stopped", "--resume") == 0
    assert read_run(tmp_path / "stopped") == read_run(tmp_path / "whole")
    assert not list((tmp_path / "stopped" / "cells").glob("*.safetensors*"))


def test_a_folder_with_another_run_is_left_alone(features, tmp_path, capsys, bench, read_run):
    out = tmp_path / "run"
    arguments = ("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT)
    assert bench(*arguments) == 0
    before = bytes_below(out)
    assert bench(*arguments) == 2
    assert "holds a run already. Add --resume" in capsys.readouterr().err
    assert bench(*arguments, "--epochs", 5, "--methods", "jan", "--seeds", 4, "--resume") == 2
    complaint = capsys.readouterr().err
    assert "epochs was 2, now 5. Use those" in complaint
    assert bytes_below(out) == before
    settings = read_run(out).settings
    (out / "settings.json").write_text(json.dumps(settings | {"format": 0}))
    assert bench(*arguments, "--resume") == 2
    assert "of format 0" in capsys.readouterr().err
    (out / "settings.json").write_text(json.dumps(settings | {"version": "0.0.1"}))
    assert bench(*arguments, "--resume") == 2
    assert "version was '0.0.1'" in capsys.readouterr().err
    (out / "settings.json").write_text("{")
    assert bench(*arguments, "--resume") == 2
    assert "settings.json' is not JSON" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    assert bench("features", "--root", features, "--out", other, *SHORT) == 2
    assert "is no run of domadapt bench" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


@pytest.mark.usefixtures("small_backbone")
def test_a_checkpoint_of_another_version_is_refused(photographs, tmp_path, capsys, bench):
    from safetensors.torch import load_file, save_file

    out = tmp_path / "run"
    arguments = ("folder", "--root", photographs, "--methods", "dann", *END_TO_END, "--epochs", 1)
    assert bench(*arguments, "--out", out) == 0
    (out / "results.json").write_text("[]")
    source = tmp_path / "model.safetensors"
    rows = np.random.default_rng(0).normal(size=(20, 3))
    clf = domadapt.DANClassifier(max_epochs=1, random_state=0)
    clf.fit(rows, np.arange(20) % 2, X_target=rows).save(source)
    header = json.dumps({"kind": "checkpoint", "format": 0, "info": {}})
    tensors = load_file(source)
    digest = domadapt._storage.fingerprints.digest_of(tensors, header)
    checkpoint = out / "cells" / "left__right__dann__0.safetensors"
    save_file(tensors, checkpoint, {"domadapt": header, "digest": digest})
    capsys.readouterr()
    assert bench(*arguments, "--out", out, "--resume") == 2
    assert "is of format 0" in capsys.readouterr().err
