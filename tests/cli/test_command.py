"""The command: tables that survive being stopped, single models, one-line errors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import domadapt
from domadapt.cli import main
from domadapt.experiments import run as run_module
from domadapt.experiments.recipes import METHODS, RECIPES

PHOTOGRAPHS = ["--backbone", "resnet18", "--weights", "random"]
PHOTOGRAPHS += ["--image-size", "32", "--workers", "0"]
SHORT = ["--seeds", "1", "--epochs", "2", "--device", "cpu"]


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
                pixels = rng.integers(0, 90, (24, 24, 3)) + 120 * label
                pixels[..., number] //= 2
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{picture}.png")
    return root


def bench(*arguments):
    return main(["bench", *map(str, arguments)])


def read(path):
    return json.loads(Path(path).read_text())


def cells_of(out):
    """Everything that a run knows of its cells, by name."""
    return {path.name: read(path) for path in (out / "cells").glob("*.json")}


@pytest.mark.parametrize("command", [[], ["bench"], ["report"], ["fit"], ["predict"]])
def test_help_names_every_option_and_command(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    wanted = {
        (): ["bench", "report", "fit", "predict"],
        ("bench",): ["office31", "--root", "--resume", "--jobs", "--freeze", "target labels"],
        ("report",): ["report.html"],
        ("fit",): ["--target", "--label", "--out"],
        ("predict",): ["--probabilities", "model"],
    }
    for words in wanted[tuple(command)]:
        assert words in text.replace("Target", "target")


def test_a_table_of_features_has_a_cell_for_every_method_pair_and_seed(features, tmp_path, capsys):
    out = tmp_path / "run"
    options = ("--pairs", "A:W,D:W", "--methods", "source,dan", "--seeds", 2, "--epochs", 3)
    assert bench("features", "--root", features, "--out", out, *options) == 0
    printed = capsys.readouterr().out
    assert "amazon > webcam" in printed
    assert "DAN" in printed
    results = read(out / "results.json")
    names = {(c["source"], c["target"], c["method"], c["seed"]) for c in results}
    pairs = [("amazon", "webcam"), ("dslr", "webcam")]
    assert names == {(*p, m, s) for p in pairs for m in ("source", "dan") for s in (0, 1)}
    for cell in results:
        assert set(cell) == {
            *("source", "target", "method", "seed"),
            *("accuracy", "best_accuracy_by_target_labels"),
        }
        known = read(
            out / "cells" / f"{cell['source']}__webcam__{cell['method']}__{cell['seed']}.json"
        )
        assert len(known["target_accuracy"]) == 3
        assert cell["accuracy"] == known["target_accuracy"][-1]
        assert cell["best_accuracy_by_target_labels"] == max(known["target_accuracy"])
        assert (known["map"] is None) == (cell["seed"] > 0)
    # The classes are far apart: what is measured is accuracy, in percent.
    assert np.mean([c["accuracy"] for c in results]) > 80


def test_a_cell_is_what_the_estimator_does(features, tmp_path):
    out = tmp_path / "run"
    options = ("--pairs", "A:W", "--methods", "dan", *SHORT)
    bench("features", "--root", features, "--out", out, *options)
    (cell,) = read(out / "results.json")
    data = domadapt.datasets.load_features(features)
    domains = {}
    for name in ("amazon", "webcam"):
        X = data.X[data.domain == name]
        domains[name] = (X - X.mean(0)) / X.std(0), data.y[data.domain == name]
    (Xs, ys), (Xt, yt) = domains["amazon"], domains["webcam"]
    clf = domadapt.DANClassifier(max_epochs=2, random_state=0).fit(Xs, ys, X_target=Xt)
    assert cell["accuracy"] == pytest.approx(100 * clf.score(Xt, yt), abs=1e-3)
    history = cells_of(out)["amazon__webcam__dan__0.json"]["history"]
    np.testing.assert_allclose(history["task_loss"], clf.history_["task_loss"], rtol=1e-4)


def test_every_method_runs_on_vectors_and_by_its_recipe(features, photographs, tmp_path):
    every = ("--methods", ",".join(METHODS), *SHORT, "--epochs", 1)
    out = tmp_path / "vectors"
    assert bench("features", "--root", features, "--out", out, "--pairs", "A:W", *every) == 0
    assert len(read(out / "results.json")) == len(METHODS)
    out = tmp_path / "recipes"
    options = ("--pairs", "l:r", "--steps-per-epoch", 1, *PHOTOGRAPHS, *every)
    assert bench("folder", "--root", photographs, "--out", out, *options) == 0
    assert {c["method"] for c in read(out / "results.json")} == set(METHODS) == set(RECIPES)


def test_target_labels_change_no_training(features, tmp_path):
    options = ("--pairs", "A:W", *SHORT)
    bench("features", "--root", features, "--out", tmp_path / "one", *options)
    with np.load(features / "webcam.npz") as webcam:
        np.savez(features / "webcam.npz", X=webcam["X"], y=1 - webcam["y"])
    domadapt.experiments.tasks.load_data.cache_clear()
    bench("features", "--root", features, "--out", tmp_path / "two", *options)
    one, two = cells_of(tmp_path / "one"), cells_of(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        assert one[name]["history"] == two[name]["history"]
        flipped = [100 - accuracy for accuracy in one[name]["target_accuracy"]]
        assert two[name]["target_accuracy"] == pytest.approx(flipped, abs=1e-3)


def test_a_finished_cell_is_not_run_again(features, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    arguments = ("features", "--root", features, "--out", out, "--pairs", "A:W,W:A", *SHORT)
    assert bench(*arguments) == 0
    first = read(out / "results.json")
    (out / "results.json").write_text(json.dumps(first[:5]))
    trained = []
    run_cell = run_module.run_cell

    def counting(cell, *more):
        trained.append(vars(cell))
        return run_cell(cell, *more)

    monkeypatch.setattr(run_module, "run_cell", counting)
    assert bench(*arguments, "--resume") == 0
    assert "5 of 8 cells are finished already" in capsys.readouterr().err
    assert [(c["source"], c["method"]) for c in trained] == [
        (c["source"], c["method"]) for c in first[5:]
    ]
    assert read(out / "results.json") == first


def test_an_interrupt_keeps_what_is_finished(features, tmp_path, capsys, monkeypatch):
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
    assert [c["method"] for c in read(out / "results.json")] == ["source", "dan"]
    monkeypatch.undo()
    assert bench(*arguments, "--resume") == 0
    assert len(read(out / "results.json")) == 4


def test_a_cell_that_diverges_does_not_end_the_run(features, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    run_cell = run_module.run_cell

    def diverging(cell, *more):
        if cell.method == "dan":
            raise domadapt.NonFiniteLossError("the loss is not finite")
        return run_cell(cell, *more)

    monkeypatch.setattr(run_module, "run_cell", diverging)
    assert bench("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT) == 1
    assert "DAN, seed 0 failed: the loss is not finite" in capsys.readouterr().err
    assert [c["method"] for c in read(out / "results.json")] == ["source", "dann", "deepcoral"]


def test_cells_side_by_side_are_those_one_after_the_other(features, tmp_path):
    arguments = ("features", "--root", features, "--pairs", "A:W,D:W", "--methods", "dan", *SHORT)
    bench(*arguments, "--out", tmp_path / "one")
    bench(*arguments, "--out", tmp_path / "two", "--jobs", 2)
    assert cells_of(tmp_path / "one") == cells_of(tmp_path / "two")

    def key(cell):
        return cell["source"], cell["method"]

    one, two = (sorted(read(tmp_path / name / "results.json"), key=key) for name in ("one", "two"))
    assert one == two


def test_photographs_with_a_frozen_backbone(photographs, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ("folder", "--root", photographs, "--out", out, *PHOTOGRAPHS, "--freeze")
    assert bench(*arguments, "--pairs", "l:r", "--seeds", 1, "--epochs", 20) == 0
    assert "features of left: 12 images" in capsys.readouterr().err
    assert len(list((out / "features").glob("*.safetensors"))) == 2
    results = read(out / "results.json")
    assert np.mean([c["accuracy"] for c in results]) > 80


def test_images_that_cannot_be_read_are_left_out_where_that_is_asked_for(
    photographs, tmp_path, capsys
):
    bad = photographs / "left" / "dark" / "0.png"
    bad.write_bytes(b"no image")
    out, model = tmp_path / "run", str(tmp_path / "model.safetensors")
    options = [*PHOTOGRAPHS, "--freeze", "--skip-unreadable"]
    arguments = ("folder", "--root", photographs, "--pairs", "l:r", *SHORT, *options)
    assert bench(*arguments, "--out", out) == 0
    assert "1 of 24 images cannot be read and are left out" in capsys.readouterr().err
    assert read(out / "settings.json")["left_out"] == [str(bad)]
    assert len(read(out / "results.json")) == 4
    fit = ["fit", str(photographs / "left"), "--target", str(photographs / "right")]
    with pytest.warns(UserWarning, match="1 images cannot be read"):
        assert main([*fit, *options, "--epochs", "1", "--out", model]) == 0
    assert domadapt.load(model).n_skipped_images_ == 1


END_TO_END = [*PHOTOGRAPHS, "--methods", "dann", "--seeds", "1"]
END_TO_END += ["--epochs", "4", "--steps-per-epoch", "2"]


def test_a_killed_run_goes_on_to_what_it_would_have_been(photographs, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = ["folder", "--root", str(photographs), "--pairs", "l:r", *END_TO_END]
    assert bench(*arguments, "--out", whole) == 0
    checkpoint = killed / "cells" / "left__right__dann__0.safetensors"
    command = [sys.executable, "-m", "domadapt", "bench", *arguments, "--out", str(killed)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=one_thread())
    while not checkpoint.exists():
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert read(killed / "results.json") == []
    subprocess.run([*command, "--resume"], check=True, capture_output=True, env=one_thread())
    assert cells_of(killed) == cells_of(whole)
    assert read(killed / "results.json") == read(whole / "results.json")
    assert not checkpoint.exists()


def one_thread():
    return os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(domadapt.__file__).parents[1]),
    }


def test_two_processes_train_one_model(features, tmp_path):
    options = ["--pairs", "A:W", "--methods", "dan", *SHORT, "--batch-size", "20"]
    arguments = ["bench", "features", "--root", str(features), *options]
    assert main([*arguments, "--out", str(tmp_path / "one")]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command = [*torchrun, "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "-m", "domadapt"]
    ran = subprocess.run(
        [*command, *arguments, "--out", str(tmp_path / "two")],
        capture_output=True,
        text=True,
        env=one_thread(),
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("| DAN") == 1
    one, two = (cells_of(tmp_path / name)["amazon__webcam__dan__0.json"] for name in ("one", "two"))
    # The same sums in another order, in float32.
    for name, values in one["history"].items():
        np.testing.assert_allclose(values, two["history"][name], rtol=1e-4, atol=1e-5)
    assert one["target_accuracy"] == two["target_accuracy"]


def test_a_report_of_a_run(features, tmp_path, capsys):
    out = tmp_path / "run"
    bench("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT)
    table = capsys.readouterr().out
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.strip() == table.strip()
    assert "amazon" in (out / "report.html").read_text()
    assert {"table.md", "table.csv", "table.json"} <= {path.name for path in out.iterdir()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--root", "nowhere"], "is not a folder"),
        (["--methods", "dan,magic"], "method 'magic' is unknown"),
        (["--pairs", "A:X"], "'X' is no domain"),
        (["--pairs", "A-W"], "is no pair"),
        (["--pairs", "A:A"], "names one domain twice"),
        (["--freeze"], "for photographs"),
        (["--device", "tpu"], "device='tpu'"),
        (["--device", "cuda:99"], "CUDA devices"),
        (["--out", "/proc/nowhere/run"], "/proc/nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(features, tmp_path, capsys, change, message):
    arguments = ["features", "--root", features, "--out", tmp_path / "run", *change]
    assert bench(*arguments) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("domadapt: error: ")
    assert message in complaint
    assert complaint.count("\n") == 1


@pytest.mark.filterwarnings("ignore:The domains do not have the same classes")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "left" / "empty").mkdir(), "holds no image"),
        (lambda root: remove(root / "right"), "At least two domains"),
        (lambda root: (root / "left" / "dark" / "0.png").write_bytes(b"no"), "dark/0.png"),
        (lambda root: remove(root / "left" / "dark"), "has 1 class"),
    ],
    ids=["an empty class folder", "one domain", "an unreadable image", "one class"],
)
def test_photographs_that_are_not_as_described(photographs, tmp_path, capsys, spoil, message):
    spoil(photographs)
    domadapt.experiments.tasks.load_data.cache_clear()
    arguments = ("folder", "--root", photographs, "--out", tmp_path / "run", *END_TO_END)
    assert bench(*arguments) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith("domadapt: error: ")
    assert message in complaint


def remove(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_weights_that_do_not_fit(photographs, tmp_path, capsys):
    import torch
    from torchvision.models import resnet34

    torch.save(resnet34().state_dict(), tmp_path / "resnet34.pt")
    arguments = ["folder", "--root", photographs, "--out", tmp_path / "run", "--backbone"]
    assert bench(*arguments, "resnet18", "--weights", tmp_path / "resnet34.pt") == 2
    assert "layer1.2.conv1.weight" in capsys.readouterr().err
    assert bench(*arguments, "resnet18", "--weights", tmp_path / "none.pt") == 2
    assert "is not a file" in capsys.readouterr().err
    assert bench(*arguments, "resnet18") == 2
    assert "--weights is missing" in capsys.readouterr().err
    assert bench(*arguments, "resnet19", "--weights", tmp_path / "resnet34.pt") == 2
    assert "Nearest: resnet" in capsys.readouterr().err
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_folder_with_another_run_is_left_alone(features, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ("features", "--root", features, "--out", out, "--pairs", "A:W", *SHORT)
    assert bench(*arguments) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert bench(*arguments) == 2
    assert "holds a run already. Add --resume" in capsys.readouterr().err
    assert bench(*arguments, "--epochs", 5, "--resume") == 2
    assert "epochs was 2, now 5" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    settings = read(out / "settings.json")
    (out / "settings.json").write_text(json.dumps(settings | {"format": 0}))
    assert bench(*arguments, "--resume") == 2
    assert "of format 0" in capsys.readouterr().err
    (out / "settings.json").write_text(json.dumps(settings | {"version": "0.0.1"}))
    assert bench(*arguments, "--resume") == 2
    assert "version was '0.0.1'" in capsys.readouterr().err
    (out / "settings.json").write_text("{")
    assert bench(*arguments, "--resume") == 2
    assert "cannot be read" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    assert bench("features", "--root", features, "--out", other, *SHORT) == 2
    assert "is no run of domadapt bench" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


def test_a_checkpoint_of_another_version_is_told(photographs, tmp_path, capsys):
    from safetensors.torch import load_file, save_file

    out = tmp_path / "run"
    arguments = ("folder", "--root", photographs, "--out", out, "--pairs", "l:r", *END_TO_END)
    assert bench(*arguments) == 0
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
    assert bench(*arguments, "--resume") == 2
    assert "is of format 0" in capsys.readouterr().err


def write_csv(path, X, y=None):
    names = [f"c{k}" for k in range(X.shape[1])] + (["species"] if y is not None else [])
    rows = [",".join(names)]
    for k, row in enumerate(X):
        rows.append(",".join([*map(repr, row.tolist()), *([y[k]] if y is not None else [])]))
    path.write_text("\n".join(rows) + "\n")


def test_fit_and_predict_on_csv_files(tmp_path, capsys):
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    y = np.array(["cat", "dog"])[np.arange(80) % 2]
    X = rng.normal(size=(80, 3)) + 4 * (y == "dog")[:, None]
    write_csv(tmp_path / "source.csv", X, y)
    write_csv(tmp_path / "target.csv", X + 0.5)
    write_csv(tmp_path / "labelled_target.csv", X + 0.5, y[::-1])
    for name in ("target", "labelled_target"):
        model = str(tmp_path / f"{name}.safetensors")
        fit = ["fit", str(tmp_path / "source.csv"), "--target", str(tmp_path / f"{name}.csv")]
        assert main([*fit, "--label", "species", "--out", model, "--epochs", "20"]) == 0
    first, second = (tmp_path / f"{n}.safetensors" for n in ("target", "labelled_target"))
    weights = [domadapt.load(model).module_.state_dict() for model in (first, second)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    capsys.readouterr()
    predict = ["predict", str(first), str(tmp_path / "labelled_target.csv")]
    assert main(predict) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row,label"
    assert np.mean([line.split(",")[1] for line in lines[1:]] == y) > 0.9
    assert main([*predict, "--probabilities", "--out", str(tmp_path / "p.csv")]) == 0
    header, *rows = (tmp_path / "p.csv").read_text().splitlines()
    assert header == "row,label,cat,dog"
    assert all(abs(sum(map(float, row.split(",")[2:])) - 1) < 1e-4 for row in rows)
    (tmp_path / "narrow.csv").write_text("c0,c1\n1,2\n")
    assert main(["predict", str(first), str(tmp_path / "narrow.csv")]) == 2
    assert "lacks 1 columns that the model was trained on, such as 'c2'" in capsys.readouterr().err
    assert main([*fit, "--out", str(tmp_path / "m.safetensors")]) == 2
    assert "no column 'y' for the labels" in capsys.readouterr().err


def test_fit_and_predict_on_npz_files(features, tmp_path, capsys):
    model = str(tmp_path / "model.safetensors")
    fit = ["fit", str(features / "amazon.npz"), "--target", str(features / "webcam.npz")]
    assert main([*fit, "--method", "deepcoral", "--epochs", "20", "--out", model]) == 0
    capsys.readouterr()
    assert main(["predict", model, str(features / "webcam.npz")]) == 0
    lines = capsys.readouterr().out.splitlines()
    clf = domadapt.load(model)
    with np.load(features / "webcam.npz") as webcam:
        assert [line.split(",")[1] for line in lines[1:]] == list(
            map(str, clf.predict(webcam["X"]))
        )
    np.savez(tmp_path / "empty.npz", Z=np.zeros(3))
    assert main(["predict", model, str(tmp_path / "empty.npz")]) == 2
    assert "lacks X. It holds: Z." in capsys.readouterr().err
    assert main(["predict", model, str(tmp_path / "gone.csv")]) == 2
    assert "is not there" in capsys.readouterr().err
    assert main([*fit, "--method", "magic", "--out", model]) == 2
    assert "method 'magic' is unknown" in capsys.readouterr().err
    assert main([*fit, "--out", str(tmp_path / "no" / "m.safetensors")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_predict_gives_values_of_a_regressor_and_the_label_of_unknown_rows(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    np.savez(tmp_path / "rows.npz", X=X)
    model, rows = str(tmp_path / "model.safetensors"), str(tmp_path / "rows.npz")
    reg = domadapt.DANRegressor(max_epochs=1, random_state=0).fit(X, X[:, :2], X_target=X)
    reg.save(model)
    assert main(["predict", model, rows]) == 0
    header, *lines = (line.split(",") for line in capsys.readouterr().out.splitlines())
    assert header == ["row", "value0", "value1"]
    np.testing.assert_allclose(np.array(lines)[:, 1:].astype(float), reg.predict(X), rtol=1e-5)
    assert main(["predict", model, rows, "--probabilities"]) == 2
    assert "predicts values" in capsys.readouterr().err
    y = (X[:, 0] > 0).astype(int)
    clf = domadapt.OSBPClassifier(unknown=7, max_epochs=1, random_state=0)
    clf.fit(X, y, X_target=X + 5).save(model)
    assert main(["predict", model, rows, "--probabilities"]) == 0
    header, *lines = (line.split(",") for line in capsys.readouterr().out.splitlines())
    assert header == ["row", "label", "0", "1", "7"]
    assert [line[1] for line in lines] == list(map(str, clf.predict(X)))


@pytest.mark.parametrize("freeze", [True, False])
def test_fit_and_predict_on_folders_of_images(photographs, tmp_path, capsys, freeze):
    model = str(tmp_path / "model.safetensors")
    fit = ["fit", str(photographs / "left"), "--target", str(photographs / "right")]
    options = [*PHOTOGRAPHS, *(["--freeze"] if freeze else []), "--epochs", "15", "--out", model]
    assert main([*fit, *options]) == 0
    capsys.readouterr()
    assert main(["predict", model, str(photographs / "right")]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "image,label"
    assert len(lines) == 12
    right = [Path(path).parent.name == label for path, label in (line.split(",") for line in lines)]
    # The backbone's weights are random, though always the same.
    assert np.mean(right) >= 0.5
    assert main([*fit, "--out", model]) == 2
    assert "Images need a backbone" in capsys.readouterr().err
    (tmp_path / "bare").mkdir()
    assert main(["predict", model, str(tmp_path / "bare")]) == 2
    assert "holds no image" in capsys.readouterr().err
