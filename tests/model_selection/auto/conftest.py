"""Data, and plain candidates that are fitted within milliseconds."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVC

from domadapt.model_selection.auto import _estimators
from domadapt.model_selection.auto._candidates import Candidate

PLAIN = {
    "classes": {
        "logistic regression": LogisticRegression(),
        "SVC": SVC(),
        "extra trees": ExtraTreesClassifier(10),
    },
    "values": {
        "ridge": Ridge(),
        "extra trees": ExtraTreesRegressor(10),
        "neighbours": KNeighborsRegressor(),
    },
}


@pytest.fixture(autouse=True)
def _cheap_plain_candidates(monkeypatch):
    """Put cheap models in the place of networks."""

    def cheap(learns, n_columns):
        return [Candidate(name, made, is_plain=True) for name, made in PLAIN[learns].items()]

    monkeypatch.setattr(_estimators, "plain_candidates", cheap)


def _draw_classes(n_samples, n_classes, seed):
    """Draw classes around the corners of a simplex, with two columns of noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % n_classes
    X = rng.normal(size=(n_samples, n_classes + 2))
    X[np.arange(n_samples), y] += 4.0
    return X, y


@pytest.fixture(scope="session")
def draw_classes():
    """Draw so many samples of so many classes, with a seed."""
    return _draw_classes


@pytest.fixture(scope="session")
def moved():
    """Two classes, and a target that is stretched and moved, with labels to judge by."""
    Xs, ys = _draw_classes(80, 2, 0)
    Xt, yt = _draw_classes(60, 2, 1)
    return Xs, ys, Xt * [1.0, 2.0, 0.5, 1.0] + [1.0, 0.0, 0.0, -1.0], yt


@pytest.fixture(scope="session")
def moved_values():
    """A value that depends on three columns, which the target has in other units."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.normal(size=(80, 3)), rng.normal(size=(60, 3))
    ys, yt = (X @ [1.0, 2.0, 3.0] for X in (Xs, Xt))
    return Xs, ys, Xt * [1.0, 1.5, 1.2] + [0.5, 0.0, -0.5], yt


@pytest.fixture(scope="session")
def assert_same():
    """Assert that two fitted choices are the same to the bit, but for the time that they took."""

    def compare(first, second):
        assert first.leaderboard_.keys() == second.leaderboard_.keys()
        for name in first.leaderboard_.keys() - {"seconds"}:
            np.testing.assert_array_equal(first.leaderboard_[name], second.leaderboard_[name])
        np.testing.assert_array_equal(first.transduction_, second.transduction_)
        for name in ("estimated_accuracy_", "accuracy_interval_", "adapts_", "displacement_"):
            assert getattr(first, name, None) == getattr(second, name, None), name
        assert first.explain() == second.explain()

    return compare
