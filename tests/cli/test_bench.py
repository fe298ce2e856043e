"""The tables of ``domadapt bench``: what is trained, on what, and what is measured."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forks import Forks
from joblib import parallel_config

import domadapt
from domadapt.cli import main
from domadapt.experiments import run as run_module
from domadapt.experiments.cells import run_cell
from domadapt.experiments.recipes import named_backbone
from domadapt.experiments.tasks import ON_PAIRS, load_data
from domadapt.inputs.frozen import FrozenBackbone

PHOTOGRAPHS = ["--backbone", "shufflenet_v2_x0_5", "--weights", "random"]
PHOTOGRAPHS += ["--image-size", "32", "--workers", "0"]
SHORT = ["--seeds", "1", "--epochs", "2", "--device", "cpu"]


@pytest.mark.parametrize("command", [[], ["bench"], ["report"], ["fit"], ["predict"]])
def test_help_names_every_option_command_and_method(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    methods = sorted(set(ON_PAIRS) - {"source"})
    wanted = {
        (): ["bench", "report", "fit", "predict"],
        ("bench",): [
            "office31",
            "--root",
            "--resume",
            "--jobs",
            "--freeze",
            "--features",
            *methods,
        ],
        ("report",): ["report.html"],
        ("fit",): ["--target", "--label", "--out", *methods],
        ("predict",): ["--probabilities", "model"],
    }
    for words in wanted[tuple(command)]:
        assert words in text


def test_a_table_of_features_has_a_cell_for_every_method_pair_and_seed(
    features, tmp_path, capsys, bench, read_run
):
    out = tmp_path / "run"
    options = ("--pairs", "A:W,D:W", "--methods", "source,dan", "--seeds", 2, "--epochs", 3)
    assert bench("features", "--root", features, "--out", out, *options) == 0
    printed = capsys.readouterr().out
    assert "amazon > webcam" in printed
    assert "DAN" in printed
    run = read_run(out)
    names = {(c["source"], c["target"], c["method"], c["seed"]) for c in run.results}
    pairs = [("amazon", "webcam"), ("dslr", "webcam")]
    assert names == {(*p, m, s) for p in pairs for m in ("source", "dan") for s in (0, 1)}
    for cell in run.results:
        assert set(cell) == {
            *("source", "target", "method", "seed"),
            *("accuracy", "best_accuracy_by_target_labels"),
        }
        known = run.cells[f"{cell['source']}__webcam__{cell['method']}__{cell['seed']}.json"]
        assert len(known["target_accuracy"]) == 3
        assert cell["accuracy"] == known["target_accuracy"][-1]
        assert cell["best_accuracy_by_target_labels"] == max(known["target_accuracy"])
        assert (known["map"] is None) == (cell["seed"] > 0)
    # The classes are far apart: what is measured is accuracy, in percent.
    assert np.mean([c["accuracy"] for c in run.results]) > 80


def test_a_cell_is_what_the_estimator_does(features, tmp_path, bench, read_run):
    options = ("--pairs", "A:W", "--methods", "dan", *SHORT)
    bench("features", "--root", features, "--out", tmp_path / "run", *options)
    run = read_run(tmp_path / "run")
    data = domadapt.datasets.load_features(features)
    domains = {}
    for name in ("amazon", "webcam"):
        X = data.X[data.domain == name]
        domains[name] = (X - X.mean(0)) / X.std(0), data.y[data.domain == name]
    (Xs, ys), (Xt, yt) = domains["amazon"], domains["webcam"]
    clf = domadapt.DANClassifier(max_epochs=2, random_state=0).fit(Xs, ys, X_target=Xt)
    assert run.results[0]["accuracy"] == pytest.approx(100 * clf.score(Xt, yt), abs=1e-3)
    history = run.cells["amazon__webcam__dan__0.json"]["history"]
    np.testing.assert_allclose(history["task_loss"], clf.history_["task_loss"], rtol=1e-4)


@pytest.mark.usefixtures("small_backbone")
def test_every_method_runs_on_vectors_and_by_its_recipe(
    features, photographs, tmp_path, capsys, bench, read_run
):
    every = ("--methods", "all", *SHORT, "--epochs", 1)
    vectors = tmp_path / "vectors"
    assert bench("features", "--root", features, "--out", vectors, "--pairs", "A:W", *every) == 0
    recipes = tmp_path / "recipes"
    options = ("--pairs", "l:r", "--steps-per-epoch", 1, *PHOTOGRAPHS, *every)
    assert bench("folder", "--root", photographs, "--out", recipes, *options) == 0
    for out in (vectors, recipes):
        run = read_run(out)
        assert [cell["method"] for cell in run.results] == list(ON_PAIRS)
        assert not list((out / "cells").glob("*.safetensors*"))
        for cell in run.cells.values():
            # Methods that align the domains afterwards do so in as many epochs.
            stages = ON_PAIRS[cell["method"]].stages
            assert ("adaptation_history" in cell) == (stages == 2)
            assert len(cell["target_accuracy"]) == stages
    printed = capsys.readouterr().out
    for method in ON_PAIRS.values():
        assert printed.count(f"\n| {method.title} ") == 2


def test_names_of_methods_are_brought_to_those_of_the_table(features, tmp_path, bench, read_run):
    options = ("--pairs", "A:W", "--methods", "DAN,mmd,dan", *SHORT)
    assert bench("features", "--root", features, "--out", tmp_path / "run", *options) == 0
    assert read_run(tmp_path / "run").settings["methods"] == ["dan"]


def test_target_labels_change_no_training(features, tmp_path, bench, read_run):
    options = ("--pairs", "A:W", *SHORT)
    bench("features", "--root", features, "--out", tmp_path / "one", *options)
    with np.load(features / "webcam.npz") as webcam:
        np.savez(features / "webcam.npz", X=webcam["X"], y=1 - webcam["y"])
    load_data.cache_clear()
    bench("features", "--root", features, "--out", tmp_path / "two", *options)
    one, two = read_run(tmp_path / "one").cells, read_run(tmp_path / "two").cells
    assert len(one) == 4
    assert one.keys() == two.keys()
    for name in one:
        assert one[name]["history"] == two[name]["history"]
        flipped = [100 - accuracy for accuracy in one[name]["target_accuracy"]]
        assert two[name]["target_accuracy"] == pytest.approx(flipped, abs=1e-3)


def test_a_cell_that_diverges_does_not_end_the_run(
    features, tmp_path, capsys, monkeypatch, bench, read_run
):
    out = tmp_path / "run"
    run_cell = run_module.run_cell

    def diverging(cell, *more):
        if cell.method == "dan":
            raise domadapt.NonFiniteLossError("the loss is not finite")
        return run_cell(cell, *more)

    monkeypatch.setattr(run_module, "run_cell", diverging)
    assert bench("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT) == 1
    assert "DAN, seed 0 failed: the loss is not finite" in capsys.readouterr().err
    assert [c["method"] for c in read_run(out).results] == ["source", "dann", "deepcoral"]


@pytest.fixture
def assert_same_side_by_side(features, tmp_path, bench, read_run):
    """Compare a run with what a function makes of the same in two processes."""
    arguments = ["features", "--root", str(features), "--pairs", "A:W,D:W", "--methods", "dan"]

    def check(function):
        function([*arguments, *SHORT, "--jobs", "2", "--out", str(tmp_path / "two")])
        bench(*arguments, *SHORT, "--out", tmp_path / "one")
        one, two = read_run(tmp_path / "one"), read_run(tmp_path / "two")
        assert len(one.cells) == 2
        assert one.cells == two.cells
        assert sorted(one.results, key=str) == sorted(two.results, key=str)

    return check


def run_cell_and_tell(*cell):
    print("in process", os.getpid())
    return run_cell(*cell)


def bench_in_forks(arguments):
    """Run cells in forks of this process, and print in which."""
    run_module.run_cell = run_cell_and_tell
    print("from process", os.getpid())
    with parallel_config(Forks()):
        assert main(["bench", *arguments]) == 0


def test_cells_side_by_side_are_those_one_after_the_other(assert_same_side_by_side, untrained_fork):
    def in_forks(arguments):
        status, printed = untrained_fork.run(bench_in_forks, arguments)
        assert status == 0, printed
        (begun_in,) = re.findall(r"from process (\d+)", printed)
        of_cells = re.findall(r"in process (\d+)", printed)
        assert len(of_cells) == 2
        assert begun_in not in of_cells

    assert_same_side_by_side(in_forks)


# Each of these processes first imports everything.
@pytest.mark.many
def test_cells_in_new_processes_are_those_one_after_the_other(assert_same_side_by_side, bench):
    assert_same_side_by_side(lambda arguments: bench(*arguments))


def test_photographs_with_a_frozen_backbone(photographs, tmp_path, capsys, bench, read_run):
    out = tmp_path / "run"
    # Random weights of smaller networks leave nothing of the pictures.
    arguments = ("folder", "--root", photographs, "--out", out, *PHOTOGRAPHS, "--freeze")
    arguments += ("--backbone", "resnet18", "--pairs", "l:r", "--seeds", 1, "--epochs", 20)
    arguments += ("--methods", "source,dan")
    assert bench(*arguments) == 0
    assert "features of left: 12 images" in capsys.readouterr().err
    assert len(list((out / "features").glob("*.safetensors"))) == 2
    run = read_run(out)
    assert np.mean([c["accuracy"] for c in run.results]) > 80
    left, right = (
        sorted(map(str, (photographs / name).rglob("*.png"))) for name in ("left", "right")
    )
    clf = domadapt.DANClassifier(
        backbone=named_backbone("resnet18", "random"),
        freeze=True,
        image_loader=domadapt.ImageLoader(resize=37, crop=32, n_workers=0),
        max_epochs=20,
        random_state=0,
    )
    clf.fit(left, np.repeat([0, 1], 6), X_target=right)
    assert run.cells["left__right__dan__0.json"]["history"] == clf.history_


def test_features_in_a_folder_that_is_named_serve_another_run(
    photographs, tmp_path, monkeypatch, bench, read_run
):
    n_calls = []
    forward = FrozenBackbone.forward

    def counting(self, x):
        n_calls.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(FrozenBackbone, "forward", counting)
    kept = tmp_path / "kept"
    arguments = ("folder", "--root", photographs, *SHORT, *PHOTOGRAPHS, "--freeze")
    assert bench(*arguments, "--methods", "dan", "--features", kept, "--out", tmp_path / "one") == 0
    files = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert len(files) == 2
    assert n_calls
    n_calls.clear()
    options = ("--methods", "source,dan", "--features", kept)
    assert bench(*arguments, *options, "--out", tmp_path / "two") == 0
    assert not n_calls
    assert {path: path.stat().st_mtime_ns for path in kept.iterdir()} == files
    assert not (tmp_path / "two" / "features").exists()
    one, two = read_run(tmp_path / "one").cells, read_run(tmp_path / "two").cells
    assert len(one) == 2
    assert one.items() <= two.items()


def test_images_that_cannot_be_read_are_left_out_where_that_is_asked_for(
    photographs, tmp_path, capsys, bench, read_run
):
    bad = photographs / "left" / "dark" / "0.png"
    bad.write_bytes(b"no image")
    out, model = tmp_path / "run", str(tmp_path / "model.safetensors")
    options = [*PHOTOGRAPHS, "--freeze", "--skip-unreadable"]
    arguments = ("folder", "--root", photographs, "--pairs", "l:r", *SHORT, *options)
    assert bench(*arguments, "--out", out) == 0
    assert "1 of 24 images cannot be read and are left out" in capsys.readouterr().err
    run = read_run(out)
    assert run.settings["left_out"] == [str(bad)]
    assert len(run.results) == 4
    fit = ["fit", str(photographs / "left"), "--target", str(photographs / "right")]
    with pytest.warns(UserWarning, match="1 images cannot be read"):
        assert main([*fit, *options, "--epochs", "1", "--out", model]) == 0
    assert domadapt.load(model).n_skipped_images_ == 1


# Without torchrun itself, tests/training/test_distributed.py shows the same.
@pytest.mark.many
def test_two_processes_train_one_model(features, tmp_path, bench, read_run):
    options = ["--pairs", "A:W", "--methods", "dan", *SHORT, "--batch-size", "20"]
    arguments = ["features", "--root", str(features), *options]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command = [*torchrun, "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "-m", "domadapt"]
    together = subprocess.Popen(
        [*command, "bench", *arguments, "--out", str(tmp_path / "two")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(domadapt.__file__).parents[1])},
    )
    assert bench(*arguments, "--out", tmp_path / "one") == 0
    printed, complaints = together.communicate()
    assert together.returncode == 0, complaints
    assert printed.count("| DAN") == 1
    name = "amazon__webcam__dan__0.json"
    one, two = (read_run(tmp_path / out).cells[name] for out in ("one", "two"))
    # The same sums in another order, in float32.
    for key, values in one["history"].items():
        np.testing.assert_allclose(values, two["history"][key], rtol=1e-4, atol=1e-5)
    assert one["target_accuracy"] == two["target_accuracy"]


def test_a_report_of_a_run(features, tmp_path, capsys, bench):
    out = tmp_path / "run"
    bench("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT)
    table = capsys.readouterr().out
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.strip() == table.strip()
    page = (out / "report.html").read_text()
    assert "PCA of 256 features, 60 source and 60 target points, seed 0" in page
    assert page.count("coloured by class: ") == 4
    assert "Alignment loss by epoch, amazon &gt; webcam" in page
    assert {"table.md", "table.csv", "table.json"} <= {path.name for path in out.iterdir()}
