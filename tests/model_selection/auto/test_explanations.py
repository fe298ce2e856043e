"""What the automatic choice tells: the leaderboard, explain and warnings of harm."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from domadapt import AutoAdaptClassifier, AutoAdaptRegressor
from domadapt.model_selection import HarmWarning
from domadapt.model_selection.auto import _classifier
from domadapt.model_selection.auto._leaderboard import Leaderboard
from domadapt.shallow import AdaptedClassifier


class Failing(ClassifierMixin, BaseEstimator):
    """A classifier that cannot be fitted."""

    def fit(self, X, y):
        raise RuntimeError("<b>no</b> licence & no server")

    def predict(self, X):
        return X


class Swapping(AdaptedClassifier):
    """An adapted model that is very sure of the wrong class."""

    def predict_proba(self, X):
        return super().predict_proba(10.0 * X)[:, ::-1]


@pytest.fixture
def auto(moved):
    """A fitted choice, of which one candidate has failed."""
    Xs, ys, Xt, _ = moved
    own = [("<i>own</i>", LogisticRegression(C=0.01)), "coral+lr", Failing()]
    return AutoAdaptClassifier(own, random_state=0).fit(Xs, ys, X_target=Xt)


def test_every_candidate_without_weight_has_its_reason(auto):
    text = auto.explain()
    heavy, reasons = text.split("Why not the others:")
    board = auto.leaderboard_
    assert sorted(board["candidate"]) == sorted(
        ["<i>own</i>", "Failing", "SVC", "coral+lr", "extra trees", "logistic regression"]
    )
    for name, weight in zip(board["candidate"], board["weight"], strict=True):
        assert (f"{name} ({weight:.2f})" in heavy) == (weight > 0.01)
        assert (f"\n  {name}: " in reasons) == (weight <= 0.01)
    assert "Failing: RuntimeError: <b>no</b> licence" in reasons
    found, expected = auto.roughness_
    assert f"differ in {found:.0%} of the pairs" in heavy
    assert f"in {expected:.0%}" in heavy
    low, high = auto.accuracy_interval_
    assert f"{auto.estimated_accuracy_:.0%}, between {low:.0%} and {high:.0%}" in heavy
    assert text.endswith("What speaks against the choice:\nNothing that was looked at.")


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (2.0, "So nothing tells of errors that adapting could mend, and the plain models stand"),
        (-2.0, "candidates are mixed"),
    ],
)
def test_it_is_told_whether_the_plain_models_stand(limit, told, moved, monkeypatch):
    Xs, ys, Xt, _ = moved
    monkeypatch.setattr("domadapt.model_selection.auto._rule.SMOOTH", limit)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    assert told in auto.explain()
    board = auto.leaderboard_
    of_adapted = board["weight"][board["kind"] == "adapted"]
    assert auto.adapts_ == (of_adapted > 0.01).any()
    assert not (auto.adapts_ and limit > 0)


def test_smooth_labels_are_not_said_to_err(draw_classes):
    (Xs, ys), (Xt, _) = draw_classes(80, 2, 0), draw_classes(60, 2, 1)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    auto.roughness_ = (0.02, 0.03)
    assert "That is not so much smoother that errors are ruled out" in auto.explain()
    auto.roughness_ = (0.2, 0.03)
    assert "So the plain models err in places where adapting can help" in auto.explain()


def test_a_harmful_choice_is_warned_of_and_told(moved, monkeypatch):
    Xs, ys, Xt, _ = moved
    # The vote of the plain models hardly counts, as where they contradict each other.
    monkeypatch.setattr(_classifier, "anchor_exponent", lambda excess, agreement: 0.0)
    wrong = [
        (f"wrong {i}", Swapping(LogisticRegression(C=c), "coral"))
        for i, c in enumerate((1, 2, 5, 9))
    ]
    auto = AutoAdaptClassifier(wrong, random_state=0)
    with pytest.warns(HarmWarning, match=r"AutoAdaptClassifier: something speaks against.*explain"):
        auto.fit(Xs, ys, X_target=Xt)
    assert auto.adapts_
    against = auto.explain().split("What speaks against the choice:")[1]
    assert "differ from the source model's" in against
    board = auto.leaderboard_
    harmful = [
        n
        for n, harm in zip(board["candidate"], board["harm"], strict=True)
        if "contradiction" in harm
    ]
    assert sorted(harmful) == [name for name, _ in wrong]


def test_where_plain_models_stand_nothing_is_warned_of(moved, monkeypatch, recwarn):
    Xs, ys, Xt, _ = moved
    monkeypatch.setattr(_classifier, "anchor_exponent", lambda excess, agreement: np.inf)
    wrong = [("wrong", Swapping(LogisticRegression(), "coral"))]
    AutoAdaptClassifier(wrong, random_state=0).fit(Xs, ys, X_target=Xt)
    assert not [w for w in recwarn if issubclass(w.category, HarmWarning)]


def test_the_leaderboard_is_a_table(auto):
    board = auto.leaderboard_
    table = pd.DataFrame(board)
    assert table.shape == (6, len(board))
    assert (np.diff(table["weight"][table["problem"] == ""]) <= 0).all()
    assert table["problem"].iloc[-1].startswith("RuntimeError")
    assert table["weight"].sum() == pytest.approx(1.0)
    assert (table["seconds"] >= 0).all()
    plain = table["kind"] == "plain"
    assert table["held_back_accuracy"].notna().equals(plain & (table["problem"] == ""))
    head, *lines = str(board).splitlines()
    assert head.split() == list(board)
    assert len(lines) == 6
    assert repr(board) == str(board)
    assert all(len(line) == len(head) for line in lines)
    assert lines[0].startswith(board["candidate"][0])


def test_the_leaderboard_in_a_notebook_escapes_what_others_wrote(auto):
    markup = auto.leaderboard_._repr_html_()
    assert "<i>" not in markup
    assert "<b>" not in markup
    assert "&lt;i&gt;own&lt;/i&gt;" in markup
    assert "&lt;b&gt;no&lt;/b&gt; licence &amp; no server" in markup
    assert markup.count("<tr>") == 7
    assert set(re.findall(r"</?(\w+)>", markup)) == {"table", "tr", "th", "td"}


def test_numbers_and_gaps_are_printed_short():
    board = Leaderboard(candidate=np.array(["x" * 60]), a=np.array([0.12345]), b=np.array([np.nan]))
    line = str(board).splitlines()[1]
    assert line.split() == ["x" * 40, "0.123"]


def test_a_regressor_tells_the_same(moved_values):
    Xs, ys, Xt, _ = moved_values
    auto = AutoAdaptRegressor(["coral+ridge"], random_state=0).fit(Xs, ys, X_target=Xt)
    table = pd.DataFrame(auto.leaderboard_)
    assert {"agreement", "implausible", "spread", "held_back_r2", "problem"} <= set(table)
    text = auto.explain()
    assert f"by {auto.displacement_:.1f} times" in text
    for name, weight in zip(table["candidate"], table["weight"], strict=True):
        assert (f"\n  {name}: " in text) == (weight == 0)
    assert "a relation that changed cannot be seen" in text
