"""The automatic choice in tables and as a single model, and the choice among methods of a table."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import domadapt
from domadapt.cli import main
from domadapt.experiments.choice import choose_methods
from domadapt.experiments.tasks import find_method, load_data
from domadapt.model_selection.auto import _estimators
from domadapt.model_selection.auto._candidates import Candidate
from domadapt.shallow import AdaptedClassifier, AdaptedRegressor

SHORT = ("--pairs", "A:W", "--seeds", 2, "--epochs", 1, "--device", "cpu")
MIXED = "auto,lr,coral_map+lr,dan"


@pytest.fixture(autouse=True)
def cheap_candidates(monkeypatch):
    """Let the automatic choice have two candidates that take no time."""

    def plain(learns, n_columns):
        made = LogisticRegression() if learns == "classes" else Ridge()
        return [Candidate("plain", made, is_plain=True)]

    def adapted(learns, n_sources=1):
        if learns == "classes":
            made = AdaptedClassifier(LogisticRegression(), "coral")
        else:
            made = AdaptedRegressor(Ridge(), "coral")
        return [Candidate("adapted", made, is_plain=False)]

    monkeypatch.setattr(_estimators, "plain_candidates", plain)
    monkeypatch.setattr(_estimators, "adapted_candidates", adapted)


@pytest.fixture
def run_of(features, tmp_path, bench):
    def run(name, *more, methods=MIXED):
        options = ("--root", features, "--out", tmp_path / name, *SHORT, "--methods", methods)
        return bench("features", *options, *more), tmp_path / name

    return run


def test_a_table_has_the_automatic_choice_and_one_among_its_methods(run_of, capsys, read_run):
    status, out = run_of("run")
    assert status == 0
    printed = capsys.readouterr().out
    for title in ("automatic choice", "automatic choice: estimated without target labels"):
        assert f"| {title} " in printed
    assert "| chosen without target labels " in printed
    assert "The automatic choice adapts in " in printed
    run = read_run(out)
    autos = [cell for cell in run.results if cell["method"] == "auto"]
    assert [(cell["source"], cell["seed"]) for cell in autos] == [("amazon", 0), ("amazon", 1)]
    for cell in autos:
        details = run.cells[f"{cell['source']}__webcam__auto__{cell['seed']}.json"]
        assert 0 <= cell["estimated_accuracy"] == details["estimated_accuracy"] <= 100
        assert cell["adapts"] is details["adapts"]
        assert details["target_accuracy"] == [cell["accuracy"]]
    assert all(len(details["target_predicted"]) == 60 for details in run.cells.values())
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out == printed
    summary = json.loads((out / "table.json").read_text())
    named = [pair["methods"] for pair in summary["chosen"]["pairs"]]
    assert all(sum(times.values()) == 2 and set(times) <= set(MIXED.split(",")) for times in named)
    assert "chosen without target labels" in (out / "report.html").read_text()


def test_a_cell_is_what_the_estimator_does(run_of, features, read_run):
    _, out = run_of("run", methods="auto")
    data = load_data("features", str(features))
    (Xs, ys), (Xt, yt) = (
        (data.X[data.domain == name], data.y[data.domain == name]) for name in ("amazon", "webcam")
    )
    auto = domadapt.AutoAdaptClassifier(random_state=1).fit(Xs, ys, X_target=Xt)
    run = read_run(out)
    cell = run.results[1]
    assert cell["accuracy"] == pytest.approx(100 * auto.score(Xt, yt), abs=1e-3)
    assert cell["estimated_accuracy"] == pytest.approx(100 * auto.estimated_accuracy_, abs=1e-3)
    assert run.cells["amazon__webcam__auto__1.json"]["target_predicted"] == (
        auto.transduction_.tolist()
    )


def test_a_run_with_the_automatic_choice_is_resumed_and_added_to(run_of, capsys, read_run):
    _, out = run_of("run", methods="lr,auto")
    whole = read_run(out)
    (out / "results.json").write_text(json.dumps(whole.results[:3]))
    capsys.readouterr()
    assert run_of("run", "--resume", methods="auto")[0] == 0
    assert "3 of 4 cells are finished already" in capsys.readouterr().err
    assert read_run(out).results == whole.results
    assert run_of("run", "--resume", methods="dan")[0] == 0
    assert read_run(out).settings["methods"] == ["lr", "auto", "dan"]


def test_target_labels_change_nothing_in_what_is_chosen(run_of, features, read_run):
    runs = [read_run(run_of("right")[1])]
    with np.load(features / "webcam.npz") as webcam:
        X, y = webcam["X"], webcam["y"]
    np.savez(features / "webcam.npz", X=X, y=np.random.default_rng(0).permutation(y))
    load_data.cache_clear()
    status, out = run_of("changed")
    assert status == 0
    runs.append(read_run(out))
    accuracies = [[cell["accuracy"] for cell in run.results] for run in runs]
    assert accuracies[0] != accuracies[1]
    known = ("target_predicted", "estimated_accuracy", "adapts", "history")
    seen = [
        [{name: cell.get(name) for name in known} for _, cell in sorted(run.cells.items())]
        for run in runs
    ]
    assert seen[0] == seen[1]
    chosen = [choose_methods(run.settings, run.results, list(run.cells.values())) for run in runs]
    assert set(chosen[0]) == {("amazon", "webcam", 0), ("amazon", "webcam", 1)}
    assert chosen[0] == chosen[1]


def test_it_is_a_method_of_the_command():
    assert find_method(" Auto") == "auto"
    assert find_method("auto", learns="values") == "auto"
    with pytest.raises(ValueError, match="and auto, which chooses among methods without target"):
        find_method("magic")


def test_too_few_target_samples_are_told_before_anything_runs(run_of, features, capsys):
    with np.load(features / "webcam.npz") as webcam:
        np.savez(features / "webcam.npz", X=webcam["X"][:9], y=webcam["y"][:9])
    load_data.cache_clear()
    status, out = run_of("run")
    assert status == 2
    assert "auto needs at least 10 target samples" in capsys.readouterr().err
    assert not out.exists()
    assert run_of("run", methods="lr")[0] == 0


def test_photographs_have_to_become_vectors_first(photographs, tmp_path, bench, capsys):
    options = ("--root", photographs, "--out", tmp_path / "run", "--weights", "random", *SHORT)
    options = (*options, "--methods", "auto", "--pairs", "l:r")
    assert bench("folder", *options) == 2
    told = "auto chooses among many models, and needs vectors. Add --freeze"
    assert told in capsys.readouterr().err
    model = ("--out", str(tmp_path / "m"), "--method", "auto")
    assert main(["fit", str(photographs / "left"), "--target", str(photographs), *model]) == 2
    told = "needs vectors. Compute features of the images by a frozen backbone first"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_features_of_photographs_are_vectors(
    photographs, tmp_path, bench, small_backbone, read_run
):
    options = ("--root", photographs, "--out", tmp_path / "run", "--weights", "random", "--freeze")
    options = (*options, "--pairs", "l:r", "--seeds", 1, "--workers", 0, "--image-size", 12)
    assert bench("folder", *options, "--methods", "auto,source", "--epochs", 1) == 0
    run = read_run(tmp_path / "run")
    assert [cell["method"] for cell in run.results] == ["auto", "source"]


@pytest.fixture
def write(tmp_path):
    """Write csv files of classes or of values, one of them of other units."""

    def write_files(learns):
        rng, paths = np.random.default_rng(0), []
        for name, scale in (("source", 1.0), ("target", 5.0)):
            y = np.arange(60) % 2
            X = (rng.normal(size=(60, 2)) + 4 * y[:, None]) * scale
            wanted = np.array(["no", "yes"])[y] if learns == "classes" else y / 3 + X[:, 0] / scale
            rows = [f"{a},{b},{c}" for (a, b), c in zip(X, wanted, strict=True)]
            paths.append(tmp_path / f"{name}.csv")
            paths[-1].write_text("\n".join(["a,b,y", *rows]) + "\n")
        return list(map(str, paths))

    return write_files


def test_a_single_model_of_classes_is_fitted_and_predicts(write, tmp_path, capsys):
    pytest.importorskip("pandas")
    source, target = write("classes")
    out = str(tmp_path / "model.safetensors")
    assert main(["fit", source, "--target", target, "--out", out, "--method", "auto"]) == 0
    told = capsys.readouterr().err
    assert "adapted: " in told
    assert "Estimated accuracy on the target" in told
    assert main(["predict", out, target, "--probabilities"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row,label,no,yes"
    assert len(lines) == 61
    model = domadapt.load(out)
    assert type(model) is Pipeline
    assert type(model[-1]) is domadapt.AutoAdaptClassifier
    assert [line.split(",")[1] for line in lines[1:]] == model[-1].transduction_.tolist()
    assert model[-1].random_state == 0


def test_a_single_model_of_values_is_fitted_and_predicts(write, tmp_path, capsys):
    pytest.importorskip("pandas")
    source, target = write("values")
    out = str(tmp_path / "model.safetensors")
    command = ["fit", source, "--target", target, "--out", out, "--method", "auto", "--seed", "3"]
    assert main(command) == 0
    capsys.readouterr()
    assert main(["predict", out, target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row,value"
    model = domadapt.load(out)[-1]
    assert type(model) is domadapt.AutoAdaptRegressor
    assert model.random_state == 3
    found = [float(line.split(",")[1]) for line in lines[1:]]
    np.testing.assert_allclose(found, model.transduction_, rtol=1e-4)


def test_files_of_arrays_and_several_sources(features, tmp_path, capsys):
    sources = [str(features / f"{name}.npz") for name in ("amazon", "dslr")]
    target, out = str(features / "webcam.npz"), str(tmp_path / "model.safetensors")
    assert main(["fit", *sources, "--target", target, "--out", out, "--method", "auto"]) == 0
    capsys.readouterr()
    assert main(["predict", out, target]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    with np.load(features / "webcam.npz") as webcam:
        X = webcam["X"]
    assert [line.split(",")[1] for line in lines] == [str(c) for c in domadapt.load(out).predict(X)]
    names = domadapt.load(out)[-1].leaderboard_["candidate"]
    assert sorted(names) == ["adapted", "plain"]


def test_parameters_are_set_and_what_it_does_not_have_is_refused(features, tmp_path, capsys):
    source, target = (str(features / f"{name}.npz") for name in ("amazon", "webcam"))
    out = str(tmp_path / "model.safetensors")
    command = ["fit", source, "--target", target, "--out", out, "--method", "auto"]
    assert main([*command, "--set", "candidates=['lr', 'jda+lr']"]) == 0
    assert "jda+lr" in domadapt.load(out)[-1].leaderboard_["candidate"]
    capsys.readouterr()
    assert main([*command, "--epochs", "3"]) == 2
    told = "--epochs does not go with --method auto, which chooses among many models"
    assert told in capsys.readouterr().err
    assert main([*command, "--set", "candidates=['magic']"]) == 2
    assert "'magic' is no method" in capsys.readouterr().err


def test_samples_are_scaled_as_other_methods_see_them(run_of, features, monkeypatch):
    seen = []
    fit = domadapt.AutoAdaptClassifier.fit

    def keep(self, X, y, **known):
        seen.append((X, known["X_target"]))
        return fit(self, X, y, **known)

    monkeypatch.setattr(domadapt.AutoAdaptClassifier, "fit", keep)
    run_of("run", methods="auto")
    for domain, name in zip(seen[0], ("amazon", "webcam"), strict=True):
        with np.load(features / f"{name}.npz") as file:
            np.testing.assert_allclose(domain, StandardScaler().fit_transform(file["X"]), atol=1e-5)
