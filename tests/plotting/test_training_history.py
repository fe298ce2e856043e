"""Histories: which losses are drawn, from which epoch on, and on which scale."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from domadapt.plotting import TrainingHistoryDisplay

HISTORY = {
    "task_loss": [2.0, 1.0, 0.5],
    "alignment_loss": [-0.4, 0.2, 0.1],
    "alignment_weight": [0.0, 0.5, 1.0],
    "learning_rate": [0.1, 0.1, 0.1],
    "MMD": [-0.4, 0.2, 0.1],
}


def curves(display):
    return {line.get_label(): line.get_ydata().tolist() for line in display.lines_}


def names(display):
    return [label.split(",")[0] for label in curves(display)]


def test_losses_of_both_kinds_are_drawn_on_their_own_scales(ax):
    display = TrainingHistoryDisplay.from_history(HISTORY, ax=ax)
    assert curves(display) == {
        "task loss, 0.5 at the end": [1.0, 0.5, 0.25],
        "alignment loss, 0.1 at the end": pytest.approx([-1.0, 0.5, 0.25]),
    }
    assert [line.get_xdata().tolist() for line in display.lines_] == [[1, 2, 3]] * 2
    assert ax.get_ylabel() == "loss, largest = ±1"
    assert HISTORY["task_loss"] == [2.0, 1.0, 0.5]


@pytest.mark.parametrize(("show", "key"), [("task", "task_loss"), ("alignment", "alignment_loss")])
def test_one_kind_is_drawn_as_it_is(show, key, ax):
    display = TrainingHistoryDisplay.from_history(HISTORY, show=show, ax=ax)
    assert list(curves(display).values()) == [HISTORY[key]]
    assert ax.get_ylabel() == f"{show} loss"


def test_several_criteria_stand_beside_their_sum(ax):
    display = TrainingHistoryDisplay.from_history(HISTORY | {"CORAL": [0.0, 0.1, 0.1]}, ax=ax)
    assert names(display) == ["task loss", "alignment loss", "MMD", "CORAL"]


def test_where_nothing_is_aligned_what_has_a_name_is_a_task(ax):
    history = {"task_loss": [3.0, 2.0], "digit": [2.0, 1.0], "parity": [1.0, 1.0]}
    history["alignment_loss"] = [0.0, 0.0]
    display = TrainingHistoryDisplay.from_history(history, show="task", ax=ax)
    assert names(display) == ["task loss", "digit", "parity"]
    with pytest.raises(ValueError, match="there is no such loss in this history: it has 'task"):
        TrainingHistoryDisplay.from_history(history, show="alignment", ax=ax)


def test_a_second_stage_begins_after_the_first(ax):
    first = {"task_loss": [2.0, 1.0], "alignment_loss": [0.0, 0.0]}
    second = {"task_loss": [0.0] * 3, "alignment_loss": [4.0, 2.0, 1.0]}
    display = TrainingHistoryDisplay.from_history(first, adaptation_history=second, ax=ax)
    (_, task), (_, alignment) = curves(display).items()
    assert task == [1.0, 0.5]
    np.testing.assert_array_equal(alignment, [np.nan, np.nan, 1.0, 0.5, 0.25])


def test_the_history_of_an_estimator_and_of_a_pipeline(fitted, ax):
    expected = fitted.history_["alignment_loss"]
    for estimator in (fitted, make_pipeline(fitted)):
        display = TrainingHistoryDisplay.from_estimator(estimator, show="alignment", ax=ax)
        assert list(curves(display).values()) == [expected]


def test_curves_of_ones_own_keep_their_colours_where_one_is_missing(ax):
    full = TrainingHistoryDisplay({"a": [1], "b": [1, 2], "c": [3, 4]}).plot(ax)
    part = TrainingHistoryDisplay({"a": None, "b": [1, 2], "c": [3, 4]}).plot(ax)
    assert [line.get_color() for line in full.lines_][1:] == [
        line.get_color() for line in part.lines_
    ]
    # A single epoch would be invisible as a line.
    assert [line.get_marker() for line in full.lines_] == ["o", "None", "None"]


def test_bad_histories_are_told(ax):
    with pytest.raises(TypeError, match="history is a list, and a dict was expected"):
        TrainingHistoryDisplay.from_history([1, 2], ax=ax)
    with pytest.raises(ValueError, match=r"history\['task_loss'\] has shape \(2, 2\), and \(n_ep"):
        TrainingHistoryDisplay.from_history({"task_loss": np.eye(2)}, ax=ax)
    with pytest.raises(ValueError, match="show='both' is none of 'all', 'task', 'alignment'"):
        TrainingHistoryDisplay.from_history(HISTORY, show="both", ax=ax)
    with pytest.raises(ValueError, match="it has none"):
        TrainingHistoryDisplay.from_history({"learning_rate": [1.0]}, ax=ax)
    plain = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(TypeError, match="LogisticRegression has no history_"):
        TrainingHistoryDisplay.from_estimator(plain, ax=ax)
