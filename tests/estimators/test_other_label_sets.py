"""Targets with fewer classes than the source, and with samples of others."""

import numpy as np
import pytest

import domadapt
from domadapt import (
    AlignmentClassifier,
    DANNClassifier,
    OSBPClassifier,
    PADAClassifier,
)
from domadapt.alignment import PartialAdversarial

SMALL_OPEN = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}


# Targets with fewer classes.


@pytest.fixture
def class_weights(monkeypatch):
    """Collect the weights of the classes before each epoch."""
    seen, begin_epoch = [], PartialAdversarial.begin_epoch

    def noted(self, *args):
        begin_epoch(self, *args)
        seen.append(self.class_weight.tolist())

    monkeypatch.setattr(PartialAdversarial, "begin_epoch", noted)
    return seen


def two_of_five(n_rows, *, target, seed):
    """Draw five classes; the target has the first two, each moved in a direction of its own."""
    y = np.arange(n_rows) % (2 if target else 5)
    centres = 2.0 * np.random.default_rng(0).normal(size=(5, 8))
    moves = 1.5 * np.random.default_rng(1).normal(size=(5, 8))
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(n_rows, 8))
    return (centres[y] + target * moves[y] + noise).astype(np.float32), y


def test_classes_that_the_target_lacks_come_to_count_little(class_weights):
    Xs, ys = two_of_five(400, target=False, seed=0)
    Xt, yt = two_of_five(200, target=True, seed=50)
    settings = {"optimizer": "adam", "learning_rate": 1e-3, "batch_norm": "joint"}
    settings |= {"max_epochs": 60, "random_state": 0}
    clf = PADAClassifier(**settings).fit(Xs, ys, X_target=Xt)
    assert len(class_weights) == 60
    assert min(class_weights[-1][:2]) > 0.5
    assert max(class_weights[-1]) == 1.0
    assert max(class_weights[-1][2:]) < 0.2
    # A discriminator that looks at all source classes alike pulls the target to all of them.
    assert (
        clf.score(Xt, yt) >= DANNClassifier(**settings).fit(Xs, ys, X_target=Xt).score(Xt, yt) + 0.1
    )


# Targets with samples of more classes.


def five_classes(n_rows, classes, *, move, seed):
    """Draw some of five classes, moved all alike."""
    y = np.asarray(classes)[np.arange(n_rows) % len(classes)]
    centres = 2.0 * np.random.default_rng(0).normal(size=(5, 8))
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(n_rows, 8))
    return (centres[y] + move + noise).astype(np.float32), y


@pytest.mark.parametrize(
    ("names", "unknown", "expected"),
    [
        ([0, 1, 2], None, -1),
        ([3, 5, 9], None, -1),
        ([-5, 0, 5], None, -6),
        ([0.0, 1.0, 2.0], None, -1.0),
        (["a", "b", "c"], None, "unknown"),
        (np.array(["a", "b", "c"], dtype=object), None, "unknown"),
        ([0, 1, 2], 77, 77),
        (["a", "b", "c"], "something quite different", "something quite different"),
    ],
    ids=str,
)
def test_unknown_samples_get_a_label_of_the_kind_of_the_others(names, unknown, expected):
    Xs, ys = five_classes(200, [0, 1, 2], move=0.0, seed=0)
    Xt, _ = five_classes(200, [0, 1, 2, 3, 4], move=0.5, seed=1)
    names = np.asarray(names)
    clf = OSBPClassifier(unknown=unknown, random_state=0, max_epochs=20)
    clf.fit(Xs, names[ys], X_target=Xt)
    assert clf.unknown_ == expected
    assert clf.classes_.tolist() == names.tolist()
    predicted = clf.predict(Xt)
    assert set(predicted.tolist()) == {*names.tolist(), expected}
    if names.dtype.kind != "U":
        # Texts are as long as the longest of them.
        assert predicted.dtype == names.dtype


def test_unknown_samples_beside_the_labels_minus_one_and_one(blobs):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(**SMALL_OPEN).fit(Xs, np.where(ys > 0, 1, -1), X_target=Xt)
    assert clf.unknown_ == -2
    assert clf.classes_.tolist() == [-1, 1]
    assert clf.predict_proba(Xt).shape == (75, 3)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("names", "unknown", "instead"),
    [
        ([0, 1, 2], "unknown", "-1"),
        ([0, 1, 2], 1, "-1"),
        (["a", "b", "c"], -1, "'unknown'"),
        (["a", "b", "c"], "b", "'unknown'"),
    ],
)
def test_a_label_for_unknown_samples_that_does_not_go_with_the_others_is_refused(
    blobs, names, unknown, instead
):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(unknown=unknown, **SMALL_OPEN)
    with pytest.raises(ValueError, match=rf"unknown={unknown!r} does not go .* such as {instead}"):
        clf.fit(Xs, np.array(names)[ys], X_target=Xt)
    assert not hasattr(clf, "unknown_")


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("threshold", [None, 0.0, 1.0, -0.5, 2.0, "half"])
def test_a_threshold_that_is_no_probability_is_refused(blobs, threshold):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(ValueError, match="threshold"):
        OSBPClassifier(threshold=threshold).fit(Xs, ys, X_target=Xt)


def test_probabilities_of_open_sets_have_a_column_for_unknown_samples(blobs):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(**SMALL_OPEN).fit(Xs, ys, X_target=Xt)
    proba = clf.predict_proba(Xt)
    assert proba.shape == (75, 4)
    np.testing.assert_allclose(proba.sum(1), 1.0, rtol=1e-5)
    labels = np.append(clf.classes_, clf.unknown_)
    np.testing.assert_array_equal(clf.predict(Xt), labels[proba.argmax(1)])
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))


def test_without_a_target_there_is_no_class_of_unknown_samples(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(**SMALL_OPEN).fit(Xs, ys, X_target=Xt)
    assert clf.unknown_ == -1
    clf.fit(Xs, ys)
    assert not hasattr(clf, "unknown_")
    assert clf.predict_proba(Xt).shape == (75, 3)
    parameters = clf.get_params(deep=False)
    del parameters["threshold"], parameters["unknown"]
    assert same(clf, AlignmentClassifier(None, **parameters).fit(Xs, ys))


@pytest.mark.parametrize("names", [[3, 5, 9], ["a", "b", "c"], [0.0, 1.0, 2.0]], ids=str)
def test_the_label_of_unknown_samples_goes_through_a_file(blobs, same, tmp_path, names):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(threshold=0.9, **{**SMALL_OPEN, "max_epochs": 20})
    clf.fit(Xs, np.array(names)[ys], X_target=Xt)
    clf.save(tmp_path / "model")
    again = domadapt.load(tmp_path / "model")
    assert same(clf, again)
    assert again.get_params() == clf.get_params()
    assert again.unknown_ == clf.unknown_
    assert type(again.unknown_) is type(clf.unknown_)
    assert clf.unknown_ in clf.transduction_
    np.testing.assert_array_equal(again.transduction_, clf.transduction_)
    np.testing.assert_array_equal(again.predict(Xt), clf.predict(Xt))
    assert again.predict(Xt).dtype == clf.predict(Xt).dtype


def test_samples_of_classes_that_the_source_lacks_are_found():
    Xs, ys = five_classes(400, [0, 1, 2], move=0.0, seed=0)
    Xt, yt = five_classes(400, [0, 1, 2, 3, 4], move=0.5, seed=1)
    yt = np.where(yt > 2, -1, yt)
    clf = OSBPClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    alone = AlignmentClassifier(None, random_state=0).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1
    assert (clf.predict(Xt)[yt == -1] == -1).mean() > 0.6


def test_adapt_cannot_learn_a_class_of_unknown_samples(blobs):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(**SMALL_OPEN).fit(Xs, ys, X_target=Xt)
    with pytest.raises(ValueError, match="needs a class for unknown samples"):
        clf.adapt(Xt, alignment="osbp")
    assert clf.adapt(Xt, alignment="entropy").predict_proba(Xt).shape == (75, 4)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("alignment", ["osbp", [(1.0, "osbp"), (0.1, "mmd")]])
def test_a_class_for_unknown_samples_needs_its_own_classifier(blobs, alignment):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(ValueError, match=r"needs a class for unknown samples.*OSBPClassifier"):
        AlignmentClassifier(alignment).fit(Xs, ys, X_target=Xt)
