"""How much each of several sources weighs: given, by distance, or by what it tells."""

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone

import domadapt
from domadapt import AlignmentClassifier, AlignmentRegressor, DANNClassifier

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}
RNG = np.random.default_rng(0)
CENTRES = 1.2 * RNG.normal(size=(4, 8))
FAR = 3 * RNG.normal(size=8)


def stacked(odd=None, n_known=12, seed=0):
    """Return two like sources, a third that may be odd, and a target, with known labels."""
    rng, parts = np.random.default_rng(seed), []
    for i, n in enumerate((90, 60, 150, 120)):
        y = rng.integers(4, size=n)
        X = CENTRES[y] + rng.normal(size=(n, 8)) + (0.3 * i if i < 2 else 0.4)
        if i == 2 and odd == "far":
            X = X + FAR
        if i == 2 and odd in ("shuffled", "renamed"):
            y = rng.permutation(y) if odd == "shuffled" else (y + 1) % 4
        parts.append((X, y))
    X, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    d = np.repeat([1, 2, 5, -1], [90, 60, 150, 120])
    known = np.full(len(y), np.nan)
    known[300 : 300 + n_known] = y[300 : 300 + n_known]
    return X, y, d, known


def fitted(data, source_weights, kind=AlignmentClassifier, alignment=None, **settings):
    X, y, d, known = data
    estimator = kind(alignment, source_weights=source_weights, **{**SMALL, **settings})
    return estimator.fit(X, y, sample_domain=d, y_target=known)


@pytest.mark.parametrize("odd", ["shuffled", "renamed"])
def test_a_source_whose_labels_are_of_no_use_weighs_little_by_transferability(odd):
    found = fitted(stacked(odd), "transferability").source_weights_
    assert found[2] < 0.1 * found[:2].min()


def test_a_source_that_is_far_away_weighs_little_by_distance_and_not_by_what_it_tells():
    near, far = (fitted(stacked(odd), "proxy_distance").source_weights_ for odd in (None, "far"))
    assert far[2] < 0.5 * far[:2].min()
    assert near[2] > 0.5 * near[:2].max()
    # Each domain is standardised by itself, as by batch normalisation.
    told = fitted(stacked("far"), "transferability").source_weights_
    assert told[2] > 0.5 * told[:2].min()


@pytest.mark.parametrize("alignment", [None, "mmd"])
def test_weights_mend_what_a_misleading_source_does(alignment):
    right = []
    for weights in (None, "transferability"):
        data = stacked("renamed")
        clf = fitted(data, weights, alignment=alignment, max_epochs=10)
        right.append(np.mean(clf.transduction_[12:] == data[1][312:]))
    assert right[1] > right[0] + 0.1


def test_the_mean_over_source_samples_is_one_and_the_numbers_name_the_sources(same):
    data = stacked("shuffled")
    by_name = fitted(data, {5: 0.5, 1: 2.0, 2: 1.0})
    np.testing.assert_allclose(by_name.source_weights_, np.array([4, 2, 1]) / 2.1)
    assert np.dot(by_name.source_weights_, [90, 60, 150]) == pytest.approx(300)
    for weights in ([4, 2, 1], np.array([40.0, 20.0, 10.0])):
        assert same(by_name, fitted(data, weights))
    assert not same(by_name, fitted(data, [1, 2, 4]))


@pytest.mark.parametrize("kind", [AlignmentClassifier, AlignmentRegressor])
def test_weights_of_sources_are_weights_of_their_samples(kind, same):
    X, y, d, known = stacked("shuffled")
    by_sample = np.select([d == 1, d == 2, d == 5], [4.0, 2.0, 1.0], 1.0)
    by_hand = kind("mmd", **SMALL)
    by_hand.fit(X, y, sample_domain=d, y_target=known, sample_weight=by_sample)
    if kind is AlignmentClassifier:
        assert same(by_hand, fitted((X, y, d, known), [4, 2, 1], kind, "mmd"))
    # Both together multiply; values are in units of the weights of samples alone.
    alone = np.where(d == 5, 1.0, 2.0)
    rest = [2, 1, 1]
    reg = kind("mmd", source_weights=rest, **SMALL)
    reg.fit(X, y, sample_domain=d, y_target=known, sample_weight=alone)
    assert same(by_hand, reg) == (kind is AlignmentClassifier)


def test_without_weights_nothing_changes_and_equal_ones_are_none(same):
    X, y, d, known = stacked("shuffled")
    plain = AlignmentClassifier("mmd", **SMALL).fit(X, y, sample_domain=d, y_target=known)
    none = fitted((X, y, d, known), None, alignment="mmd")
    assert same(plain, none)
    assert not hasattr(none, "source_weights_")
    equal = fitted((X, y, d, known), [1, 1, 1], alignment="mmd")
    for a, b in zip(plain.module_.parameters(), equal.module_.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)
    none.set_params(source_weights=[1, 1, 1]).fit(X, y, sample_domain=d)
    assert hasattr(none, "source_weights_")
    none.set_params(source_weights=None).fit(X, y, sample_domain=d)
    assert not hasattr(none, "source_weights_")


@pytest.mark.parametrize("odd", [None, "shuffled"])
def test_sources_of_values_are_weighed_too(odd):
    X, y, d, _ = stacked("far")
    values = X @ np.arange(1.0, 9.0)
    if odd:
        values[d == 5] = np.random.default_rng(0).permutation(values[d == 5])
    for y in (values, np.column_stack([values, -values])):
        known = np.full(y.shape, np.nan)
        known[300:320] = y[300:320]
        by_distance, by_use = (
            fitted((X, y, d, known), asked, AlignmentRegressor).source_weights_
            for asked in ("proxy_distance", "transferability")
        )
        assert by_distance[2] < 0.5 * by_distance[:2].min()
        assert (by_use[2] < 0.1 * by_use[:2].min()) == bool(odd)


def test_same_seed_same_weights_and_the_callers_arrays_stay():
    data = stacked("far")
    before = [part.copy() for part in data]
    first, second = (fitted(data, "proxy_distance").source_weights_ for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for part, kept in zip(data, before, strict=True):
        np.testing.assert_array_equal(part, kept)


@pytest.mark.parametrize("asked", ["proxy_distance", "transferability"])
def test_samples_of_other_shapes_are_compared(asked):
    X, y, d, known = stacked("shuffled" if asked == "transferability" else "far")
    expected = fitted((X, y, d, known), asked).source_weights_
    few = fitted((sparse.csr_matrix(X), y, d, known), asked).source_weights_
    np.testing.assert_allclose(few, expected, rtol=1e-5)
    images = np.tile(X[:, None, None, :], (1, 1, 8, 1))
    wide = np.hstack([X, np.random.default_rng(0).normal(size=(len(X), 600))])
    for other in (images, wide, sparse.csr_matrix(wide)):
        found = fitted((other, y, d, known), asked, max_epochs=1).source_weights_
        assert found[2] < found[:2].min()


def test_frozen_features_are_what_is_compared():
    X, y, d, known = stacked("far")
    blind = torch.nn.Linear(8, 4)
    with torch.no_grad():
        blind.weight.zero_()
        blind.weight[0, 0] = 1e-3
    settings = {"backbone": blind, "freeze": True}
    frozen = fitted((X, y, d, known), "proxy_distance", **settings).source_weights_
    column = np.tile(1e-3 * X[:, :1], (1, 4))
    expected = fitted((column, y, d, known), "proxy_distance").source_weights_
    np.testing.assert_allclose(frozen, expected, rtol=0.2)


def test_a_source_of_one_class_tells_nothing():
    X, y, d, known = stacked()
    y = np.where(d == 2, 3, y)
    assert fitted((X, y, d, known), "transferability").source_weights_[1] < 0.1


def test_it_is_a_parameter_like_others(tmp_path):
    data = stacked("far")
    clf = fitted(data, {1: 1.0, 2: 0.5, 5: 0.1})
    assert clone(clf).get_params()["source_weights"] == {1: 1.0, 2: 0.5, 5: 0.1}
    clf.save(tmp_path / "model")
    again = domadapt.load(tmp_path / "model")
    assert again.source_weights == clf.source_weights
    np.testing.assert_array_equal(again.predict_proba(data[0]), clf.predict_proba(data[0]))
    copied = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(copied.source_weights_, clf.source_weights_)
    assert "source_weights" not in DANNClassifier().get_params()


def test_a_checkpoint_of_other_weights_is_refused_and_one_of_these_resumed(same, tmp_path):
    data, path = stacked("far"), tmp_path / "fit"
    straight = fitted(data, "proxy_distance", checkpoint=path)
    assert same(straight, fitted(data, "proxy_distance", checkpoint=path))
    with pytest.raises(ValueError, match="of a fit with other parameters or data"):
        fitted(data, None, checkpoint=path)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("asked", ["proxy_distance", "transferability", [1.0], {1: 1.0}])
def test_one_source_or_no_target_is_told(asked):
    X, y, d, known = stacked()
    clf = AlignmentClassifier(source_weights=asked)
    with pytest.raises(ValueError, match="weighs sources for a target, and none came"):
        clf.fit(X, y)
    with pytest.raises(ValueError, match="needs at least two sources, and sample_domain names 1"):
        clf.fit(X, y, sample_domain=np.sign(d), y_target=known)
    with pytest.raises(ValueError, match="needs at least two sources"):
        clf.fit(X[d > 0], y[d > 0], X_target=X[d < 0])


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {1: 1.0, 2: 1.0},
            r"has the numbers \[1, 2\], and sample_domain names the sources \[1, 2, ",
        ),
        ([1.0, 2.0], r"has shape \(2,\), and \(3,\) was expected: a weight for each of the"),
        ([1.0, -1.0, 1.0], "finite numbers of at least 0, some above, were expected"),
        ([0, 0, 0], "finite numbers of at least 0, some above"),
        ({1: 1.0, 2: "a", 5: 1.0}, "holds what is no number"),
        ("nearest", "The 'source_weights' parameter"),
    ],
)
def test_bad_weights_are_told(asked, message):
    X, y, d, _ = stacked()
    with pytest.raises(ValueError, match=message):
        AlignmentClassifier(source_weights=asked).fit(X, y, sample_domain=d)


@pytest.mark.usefixtures("untrained")
def test_what_cannot_be_compared_is_told():
    X, y, d, _ = stacked()
    with pytest.raises(ValueError, match="found from labels of the target, and y_target is None"):
        AlignmentClassifier(source_weights="transferability").fit(X, y, sample_domain=d)
    few = np.where(np.arange(len(d)) < 5, 9, d)
    with pytest.raises(ValueError, match=r"10 samples of each .* are \[85, 60, 150, 5\] and 120"):
        AlignmentClassifier(source_weights="proxy_distance").fit(X, y, sample_domain=few)
    weight = np.where(d == 5, 1.0, 0.0) + (np.arange(len(d)) < 90)
    with pytest.raises(ValueError, match="leave no source sample with a weight above 0"):
        AlignmentClassifier(source_weights=[0, 1, 0], class_weight={0: 1, 1: 0, 2: 0, 3: 0}).fit(
            X, np.where(d == 2, 1, y), sample_domain=d, sample_weight=weight + (d == 2)
        )
