"""Fits in several threads: each learns what it learns alone, whatever the others draw."""

import threading

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from torch import nn

from domadapt import (
    AlignmentClassifier,
    CDANClassifier,
    DANClassifier,
    DSNClassifier,
    MeanTeacherClassifier,
    VADAClassifier,
)
from domadapt.alignment import ConditionalAdversarial

SMALL = {"max_epochs": 3, "batch_size": 16, "random_state": 0, "device": "cpu"}
SMALL |= {"steps_per_epoch": 4}


def noisy(source_features, target_features):
    noise = torch.randn(len(target_features), 1)
    return (source_features.mean(0) - (target_features * noise).mean(0)).square().sum()


def with_dropout():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Dropout(0.3))


# What domadapt draws itself, and what the modules of others draw.
OWN = {
    "dropout": DANClassifier(dropout=0.3, **SMALL),
    "directions": VADAClassifier(**SMALL),
    "layers sized late": DSNClassifier(**SMALL),
    "noise": MeanTeacherClassifier(**SMALL),
    "projections": CDANClassifier(alignment=ConditionalAdversarial(max_product=0), **SMALL),
    "several": AlignmentClassifier(
        alignment=[(1.0, "swd"), (1.0, "wdgrl")], hidden_layer_sizes=(8, 8), dropout=0.2, **SMALL
    ),
}


def of_others():
    torch_state = torch.get_rng_state()
    backbone = with_dropout()
    torch.set_rng_state(torch_state)
    return {
        "backbone": DANClassifier(backbone=backbone, **SMALL),
        "function": AlignmentClassifier(alignment=noisy, **SMALL),
    }


@pytest.mark.parametrize("estimator", [*OWN.values(), *of_others().values()], ids=[*OWN, "a", "b"])
def test_in_threads_a_fit_learns_what_it_learns_alone(estimator, blobs):
    X, y, X_target, _ = blobs

    def probabilities(seed):
        fitted = estimator.__sklearn_clone__().set_params(random_state=seed)
        return fitted.fit(X, y, X_target=X_target).predict_proba(X_target)

    alone = [probabilities(seed) for seed in range(4)]
    before = torch.get_rng_state()
    together = Parallel(4, backend="threading")(delayed(probabilities)(seed) for seed in range(4))
    np.testing.assert_array_equal(together, alone)
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.array_equal(alone[0], alone[1])


@pytest.mark.parametrize("estimator", OWN.values(), ids=OWN)
def test_what_another_thread_draws_is_neither_changed_nor_felt(estimator, blobs):
    X, y, X_target, _ = blobs
    done, drawn = threading.Event(), []

    def draw():
        while not done.is_set():
            drawn.append(torch.rand(3))

    alone = estimator.__sklearn_clone__().fit(X, y, X_target=X_target)
    torch.manual_seed(5)
    thread = threading.Thread(target=draw)
    thread.start()
    beside = estimator.__sklearn_clone__().fit(X, y, X_target=X_target)
    done.set()
    thread.join()
    torch.manual_seed(5)
    assert all(torch.equal(values, torch.rand(3)) for values in drawn)
    assert np.array_equal(beside.predict_proba(X_target), alone.predict_proba(X_target))


def test_a_fit_within_a_callback_disturbs_neither(blobs, watch):
    X, y, X_target, _ = blobs
    inner = OWN["dropout"].__sklearn_clone__()

    def fit_another():
        inner.fit(X, y, X_target=X_target)

    for outer in (OWN["dropout"].__sklearn_clone__(), of_others()["backbone"]):
        alone = outer.fit(X, y, X_target=X_target).predict_proba(X_target)
        outer.set_callbacks(watch(fit_another, epoch=2)).fit(X, y, X_target=X_target)
        np.testing.assert_array_equal(outer.predict_proba(X_target), alone)
    expected = OWN["dropout"].__sklearn_clone__().fit(X, y, X_target=X_target)
    assert np.array_equal(inner.predict_proba(X_target), expected.predict_proba(X_target))


def test_a_fit_that_lends_the_global_generator_waits_for_no_callback(blobs, watch):
    X, y, X_target, _ = blobs
    backbone = of_others()["backbone"]

    def fit_in_another_thread():
        other = of_others()["backbone"]
        thread = threading.Thread(target=other.fit, args=(X, y), kwargs={"X_target": X_target})
        thread.start()
        thread.join(timeout=60)
        assert not thread.is_alive()
        assert other.n_steps_ > 0

    backbone.set_callbacks(watch(fit_in_another_thread, epoch=1)).fit(X, y, X_target=X_target)
    assert len(backbone.history_["task_loss"]) == 3
