"""Several sources, labels of some target rows, and targets with fewer or more classes."""

import copy
import math

import numpy as np
import pandas as pd
import pytest

import domadapt
from domadapt import (
    ADDAClassifier,
    AlignmentClassifier,
    CDANClassifier,
    DANClassifier,
    DANNClassifier,
    M3SDAClassifier,
    OSBPClassifier,
    PADAClassifier,
    SHOTClassifier,
    pack,
)
from domadapt.alignment import PartialAdversarial
from domadapt.training.step import Classification
from domadapt.training.trainer import Trainer

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}


@pytest.fixture
def untrained(monkeypatch):
    """Fail where training starts."""

    def must_not_train(self):
        raise AssertionError("training started on bad input")

    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)


@pytest.fixture
def stacked(blobs):
    """Samples of two sources and a target, mixed."""
    X, y, sample_domain = pack(*blobs)
    sample_domain[:90:2] = 2
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order], sample_domain[order]


# Several sources.


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("alignment", ["m3sda", [(1.0, "mmd"), (0.1, "m3sda")]])
def test_one_source_is_too_few_for_moments_of_several(blobs, alignment):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    match = "MomentMatching needs at least two sources, and sample_domain names 1. Give each"
    for estimator in (M3SDAClassifier(), AlignmentClassifier(alignment)):
        with pytest.raises(ValueError, match=match):
            estimator.fit(Xs, ys, X_target=Xt)
        with pytest.raises(ValueError, match=match):
            estimator.fit(X, y, sample_domain=sample_domain)
        # Samples of weight 0 are no source.
        with pytest.raises(ValueError, match=match):
            estimator.fit(
                X,
                y,
                sample_domain=np.where(np.arange(165) < 5, 2, sample_domain),
                sample_weight=np.arange(165) >= 5,
            )
        assert not hasattr(estimator, "module_")


def test_several_sources_need_no_target_and_then_no_numbers(blobs, same):
    Xs, ys, _, _ = blobs
    several = M3SDAClassifier(**SMALL)
    alone = AlignmentClassifier(None, **several.get_params())
    assert same(several.fit(Xs, ys), alone.fit(Xs, ys))


@pytest.mark.parametrize("estimator", [DANNClassifier, CDANClassifier])
def test_a_discriminator_tells_each_source_from_the_others(estimator, stacked):
    X, y, sample_domain = stacked
    settings = {**SMALL, "learning_rate": 1e-9, "batch_norm": None, "max_epochs": 1}

    def first_loss(n_sources):
        names = np.where(sample_domain < 0, -1, 1 + np.arange(len(X)) % n_sources)
        clf = estimator(**settings).fit(X, y, sample_domain=names)
        return clf.history_["alignment_loss"][0]

    # A discriminator that has learnt nothing knows no better than to guess.
    for n_sources in (1, 2, 4):
        assert first_loss(n_sources) == pytest.approx(math.log(n_sources + 1), abs=0.25)


@pytest.mark.parametrize("estimator", [DANNClassifier, M3SDAClassifier])
def test_what_sources_are_called_does_not_matter_but_who_they_are_does(estimator, stacked, same):
    X, y, sample_domain = stacked
    others = np.select([sample_domain == 1, sample_domain == 2], [3, 7], -4)
    mixed = np.where(sample_domain < 0, -1, 1 + np.arange(len(X)) % 2)
    first, renamed, other = (
        estimator(**SMALL).fit(X, y, sample_domain=names)
        for names in (sample_domain, others, mixed)
    )
    assert same(first, renamed)
    assert not same(first, other)


def test_the_spelling_by_x_target_is_one_source(blobs, same):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    apart = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt)
    assert same(apart, DANNClassifier(**SMALL).fit(X, y, sample_domain=5 * sample_domain))
    sample_domain[:45] = 2
    assert not same(apart, DANNClassifier(**SMALL).fit(X, y, sample_domain=sample_domain))


# Labels of some target rows.


def with_two_classes_swapped(n_rows, *, target, seed):
    """Draw three classes; in the target the first two have changed places."""
    y = np.arange(n_rows) % 3
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    at = np.array([1, 0, 2])[y] if target else y
    X = centres[at] + np.random.default_rng(seed).normal(scale=0.6, size=(n_rows, 2))
    # What tells the domains apart, so that a network can treat them differently.
    return np.column_stack([X, np.full(n_rows, 2.0 * target)]).astype(np.float32), y


@pytest.mark.parametrize("estimator", [DANNClassifier, DANClassifier])
def test_a_few_labels_of_the_target_help_where_classes_swapped(estimator):
    Xs, ys = with_two_classes_swapped(300, target=False, seed=0)
    Xt, yt = with_two_classes_swapped(240, target=True, seed=1)
    y_target = np.where(np.arange(240) < 15, yt, np.nan)
    settings = {"random_state": 0, "max_epochs": 40, "batch_norm": "joint", "alignment_weight": 0.1}
    settings |= {"optimizer": "sgd", "learning_rate": 0.05}
    blind = estimator(**settings).fit(Xs, ys, X_target=Xt)
    told = estimator(**settings).fit(Xs, ys, X_target=Xt, y_target=y_target)
    assert told.score(Xt[15:], yt[15:]) >= blind.score(Xt[15:], yt[15:]) + 0.3


def spellings_of_known(y_target, known):
    """Spell labels, of which some are known, in every way."""
    y_target = np.asarray(y_target)
    blank = np.full(len(y_target), None, dtype=object)
    blank[known] = y_target[known].tolist()
    missing = np.ones(len(y_target), dtype=bool)
    missing[known] = False
    return {
        "None": blank,
        "list": blank.tolist(),
        "NaN": np.where(missing, np.nan, y_target),
        "NaN among objects": np.where(missing, np.nan, blank),
        "masked": np.ma.masked_array(y_target, mask=missing),
        "NA": pd.array([pd.NA if m else int(v) for v, m in zip(y_target, missing, strict=True)]),
        "Series": pd.Series(blank, index=np.arange(len(blank))[::-1]),
        "NaN in a Series": pd.Series(np.where(missing, np.nan, y_target)),
    }


@pytest.mark.parametrize("spelling", spellings_of_known([0, 1], [0]))
def test_labels_that_are_not_known_may_be_spelled_in_any_way(blobs, same, spelling):
    Xs, ys, Xt, yt = blobs
    known = [3, 4, 60]
    blank = np.full(75, None, dtype=object)
    blank[known] = yt[known].tolist()
    reference = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=blank)
    y_target = spellings_of_known(yt, known)[spelling]
    before = copy.deepcopy(y_target)
    assert same(reference, DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=y_target))
    pd.testing.assert_series_equal(pd.Series(y_target), pd.Series(before))
    assert not same(reference, DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt))


@pytest.mark.parametrize("names", [["no", "perhaps", "yes"], [-1, 0, 1], [1.0, 2.0, 5.0]], ids=str)
def test_labels_of_any_kind_may_be_known(blobs, same, names):
    Xs, ys, Xt, yt = blobs
    known = [3, 4, 60]
    reference = np.full(75, None, dtype=object)
    labels = reference.copy()
    reference[known] = yt[known].tolist()
    labels[known] = [names[label] for label in yt[known]]
    by_number = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=reference)
    by_name = DANNClassifier(**SMALL).fit(Xs, np.array(names)[ys], X_target=Xt, y_target=labels)
    assert same(by_number, by_name)
    np.testing.assert_array_equal(by_name.predict(Xt), np.array(names)[by_number.predict(Xt)])


@pytest.mark.parametrize("filler", [-1, 2, np.nan])
def test_with_labels_known_those_in_y_are_never_read_at_target_rows(blobs, same, filler):
    Xs, ys, Xt, yt = blobs
    y_target = np.where(np.arange(75) < 6, yt, np.nan)
    apart = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt, y_target=y_target)
    X, y, sample_domain = pack(Xs, ys, Xt, np.full(75, filler))
    # At source rows y_target is not read, even where it holds no class at all.
    for at_source in (np.nan, 99.0):
        full = np.concatenate([np.full(90, at_source), y_target])
        stacked = DANNClassifier(**SMALL).fit(X, y, sample_domain=sample_domain, y_target=full)
        assert same(apart, stacked)
        np.testing.assert_array_equal(apart.transduction_, stacked.transduction_)


def test_labels_of_the_right_rows_are_known_where_rows_are_mixed(blobs, same):
    Xs, ys, Xt, yt = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    y_target = np.concatenate([np.full(90, np.nan), np.where(np.arange(75) < 6, yt, np.nan)])
    place = np.sort(np.random.default_rng(0).permutation(165)[:90])
    # Each domain keeps its order, so the weights are the same to the last bit.
    order = np.empty(165, dtype=int)
    order[place] = np.arange(90)
    order[np.setdiff1d(np.arange(165), place)] = np.arange(90, 165)
    first = DANNClassifier(**SMALL).fit(X, y, sample_domain=sample_domain, y_target=y_target)
    mixed = DANNClassifier(**SMALL).fit(
        X[order], y[order], sample_domain=sample_domain[order], y_target=y_target[order]
    )
    assert same(first, mixed)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"y_target": np.full(75, 7)},
            r"holds labels that no source sample has: \[7\]. .*\[0, 1, 2\]",
        ),
        ({"y_target": ["a"] * 75}, r"holds labels that no source sample has: \['a'\]"),
        ({"y_target": np.full(75, np.nan)}, "y_target knows no label: all of its entries"),
        ({"y_target": [None] * 75}, "y_target knows no label"),
        ({"y_target": np.zeros(74)}, "y_target has length 74, but X_target has 75 samples"),
        ({"y_target": np.zeros((75, 2))}, r"y_target has shape \(75, 2\), but y has shape"),
        ({"X_target": None}, "y_target was given without a target"),
        (
            {"X_target": None, "sample_domain": np.repeat([1, -1], [50, 40])},
            "y_target has length 75, but X has 90 samples",
        ),
    ],
)
def test_labels_that_cannot_be_known_are_refused(blobs, changes, match):
    Xs, ys, Xt, _ = blobs
    data = {"X": Xs, "y": ys, "X_target": Xt, "y_target": np.zeros(75), **changes}
    with pytest.raises(ValueError, match=match):
        DANNClassifier(**SMALL).fit(**data)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("estimator", [ADDAClassifier, SHOTClassifier])
def test_methods_of_two_stages_refuse_labels_of_the_target(blobs, estimator):
    Xs, ys, Xt, yt = blobs
    with pytest.raises(ValueError, match=f"y_target does not go with {estimator.__name__}"):
        estimator(**SMALL).fit(Xs, ys, X_target=Xt, y_target=yt)


@pytest.fixture
def tasks(monkeypatch):
    """Collect what fits learn from labelled rows."""
    made = []

    def noted(*args):
        made.append(Classification(*args))
        return made[-1]

    monkeypatch.setattr("domadapt.estimators._classifier.Classification", noted)
    return made


def test_a_labelled_target_row_weighs_what_a_source_row_of_its_class_does(blobs, tasks):
    Xs, ys, Xt, yt = blobs
    weight = 1.0 + np.arange(90) % 4
    by_class = np.array([5.0, 1.0, 2.0])
    y_target = np.where(np.arange(75) < 6, yt, np.nan)
    data = {"X": Xs, "y": ys, "X_target": Xt, "y_target": y_target}
    clf = DANNClassifier(class_weight=dict(enumerate(by_class)), **SMALL)
    plain = copy.deepcopy(clf).set_params(class_weight=None)
    plain.fit(**data)
    plain.fit(**data, sample_weight=weight)
    clf.fit(**data)
    clf.fit(**data, sample_weight=weight)
    unweighted, by_row, of_class, by_both = (task.weight for task in tasks)
    assert unweighted is None
    known = yt[:6]
    np.testing.assert_allclose(by_row[:90], weight / weight.mean(), rtol=1e-5)
    np.testing.assert_allclose(by_row[90:], np.ones(6), rtol=1e-5)
    mean = by_class[ys].mean()
    np.testing.assert_allclose(of_class, by_class[np.r_[ys, known]] / mean, rtol=1e-5)
    both = weight * by_class[ys]
    np.testing.assert_allclose(by_both[:90], both / both.mean(), rtol=1e-5)
    np.testing.assert_allclose(by_both[90:], by_class[known] / mean, rtol=1e-5)
    for task in tasks:
        np.testing.assert_array_equal(task.labels, np.r_[ys, known])


def test_a_checkpoint_with_other_labels_of_the_target_is_refused(blobs, tmp_path):
    Xs, ys, Xt, yt = blobs
    settings = {**SMALL, "checkpoint": tmp_path / "fit"}
    first, other = (np.where(np.arange(75) < n, yt, np.nan) for n in (6, 7))
    changed = np.where(np.arange(75) == 0, (yt + 1) % 3, first)
    before = DANNClassifier(**settings).fit(Xs, ys, X_target=Xt, y_target=first)
    for y_target in (other, changed, None):
        with pytest.raises(ValueError, match="of a fit with other parameters or data"):
            DANNClassifier(**settings).fit(Xs, ys, X_target=Xt, y_target=y_target)
    again = DANNClassifier(**settings).fit(Xs, ys, X_target=Xt, y_target=first)
    assert again.history_ == before.history_


def test_a_checkpoint_with_other_sources_is_refused(stacked, tmp_path):
    X, y, sample_domain = stacked
    settings = {**SMALL, "checkpoint": tmp_path / "fit"}
    DANNClassifier(**settings).fit(X, y, sample_domain=sample_domain)
    for other in (np.sign(sample_domain), np.where(sample_domain < 0, -1, 3 - sample_domain)):
        with pytest.raises(ValueError, match="of a fit with other parameters or data"):
            DANNClassifier(**settings).fit(X, y, sample_domain=other)


# Targets with fewer classes.


def five_classes(n_rows, classes, *, move, seed):
    """Draw some of five classes, moved all alike."""
    y = np.asarray(classes)[np.arange(n_rows) % len(classes)]
    centres = 2.0 * np.random.default_rng(0).normal(size=(5, 8))
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(n_rows, 8))
    return (centres[y] + move + noise).astype(np.float32), y


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


# Targets with rows of more classes.

SMALL_OPEN = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}


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
def test_unknown_rows_get_a_label_of_the_kind_of_the_others(names, unknown, expected):
    Xs, ys = five_classes(200, [0, 1, 2], move=0.0, seed=0)
    Xt, _ = five_classes(200, [0, 1, 2, 3, 4], move=0.5, seed=1)
    names = np.asarray(names)
    clf = OSBPClassifier(unknown=unknown, random_state=0).fit(Xs, names[ys], X_target=Xt)
    assert clf.unknown_ == expected
    assert clf.classes_.tolist() == names.tolist()
    predicted = clf.predict(Xt)
    assert set(predicted.tolist()) == {*names.tolist(), expected}
    if names.dtype.kind != "U":
        # Texts are as long as the longest of them.
        assert predicted.dtype == names.dtype


def test_unknown_rows_beside_the_labels_minus_one_and_one(blobs):
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
def test_a_label_for_unknown_rows_that_does_not_go_with_the_others_is_refused(
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


def test_probabilities_of_open_sets_have_a_column_for_unknown_rows(blobs):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(**SMALL_OPEN).fit(Xs, ys, X_target=Xt)
    proba = clf.predict_proba(Xt)
    assert proba.shape == (75, 4)
    np.testing.assert_allclose(proba.sum(1), 1.0, rtol=1e-5)
    labels = np.append(clf.classes_, clf.unknown_)
    np.testing.assert_array_equal(clf.predict(Xt), labels[proba.argmax(1)])
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))


def test_without_a_target_there_is_no_class_of_unknown_rows(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(**SMALL_OPEN).fit(Xs, ys, X_target=Xt)
    assert clf.unknown_ == -1
    clf.fit(Xs, ys)
    assert not hasattr(clf, "unknown_")
    assert clf.predict_proba(Xt).shape == (75, 3)
    parameters = clf.get_params()
    del parameters["threshold"], parameters["unknown"]
    assert same(clf, AlignmentClassifier(None, **parameters).fit(Xs, ys))


@pytest.mark.parametrize("names", [[3, 5, 9], ["a", "b", "c"], [0.0, 1.0, 2.0]], ids=str)
def test_the_label_of_unknown_rows_goes_through_a_file(blobs, same, tmp_path, names):
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


def test_rows_of_classes_that_the_source_lacks_are_found():
    Xs, ys = five_classes(400, [0, 1, 2], move=0.0, seed=0)
    Xt, yt = five_classes(400, [0, 1, 2, 3, 4], move=0.5, seed=1)
    yt = np.where(yt > 2, -1, yt)
    clf = OSBPClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    alone = AlignmentClassifier(None, random_state=0).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1
    assert (clf.predict(Xt)[yt == -1] == -1).mean() > 0.6


def test_adapt_cannot_learn_a_class_of_unknown_rows(blobs):
    Xs, ys, Xt, _ = blobs
    clf = OSBPClassifier(**SMALL_OPEN).fit(Xs, ys, X_target=Xt)
    with pytest.raises(ValueError, match="needs a class for unknown samples"):
        clf.adapt(Xt, alignment="osbp")
    assert clf.adapt(Xt, alignment="entropy").predict_proba(Xt).shape == (75, 4)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("alignment", ["osbp", [(1.0, "osbp"), (0.1, "mmd")]])
def test_a_class_for_unknown_rows_needs_its_own_classifier(blobs, alignment):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(ValueError, match=r"needs a class for unknown samples.*OSBPClassifier"):
        AlignmentClassifier(alignment).fit(Xs, ys, X_target=Xt)
