"""What chains of tasks are given: labels, weights and callbacks of every kind."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits

from domadapt.inductive import TaskChainClassifier
from domadapt.inductive._chain import Chain

QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def tasks():
    """Three small tasks of digits."""
    X, y = load_digits(return_X_y=True)
    X = np.float32(X / 16)
    groups = {"low": (0, 1, 2), "middle": (3, 4, 5), "high": (6, 7)}
    rows = {name: np.flatnonzero(np.isin(y, group))[:60] for name, group in groups.items()}
    return {name: (X[r], y[r]) for name, r in rows.items()}


class Recorder:
    """Notes what it is shown, and stops the first fit after an epoch."""

    def __init__(self):
        self.ended, self.seen, self.set_up = [], [], 0

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.set_up -= 1

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.ended.append(context.task_name)
        task = fitted_estimator.tasks_[-1]
        self.seen.append((task, set(y.tolist()), fitted_estimator.predict_proba(X, task=task)))
        return len(self.ended) == 1


@pytest.mark.parametrize("strategy", ["plain", "ewc", "l2_sp", "distillation", "progressive"])
def test_callbacks_watch_the_epochs_of_each_task_and_end_one_of_them(tasks, strategy):
    recorder = Recorder()
    clf = TaskChainClassifier(strategy, **QUICK).set_callbacks(recorder).fit(tasks)
    one_task = ["epoch"] * 3 + ["fit"]
    assert recorder.ended == ["epoch", "fit", *one_task, *one_task]
    assert recorder.set_up == 0
    assert [task for task, *_ in recorder.seen] == ["low"] * 2 + ["middle"] * 4 + ["high"] * 4
    for task, classes, _ in recorder.seen:
        assert classes == set(clf.classes_[task].tolist())
    outputs = [p for _, _, p in recorder.seen]
    assert not np.array_equal(outputs[2], outputs[4])
    np.testing.assert_array_equal(outputs[-1], clf.predict_proba(tasks["high"][0], task="high"))
    # A task that a callback ended counts as learnt.
    assert clf._chain.in_fisher == (list(tasks) if strategy == "ewc" else [])


def test_watching_changes_nothing_and_a_progress_bar_is_shown(tasks, capsys):
    watched = TaskChainClassifier(**QUICK).set_callbacks(ProgressBar()).fit(tasks)
    plain = TaskChainClassifier(**QUICK).fit(tasks)
    assert "TaskChainClassifier - fit" in capsys.readouterr().out
    X = tasks["low"][0]
    np.testing.assert_array_equal(watched.predict_proba(X), plain.predict_proba(X))


def test_sparse_tables_and_lists_are_the_same_samples(tasks):
    expected = TaskChainClassifier(validation_fraction=0.2, **QUICK).fit(tasks)
    kinds = {
        "sparse": lambda X, y: (sparse.csr_matrix(X), y),
        "table": lambda X, y: (
            pd.DataFrame(X).rename(columns=str),
            pd.Series(y, index=np.arange(len(y)) + 7),
        ),
        "list": lambda X, y: (X, y.tolist()),
    }
    for kind in kinds.values():
        given = {name: kind(*pair) for name, pair in tasks.items()}
        clf = TaskChainClassifier(validation_fraction=0.2, **QUICK).fit(given)
        assert np.array_equal(clf.accuracies_, expected.accuracies_, equal_nan=True)


def test_texts_and_numbers_are_scored_side_by_side(tasks):
    (X, y), (X_texts, numbers) = tasks["low"], tasks["middle"]
    texts = np.array(["x", "y", "z"])[numbers - 3]
    clf = TaskChainClassifier(**QUICK).fit({"numbers": (X, y), "texts": (X_texts, texts)})
    assert clf.score(X, y) == np.mean([a == b for a, b in zip(clf.predict(X), y, strict=True)])
    right = clf.predict(X_texts, task="texts") == texts
    weight = np.arange(60.0)
    found = clf.score(X_texts, texts.tolist(), sample_weight=weight, task="texts")
    assert found == pytest.approx(np.average(right, weights=weight))
    assert 0.3 < found < 1.0
    with pytest.raises(ValueError, match="1d array"):
        clf.score(X, np.c_[y, y], task="numbers")


def test_weights_of_samples_are_held_back_with_them_and_checked_before(tasks):
    X, y = tasks["low"]
    clf = TaskChainClassifier(validation_fraction=0.2, **QUICK)
    with pytest.raises(ValueError, match="sample_weight has length 6"):
        clf.fit_next(X, y, name="low", sample_weight=np.ones(6))
    assert not hasattr(clf, "tasks_")
    plain = clf.fit_next(X, y, name="low").predict_proba(X)
    again = TaskChainClassifier(validation_fraction=0.2, **QUICK)
    same = again.fit_next(X, y, name="low", sample_weight=np.full(60, 2.0)).predict_proba(X)
    np.testing.assert_allclose(same, plain, atol=1e-4)
    one = TaskChainClassifier(validation_fraction=0.2, **QUICK)
    other = one.fit_next(X, y, name="low", sample_weight=1.0 + 50 * (y == 0)).predict_proba(X)
    assert other[:, 0].mean() > plain[:, 0].mean() + 0.1


def test_importances_follow_to_the_device_and_dtype_of_the_next_task():
    chain = Chain(fisher={"w": torch.ones(2, dtype=torch.float64)}, in_fisher=["first"])
    chain.add_fisher("second", {"w": torch.full((2,), 2.0)})
    torch.testing.assert_close(chain.fisher["w"], torch.full((2,), 3.0))
    assert chain.in_fisher == ["first", "second"]


def test_a_new_head_is_free_of_what_keeps_the_shared_layers(tasks):
    X, y = tasks["middle"]
    clf = TaskChainClassifier("l2_sp", strategy_weight=1e8, **QUICK).fit({"low": tasks["low"]})
    before = clf.transform(X)
    clf.set_params(max_epochs=20).fit_next(X, y, name="middle")
    np.testing.assert_allclose(clf.transform(X), before, atol=1e-2)
    # At its start a head is right by chance.
    assert clf.score(X, y, task="middle") > 0.5


def test_a_checkpoint_of_a_chain_with_other_importances_is_refused(tasks, tmp_path):
    clf = TaskChainClassifier(checkpoint=tmp_path / "part", **QUICK).fit({"low": tasks["low"]})
    other = copy.deepcopy(clf)
    clf.fit_next(*tasks["middle"], name="middle")
    other._chain.fisher = {name: 2 * value for name, value in other._chain.fisher.items()}
    with pytest.raises(ValueError, match="other parameters or data"):
        other.fit_next(*tasks["middle"], name="middle")
    assert other.tasks_ == ["low"]
