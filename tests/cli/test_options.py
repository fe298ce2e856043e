"""Options of the command: parameters by name, versions, progress, images that are left out."""

import contextlib
import csv
import io
import itertools
import re

import numpy as np
import pytest
from terminals import Terminal

import domadapt
from domadapt.cli import main
from domadapt.experiments.tasks import load_data
from domadapt.inputs import frozen

PHOTOGRAPHS = ["--backbone", "shufflenet_v2_x0_5", "--weights", "random", "--freeze"]
PHOTOGRAPHS += ["--image-size", "32", "--workers", "0", "--epochs", "1"]


@pytest.fixture
def fit(features, tmp_path):
    """Run ``domadapt fit`` on two domains of vectors."""
    model = str(tmp_path / "model.safetensors")
    paths = [str(features / "amazon.npz"), "--target", str(features / "webcam.npz")]
    return lambda *options: main(["fit", *paths, "--epochs", "1", "--out", model, *options])


@pytest.fixture
def fit_images(photographs, tmp_path):
    """Run ``domadapt fit`` on two folders of images."""
    model = str(tmp_path / "model.safetensors")
    paths = [str(photographs / "left"), "--target", str(photographs / "right")]
    return lambda *options: main(["fit", *paths, *PHOTOGRAPHS, "--out", model, *options])


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"domadapt {domadapt.__version__}\n"


def test_parameters_are_set_by_name(fit, tmp_path):
    options = ["learning_rate=0.5", "hidden_layer_sizes=(8, 4)", "optimizer=adam"]
    options += ["alignment__bandwidth=2.0", "class_weight={0: 2.0, 1: 1.0}", "max_epochs=2"]
    assert fit(*itertools.chain(*(["--set", option] for option in options))) == 0
    clf = domadapt.load(tmp_path / "model.safetensors")[-1]
    assert clf.learning_rate == 0.5
    assert clf.hidden_layer_sizes == (8, 4)
    assert clf.optimizer == "adam"
    assert clf.get_params()["alignment__bandwidth"] == 2.0
    assert clf.class_weight == {0: 2.0, 1: 1.0}
    assert len(clf.history_["task_loss"]) == 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("learning_rat=3", "--set learning_rat: DANClassifier has no such parameter. Did you mean"),
        ("qqq=3", "--set qqq: DANClassifier has no such parameter. There are: accumulate, align"),
        ("learning_rate", "--set 'learning_rate' is not of the form parameter=value"),
        ("=3", "--set '=3' is not of the form"),
        ("learning_rate=fast", "--set learning_rate=fast: The 'learning_rate' parameter of DANC"),
        ("learning_rate=", "--set learning_rate=: The 'learning_rate' parameter"),
        ("dropout=-1", "--set dropout=-1: The 'dropout' parameter"),
        ("alignment__bandwidth=wide", "--set alignment__bandwidth=wide: "),
        ("alignment__width=3", "--set alignment__width: DANClassifier has no such parameter"),
        ("alignment__n_kernels=1.5", "--set alignment__n_kernels=1.5: "),
        ("alignment=mcc", "alignment='mcc' is not the method of DANClassifier"),
    ],
)
def test_parameters_that_cannot_be_set_are_told(fit, tmp_path, capsys, option, message):
    assert fit("--set", option) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"domadapt: error: {message}")
    assert complaint.count("\n") == 1
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("command", "change", "option"),
    [
        ("fit", ["--device", "tpu"], "--device: "),
        ("fit", ["--weights", "none.pth"], "--weights: weights='none.pth' is not a file"),
        ("fit", ["--backbone", "resnet19"], "--backbone: "),
        ("fit", ["--cache-megabytes", "-1"], "--cache-megabytes: "),
        ("bench", ["--weights", "none.pth"], "--weights: weights='none.pth' is not a file"),
        ("bench", ["--weights", "V7"], "--weights: weights='V7' is neither a file nor"),
        ("bench", ["--backbone", "resnet19"], "--backbone: "),
        ("bench", ["--root", "nowhere"], "--root: "),
        ("bench", ["--pairs", "l-r"], "--pairs: "),
        ("bench", ["--cache-megabytes", "-1"], "--cache-megabytes: "),
    ],
)
def test_messages_begin_with_the_option(
    fit_images, photographs, tmp_path, capsys, bench, command, change, option
):
    if command == "fit":
        assert fit_images(*change) == 2
    else:
        root = ["--root", photographs, "--out", tmp_path / "run", *PHOTOGRAPHS]
        # Without --freeze, so that images are kept in memory.
        root.remove("--freeze")
        assert bench("folder", *root, "--steps-per-epoch", 1, *change) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith(f"domadapt: error: {option}")


@pytest.mark.parametrize(
    "change", [["--epochs", "0"], ["--epochs", "ten"], ["--batch-size", "0"], ["--jobs", "x"]]
)
def test_numbers_that_are_none_are_told_by_the_option(features, tmp_path, capsys, bench, change):
    with pytest.raises(SystemExit) as stop:
        bench("features", "--root", features, "--out", tmp_path / "run", *change)
    assert stop.value.code == 2
    assert f"argument {change[0]}: " in capsys.readouterr().err


def test_features_are_counted_from_the_beginning(fit_images, capsys, monkeypatch):
    monkeypatch.setattr(frozen, "PATIENCE", -1)
    monkeypatch.setattr("domadapt.inputs.images.IMAGES_PER_CHUNK", 8)
    assert fit_images() == 0
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    counted = [f"features: {n} of 12 images" for n in (0, 8, 12)]
    assert lines[:6] == [*counted, *counted]
    assert lines[6].startswith("Epoch 1/1")
    assert printed.out == ""


def test_a_quiet_fit_and_a_fit_on_vectors_count_nothing(photographs, capsys):
    backbone = domadapt.nn.load_backbone("shufflenet_v2_x0_5")
    paths = sorted(map(str, (photographs / "left").rglob("*.png")))
    loader = domadapt.ImageLoader(resize=37, crop=32, n_workers=0)
    clf = domadapt.DANClassifier(backbone=backbone, freeze=True, image_loader=loader)
    clf.set_params(max_epochs=1, random_state=0).fit(paths, np.repeat([0, 1], 6), X_target=paths)
    assert capsys.readouterr().out == ""
    stack = np.zeros((12, 3, 32, 32), dtype=np.float32)
    clf.set_params(verbose=True).fit(stack, np.repeat([0, 1], 6), X_target=stack)
    assert "features: " not in capsys.readouterr().out


def test_features_that_were_kept_have_no_speed(photographs, tmp_path, capsys, bench):
    arguments = ["folder", "--root", photographs, "--pairs", "l:r", "--methods", "source"]
    arguments += [*PHOTOGRAPHS, "--seeds", 1, "--features", tmp_path / "kept"]
    assert bench(*arguments, "--out", tmp_path / "one") == 0
    printed = capsys.readouterr().err
    assert "left: features: 0 of 12 images\nleft: features: 12 of 12 images\n" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("features of left: ")]
    assert line.startswith("features of left: 12 images, ")
    assert line.endswith("/s")
    assert bench(*arguments, "--out", tmp_path / "two") == 0
    printed = capsys.readouterr().err
    assert "features of left: 12 images, kept before\n" in printed
    assert "/s" not in printed
    load_data.cache_clear()


def test_decoded_images_are_kept_in_a_folder(
    fit_images, photographs, tmp_path, capsys, bench, monkeypatch
):
    kept = str(tmp_path / "kept")
    assert fit_images("--cache-folder", kept) == 0
    assert len(list((tmp_path / "kept").rglob("*.safetensors"))) == 24
    monkeypatch.setattr("domadapt.inputs.decoding.decode", lambda *_: 1 / 0)
    arguments = ["folder", "--root", photographs, "--pairs", "l:r", "--methods", "source"]
    arguments += [*PHOTOGRAPHS, "--seeds", 1, "--skip-unreadable", "--cache-folder"]
    assert bench(*arguments, kept, "--out", tmp_path / "one") == 0
    load_data.cache_clear()
    (tmp_path / "file").write_text("no folder")
    capsys.readouterr()
    assert bench(*arguments, tmp_path / "file", "--out", tmp_path / "two") == 2
    assert "error: --cache-folder: cache_folder=" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()


def test_predict_leaves_out_images_that_cannot_be_read(fit_images, photographs, tmp_path, capsys):
    assert fit_images() == 0
    model, right = str(tmp_path / "model.safetensors"), photographs / "right"
    bad = right / "dark" / "3.png"
    bad.write_bytes(b"no image")
    assert main(["predict", model, str(right)]) == 2
    complaint = capsys.readouterr().err
    assert str(bad) in complaint
    assert "--skip-unreadable" in complaint
    assert main(["predict", model, str(right), "--skip-unreadable"]) == 0
    printed = capsys.readouterr()
    assert "1 of 12 images cannot be read and are left out" in printed.err
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    left = sorted(str(path) for path in right.rglob("*.png") if path != bad)
    assert [row["image"] for row in rows] == left
    assert [row["label"] for row in rows] == domadapt.load(model).predict(left).tolist()
    for path in right.rglob("*.png"):
        path.write_bytes(b"no image")
    assert main(["predict", model, str(right), "--skip-unreadable"]) == 2
    assert "None of the images of" in capsys.readouterr().err


def test_skipping_is_for_images(fit, features, tmp_path, capsys):
    assert fit() == 0
    data = str(features / "webcam.npz")
    model = str(tmp_path / "model.safetensors")
    assert main(["predict", model, data, "--skip-unreadable"]) == 2
    assert "--skip-unreadable is for images" in capsys.readouterr().err


def test_a_terminal_shows_one_bar_for_images_and_one_for_cells(
    photographs, tmp_path, bench, monkeypatch
):
    monkeypatch.setenv("TERM", "xterm")
    arguments = ("folder", "--root", photographs, "--out", tmp_path / "run", *PHOTOGRAPHS)
    arguments += ("--pairs", "l:r", "--methods", "dan,lr", "--seeds", 1)
    with contextlib.redirect_stderr(Terminal()) as terminal:
        assert bench(*arguments) == 0
    sent = terminal.getvalue()
    shown = re.findall(r"\] (\d+/\d+ (?:images|cells))", sent)
    assert list(dict.fromkeys(shown)) == [
        *("0/24 images", "12/24 images", "24/24 images"),
        *("0/2 cells", "1/2 cells", "2/2 cells"),
    ]
    # At the end there are the lines alone.
    assert not [line for line in terminal.screen if line.startswith("[") and "about" in line[:40]]
    assert [line for line in terminal.screen if line.startswith("[2/2] left > right")]
