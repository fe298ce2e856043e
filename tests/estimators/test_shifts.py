"""Shifts between the domains on which each method beats what is trained on the source alone."""

import functools

import numpy as np
import pytest
from sklearn.datasets import make_moons

from domadapt import (
    ADDAClassifier,
    AFNClassifier,
    AlignmentClassifier,
    BNMClassifier,
    BSPClassifier,
    CDANClassifier,
    CMDClassifier,
    CORALRegressor,
    DANClassifier,
    DANNClassifier,
    DANNRegressor,
    DANRegressor,
    DeepCORALClassifier,
    DeepJDOTClassifier,
    DeepJDOTRegressor,
    DSANClassifier,
    DSNClassifier,
    EnergyDistanceClassifier,
    JANClassifier,
    M3SDAClassifier,
    MCCClassifier,
    MCDClassifier,
    MDDClassifier,
    MeanTeacherClassifier,
    PseudoLabelClassifier,
    RSDRegressor,
    SHOTClassifier,
    SWDClassifier,
    VADAClassifier,
    WDGRLClassifier,
)

# Of these methods another test in this file shows the same on another shift.
AGAIN = pytest.mark.many


def with_a_spurious_column(n_rows, *, target, seed):
    """Draw two classes; the first column tells them apart in the source alone."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 2
    sign = 2.0 * y - 1.0
    spurious = 2.0 + 0.0 * sign if target else 2.0 * sign
    X = np.column_stack([spurious, sign]) + rng.normal(scale=0.5, size=(n_rows, 2))
    return X.astype(np.float32), y


@pytest.mark.parametrize(
    ("estimator", "weight", "batch_norm", "max_epochs"),
    [
        (DANNClassifier, 3.0, "per_domain", 40),
        pytest.param(DANClassifier, None, "joint", 30, marks=AGAIN),
        pytest.param(DeepCORALClassifier, None, "joint", 30, marks=AGAIN),
        # Private parts take the column up.
        (DSNClassifier, 3.0, "per_domain", 40),
    ],
)
def test_alignment_leaves_a_column_that_differs_between_the_domains(
    estimator, weight, batch_norm, max_epochs
):
    Xs, ys = with_a_spurious_column(400, target=False, seed=0)
    Xt, yt = with_a_spurious_column(400, target=True, seed=1)
    settings = {"random_state": 0, "optimizer": "sgd", "learning_rate": 0.05}
    settings |= {"max_epochs": max_epochs, "batch_norm": batch_norm}
    clf = estimator(alignment_weight=weight, **settings).fit(Xs, ys, X_target=Xt)
    # Against the same without alignment, which sees the target's statistics too.
    idle = AlignmentClassifier(None, label_smoothing=estimator.label_smoothing, **settings)
    assert clf.score(Xt, yt) >= idle.fit(Xs, ys, X_target=Xt).score(Xt, yt) + 0.1


@pytest.fixture(scope="module")
def alone():
    """Return the accuracy on a target of what was trained on the source alone, each once."""
    known = {}

    def score(domains, max_epochs, name):
        if (name, max_epochs) not in known:
            Xs, ys, Xt, yt = domains
            clf = AlignmentClassifier(None, random_state=0, max_epochs=max_epochs).fit(Xs, ys)
            known[name, max_epochs] = clf.score(Xt, yt)
        return known[name, max_epochs]

    return score


@pytest.mark.parametrize(
    ("estimator", "max_epochs"),
    [
        (CMDClassifier, 30),
        (EnergyDistanceClassifier, 30),
        (MCDClassifier, 30),
        pytest.param(BNMClassifier, 30, marks=AGAIN),
        pytest.param(DSANClassifier, 60, marks=AGAIN),
        pytest.param(JANClassifier, 30, marks=AGAIN),
        pytest.param(MCCClassifier, 30, marks=AGAIN),
    ],
)
def test_a_column_that_differs_between_the_domains_is_left(alone, estimator, max_epochs):
    Xs, ys = with_a_spurious_column(400, target=False, seed=0)
    Xt, yt = with_a_spurious_column(400, target=True, seed=1)
    clf = estimator(random_state=0, max_epochs=max_epochs, batch_norm="joint")
    clf.fit(Xs, ys, X_target=Xt)
    assert clf.score(Xt, yt) >= alone((Xs, ys, Xt, yt), max_epochs, "spurious column") + 0.1


@pytest.mark.parametrize(
    ("estimator", "max_epochs"),
    [
        (ADDAClassifier, 30),
        (BNMClassifier, 12),
        (CDANClassifier, 20),
        (DANClassifier, 12),
        (DSANClassifier, 12),
        (DeepCORALClassifier, 12),
        (DeepJDOTClassifier, 20),
        (JANClassifier, 12),
        (MCCClassifier, 12),
        (MDDClassifier, 20),
        (PseudoLabelClassifier, 60),
        (SHOTClassifier, 12),
        (SWDClassifier, 20),
        (VADAClassifier, 12),
        (WDGRLClassifier, 60),
    ],
)
def test_classes_that_moved_apart_from_one_another_are_found(
    moved_classes, alone, estimator, max_epochs
):
    Xs, ys, Xt, yt = moved_classes
    clf = estimator(random_state=0, max_epochs=max_epochs).fit(Xs, ys, X_target=Xt)
    assert clf.score(Xt, yt) >= alone(moved_classes, max_epochs, "moved classes") + 0.1


def before_a_background(n_rows, *, target, seed, one_sided):
    """Draw ten classes; in the target they are faint, before a strong background.

    The background has two directions; one-sided, its amounts are never negative.
    """
    centres = np.random.default_rng(7).normal(size=(10, 32))
    directions = np.random.default_rng(8).normal(size=(2, 32))
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 10
    X = centres[y] + rng.normal(scale=0.5, size=(n_rows, 32))
    if target:
        amounts = rng.normal(size=(n_rows, 2))
        X = 0.5 * X + 2.0 * (np.abs(amounts) if one_sided else amounts) @ directions
    return X.astype(np.float32), y


@pytest.mark.parametrize(
    ("estimator", "one_sided", "batch_norm"),
    [(AFNClassifier, False, "per_domain"), (BSPClassifier, True, None)],
)
def test_faint_classes_are_found_before_a_background(estimator, one_sided, batch_norm):
    Xs, ys = before_a_background(300, target=False, seed=0, one_sided=one_sided)
    Xt, yt = before_a_background(300, target=True, seed=1, one_sided=one_sided)
    settings = {"random_state": 0, "max_epochs": 30, "batch_norm": batch_norm}
    clf = estimator(**settings).fit(Xs, ys, X_target=Xt)
    # Against the same without alignment, which sees the target's statistics too.
    alone = AlignmentClassifier(None, optimizer="adam", learning_rate=1e-3, **settings)
    assert clf.score(Xt, yt) >= alone.fit(Xs, ys, X_target=Xt).score(Xt, yt) + 0.1


def moons(n_rows, *, target, seed):
    """Draw two moons that lie in one another; in the target they are turned by 35 degrees."""
    X, y = make_moons(n_rows, noise=0.1, random_state=seed)
    X = X - [0.5, 0.25]
    if target:
        angle = np.deg2rad(35)
        cos, sin = np.cos(angle), np.sin(angle)
        X = X @ np.array([[cos, sin], [-sin, cos]])
    return X.astype(np.float32), y


def test_an_averaged_teacher_follows_moons_that_turned():
    Xs, ys = moons(400, target=False, seed=0)
    Xt, yt = moons(400, target=True, seed=1)
    settings = {"random_state": 0, "max_epochs": 40, "batch_norm": None}
    clf = MeanTeacherClassifier(**settings).fit(Xs, ys, X_target=Xt)
    alone = AlignmentClassifier(None, **settings).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1


def three_domains(seed):
    """Draw two classes in three domains: what the first column tells of them gets less and less.

    In the target it has nothing to say, and is far off.
    """
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for slope, offset in [(2.0, 0.0), (1.0, 1.0), (0.0, 2.0)]:
        y = np.arange(200) % 2
        sign = 2.0 * y - 1.0
        X = np.column_stack([slope * sign + offset, sign])
        rows.append(X + rng.normal(scale=0.5, size=X.shape))
        labels.append(y)
    return np.concatenate(rows).astype(np.float32), np.concatenate(labels)


def test_moments_of_several_sources_leave_a_column_that_differs():
    X, y = three_domains(seed=0)
    sample_domain = np.repeat([1, 2, -1], 200)
    settings = {"random_state": 0, "max_epochs": 30, "batch_norm": None}
    settings |= {"optimizer": "sgd", "learning_rate": 0.03}
    clf = M3SDAClassifier(**settings).fit(X, y, sample_domain=sample_domain)
    alone = AlignmentClassifier(None, **settings).fit(X[:400], y[:400])
    assert clf.score(X[400:], y[400:]) >= alone.score(X[400:], y[400:]) + 0.1


def with_columns_that_move(n_rows, *, target, seed):
    """Draw values of two columns, beside twenty that tell nothing and move in the target.

    A network of few samples takes these for something, which matters where they have moved.
    """
    rng = np.random.default_rng(seed)
    useful = rng.normal(size=(n_rows, 2))
    noise = rng.normal(size=(n_rows, 20))
    y = useful[:, 0] - useful[:, 1]
    if target:
        return np.column_stack([useful, 2.0 + 3.0 * noise]).astype(np.float32), y
    return np.column_stack([useful, noise]).astype(np.float32), y + rng.normal(
        scale=0.7, size=n_rows
    )


@functools.cache
@functools.cache
def fit_and_score(estimator, weight, batch_norm, seed):
    Xs, ys = with_columns_that_move(200, target=False, seed=seed)
    Xt, yt = with_columns_that_move(300, target=True, seed=seed + 100)
    settings = {"hidden_layer_sizes": (128,), "max_epochs": 30, "batch_size": 100}
    settings |= {"optimizer": "adam", "learning_rate": 1e-2, "batch_norm": batch_norm}
    reg = estimator(alignment_weight=weight, random_state=seed, **settings)
    return reg.fit(Xs, ys, X_target=Xt).score(Xt, yt)


@pytest.mark.parametrize("seed", [0])
@pytest.mark.parametrize(
    ("estimator", "weight", "batch_norm"),
    [
        (DANRegressor, None, "joint"),
        (CORALRegressor, None, None),
        (DANNRegressor, 3.0, "joint"),
        (DeepJDOTRegressor, 5.0, "joint"),
        (RSDRegressor, 1.0, "joint"),
    ],
)
def test_columns_that_differ_between_the_domains_matter_less(estimator, weight, batch_norm, seed):
    # Without alignment it does not matter which criterion is not used.
    alone = fit_and_score(DANRegressor, 0.0, batch_norm, seed)
    assert fit_and_score(estimator, weight, batch_norm, seed) >= alone + 0.2
