"""Candidates of all kinds, and those that fail: noted, and fatal to nothing."""

import time

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from domadapt import AutoAdaptClassifier, AutoAdaptRegressor, DANNClassifier
from domadapt.model_selection.auto import _candidates, _estimators
from domadapt.shallow import AdaptedClassifier


class Own(ClassifierMixin, BaseEstimator):
    """Predicts by one column, or does what it is told to do wrong."""

    def __init__(self, wrong=None):
        self.wrong = wrong

    def fit(self, X, y):
        if self.wrong == "fit":
            raise RuntimeError("no licence <server>")
        if self.wrong == "slow":
            time.sleep(0.3)
        self.classes_ = np.unique(y)
        if self.wrong == "classes":
            self.classes_ = np.append(self.classes_, 9)
        return self

    def predict(self, X):
        if self.wrong == "labels":
            return np.full(len(X), 5)
        return self.classes_[(X[:, 0] < 2).astype(int)]


class WithProba(Own):
    """The same with probabilities."""

    def predict_proba(self, X):
        proba = np.eye(len(self.classes_))[(X[:, 0] < 2).astype(int)]
        if self.wrong == "NaN":
            proba[::2] = np.nan
        return proba[:-1] if self.wrong == "shape" else proba


WRONG = {
    "fit": (Own("fit"), "RuntimeError: no licence <server>"),
    "classes": (Own("classes"), "ValueError: it knows classes that the source lacks: [9]"),
    "classes, with probabilities": (WithProba("classes"), "it knows classes that the source lacks"),
    "labels": (Own("labels"), "ValueError: it predicts labels that the source lacks"),
    "NaN": (WithProba("NaN"), "ValueError: "),
    "shape": (WithProba("shape"), "ValueError: what it predicts has shape"),
    "parameters": (LogisticRegression(C=-1.0), "Error: The 'C' parameter"),
    "nested": (make_pipeline(StandardScaler(), Own("fit")), "no licence"),
    "adapter": (AdaptedClassifier(LogisticRegression(), "corall"), "corall"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_candidate_that_fails_is_noted_and_changes_nothing(case, moved):
    Xs, ys, Xt, _ = moved
    failing, message = WRONG[case]
    # Last, so that the others have the same seeds.
    auto = AutoAdaptClassifier(["coral+lr", ("bad", failing)], random_state=0)
    auto.fit(Xs, ys, X_target=Xt)
    board = auto.leaderboard_
    assert board["candidate"][-1] == "bad"
    assert message in board["problem"][-1]
    assert board["weight"][-1] == 0
    assert np.isnan(board["agreement"][-1])
    assert f"  bad: {board['problem'][-1]}" in auto.explain()
    assert not any(board["problem"][:-1])
    assert board["weight"].sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)


def test_without_any_plain_model_there_is_nothing_to_judge_by(moved, monkeypatch):
    Xs, ys, Xt, _ = moved
    failing = [_candidates.Candidate("bad", Own("fit"), is_plain=True)]
    monkeypatch.setattr(_estimators, "plain_candidates", lambda learns, n_columns: failing)
    with pytest.raises(ValueError, match=r"No plain model.*2 candidates failed 1: bad: Runtime"):
        AutoAdaptClassifier(["coral+lr"]).fit(Xs, ys, X_target=Xt)


def test_a_budget_that_ends_is_noted(moved):
    Xs, ys, Xt, _ = moved
    slow = [(f"slow {i}", Own("slow")) for i in range(9)]
    auto = AutoAdaptClassifier(slow, time_budget=0.9, random_state=0).fit(Xs, ys, X_target=Xt)
    problems = dict(zip(auto.leaderboard_["candidate"], auto.leaderboard_["problem"], strict=True))
    assert problems["slow 8"] == "not started: time_budget was used up"
    assert problems["logistic regression"] == ""


@pytest.mark.parametrize(
    "made",
    [
        Own(),
        WithProba(),
        RidgeClassifier(),
        LinearSVC(),
        make_pipeline(StandardScaler(), LinearSVC()),
    ],
    ids=["labels", "probabilities of 0 and 1", "decision", "decision too", "pipeline"],
)
def test_what_tells_only_labels_or_decisions_takes_part(made, draw_classes):
    (Xs, ys), (Xt, yt) = draw_classes(80, 2, 0), draw_classes(60, 2, 1)
    auto = AutoAdaptClassifier([("own", made)], random_state=0).fit(Xs, ys, X_target=Xt)
    board = auto.leaderboard_
    at = list(board["candidate"]).index("own")
    assert not any(board["problem"])
    assert board["kind"][at] == "plain"
    assert board["held_back_accuracy"][at] > 0.7
    assert auto.score(Xt, yt) > 0.9


def test_what_is_of_ones_own_sees_columns_as_they_came(moved):
    Xs, ys, Xt, _ = moved
    seen = []

    class Looking(Own):
        def fit(self, X, y):
            seen.append(X.mean())
            return super().fit(X, y)

    AutoAdaptClassifier([("own", Looking())], random_state=0).fit(Xs + 100, ys, X_target=Xt + 100)
    assert min(seen) > 50


def test_a_pipeline_that_ends_in_an_adapted_model_is_given_the_target(moved):
    Xs, ys, Xt, _ = moved
    adapted = make_pipeline(StandardScaler(), AdaptedClassifier(LogisticRegression(), "coral"))
    auto = AutoAdaptClassifier([("own", adapted)], random_state=0).fit(
        Xs, ys, X_target=Xt, sample_weight=np.linspace(0.5, 1, len(ys))
    )
    at = list(auto.leaderboard_["candidate"]).index("own")
    assert not any(auto.leaderboard_["problem"])
    assert auto.leaderboard_["kind"][at] == "adapted"
    assert hasattr(auto._members[-1].estimator[-1], "transduction_")


def test_grids_names_and_plain_models_of_the_same_name():
    entries = ["coral+lr", ("mcc", {"alignment_weight": [0.1, 1.0]}), (Ridge(), {})]
    with pytest.raises(TypeError, match="Ridge"):
        _candidates.read_candidates(entries, "classes")
    found = _candidates.read_candidates(entries[:2], "classes")
    names = ["coral+lr", "mcc, alignment_weight=0.1", "mcc, alignment_weight=1.0"]
    assert [one.name for one in found] == names
    assert [one.estimator.get_params().get("alignment_weight") for one in found[1:]] == [0.1, 1.0]
    assert not any(one.is_plain for one in found)
    assert _candidates.read_candidates(["lr"], "classes")[0].is_plain
    assert _candidates.read_candidates(["source"], "classes")[0].is_plain
    own = _candidates.read_candidates([(LogisticRegression(), {"C": [1, 2]})], "classes")
    assert [one.name for one in own] == ["LogisticRegression, C=1", "LogisticRegression, C=2"]
    assert not any(one.is_scaled for one in own)


def test_a_plain_model_of_ones_own_takes_the_place_of_one_of_its_name(moved):
    Xs, ys, Xt, _ = moved
    auto = AutoAdaptClassifier([("SVC", LogisticRegression())], random_state=0)
    auto.fit(Xs, ys, X_target=Xt)
    assert sorted(auto.leaderboard_["candidate"]) == ["SVC", "extra trees", "logistic regression"]


def test_the_default_candidates_are_there():
    for learns, networks in (("classes", 2), ("values", 1)):
        plain = _candidates.plain_candidates(learns, 10)
        assert all(one.is_plain and one.is_scaled for one in plain)
        assert sum("network" in one.name for one in plain) == networks
        # Boosted trees on many columns take longer than all the others.
        many = _candidates.plain_candidates(learns, 500)
        assert {p.name for p in plain} - {p.name for p in many} == {"boosted trees"}
        adapted = _candidates.adapted_candidates(learns)
        names = [one.name for one in [*plain, *adapted]]
        assert len(set(names)) == len(names)
        assert not any(one.is_plain for one in adapted)
    recentring = {one.name for one in _candidates.adapted_candidates("values") if one.recentres}
    assert recentring == _candidates.RECENTRING
    several = _candidates.adapted_candidates("classes", 2)
    assert [one.name for one in several][-1] == "M3SDA"


def test_seeds_are_drawn_for_what_has_none_and_the_rest_is_kept():
    entries = _candidates.read_candidates(["mcc", DANNClassifier(random_state=7)], "classes")
    rng = np.random.RandomState(0)
    first, second = (_candidates.seeded(one, rng) for one in entries)
    assert isinstance(first.estimator.random_state, int)
    assert second.estimator.random_state == 7
    assert entries[0].estimator.random_state is None
    recentring = _candidates.adapted_candidates("values")[0]
    assert _candidates.seeded(recentring, rng).recentres


class OddRegressor(RegressorMixin, BaseEstimator):
    """Predicts NaN for some samples, or one column too many."""

    def __init__(self, wrong="NaN"):
        self.wrong = wrong

    def fit(self, X, y):
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        if self.wrong == "NaN" or (self.wrong == "held back" and len(X) < 20):
            return np.full(len(X), np.nan)
        return np.full((len(X), 1), self.mean_) if self.wrong == "shape" else np.zeros(len(X))


@pytest.mark.parametrize("wrong", ["NaN", "held back", "shape"])
def test_a_regressor_that_fails_is_noted(wrong, moved_values):
    Xs, ys, Xt, _ = moved_values
    auto = AutoAdaptRegressor([OddRegressor(wrong)], random_state=0).fit(Xs, ys, X_target=Xt)
    assert auto.leaderboard_["candidate"][-1] == "OddRegressor"
    assert "what it predicts" in auto.leaderboard_["problem"][-1]
    assert np.isfinite(auto.transduction_).all()
    assert "  OddRegressor: ValueError" in auto.explain()
