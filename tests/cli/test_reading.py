"""Files that ``domadapt fit`` and ``domadapt predict`` cannot use, told in one line by name."""

import os

import numpy as np
import pytest

import domadapt
from domadapt.cli import main


@pytest.fixture
def good(tmp_path, monkeypatch):
    """A model, and a file of each kind that it would take."""
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    np.savez("good.npz", X=X, y=y)
    lines = [f"{a},{b},{label}" for (a, b), label in zip(X.tolist(), y, strict=True)]
    (tmp_path / "good.csv").write_text("\n".join(["a,b,y", *lines]))
    clf = domadapt.DANClassifier(max_epochs=1, random_state=0).fit(X, y, X_target=X)
    clf.save("model.safetensors")
    return tmp_path


def complaint_of(command, capsys):
    capsys.readouterr()
    assert main(command) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("domadapt: error: ")
    assert complaint.count("\n") == 1
    return complaint


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def raw(content):
    return lambda path: path.write_bytes(content)


ROWS, LABELS = np.zeros((4, 2)), [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("bad.npz", raw(b""), "is no npz file that can be read"),
        ("bad.npz", raw(b"PK\x03\x04 cut"), "is no npz file that can be read"),
        ("bad.npz", raw(b"a,b\n1,2\n"), "is no npz file that can be read"),
        ("bad.npz", npz(y=LABELS), "lacks X"),
        ("bad.npz", npz(X=np.array([[{}]], dtype=object), y=[0]), "holds Python objects in X"),
        ("bad.npz", npz(X=[["1"], ["2"]], y=[0, 1]), "holds text in X"),
        ("bad.npz", npz(X=np.zeros(4), y=LABELS), "has an X of shape (4,)"),
        ("bad.npz", npz(X=3.0, y=LABELS), "has a"),
        ("bad.npz", npz(X=[[1.0], [np.nan]], y=[0, 1]), "missing or infinite, such as in row 1"),
        ("bad.csv", raw(b""), "is no csv file that can be read: No columns"),
        ("bad.csv", raw(b"a,b,y\n"), "has a line of names at most, and no rows"),
        ("bad.csv", raw(b"\x89PNG\r\n\x00\x00"), "is no csv file in UTF-8"),
        ("bad.csv", raw("a,b,y\n1,2,3\n".encode("utf-16")), "is no csv file in UTF-8"),
        ("bad.csv", raw("a,b,y\n1,2,grün\n".encode("latin-1")), "is not in UTF-8"),
        ("bad.csv", raw(b'a,b,y\n1,2,3\n1,2,3,4,5\n"'), "is no csv file that can be read: Error"),
        ("bad.csv", raw(b"a,b,y\n1,2,3,4\n5,6,7,8\n"), "rows with more cells than its first line"),
        ("bad.txt", raw(b"a"), "is neither a folder nor a file that ends in .csv, .parquet"),
    ],
)
def test_damaged_files_are_told(good, capsys, name, write, message):
    write(good / name)
    other = "good.npz" if name.endswith("npz") else "good.csv"
    if name.endswith(".txt"):
        other = name
    out = ["--out", "new.safetensors"]
    for command in (
        ["fit", name, "--target", other, *out],
        ["fit", other, "--target", name, *out],
        ["predict", "model.safetensors", name],
    ):
        complaint = complaint_of(command, capsys)
        assert f"'{name}'" in complaint
        assert message in complaint
    assert not (good / "new.safetensors").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"X": ROWS}, "lacks y"),
        ({"X": ROWS, "y": [0, 1]}, "has 4 samples in X, but 2 labels in y"),
        ({"X": ROWS, "y": 1}, "has a single value in y"),
        ({"X": ROWS, "y": np.array([0, 1, None, 1])}, "holds Python objects in y"),
        ({"X": ROWS, "y": [0, 1, np.nan, 1]}, "missing or infinite, such as in row 2"),
        ({"X": ROWS, "y": [b"\xff", b"a", b"b", b"a"]}, "that are not UTF-8"),
        ({"X": ROWS, "y": np.zeros((4, 2, 2))}, "has a y of shape (4, 2, 2)"),
    ],
)
def test_labels_that_cannot_be_learnt_are_told(good, capsys, labels, message):
    np.savez("bad.npz", **labels)
    command = ["fit", "bad.npz", "--target", "good.npz", "--out", "new.safetensors"]
    complaint = complaint_of(command, capsys)
    assert "'bad.npz'" in complaint
    assert message in complaint


def test_labels_as_bytes_are_text(good):
    np.savez("bytes.npz", X=ROWS, y=np.array([b"cat", b"dog", b"cat", b"dog"]))
    command = ["fit", "bytes.npz", "--target", "good.npz", "--epochs", "1"]
    assert main([*command, "--out", "new.safetensors"]) == 0
    assert domadapt.load("new.safetensors").classes_.tolist() == ["cat", "dog"]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_names_that_are_not_utf_8_are_told_by_name(photographs, tmp_path, capsys, bench):
    model, target = str(tmp_path / "m.safetensors"), photographs / "right" / "light"
    options = ["--backbone", "shufflenet_v2_x0_5", "--weights", "random", "--image-size", "32"]
    options += ["--workers", "0", "--epochs", "1", "--freeze"]
    source = str(photographs / "left")
    fit = ["fit", source, "--target", str(target), "--out", model, *options]
    assert main(fit) == 0
    os.rename(target / "0.png", os.fsencode(target) + b"/\xfc.png")
    run = ["bench", "folder", "--root", str(photographs), "--out", str(tmp_path / "run"), *options]
    for command in (fit, ["predict", model, str(target)], run):
        complaint = complaint_of(command, capsys)
        assert r"\udcfc.png' is not UTF-8" in complaint
        assert "rename it" in complaint
    assert not (tmp_path / "run").exists()
    complaint = complaint_of(["predict", model, "a\udcfc"], capsys)
    assert r"The argument 'a\udcfc' is not UTF-8" in complaint
