"""Scores of sources against naive references, cases done by hand, and their limits."""

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from domadapt.inductive import (
    bhattacharyya_separability,
    h_score,
    leep,
    log_me,
    negative_conditional_entropy,
)

OF_FEATURES = [log_me, h_score, bhattacharyya_separability]


def draw(n=24, n_columns=4, n_classes=3, apart=1.0, seed=0):
    """Return features whose classes lie some way apart, labels, and probabilities."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    centres = apart * rng.normal(size=(n_classes, n_columns))
    theta = rng.dirichlet(np.ones(5), size=n)
    return centres[y] + rng.normal(size=(n, n_columns)), y, theta


def log_evidence(F, y, alpha, beta):
    """Return the log density of labels under their Gaussian prior."""
    covariance = np.eye(len(F)) / beta + F @ F.T / alpha
    squared = y @ np.linalg.solve(covariance, y)
    return -(squared + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2


def largest_evidence(F, y):
    """Return the largest log evidence a label on grids of the precisions, each finer."""
    centre, width = np.zeros(2), 10.0
    for _ in range(8):
        grid = [np.linspace(c - width, c + width, 13) for c in centre]
        found = {(a, b): log_evidence(F, y, np.exp(a), np.exp(b)) for a in grid[0] for b in grid[1]}
        centre, width = np.array(max(found, key=found.get)), width / 3
    return max(found.values()) / len(F)


@pytest.mark.parametrize(
    ("n", "n_columns", "apart"), [(20, 4, 1.0), (20, 4, 0.2), (8, 12, 1.0), (20, 1, 3.0)]
)
def test_log_me_is_the_largest_evidence_of_all_precisions(n, n_columns, apart):
    F, y, _ = draw(n, n_columns, apart=apart)
    expected = np.mean([largest_evidence(F, (y == label).astype(float)) for label in range(3)])
    assert log_me(F, y) == pytest.approx(expected, abs=2e-4)


def test_log_me_of_numbers_is_that_of_their_standardised_columns():
    F, y, _ = draw(20, 3)
    values = np.column_stack([F[:, 0] + 0.3 * y, np.sin(F[:, 1])])
    standard = (values - values.mean(0)) / values.std(0)
    expected = np.mean([largest_evidence(F, column) for column in standard.T])
    assert log_me(F, values, values=True) == pytest.approx(expected, abs=2e-4)
    assert log_me(F, 5 - 3 * values, values=True) == pytest.approx(log_me(F, values, values=True))


def test_log_me_does_not_change_with_the_unit_of_all_features():
    F, y, _ = draw()
    assert log_me(1e4 * F, y) == pytest.approx(log_me(F, y), abs=1e-5)
    assert log_me(1e-4 * F, y) == pytest.approx(log_me(F, y), abs=1e-5)


def test_leep_by_loops():
    _, y, theta = draw()
    n, n_source = theta.shape
    joint = np.zeros((3, n_source))
    for i in range(n):
        for z in range(n_source):
            joint[y[i], z] += theta[i, z] / n
    total = 0.0
    for i in range(n):
        chance = sum(joint[y[i], z] / joint[:, z].sum() * theta[i, z] for z in range(n_source))
        total += math.log(chance)
    assert leep(theta, y) == pytest.approx(total / n, rel=1e-12)


def test_nce_by_loops():
    _, y, theta = draw()
    z = theta.argmax(axis=1)
    both, one = Counter(zip(y.tolist(), z.tolist(), strict=True)), Counter(z.tolist())
    expected = sum(c / len(y) * math.log(c / one[k[1]]) for k, c in both.items())
    assert negative_conditional_entropy(z, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "n_columns"), [(40, 4), (12, 30)])
def test_h_score_by_inverse_covariances(n, n_columns):
    F, y, _ = draw(n, n_columns)
    means = np.array([F[y == label].mean(axis=0) for label in y])
    between = np.cov(means.T, bias=True)
    expected = np.trace(np.linalg.pinv(np.cov(F.T, bias=True), rcond=1e-10) @ between)
    assert h_score(F, y, shrinkage=False) == pytest.approx(expected, rel=1e-8)
    fitted = LedoitWolf().fit(F)
    expected = np.trace((1 - fitted.shrinkage_) * np.linalg.inv(fitted.covariance_) @ between)
    assert h_score(F, y) == pytest.approx(expected, rel=1e-8)


def test_without_shrinkage_more_columns_than_rows_tell_nothing():
    for seed in range(3):
        F, y, _ = draw(12, 30, apart=0.0, seed=seed)
        assert h_score(F, y, shrinkage=False) == pytest.approx(2.0)
        assert h_score(F, y) < 1.9


@pytest.mark.parametrize("covariance", ["spherical", "diagonal"])
def test_separability_by_loops(covariance):
    F, y, _ = draw(60, 3, apart=0.7)
    expected = 0.0
    for i in range(3):
        for j in range(3):
            if i == j:
                continue
            a, b = (np.diag(F[y == k].var(axis=0)) for k in (i, j))
            if covariance == "spherical":
                a, b = (np.trace(v) / 3 * np.eye(3) for v in (a, b))
            both, gap = (a + b) / 2, F[y == i].mean(axis=0) - F[y == j].mean(axis=0)
            distance = gap @ np.linalg.inv(both) @ gap / 8
            dets = [np.linalg.det(v) for v in (both, a, b)]
            distance += math.log(dets[0] / math.sqrt(dets[1] * dets[2])) / 2
            expected -= math.exp(-distance)
    found = bhattacharyya_separability(F, y, covariance=covariance)
    assert found == pytest.approx(expected, rel=1e-10)


def test_a_class_of_one_row_has_the_variance_within_the_others():
    F, y, _ = draw(9, 3)
    y[:] = [0, 0, 0, 0, 1, 1, 1, 1, 2]
    within = (4 * F[:4].var(axis=0) + 4 * F[4:8].var(axis=0)).mean() / 8
    variances = [F[:4].var(axis=0).mean(), F[4:8].var(axis=0).mean(), within]
    means, expected = [F[y == k].mean(axis=0) for k in range(3)], 0.0
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = (variances[i] + variances[j]) / 2
        gap = np.square(means[i] - means[j]).sum() / both / 8
        expected -= 2 * math.exp(-gap) * (variances[i] * variances[j] / both**2) ** (3 / 4)
    assert bhattacharyya_separability(F, y) == pytest.approx(expected, rel=1e-10)


def test_separability_looks_at_the_first_components():
    F, y, _ = draw(60, 10)
    Z = F - F.mean(axis=0)
    first = Z @ np.linalg.eigh(np.cov(Z.T))[1][:, ::-1][:, :2]
    assert bhattacharyya_separability(F, y, n_components=2) == pytest.approx(
        bhattacharyya_separability(first, y)
    )


@pytest.mark.parametrize("score", OF_FEATURES)
def test_the_farther_the_classes_lie_apart_the_larger_the_score(score):
    # One draw of the noise, so that the distance alone differs.
    scores = [score(*draw(60, 6, apart=apart)[:2]) for apart in (0.0, 0.5, 1.0, 2.0)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


@pytest.mark.parametrize(
    "score", [leep, lambda theta, y: negative_conditional_entropy(theta.argmax(axis=1), y)]
)
def test_a_source_that_says_the_same_of_all_has_minus_the_entropy_of_the_labels(score):
    y = np.repeat([0, 1, 2], [2, 3, 5])
    expected = sum(p * math.log(p) for p in (0.2, 0.3, 0.5))
    assert score(np.tile([0.3, 0.7], (10, 1)), y) == pytest.approx(expected)
    # One that knows the classes by other names is right every time.
    assert score(np.eye(3)[[2, 0, 1]][y], y) == pytest.approx(0.0, abs=1e-12)


def test_a_source_class_that_is_never_thought_of_changes_nothing():
    _, y, theta = draw()
    assert leep(np.column_stack([theta, np.zeros(len(y))]), y) == pytest.approx(leep(theta, y))


@pytest.mark.parametrize("score", OF_FEATURES)
@pytest.mark.parametrize(
    "features",
    [
        np.ones((6, 4)),
        np.zeros((6, 4)),
        np.eye(6),
        np.eye(6)[:, :1],
        1e8 + np.eye(6),
        np.random.default_rng(0).normal(size=(6, 200)),
    ],
    ids=["constant", "zeros", "a column for each row", "one column", "far off", "wide"],
)
def test_every_score_is_a_number_in_limit_cases(score, features):
    for y in ([0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 1]):
        assert np.isfinite(score(features, y))


def test_constant_features_are_of_no_use():
    y = np.arange(12) % 3
    assert h_score(np.full((12, 4), 3.7), y) == 0.0
    assert bhattacharyya_separability(np.full((12, 4), 3.7), y) == -6.0
    useful, _, _ = draw(12, 4, apart=2.0)
    assert log_me(np.zeros((12, 4)), y) < log_me(useful, y)


@pytest.mark.parametrize("score", OF_FEATURES)
def test_labels_are_of_any_kind_and_classes_need_not_be_all_there(score):
    F, y, _ = draw()
    names = np.array(["c", "a", "zebra"])[y]
    assert score(F, names) == pytest.approx(score(F, y))
    assert score(F, 10 * y) == pytest.approx(score(F, y))
    assert score(F.astype(np.float32), y) == pytest.approx(score(F, y), rel=1e-4)


@pytest.mark.parametrize("score", OF_FEATURES)
def test_nothing_is_changed(score):
    F, y, _ = draw()
    before = F.copy(), y.copy()
    score(F, y)
    np.testing.assert_array_equal(F, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.parametrize("score", [*OF_FEATURES, leep, negative_conditional_entropy])
def test_bad_labels_are_told(score):
    F, y, theta = draw()
    given = {leep: theta, negative_conditional_entropy: theta.argmax(axis=1)}.get(score, F)
    with pytest.raises(ValueError, match=r"y has 1 class: \[0.0\]. Labelled samples of at least 2"):
        score(given, np.zeros(len(y)))
    with pytest.raises(ValueError, match="y has 23 rows, and 24 were expected"):
        score(given, y[:-1])
    with pytest.raises(ValueError, match=r"y holds numbers such as .* pass them there, or round"):
        score(given, y + 0.5 * np.arange(len(y)))
    with pytest.raises(ValueError, match="y holds no label for 1 samples"):
        score(given, np.where(np.arange(len(y)) == 3, np.nan, y))


def test_bad_features_and_parameters_are_told():
    F, y, theta = draw()
    with pytest.raises(ValueError, match="features"):
        log_me(np.full_like(F, np.nan), y)
    with pytest.raises(ValueError, match="source_probabilities holds rows that are no"):
        leep(2 * theta, y)
    with pytest.raises(ValueError, match="y holds the same number in every row"):
        log_me(F, np.ones(len(F)), values=True)
    with pytest.raises(ValueError, match="covariance='full' is neither"):
        bhattacharyya_separability(F, y, covariance="full")
    with pytest.raises(ValueError, match="n_components=0"):
        bhattacharyya_separability(F, y, n_components=0)


@pytest.mark.parametrize(("n_wide", "seed"), [(1, 0), (10, 2)])
def test_log_me_is_the_largest_of_several_maxima(n_wide, seed):
    # A small column that knows the labels, beside wide ones: a fixed point stops at the latter.
    rng, y = np.random.default_rng(seed), np.arange(60) % 2
    small = y[:, None] + 0.05 * rng.normal(size=(60, 1))
    F = np.hstack([0.01 * small, 100.0 * (rng.normal(size=(60, n_wide)) + 1.0)])
    values, vectors = np.linalg.eigh(F @ F.T)
    alpha = np.exp(np.linspace(-15, 25, 161))[:, None, None]
    beta = np.exp(np.linspace(-1, 8, 73))[:, None]
    variances = 1 / beta + np.maximum(values, 0) / alpha
    largest = []
    for column in (y, 1 - y):
        along = np.square(vectors.T @ column)
        found = -(np.log(2 * np.pi * variances) + along / variances).sum(axis=-1) / 2
        largest.append(found.max() / 60)
    assert log_me(F, y) == pytest.approx(np.mean(largest), abs=3e-3)


def test_values_that_are_constant_but_for_rounding_are_told():
    F, _, _ = draw(1000)
    with pytest.raises(ValueError, match="the same number in every row"):
        log_me(F, np.full(1000, 1e5 + 0.1), values=True)


@pytest.mark.parametrize("n_components", [2.5, "2", -1])
def test_a_number_of_components_is_an_integer(n_components):
    F, y, _ = draw()
    with pytest.raises(ValueError, match="must be an integer of at least 1, or None"):
        bhattacharyya_separability(F, y, n_components=n_components)
