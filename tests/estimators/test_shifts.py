"""Shifts between the domains on which each method beats what is trained on the source alone."""

import numpy as np
import pytest

from domadapt import (
    AlignmentClassifier,
    BNMClassifier,
    CMDClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DeepJDOTClassifier,
    DSANClassifier,
    JANClassifier,
    MCCClassifier,
    MCDClassifier,
    PseudoLabelClassifier,
    SWDClassifier,
    WDGRLClassifier,
)


def with_a_spurious_column(n_rows, *, target, seed):
    """Draw two classes; the first column tells them apart in the source alone."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 2
    sign = 2.0 * y - 1.0
    spurious = 2.0 + 0.0 * sign if target else 2.0 * sign
    X = np.column_stack([spurious, sign]) + rng.normal(scale=0.5, size=(n_rows, 2))
    return X.astype(np.float32), y


@pytest.mark.parametrize(
    ("estimator", "weight", "batch_norm"),
    [
        (DANNClassifier, 3.0, "per_domain"),
        (DANClassifier, None, "joint"),
        (DeepCORALClassifier, None, "joint"),
    ],
)
def test_alignment_leaves_a_column_that_differs_between_the_domains(estimator, weight, batch_norm):
    Xs, ys = with_a_spurious_column(400, target=False, seed=0)
    Xt, yt = with_a_spurious_column(400, target=True, seed=1)
    settings = {"random_state": 0, "max_epochs": 60, "optimizer": "sgd", "learning_rate": 0.05}
    settings["batch_norm"] = batch_norm

    def accuracy(alignment_weight):
        clf = estimator(alignment_weight=alignment_weight, **settings)
        return clf.fit(Xs, ys, X_target=Xt).score(Xt, yt)

    assert accuracy(weight) >= accuracy(0.0) + 0.1


@pytest.mark.parametrize(
    "estimator",
    [BNMClassifier, CMDClassifier, DSANClassifier, JANClassifier, MCCClassifier, MCDClassifier],
)
def test_a_column_that_differs_between_the_domains_is_left(estimator):
    Xs, ys = with_a_spurious_column(400, target=False, seed=0)
    Xt, yt = with_a_spurious_column(400, target=True, seed=1)
    clf = estimator(random_state=0, max_epochs=60, batch_norm="joint").fit(Xs, ys, X_target=Xt)
    alone = AlignmentClassifier(None, random_state=0, max_epochs=60).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1


def moved_by_class(n_rows, *, target, seed):
    """Draw five classes; in the target each has moved in a direction of its own."""
    y = np.arange(n_rows) % 5
    centres = 2.0 * np.random.default_rng(0).normal(size=(5, 8))
    moves = 1.3 * np.random.default_rng(1).normal(size=(5, 8))
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(n_rows, 8))
    return (centres[y] + target * moves[y] + noise).astype(np.float32), y


@pytest.mark.parametrize(
    "estimator",
    [
        BNMClassifier,
        DANClassifier,
        DSANClassifier,
        DeepCORALClassifier,
        DeepJDOTClassifier,
        JANClassifier,
        MCCClassifier,
        PseudoLabelClassifier,
        SWDClassifier,
        WDGRLClassifier,
    ],
)
def test_classes_that_moved_apart_from_one_another_are_found(estimator):
    Xs, ys = moved_by_class(400, target=False, seed=0)
    Xt, yt = moved_by_class(400, target=True, seed=1)
    clf = estimator(random_state=0, max_epochs=60).fit(Xs, ys, X_target=Xt)
    alone = AlignmentClassifier(None, random_state=0, max_epochs=60).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1
