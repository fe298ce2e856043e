"""Statistics of a diagnosis against loops and cases done by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from domadapt.domains.told_apart import PENALTIES, tell_apart, weighted_auc
from domadapt.model_selection.diagnosis._columns import moved_columns
from domadapt.model_selection.diagnosis._features import fit_features
from domadapt.model_selection.diagnosis._overlap import overlap
from domadapt.model_selection.diagnosis._plain import plain_roughness
from domadapt.model_selection.diagnosis._tests import N_PERMUTATIONS, permuted_mmd


def draw(seed=0, n_source=60, n_target=45, n_columns=3, moved=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_source, n_columns)), moved + rng.normal(size=(n_target, n_columns))


def auc_by_loops(source, weight, target):
    """Return the AUC with weights and its standard deviation, pair by pair."""
    weight = weight / weight.sum()
    wins = np.array([[(t > s) + 0.5 * (t == s) for t in target] for s in source], dtype=float)
    auc = sum(w * row.mean() for w, row in zip(weight, wins, strict=True))
    variance = sum((w * (row.mean() - auc)) ** 2 for w, row in zip(weight, wins, strict=True))
    variance += sum(((weight @ column - auc) / len(target)) ** 2 for column in wins.T)
    return auc, np.sqrt(variance)


@pytest.mark.parametrize("seed", range(4))
def test_the_auc_is_the_loop_with_ties_and_weights(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.integers(6, size=30) / 2, rng.integers(1, 7, size=20) / 2
    weight = rng.uniform(0, 3, size=30)
    assert weighted_auc(source, weight, target) == pytest.approx(
        auc_by_loops(source, weight, target)
    )
    labels = np.repeat([0, 1], [30, 20])
    expected = roc_auc_score(labels, np.append(source, target))
    assert weighted_auc(source, np.ones(30), target)[0] == pytest.approx(expected)


def ridge(source, weight, target, penalty, kept):
    """Return ridge regression's scores as a function, and its GCV error; columns standardised."""
    X, y = np.vstack([source, target]), np.repeat([-1.0, 1.0], [len(source), len(target)])
    w = np.append(weight / weight.sum(), np.full(len(target), 1 / len(target))) / 2
    mean = w @ X
    scale = np.sqrt(w @ np.square(X - mean))
    Z = (X - mean) / scale
    inverse = np.linalg.inv((Z.T * w) @ Z + penalty * np.eye(X.shape[1]))
    coefficients = inverse @ (Z.T * w) @ y
    error = w @ np.square(y - Z @ coefficients)
    freedom = np.trace(inverse @ (Z.T * w) @ Z) * np.square(w).sum() / kept
    return lambda rows: (rows - mean) / scale @ coefficients, error / (1 - freedom) ** 2


def test_scores_are_those_of_ridge_regression_that_has_not_seen_the_fold():
    source, target = draw(moved=0.3)
    source = 5 + 100 * source
    target = 5 + 100 * target
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(source))
    told = tell_apart(source, target, np.random.default_rng(2), weight)
    # One penalty for all folds, as for four fifths of the rows.
    risks = {p: ridge(source, weight, target, p, 4 / 5)[1] for p in PENALTIES}
    penalty = min(risks, key=risks.get)
    rng = np.random.default_rng(2)
    of_source, of_target = rng.permutation(len(source)) % 5, rng.permutation(len(target)) % 5
    for fold in range(5):
        held, asked = of_source == fold, of_target == fold
        score, _ = ridge(source[~held], weight[~held], target[~asked], penalty, 1.0)
        np.testing.assert_allclose(told.source[held], score(source[held]), atol=1e-9)
        np.testing.assert_allclose(told.target[asked], score(target[asked]), atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_columns_that_one_row_alone_spreads_break_nothing(seed):
    rng = np.random.default_rng(seed)
    rows = np.hstack([rng.normal(size=(300, 6)), np.zeros((300, 20))])
    rows[7, 6:] = 100 * rng.normal(size=20)
    told = tell_apart(rows[:150], rows[150:], np.random.default_rng(0))
    assert np.isfinite(told.source).all()


def test_columns_without_spread_say_nothing_and_break_nothing():
    source, target = draw(moved=0.5)
    told = tell_apart(source, target, np.random.default_rng(0))
    padded = [np.column_stack([part, np.full(len(part), 7.0)]) for part in (source, target)]
    again = tell_apart(*padded, np.random.default_rng(0))
    np.testing.assert_allclose(again.source, told.source, atol=1e-9)


def test_rows_that_are_apart_are_told_apart_and_others_are_not():
    source, target = draw(n_source=300, n_target=200, moved=6.0)
    told = tell_apart(source, target, np.random.default_rng(0))
    assert told.auc > 0.99
    assert told.p_value < 1e-6
    assert told.proxy_a_distance > 1.9
    source, target = draw(n_source=300, n_target=200)
    told = tell_apart(source, target, np.random.default_rng(0))
    assert told.interval[0] < 0.5 < told.interval[1]
    assert told.proxy_a_distance < 0.4


def test_weights_that_undo_a_shift_leave_nothing_to_be_told():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(800, 1)), rng.normal(0.8, 1, size=(800, 1))
    weight = np.exp(0.8 * source[:, 0])
    assert tell_apart(source, target, np.random.default_rng(1)).auc > 0.65
    assert tell_apart(source, target, np.random.default_rng(1), weight).auc < 0.55


def test_p_values_of_the_tests_are_not_too_small_without_a_shift():
    of_auc, of_mmd = [], []
    for seed in range(40):
        source, target = draw(seed, 120, 80, 5)
        of_auc.append(tell_apart(source, target, np.random.default_rng(seed)).p_value)
        of_mmd.append(permuted_mmd(source, target, np.random.default_rng(seed))[1])
    # Of 40, two are expected below .05.
    assert sum(p < 0.05 for p in of_auc) <= 6
    assert sum(p < 0.05 for p in of_mmd) <= 6
    assert np.median(of_mmd) > 0.3


def test_mmd_is_the_mean_over_all_pairs():
    source, target = draw(n_source=12, n_target=9, moved=0.5)

    def kernel(a, b):
        return 2 * np.mean([x * z for x, z in zip(a, b, strict=True)])

    within = [np.mean([[kernel(a, b) for a in X] for b in X]) for X in (source, target)]
    across = np.mean([[kernel(a, b) for a in source] for b in target])
    found, p_value = permuted_mmd(source, target, np.random.default_rng(0))
    assert found == pytest.approx(sum(within) - 2 * across)
    assert 1 / (1 + N_PERMUTATIONS) <= p_value <= 1


def test_mmd_of_far_domains_has_the_smallest_p_value_there_is():
    found = permuted_mmd(*draw(moved=3.0), np.random.default_rng(0))
    assert found[1] == 1 / (1 + N_PERMUTATIONS)


def test_columns_are_compared_one_by_one():
    source, target = draw(n_columns=4)
    target[:, 2] += 1.0
    found = moved_columns(source, target, ["a", "b", "c", "d"])
    assert found[0].name == "c"
    p_values = {one.name: one.p_value for one in found}
    for one in found:
        a, b = (X[:, "abcd".index(one.name)] for X in (source, target))
        largest = max(abs(np.mean(a <= at) - np.mean(b <= at)) for at in np.append(a, b))
        assert one.ks == pytest.approx(largest)
        pooled = np.sqrt((a.var() + b.var()) / 2)
        assert one.mean_difference == pytest.approx((b.mean() - a.mean()) / pooled)
        assert one.p_value == pytest.approx(stats.ks_2samp(a, b, method="asymp").pvalue)
        assert one.p_bonferroni == pytest.approx(min(1, 4 * one.p_value))
        above = [p for p in p_values.values() if p >= one.p_value]
        by_rank = [p * 4 / sum(q <= p for q in p_values.values()) for p in above]
        assert one.p_fdr == pytest.approx(min(1, *by_rank))


def test_overlap_of_the_same_distribution_is_whole_and_of_others_outside():
    source, target = draw(n_source=300, n_target=300)
    same = overlap(source, target, source, target, np.random.default_rng(0))
    assert same.effective_share > 0.95
    assert same.outside < 0.05
    assert same.weight.mean() == pytest.approx(1.0, abs=0.05)
    far = overlap(source, target + 8, source, target + 8, np.random.default_rng(0))
    assert far.outside == 1.0


def test_the_effective_share_is_that_of_the_densities():
    source, target = draw(n_source=1500, n_target=1500, n_columns=1, moved=1.0)
    found = overlap(source, target, source, target, np.random.default_rng(0))
    # Of two unit normals one apart, the mean square of the ratio of densities is e.
    assert found.effective_share == pytest.approx(np.exp(-1), abs=0.08)


def test_features_are_columns_squares_products_and_waves():
    source, target = draw(n_columns=2)
    features = fit_features(source, target, np.random.default_rng(0))
    X = np.vstack([source, target])
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.column_stack([Z, Z**2, Z[:, 0] * Z[:, 1]])
    np.testing.assert_allclose(features.quadratic(X), expected, atol=1e-12)
    assert features(X).shape[1] == 5 + features.waves(X).shape[1]
    assert abs(features.waves(X)).max() <= 1


def test_labels_of_plain_models_are_rough_where_these_guess():
    rng = np.random.default_rng(0)
    codes, centres = np.arange(300) % 3, 6 * np.eye(3)
    source, target = (centres[codes] + rng.normal(size=(300, 3)) for _ in range(2))
    calm = plain_roughness(source, codes, target, np.random.default_rng(0))
    assert calm.expected < 0.02
    assert abs(calm.excess) < 0.02
    # All classes of the target lie where those of the source meet.
    rough = plain_roughness(source, codes, 2 + rng.normal(size=(300, 3)), np.random.default_rng(0))
    assert rough.found > 0.1
    assert rough.excess == rough.found - rough.expected > 0.1
