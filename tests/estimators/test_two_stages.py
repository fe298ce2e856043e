"""Fits of two stages: the source is learnt first, and the target comes after it."""

import numpy as np
import pytest
import torch

from domadapt import ADDAClassifier, SHOTClassifier, estimators
from domadapt.methods import METHODS
from domadapt.training.trainer import Trainer

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}
OF_TWO_STAGES = [
    getattr(estimators, method.classifier) for method in METHODS.values() if method.stages == 2
]


def test_the_table_has_methods_of_two_stages():
    assert {ADDAClassifier, SHOTClassifier} <= set(OF_TWO_STAGES)


def test_adda_finds_classes_that_moved(moved_classes):
    Xs, ys, Xt, yt = moved_classes
    settings = {"random_state": 0, "max_epochs": 60}
    clf = ADDAClassifier(**settings).fit(Xs, ys, X_target=Xt)
    alone = ADDAClassifier(**settings).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1
    assert len(clf.history_["task_loss"]) == len(clf.adaptation_history_["task_loss"]) == 60
    assert set(clf.history_["alignment_loss"]) == {0.0}
    assert min(clf.adaptation_history_["alignment_loss"]) > 0.0
    assert not hasattr(alone, "adaptation_history_")


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
def test_the_extractor_of_the_source_stays_in_the_criterion(blobs, same, batch_norm):
    Xs, ys, Xt, _ = blobs
    settings = {**SMALL, "batch_norm": batch_norm}
    alone = ADDAClassifier(**settings).fit(Xs, ys)
    clf = ADDAClassifier(**settings).fit(Xs, ys, X_target=Xt)
    with torch.no_grad():
        features = clf.criterion_.source_extractor(torch.from_numpy(Xs))
    np.testing.assert_allclose(features, alone.transform(Xs), rtol=1e-5, atol=1e-6)
    assert np.abs(clf.transform(Xs) - alone.transform(Xs)).max() > 1e-3
    assert same(clf.module_.classifier, alone.module_.classifier)
    assert all(parameter.requires_grad for parameter in clf.module_.parameters())


@pytest.mark.parametrize("estimator", OF_TWO_STAGES)
def test_a_fit_without_a_target_forgets_the_adaptation_of_the_last(blobs, estimator):
    Xs, ys, Xt, _ = blobs
    clf = estimator(**SMALL).fit(Xs, ys, X_target=Xt)
    assert len(clf.adaptation_history_["alignment_loss"]) == 3
    clf.fit(Xs, ys)
    assert not hasattr(clf, "adaptation_history_")
    assert not hasattr(clf, "transduction_")
    clf.fit(Xs, ys, X_target=Xt).set_params(alignment_weight=0.0).fit(Xs, ys, X_target=Xt)
    assert not hasattr(clf, "adaptation_history_")


# Checkpoints of two stages.

EPOCHS = 4
LONGER = {**SMALL, "max_epochs": EPOCHS, "dropout": 0.3}


class KilledError(RuntimeError):
    """Ends a fit."""


def kill_in_epoch(monkeypatch, number):
    """Let the fit end at the beginning of an epoch, counted from 1 over both stages."""
    run_epoch, calls = Trainer.run_epoch, []

    def deadly(self):
        calls.append(1)
        if len(calls) == number:
            raise KilledError
        run_epoch(self)

    monkeypatch.setattr(Trainer, "run_epoch", deadly)


@pytest.mark.parametrize("estimator", OF_TWO_STAGES)
@pytest.mark.parametrize("epoch", [1, 3, EPOCHS + 1, EPOCHS + 3])
def test_a_killed_fit_goes_on_in_the_stage_where_it_was(
    blobs, assert_same_fit, n_epochs_in, monkeypatch, tmp_path, estimator, epoch
):
    Xs, ys, Xt, _ = blobs
    straight = estimator(**LONGER).fit(Xs, ys, X_target=Xt)
    first, second = tmp_path / "fit", tmp_path / "fit.2"
    settings = {**LONGER, "checkpoint": first}
    with monkeypatch.context() as then:
        kill_in_epoch(then, epoch)
        with pytest.raises(KilledError):
            estimator(**settings).fit(Xs, ys, X_target=Xt)
    assert n_epochs_in(first) == min(epoch - 1, EPOCHS)
    assert n_epochs_in(second) == max(epoch - 1 - EPOCHS, 0)
    resumed = estimator(**settings).fit(Xs, ys, X_target=Xt)
    assert n_epochs_in(first) == n_epochs_in(second) == EPOCHS
    for ended in (resumed, estimator(**settings).fit(Xs, ys, X_target=Xt)):
        assert_same_fit(ended, straight, Xt)


@pytest.mark.parametrize("estimator", OF_TWO_STAGES)
def test_a_second_stage_of_other_parameters_is_refused(blobs, tmp_path, estimator):
    Xs, ys, Xt, _ = blobs
    settings = {**LONGER, "checkpoint": tmp_path / "fit"}
    estimator(**settings).fit(Xs, ys, X_target=Xt)
    (tmp_path / "fit").unlink()
    with pytest.raises(ValueError, match=r"fit\.2' is of a fit with other parameters or data"):
        estimator(**settings, weight_decay=0.0).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize("estimator", OF_TWO_STAGES)
@pytest.mark.parametrize("after", [2, EPOCHS])
def test_a_callback_that_stops_the_first_stage_ends_the_fit(blobs, same, stop, estimator, after):
    Xs, ys, Xt, _ = blobs
    stopping = stop(after)
    clf = estimator(**LONGER).set_callbacks(stopping).fit(Xs, ys, X_target=Xt)
    assert stopping.n_epochs == after
    assert len(clf.history_["task_loss"]) == after
    assert not hasattr(clf, "adaptation_history_")
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    assert same(clf, estimator(**LONGER).set_callbacks(stop(after)).fit(Xs, ys))


@pytest.mark.parametrize("estimator", OF_TWO_STAGES)
def test_a_callback_sees_the_epochs_of_both_stages(blobs, watch, stop, estimator):
    Xs, ys, Xt, _ = blobs
    watching = watch()
    estimator(**LONGER).set_callbacks(watching).fit(Xs, ys, X_target=Xt)
    assert watching.n_epochs == watching.n_expected == 2 * EPOCHS
    clf = estimator(**LONGER).set_callbacks(stop(EPOCHS + 1)).fit(Xs, ys, X_target=Xt)
    assert len(clf.adaptation_history_["task_loss"]) == 1
