"""What is refused, before any candidate is fitted, and in which words."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from domadapt import AutoAdaptClassifier, AutoAdaptRegressor
from domadapt.model_selection.auto import _training
from domadapt.shallow import AdaptedClassifier


@pytest.fixture(autouse=True)
def _nothing_is_fitted(monkeypatch):
    """Fail where a candidate is fitted."""

    def must_not_fit(trained, data):
        raise KeyboardInterrupt("a candidate was fitted on bad input")

    monkeypatch.setattr(_training, "_fit_and_ask", must_not_fit)


def with_nan(X):
    X = X.copy()
    X[3, 1] = np.nan
    return X


BAD_DATA = {
    "too few target rows": (
        {"X_target": np.ones((9, 4))},
        r"X_target has 9 samples, and at least 10 were expected",
    ),
    "other columns": ({"X_target": np.ones((20, 3))}, r"X_target.*3.*4"),
    "NaN in X": ({"X": with_nan}, r"X .*NaN"),
    "NaN in X_target": ({"X_target": with_nan}, r"X_target .*NaN"),
    "sparse": ({"X": sparse.csr_matrix}, r"(?i)dense|sparse"),
    "one class": ({"y": np.zeros(80)}, r"y has 1 class"),
    "no labels": ({"y": None}, r"requires y"),
    "weights of other length": ({"sample_weight": np.ones(3)}, r"sample_weight"),
    "known labels of other length": ({"y_target": [1, 0]}, r"y_target"),
    "known labels of no class": ({"y_target": np.full(60, 7)}, r"y_target holds labels that no"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_data_that_are_bad(case, moved):
    Xs, ys, Xt, _ = moved
    given = {"X": Xs, "y": ys, "X_target": Xt}
    changed, message = BAD_DATA[case]
    for name, value in changed.items():
        given[name] = value(given[name]) if callable(value) else value
    with pytest.raises((ValueError, TypeError), match=message):
        AutoAdaptClassifier(["coral+lr"]).fit(**given)


def test_stacked_samples_without_enough_target(moved):
    Xs, ys, _, _ = moved
    domain = np.where(np.arange(80) < 75, 1, -1)
    with pytest.raises(ValueError, match="has 5 samples, and at least 10"):
        AutoAdaptClassifier().fit(Xs, ys, sample_domain=domain)


BAD_CANDIDATES = {
    "a text": ("mcc", r"candidates.*'mcc'"),
    "an estimator": (LogisticRegression(), r"candidates.*LogisticRegression\(\)"),
    "a number in the list": ([3], r"candidates: 3 is no classifier. An estimator with fit"),
    "a class": ([LogisticRegression], r"candidates: .*LogisticRegression.* is no classifier"),
    "a regressor": ([Ridge()], r"candidates: Ridge\(\) is no classifier"),
    "a regressor with a name": ([("r", Ridge())], r"candidates: Ridge\(\) is no classifier"),
    "an unknown name": (["mmc"], r"candidates: 'mmc' is no method.*ADAPTER\+ESTIMATOR"),
    "an unknown adapter": (["corral+lr"], r"corral"),
    "a method for values": (["rsd"], r"candidates: 'rsd' does not learn classes. Leave it out"),
    "twice the same": (["mcc", "mcc"], r"candidates has 'mcc' twice. Give each a name of its own"),
    "twice the same class": (
        [LogisticRegression(), LogisticRegression(C=2)],
        r"candidates has 'LogisticRegression' twice",
    ),
    "a grid of nothing there": ([("mcc", {"depth": [1]})], r"depth"),
    "three in a tuple": ([("a", LogisticRegression(), {})], r"candidates: .* is no classifier"),
}


@pytest.mark.parametrize("case", BAD_CANDIDATES)
def test_candidates_that_are_bad(case, moved):
    Xs, ys, Xt, _ = moved
    candidates, message = BAD_CANDIDATES[case]
    with pytest.raises((ValueError, TypeError), match=message):
        AutoAdaptClassifier(candidates).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["mcc"], r"candidates: 'mcc' does not learn values. Leave it out"),
        ([LogisticRegression()], r"candidates: LogisticRegression\(\) is no regressor"),
        ([AdaptedClassifier(LogisticRegression(), "coral")], r"candidates: .* is no regressor"),
    ],
)
def test_candidates_that_do_not_learn_values(candidates, message, moved_values):
    Xs, ys, Xt, _ = moved_values
    with pytest.raises((ValueError, TypeError), match=message):
        AutoAdaptRegressor(candidates).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize(
    "parameters",
    [
        {"time_budget": 0.0},
        {"time_budget": "long"},
        {"n_jobs": 0.5},
        {"refit": "yes"},
        {"checkpoint": 3},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_parameters_that_are_bad(parameters, moved):
    Xs, ys, Xt, _ = moved
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        AutoAdaptClassifier(**parameters).fit(Xs, ys, X_target=Xt)


def test_known_values_are_refused(moved_values):
    Xs, ys, Xt, yt = moved_values
    with pytest.raises(ValueError, match=r"y_target has 60 known values, and .* makes no use"):
        AutoAdaptRegressor([]).fit(Xs, ys, X_target=Xt, y_target=yt)


def test_a_target_by_position_is_refused(moved):
    Xs, ys, Xt, _ = moved
    with pytest.raises(TypeError, match="X_target=X_target"):
        AutoAdaptClassifier().fit(Xs, ys, Xt)


def test_a_budget_too_small_for_any_plain_model(moved):
    Xs, ys, Xt, _ = moved
    with pytest.raises(
        ValueError,
        match=r"No plain model could be.*4 candidates failed 4.*time_budget was",
    ):
        AutoAdaptClassifier(["coral+lr"], time_budget=1e-9).fit(Xs, ys, X_target=Xt)
