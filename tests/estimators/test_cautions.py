"""Fits that end well and yet have hardly done what was meant: they warn, once each."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from domadapt import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DANRegressor,
    MeanTeacherClassifier,
    PADAClassifier,
    PseudoLabelClassifier,
    SHOTClassifier,
)

LONG = {"max_epochs": 7, "random_state": 0, "hidden_layer_sizes": 8}


def messages(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("kind", [DANNClassifier, DANRegressor])
def test_a_method_without_a_target_says_that_it_aligns_nothing(blobs, kind):
    X, y, _, _ = blobs
    (message,) = messages(lambda: kind(**LONG).fit(X, y))
    assert message.startswith(f"{kind.__name__} was given no target")
    assert not messages(lambda: AlignmentClassifier(alignment=None, **LONG).fit(X, y))
    # It moves to the target later.
    assert not messages(lambda: SHOTClassifier(**LONG).fit(X, y))


def test_a_fit_of_few_updates_says_so(blobs, stop):
    X, y, X_target, _ = blobs
    clf = DANClassifier(**{**LONG, "max_epochs": 6})
    with pytest.warns(ConvergenceWarning, match=r"48 updates.*max_epochs=6.*steps_per_epoch=None"):
        clf.fit(X, y, X_target=X_target)
    assert not messages(lambda: DANClassifier(**LONG).fit(X, y, X_target=X_target))
    # Who ends it knows.
    ended = DANClassifier(**LONG).set_callbacks(stop(2))
    assert not messages(lambda: ended.fit(X, y, X_target=X_target))


def of_one_class(blobs):
    X, y, X_target, y_target = blobs
    return X, y, X_target[y_target == 1]


def test_a_target_of_one_predicted_class_is_told(blobs):
    X, y, X_target = of_one_class(blobs)
    clf = AlignmentClassifier(alignment=None, batch_norm=None, **LONG)
    (message,) = messages(lambda: clf.fit(X, y, X_target=X_target))
    assert message.startswith("All 25 target samples are predicted as 1, of 3 in the source")
    assert not messages(lambda: clf.fit(X, y, X_target=X_target[:9]))


def test_far_fewer_classes_are_told_but_where_the_method_expects_them():
    rng = np.random.default_rng(0)
    centres = 10 * rng.normal(size=(8, 6))
    y = np.arange(240) % 8
    X = (centres[y] + rng.normal(size=(240, 6))) / 10
    X_target = X[y < 3] + 0.01
    settings = {**LONG, "max_epochs": 60, "batch_norm": None}
    found = messages(
        lambda: AlignmentClassifier(alignment=None, **settings).fit(X, y, X_target=X_target)
    )
    assert [message[:50] for message in found] == [
        "The 90 target samples are predicted as 3 classes, "
    ]
    assert not messages(lambda: PADAClassifier(**settings).fit(X, y, X_target=X_target))
    clf = AlignmentClassifier(alignment=None, **settings).fit(X, y)
    (told,) = messages(lambda: clf.adapt(X[y < 2], alignment="mcc"))
    assert "The 60 target samples are predicted as 2 classes" in told


@pytest.mark.parametrize(
    ("kind", "limit"), [(MeanTeacherClassifier, "confidence"), (PseudoLabelClassifier, "threshold")]
)
def test_a_method_that_learnt_from_no_sample_says_so(kind, limit, blobs):
    X, y, X_target, _ = blobs
    prefix = "" if kind is MeanTeacherClassifier else "alignment__"
    clf = kind(**LONG, label_smoothing=0.5).set_params(**{f"{prefix}{limit}": 1.0})
    (message,) = messages(lambda: clf.fit(X, y, X_target=X_target))
    assert message.startswith(f"The loss of {type(clf.criterion_).__name__} was 0 in every step")
    clf.set_params(**{f"{prefix}{limit}": 0.0})
    assert not messages(lambda: clf.fit(X, y, X_target=X_target))
