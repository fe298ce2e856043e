"""Scores from how sure and varied predictions are, against loops."""

import numpy as np
import pytest

from domadapt.model_selection import (
    entropy_score,
    information_maximization_score,
    mano_score,
    nuclear_norm_score,
)

RNG = np.random.default_rng(0)
PROBA = RNG.dirichlet(np.ones(4) / 2, 30)
GOOD = np.eye(3)[np.arange(30) % 3] * 0.94 + 0.02
COLLAPSED = np.eye(3)[np.zeros(30, dtype=int)]
UNSURE = np.full((30, 3), 1 / 3)
SCORES = [entropy_score, information_maximization_score, nuclear_norm_score, mano_score]


def entropy(row):
    return -sum(v * np.log(v) for v in row if v > 0)


def mean_entropy():
    return sum(entropy(row) for row in PROBA) / len(PROBA)


def test_entropy_is_that_of_loops():
    assert entropy_score(PROBA) == pytest.approx(-mean_entropy() / np.log(4), rel=1e-12)


def test_information_maximization_is_that_of_loops():
    mean = [sum(row[k] for row in PROBA) / len(PROBA) for k in range(4)]
    expected = (entropy(mean) - mean_entropy()) / np.log(4)
    assert information_maximization_score(PROBA) == pytest.approx(expected, rel=1e-12)
    assert information_maximization_score(PROBA, np.ones(4)) == pytest.approx(expected, rel=1e-12)
    prior = np.array([0.1, 0.2, 0.3, 0.4])
    divergence = sum(m * np.log(m / p) for m, p in zip(mean, prior, strict=True))
    expected = (np.log(4) - divergence - mean_entropy()) / np.log(4)
    assert information_maximization_score(PROBA, prior) == pytest.approx(expected, rel=1e-12)


def test_the_right_prior_is_preferred_to_a_uniform_one():
    skewed = np.eye(3)[[0] * 24 + [1] * 3 + [2] * 3]
    even = np.eye(3)[np.arange(30) % 3]
    prior = [0.8, 0.1, 0.1]
    assert information_maximization_score(skewed, prior) == pytest.approx(1)
    assert information_maximization_score(even, prior) < 1
    assert information_maximization_score(even) == pytest.approx(1)
    assert information_maximization_score(skewed) < 1


def test_a_prior_that_lacks_a_class_leaves_the_score_finite():
    found = information_maximization_score(GOOD, [0.5, 0.5, 0.0])
    lifted = np.array([0.5, 0.5, 1e-4]) / 1.0001
    divergence = sum(m * np.log(m / p) for m, p in zip(GOOD.mean(axis=0), lifted, strict=True))
    entropies = sum(entropy(row) for row in GOOD) / 30
    assert found == pytest.approx((np.log(3) - divergence - entropies) / np.log(3), rel=1e-12)
    assert found < information_maximization_score(GOOD, [0.4, 0.4, 0.2])


def test_the_nuclear_norm_is_the_sum_of_the_roots_of_eigenvalues():
    values = np.linalg.eigvalsh(PROBA.T @ PROBA)
    expected = sum(np.sqrt(v) for v in values) / np.sqrt(30 * 4)
    assert nuclear_norm_score(PROBA) == pytest.approx(expected, rel=1e-9)
    assert nuclear_norm_score(np.eye(3)[np.arange(30) % 3]) == pytest.approx(1)
    assert nuclear_norm_score(np.eye(3)[:2]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("scale", "is_sure"), [(1.0, False), (4.8, False), (5.0, True), (30.0, True)]
)
def test_mano_is_that_of_loops_on_both_sides_of_its_switch(scale, is_sure):
    logits = np.random.default_rng(5).normal(size=(20, 4)) * scale
    phi = total = 0.0
    for row in logits:
        normalizer = sum(np.exp(z - max(row)) for z in row)
        phi -= sum(z - max(row) - np.log(normalizer) for z in row) / (20 * 4)
    assert (phi > 5) == is_sure
    for row in logits:
        values = [np.exp(z - max(row)) if is_sure else 1 + z + z * z / 2 for z in row]
        total += sum((v / sum(values)) ** 4 for v in values) / (20 * 4)
    assert mano_score(logits) == pytest.approx(total**0.25, rel=1e-9)
    assert mano_score(logits, p=2) != mano_score(logits)


def test_mano_takes_probabilities_for_such():
    logits = np.log(PROBA)
    logits -= logits.mean(axis=1, keepdims=True)
    assert mano_score(PROBA) == pytest.approx(mano_score(logits), rel=1e-9)
    assert mano_score(PROBA * 1.0005) == pytest.approx(mano_score(PROBA), rel=1e-9)
    # Logits may have the sum 1, too: 1 + 2 + 2 and 1 - 1 + 1 / 2.
    assert mano_score([[2.0, -1.0]], p=1) == pytest.approx(1 / 2)
    assert mano_score([[2.0, -1.0]], p=2) == pytest.approx(np.hypot(5, 0.5) / 5.5 / np.sqrt(2))


def test_collapse_and_doubt_are_worse_where_a_score_claims_to_see_them():
    for score in (information_maximization_score, nuclear_norm_score):
        assert score(GOOD) > score(COLLAPSED) + 0.2
        assert score(GOOD) > score(UNSURE) + 0.2
    assert information_maximization_score(COLLAPSED) == pytest.approx(0, abs=1e-12)
    assert nuclear_norm_score(COLLAPSED) == pytest.approx(1 / np.sqrt(3))


def test_a_single_class_is_sure_and_says_nothing():
    one = np.ones((3, 1))
    assert [score(one) for score in SCORES[:3]] == [0, 1, 1]


def test_entropy_prefers_collapse_and_mano_is_blind_to_it():
    assert entropy_score(COLLAPSED) == 0 > entropy_score(GOOD)
    assert not np.signbit(entropy_score(COLLAPSED))
    sure = np.eye(3)[np.arange(30) % 3]
    assert mano_score(COLLAPSED) == pytest.approx(mano_score(sure))


@pytest.mark.parametrize("score", SCORES)
def test_rows_and_classes_may_be_in_any_order(score):
    expected = score(PROBA)
    assert score(PROBA[RNG.permutation(30)]) == pytest.approx(expected, rel=1e-9)
    assert score(PROBA[:, [2, 0, 3, 1]]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("proba", [COLLAPSED, UNSURE, np.eye(3), COLLAPSED[:1]])
def test_scores_are_finite_on_edges(score, proba):
    assert np.isfinite(score(proba))
    assert score(proba.astype(np.float32)) == pytest.approx(score(proba), abs=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_their_input_matters_and_stays_as_it_is(score):
    kept = PROBA.copy()
    assert score(PROBA) != score(np.vstack([PROBA[:-1], [*COLLAPSED[0].tolist(), 0]]))
    np.testing.assert_array_equal(PROBA, kept)


@pytest.mark.parametrize("score", SCORES[:3])
@pytest.mark.parametrize(
    ("proba", "message"),
    [
        ([[0.5, 0.6]], "no probabilities"),
        ([[np.nan, 1.0]], "no probabilities"),
        ([0.5, 0.5], r"shape \(2,\)"),
        ([["a", "b"]], "target_proba must hold numbers"),
        (np.empty((0, 2)), "has shape"),
    ],
)
def test_what_are_no_probabilities_is_refused(score, proba, message):
    with pytest.raises(ValueError, match=message):
        score(proba)


def test_other_bad_input_is_named():
    with pytest.raises(ValueError, match=r"prior has shape \(2,\), and \(3,\) was expected"):
        information_maximization_score(GOOD, [0.5, 0.5])
    with pytest.raises(ValueError, match=r"prior is .*, and numbers of at least 0"):
        information_maximization_score(GOOD, [1.5, -0.5, 0.0])
    with pytest.raises(ValueError, match="prior must hold numbers"):
        information_maximization_score(GOOD, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"'p' parameter of mano_score .* Got 0"):
        mano_score(GOOD, p=0)
    with pytest.raises(ValueError, match="target_logits has shape"):
        mano_score([[1.0], [2.0]])
    with pytest.raises(ValueError, match="finite numbers"):
        mano_score([[np.inf, 0.0]])
    with pytest.raises(ValueError, match="target_logits must hold numbers"):
        mano_score([["a", "b"]])
