"""Methods without a network in tables and as single models of the command."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import domadapt
from domadapt.cli import main
from domadapt.experiments.tasks import find_method
from domadapt.methods import ADAPTERS
from domadapt.shallow import AdaptedClassifier
from domadapt.shallow._combinations import PLAIN, read_shallow

SHORT = ("--pairs", "A:W", "--seeds", 1, "--epochs", 1, "--device", "cpu")
MIXED = "coral_map+lr,domain_classifier+extra_trees,1nn,dan"


def test_a_table_has_methods_with_and_without_a_network(
    features, tmp_path, capsys, bench, read_run
):
    out = tmp_path / "run"
    assert bench("features", "--root", features, "--out", out, *SHORT, "--methods", MIXED) == 0
    printed = capsys.readouterr().out
    for title in ("CORAL mapping + logistic regression", "1-NN", "DAN"):
        assert f"| {title} " in printed
    run = read_run(out)
    assert [cell["method"] for cell in run.results] == MIXED.split(",")
    for cell in run.cells.values():
        assert len(cell["target_accuracy"]) == 1
        assert len(cell["map"]["x"]) == 120
    assert main(["report", str(out)]) == 0
    assert "domain classifier + extra trees" in (out / "report.html").read_text()
    # It is known again, and nothing is run twice.
    more = f"lr,{MIXED}"
    assert (
        bench("features", "--root", features, "--out", out, *SHORT, "--methods", more, "--resume")
        == 0
    )
    assert "4 of 5 cells are finished already" in capsys.readouterr().err


def test_a_cell_is_what_the_wrapper_does(features, tmp_path, bench, read_run):
    options = ("--root", features, "--out", tmp_path / "run", *SHORT)
    bench("features", *options, "--methods", "coral_map+lr")
    data = domadapt.datasets.load_features(features)
    domains = [
        (StandardScaler().fit_transform(data.X[data.domain == name]), data.y[data.domain == name])
        for name in ("amazon", "webcam")
    ]
    (Xs, ys), (Xt, yt) = domains
    clf = AdaptedClassifier(LogisticRegression(max_iter=1000), "coral").fit(Xs, ys, X_target=Xt)
    (cell,) = read_run(tmp_path / "run").results
    assert cell["accuracy"] == pytest.approx(100 * clf.score(Xt, yt), abs=1e-3)
    assert cell["best_accuracy_by_target_labels"] == cell["accuracy"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("magic+lr", "the adapter 'magic' is unknown. Before the [+] there may be: .*coral"),
        ("coral+magic", "the estimator 'magic' is unknown. After the [+] there may be: lr"),
        ("coral+ridge", "learns values, not classes"),
        ("domain_classifier+1nn", "takes no sample_weight"),
        ("magic", "is unknown. .*ADAPTER[+]ESTIMATOR, such as coral_map[+]lr"),
    ],
)
def test_what_is_no_method_is_told_before_anything_runs(name, message):
    with pytest.raises(ValueError, match=message):
        find_method(name)


def test_every_adapter_has_a_name_on_the_command_line():
    for name, method in ADAPTERS.items():
        shallow = read_shallow(f"{name}+lr")
        assert shallow.adapter is method
        assert read_shallow(shallow.name) == shallow
    assert all(read_shallow(name).name == name for name in PLAIN)


def test_photographs_have_to_become_vectors_first(photographs, tmp_path, bench, capsys):
    options = ("--root", photographs, "--out", tmp_path / "run", "--weights", "random", *SHORT)
    assert bench("folder", *options, "--methods", "coral_map+lr", "--pairs", "l:r") == 2
    assert "coral_map+lr trains no network, and needs vectors. Add --freeze" in (
        capsys.readouterr().err
    )


@pytest.fixture
def tables(tmp_path):
    """Two csv files of two classes, one of them of other units."""
    rng = np.random.default_rng(0)
    paths = []
    for name, scale in (("source", 1.0), ("target", 5.0)):
        y = np.arange(60) % 2
        X = (rng.normal(size=(60, 2)) + 4 * y[:, None]) * scale
        rows = [f"{a},{b},{['no', 'yes'][label]}" for (a, b), label in zip(X, y, strict=True)]
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text("\n".join(["a,b,y", *rows]) + "\n")
    return paths


@pytest.mark.parametrize("method", ["coral_map+lr", "boosted_trees"])
def test_a_single_model_is_fitted_and_predicts(method, tables, tmp_path, capsys):
    source, target = map(str, tables)
    out = str(tmp_path / "model.safetensors")
    assert main(["fit", source, "--target", target, "--out", out, "--method", method]) == 0
    capsys.readouterr()
    assert main(["predict", out, target, "--probabilities"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row,label,no,yes"
    assert len(lines) == 61
    model = domadapt.load(out)
    assert type(model[-1]).__name__ == "AdaptedClassifier"
    assert hasattr(model[-1], "adapter_") == ("+" in method)


def test_what_a_method_without_a_network_does_not_have_is_refused(tables, tmp_path, capsys):
    source, target = map(str, tables)
    command = ["fit", source, "--target", target, "--out", str(tmp_path / "m"), "--method"]
    assert main([*command, "coral+lr", "--epochs", "3"]) == 2
    assert "--epochs does not go with --method coral_map+lr" in capsys.readouterr().err
    assert main([*command, "coral+svc", "--set", "adapter__regularization=0.1"]) == 0
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "m"), target, "--probabilities"]) == 2
    assert "--probabilities was given, but" in capsys.readouterr().err
