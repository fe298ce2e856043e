"""``domadapt fit`` and ``predict`` on tables: columns of all kinds, and what is refused."""

import csv
import io

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

import domadapt
from domadapt.cli import main

pd = pytest.importorskip("pandas")


def people(seed, shift, n=80):
    """Return rows whose label depends on the age, within its scale, and on the colour."""
    rng = np.random.default_rng(seed)
    age, colour = rng.normal(40, 10, n), rng.choice(["red", "green"], n)
    frame = pd.DataFrame({"income": 1000 * rng.normal(size=n), "age": age, "colour": colour})
    frame["smokes"], frame["fixed"] = rng.random(n) > 0.5, 7
    frame["y"] = np.where(age + 15 * (colour == "red") > 47, "yes", "no")
    return frame.assign(age=frame.age + shift)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two labelled sources and a target, whose columns come in another order, with others."""
    monkeypatch.chdir(tmp_path)
    people(0, 0).to_csv("one.csv", index=False)
    people(1, 3).to_csv("two.csv", index=False)
    target = people(2, 6)
    target[target.columns[::-1]].assign(note="new").to_csv("target.csv", index=False)
    return target


def fit(*arguments):
    return main(["fit", "one.csv", "--target", "target.csv", "--out", "m.safetensors", *arguments])


def predictions(capsys, *arguments):
    capsys.readouterr()
    assert main(["predict", "m.safetensors", *arguments]) == 0
    printed = capsys.readouterr()
    return list(csv.DictReader(io.StringIO(printed.out))), printed.err


def test_scaled_columns_and_categories_are_learnt_and_kept_in_the_model(files, capsys):
    assert fit("--epochs", "60") == 0
    told = capsys.readouterr().err
    assert "target.csv: left out 1 other columns: note" in told
    assert "columns of categories: colour (2), smokes (2)" in told
    rows, told = predictions(capsys, "target.csv")
    assert "left out 2 other columns" in told
    assert np.mean([row["label"] for row in rows] == files.y) > 0.85
    model = domadapt.load("m.safetensors")
    assert type(model) is Pipeline
    assert list(model.named_steps) == ["columns", "estimator"]
    assert type(model["estimator"]) is domadapt.DANClassifier
    assert model.predict(files).tolist() == [row["label"] for row in rows]
    pooled = pd.concat([people(0, 0), files])
    assert model["columns"].means_ == pytest.approx(pooled[["income", "age", "fixed"]].mean())
    assert model["columns"].scales_[2] == 1


def test_scaling_can_be_left_out(files):
    assert fit("--epochs", "1", "--no-scaling", "--set", "learning_rate=1e-6") == 0
    columns = domadapt.load("m.safetensors")["columns"]
    assert columns.means_.tolist() == [0, 0, 0]
    assert columns.scales_.tolist() == [1, 1, 1]


def test_categories_that_are_numbers_alone_in_another_file_are_text(tmp_path, files, capsys):
    people(0, 0).replace({"red": "007", "green": "b"}).to_csv("one.csv", index=False)
    people(2, 6).replace({"red": "007", "green": "b"}).to_csv("target.csv", index=False)
    assert fit("--epochs", "1") == 0
    assert domadapt.load("m.safetensors")["columns"].categories_["colour"] == ["007", "b"]
    people(3, 0).assign(colour="007").to_csv("codes.csv", index=False)
    rows, _ = predictions(capsys, "codes.csv")
    assert len(rows) == 80
    model = domadapt.load("m.safetensors")
    expected = model.predict(people(3, 0).assign(colour="007"))
    assert [row["label"] for row in rows] == expected.tolist()


def test_an_index_that_pandas_wrote_is_left_out(files, capsys):
    people(0, 0).to_csv("one.csv")
    files.to_csv("target.csv")
    assert fit("--epochs", "1") == 0
    assert capsys.readouterr().err.count("counts the rows; it is left out") == 2
    assert "Unnamed: 0" not in domadapt.load("m.safetensors").feature_names_in_
    # One that does not count is a column like others.
    frame = people(0, 0)
    frame.set_index(frame.index * 2).to_csv("one.csv")
    assert fit("--epochs", "1") == 2
    assert "'target.csv' lacks columns of 'one.csv': 'Unnamed: 0'" in capsys.readouterr().err


def test_numbers_are_predicted_where_labels_are_not_whole(files, capsys):
    for name, seed in (("one.csv", 0), ("target.csv", 2)):
        frame = people(seed, 0, n=200)
        frame.assign(y=frame.age / 3 + (frame.colour == "red")).to_csv(name, index=False)
    assert fit("--epochs", "60") == 0
    rows, _ = predictions(capsys, "target.csv")
    wanted = pd.read_csv("target.csv").y
    assert np.corrcoef([float(row["value"]) for row in rows], wanted)[0, 1] > 0.95
    assert type(domadapt.load("m.safetensors")[-1]) is domadapt.DANRegressor
    assert fit("--epochs", "1", "--method", "source") == 0
    assert type(domadapt.load("m.safetensors")[-1]) is domadapt.AlignmentRegressor
    assert fit("--method", "mcc") == 2
    assert "method 'mcc' learns classes, not values. On a pair" in capsys.readouterr().err
    assert fit("--task", "classes") == 2
    assert "--task classes: the labels of 'one.csv' are numbers that are not whole" in (
        capsys.readouterr().err
    )


def test_whole_numbers_are_classes_unless_values_are_asked_for(files, capsys):
    for name, seed in (("one.csv", 0), ("target.csv", 2)):
        frame = people(seed, 0)
        frame.assign(y=(frame.age > 40).astype(float)).to_csv(name, index=False)
    assert fit("--epochs", "1") == 0
    assert domadapt.load("m.safetensors").classes_.tolist() == [0.0, 1.0]
    assert fit("--epochs", "1", "--task", "values", "--method", "rsd") == 0
    assert type(domadapt.load("m.safetensors")[-1]) is domadapt.RSDRegressor
    assert fit("--method", "rsd") == 2
    assert "method 'rsd' learns values, not classes" in capsys.readouterr().err
    numbers = people(0, 0).assign(y=np.arange(80))
    numbers.to_csv("one.csv", index=False)
    assert fit("--epochs", "1") == 0
    assert "the labels are 80 whole numbers, taken for classes" in capsys.readouterr().err
    assert fit("--epochs", "1", "--task", "classes") == 0
    assert "taken for classes" not in capsys.readouterr().err
    people(0, 0).to_csv("one.csv", index=False)
    assert fit("--task", "values") == 2
    assert "labels such as " in capsys.readouterr().err


@pytest.mark.parametrize("method", ["m3sda", "dann", "source"])
def test_several_sources_are_numbered(files, monkeypatch, method):
    seen = {}
    original = domadapt.domains.base.BaseDomainEstimator.fit

    def fit(self, X, y, **given):
        seen.update(given, X=X, y=y)
        return original(self, X, y, **given)

    monkeypatch.setattr(domadapt.domains.base.BaseDomainEstimator, "fit", fit)
    arguments = ["one.csv", "two.csv", "--target", "target.csv", "--method", method]
    assert main(["fit", *arguments, "--epochs", "2", "--out", "m.safetensors"]) == 0
    if method == "source":
        assert len(seen["X"]) == 160
        assert set(seen) == {"X", "y"}
    else:
        np.testing.assert_array_equal(seen["sample_domain"], np.repeat([1, 2, -1], 80))
        assert seen["y"][:160].tolist() == [*people(0, 0).y, *people(1, 3).y]
    model = domadapt.load("m.safetensors")
    expected = model["columns"].transform(people(1, 3))
    np.testing.assert_array_equal(seen["X"][80:160], expected)


def test_several_sources_of_arrays_and_of_images(features, photographs, tmp_path, capsys):
    model = str(tmp_path / "m.safetensors")
    sources = [str(features / f"{name}.npz") for name in ("amazon", "dslr")]
    target = ["--target", str(features / "webcam.npz"), "--method", "m3sda", "--epochs", "1"]
    assert main(["fit", *sources, *target, "--out", model]) == 0
    np.savez(features / "dslr.npz", X=np.zeros((4, 3)), y=[0, 1, 0, 1])
    assert main(["fit", *sources, *target, "--out", model]) == 2
    assert "has samples of shape (3,), but" in capsys.readouterr().err
    folders = [str(photographs / name) for name in ("left", "right")]
    options = ["--backbone", "shufflenet_v2_x0_5", "--weights", "random", "--freeze"]
    options += ["--image-size", "32", "--workers", "0", "--epochs", "1", "--method", "m3sda"]
    assert main(["fit", *folders, "--target", folders[0], *options, "--out", model]) == 0
    assert type(domadapt.load(model)) is domadapt.M3SDAClassifier
    assert main(["fit", sources[0], "--target", folders[0], "--out", model]) == 2
    assert "is a folder where" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("one.csv", {"age": np.nan}, "Column 'age' of 'one.csv': row 3 (counted from 0) is miss"),
        ("target.csv", {"colour": None}, "Column 'colour' of 'target.csv': row 3 (counted"),
        ("one.csv", {"y": None}, "Column 'y' of 'one.csv': row 3 (counted from 0) is missing"),
        ("one.csv", {"age": np.inf}, "Column 'age' of 'one.csv': row 3 (counted from 0) is inf"),
        ("target.csv", {"age": "?"}, "'age' holds numbers in 'one.csv', but text in 'target.csv'"),
        ("target.csv", {"smokes": "?"}, "'smokes' holds booleans in 'one.csv', but text in"),
    ],
)
def test_columns_that_do_not_fit_are_told_by_the_names_of_file_and_column(
    files, capsys, name, change, message
):
    frame = pd.read_csv(name).astype(object)
    for column, value in change.items():
        frame.loc[3, column] = value
    frame.to_csv(name, index=False)
    assert fit() == 2
    assert message in capsys.readouterr().err


def test_predict_tells_by_name_what_does_not_fit_the_model(files, tmp_path, capsys):
    assert fit("--epochs", "1") == 0
    files.drop(columns=["age", "smokes"]).to_csv("narrow.csv", index=False)
    files.assign(age="old").to_csv("words.csv", index=False)
    files.assign(age=np.nan).to_csv("holes.csv", index=False)
    np.savez("rows.npz", X=np.zeros((2, 3)))
    (tmp_path / "folder").mkdir()
    for data, message in (
        ("narrow.csv", "'narrow.csv' lacks columns that the model was trained on: 'age', 'smokes'"),
        ("words.csv", "Column 'age' of 'words.csv' holds text, such as 'old', where numbers"),
        ("holes.csv", "Column 'age' of 'holes.csv': row 0 (counted from 0) is missing"),
        ("rows.npz", "'rows.npz' has 3 columns, but the model was trained on 5"),
        ("folder", "'folder' is a folder, but the model was trained on a table"),
    ):
        capsys.readouterr()
        assert main(["predict", "m.safetensors", data]) == 2
        assert message in capsys.readouterr().err


def test_labels_that_a_spreadsheet_would_run_are_written_with_an_apostrophe(files, capsys):
    people(0, 0).replace({"yes": "=1+1", "no": "-5"}).to_csv("one.csv", index=False)
    assert fit("--epochs", "20") == 0
    rows, _ = predictions(capsys, "target.csv", "--probabilities")
    assert set(rows[0]) == {"row", "label", "'=1+1", "-5"}
    assert {row["label"] for row in rows} == {"'=1+1", "-5"}
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "apostrophe" in capsys.readouterr().out
