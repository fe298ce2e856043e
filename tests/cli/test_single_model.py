"""Single models: ``domadapt fit`` and ``domadapt predict`` on csv, npz and images."""

from pathlib import Path

import numpy as np
import pytest

import domadapt
from domadapt.cli import main

PHOTOGRAPHS = ["--backbone", "shufflenet_v2_x0_5", "--weights", "random"]
PHOTOGRAPHS += ["--image-size", "32", "--workers", "0"]


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
    weights = [domadapt.load(model)[-1].module_.state_dict() for model in (first, second)]
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
    assert "lacks columns that the model was trained on: 'c2'" in capsys.readouterr().err
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
    for method, what in (("magic", "is unknown"), ("m3sda", "needs several sources")):
        assert main([*fit, "--method", method, "--out", model]) == 2
        assert f"method '{method}' {what}" in capsys.readouterr().err
    assert main([*fit, "--out", str(tmp_path / "no" / "m.safetensors")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "estimator"),
    [("mmd", domadapt.DANClassifier), ("coral", domadapt.AlignmentClassifier)],
)
def test_fit_takes_every_name_of_a_method(features, tmp_path, method, estimator):
    model = str(tmp_path / "model.safetensors")
    fit = ["fit", str(features / "amazon.npz"), "--target", str(features / "webcam.npz")]
    assert main([*fit, "--method", method, "--epochs", "1", "--out", model]) == 0
    assert type(domadapt.load(model)[-1]) is estimator


def test_predict_writes_values_of_a_regressor_and_the_label_of_unknown_samples(tmp_path, capsys):
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
    options = [*PHOTOGRAPHS, *(["--freeze"] if freeze else []), "--epochs", "3", "--out", model]
    assert main([*fit, *options]) == 0
    capsys.readouterr()
    assert main(["predict", model, str(photographs / "right")]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "image,label"
    assert len(lines) == 12
    paths, labels = zip(*(line.split(",") for line in lines), strict=True)
    assert [Path(path).parent.name for path in paths] == ["dark"] * 6 + ["light"] * 6
    assert list(labels) == domadapt.load(model).predict(list(paths)).tolist()
    assert main([*fit, "--out", model]) == 2
    assert "Images need a backbone" in capsys.readouterr().err
    (tmp_path / "bare").mkdir()
    assert main(["predict", model, str(tmp_path / "bare")]) == 2
    assert "holds no image" in capsys.readouterr().err
