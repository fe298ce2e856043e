"""Scikit-learn's callbacks: one task for each epoch, and a way to stop."""

import numpy as np
import pytest
import torch
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt import DANNClassifier, SHOTClassifier, pack


class Recorder:
    """Notes what it is shown, and stops after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after, self.ended, self.seen, self.set_up = stop_after, [], [], 0

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.set_up -= 1

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.ended.append(context.task_name)
        self.seen.append((X, y, fitted_estimator))
        return len(self.ended) == self.stop_after


def test_every_epoch_is_a_task(make, blobs):
    Xs, ys, Xt, _ = blobs
    recorder = Recorder()
    make().set_callbacks(recorder).fit(Xs, ys, X_target=Xt)
    assert recorder.ended == ["epoch"] * 3 + ["fit"]
    assert recorder.set_up == 0


def test_a_callback_stops_the_fit(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    recorder = Recorder(stop_after=2)
    clf = make(max_epochs=10).set_callbacks(recorder).fit(Xs, ys, X_target=Xt)
    assert recorder.ended == ["epoch", "epoch", "fit"]
    assert len(clf.history_["task_loss"]) == 2
    assert clf.n_steps_ == 4
    assert clf.transduction_.shape == (75,)


def test_watching_changes_nothing(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    watched = make().set_callbacks(Recorder()).fit(Xs, ys, X_target=Xt)
    assert same(watched, make().fit(Xs, ys, X_target=Xt))


def test_a_callback_sees_the_source_alone_and_an_estimator_as_of_then(make, blobs):
    Xs, ys, Xt, yt = blobs
    X, y, sample_domain = pack(Xs, ys, Xt, y_test=yt)
    recorder = Recorder()
    clf = make().set_callbacks(recorder).fit(X, y, sample_domain=sample_domain)
    for seen_X, seen_y, _ in recorder.seen:
        np.testing.assert_array_equal(seen_X, Xs)
        np.testing.assert_array_equal(seen_y, ys)
    probabilities = [fitted.predict_proba(Xt) for _, _, fitted in recorder.seen]
    assert not np.array_equal(probabilities[0], probabilities[1])
    np.testing.assert_array_equal(probabilities[-1], clf.predict_proba(Xt))


def test_a_callback_sees_samples_that_can_be_predicted_with_a_frozen_backbone_too(blobs):
    Xs, ys, Xt, _ = blobs
    torch.manual_seed(0)
    backbone = torch.nn.Linear(10, 6)
    recorder = Recorder()
    clf = DANNClassifier(backbone=backbone, freeze=True, max_epochs=2, random_state=0)
    clf.set_callbacks(recorder).fit(Xs, ys, X_target=Xt)
    seen_X, _, fitted = recorder.seen[-1]
    np.testing.assert_array_equal(seen_X, Xs)
    np.testing.assert_array_equal(fitted.predict(seen_X), clf.predict(Xs))


def test_both_stages_of_a_method_are_watched(blobs):
    Xs, ys, Xt, _ = blobs
    recorder = Recorder()
    clf = SHOTClassifier(max_epochs=3, random_state=0).set_callbacks(recorder)
    clf.fit(Xs, ys, X_target=Xt)
    assert recorder.ended == ["epoch"] * 6 + ["fit"]
    assert len(clf.history_["task_loss"]) == len(clf.adaptation_history_["task_loss"]) == 3


def test_teardown_comes_also_after_an_error(make, blobs):
    Xs, ys, Xt, _ = blobs
    recorder = Recorder()
    with pytest.raises(ValueError, match="learning_rate"):
        make(learning_rate=1e30, batch_norm=None).set_callbacks(recorder).fit(Xs, ys, X_target=Xt)
    assert recorder.set_up == 0


def test_progress_bar_and_scoring_monitor_of_scikit_learn(blobs, capsys):
    Xs, ys, Xt, _ = blobs
    monitor = ScoringMonitor(scoring="accuracy")
    clf = DANNClassifier(max_epochs=4, random_state=0).set_callbacks(ProgressBar(), monitor)
    clf.fit(Xs, ys, X_target=Xt)
    assert "DANNClassifier - fit" in capsys.readouterr().out
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 4
    assert scores[-1] == clf.score(Xs, ys)


def test_callbacks_reach_through_a_pipeline(blobs, capsys):
    Xs, ys, Xt, _ = blobs
    pipe = make_pipeline(StandardScaler(), DANNClassifier(max_epochs=3, random_state=0))
    pipe.set_callbacks(ProgressBar())
    X, y, sample_domain = pack(Xs, ys, Xt)
    pipe.fit(X, y, dannclassifier__sample_domain=sample_domain)
    assert "DANNClassifier" in capsys.readouterr().out
    assert torch.isfinite(torch.from_numpy(pipe.predict_proba(Xt))).all()
