"""What a cell of a run writes about its features."""

from types import SimpleNamespace

import numpy as np

from domadapt.experiments import cells
from domadapt.experiments.cells import POINTS_ON_MAP, _classes, _map, make_estimator, run_cell
from domadapt.experiments.tasks import Cell, Experiment


def make_map(ys, yt, classes, n_features=7):
    rng = np.random.default_rng(0)
    Xs, Xt = (rng.normal(size=(len(y), n_features)) for y in (ys, yt))
    clf = SimpleNamespace(transform=lambda X: X)
    return _map(clf, Xs, np.asarray(ys), Xt, np.asarray(yt), np.asarray(classes))


def test_a_map_names_its_projection_and_its_features():
    points = make_map([0, 1] * 150, [1, 0] * 50, [0, 1])
    assert points["projection"] == "PCA"
    assert points["n_features"] == 7
    assert {len(points[key]) for key in ("x", "y", "is_target", "label")} == {POINTS_ON_MAP + 100}
    assert sum(points["is_target"]) == 100


def test_a_map_treats_source_samples_as_source():
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))

    def transform(X, sample_domain):
        return X + 100 * (sample_domain > 0)[:, None]

    y = np.zeros(20, dtype=int)
    points = _map(SimpleNamespace(transform=transform), Xs, y, Xt, y, np.arange(1))
    x, is_target = np.array(points["x"]), np.array(points["is_target"])
    assert abs(x[is_target].mean() - x[~is_target].mean()) > 100


def test_classes_that_are_not_on_the_map_keep_their_numbers():
    points = make_map(["mug", "bike"] * 5, ["mug"] * 10, ["bike", "car", "mug"])
    assert sorted(points["label"][:10]) == [0] * 5 + [2] * 5
    assert points["label"][10:] == [2] * 10


def make_experiment(dataset, y, class_names):
    data = SimpleNamespace(y=np.asarray(y), class_names=class_names)
    return SimpleNamespace(settings={"dataset": dataset}, data=data)


def test_classes_are_those_that_the_names_are_of():
    experiment = make_experiment("features", [7, 3, 3, 5], ["3", "5", "7"])
    assert _classes(experiment).tolist() == [3, 5, 7]
    # Of the photographs of the second class none can be read.
    experiment = make_experiment("folder", [0, 2, 2, 0], ["bike", "car", "mug"])
    assert _classes(experiment).tolist() == [0, 1, 2]


def test_source_only_makes_as_many_updates_as_the_methods_beside_it(tmp_path, monkeypatch):
    for name, n_samples in (("small", 40), ("large", 1000)):
        X = np.random.default_rng(0).normal(size=(n_samples, 4)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", X=X, y=np.arange(n_samples) % 2)
    made = []

    def keep(cell, experiment):
        made.append(make_estimator(cell, experiment))
        return made[-1]

    monkeypatch.setattr(cells, "make_estimator", keep)
    settings = {
        "dataset": "features",
        "root": str(tmp_path),
        "left_out": [],
        "epochs": 2,
        "precision": "float32",
        "batch_size": None,
        "backbone": None,
        "freeze": False,
    }
    experiment = Experiment(settings, tmp_path / "run", tmp_path / "features", device="cpu")
    experiment.cell_folder.mkdir(parents=True)
    for method in ("source", "dan"):
        run_cell(Cell("small", "large", method, 0), experiment)
    source, dan = made
    assert source.n_steps_ == dan.n_steps_ == 2 * (1000 // 64)
    assert not hasattr(source, "transduction_")
