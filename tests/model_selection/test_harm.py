"""Signs of harm, from arrays: against loops, on cases worked out by hand, and at the edges."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from domadapt.model_selection._harm import (
    LIMITS,
    classifier_checks,
    contradiction,
    contradiction_limit,
    effective_rank,
    erased_classes,
    excess_share,
    label_shares,
    plausible_shares,
    regressor_checks,
)
from domadapt.model_selection._source_model import SourceBeliefs, SourceValues, with_roughness


def beliefs_of(y_source, y_target, sure=0.9, n_classes=3, seed=0):
    """Return what a model believes that is as sure as it says, of samples with these labels."""
    rng = np.random.default_rng(seed)

    def proba(y):
        p = np.full((len(y), n_classes), (1 - sure) / (n_classes - 1))
        said = np.where(rng.random(len(y)) < sure, y, (y + 1) % n_classes)
        p[np.arange(len(y)), said] = sure
        return p

    target = proba(y_target)
    agreed = np.ones(len(target), dtype=bool)
    return SourceBeliefs(np.arange(n_classes), y_source, proba(y_source), target, agreed)


@pytest.fixture
def balanced():
    """Labels of 300 target samples, and beliefs about them and as many of the source."""
    y = np.arange(300) % 3
    return y, beliefs_of(y, y)


def against(checks):
    return {check.name for check in checks if check.speaks_against}


def test_a_model_that_is_right_passes(balanced):
    y, beliefs = balanced
    features = np.random.default_rng(0).normal(size=(300, 8))
    checks = classifier_checks(
        y, beliefs, source_codes=y, features=features, other_codes=[y, beliefs.target.argmax(1)]
    )
    assert against(checks) == set()
    assert {c.name for c in checks} == {
        "concentration",
        "erased classes",
        "source accuracy lost",
        "effective rank",
        "contradiction",
        "disagreement of seeds",
    }


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        (lambda y: np.zeros_like(y), {"concentration", "erased classes", "contradiction"}),
        (lambda y: np.where(y == 2, 0, y), {"concentration", "erased classes", "contradiction"}),
        (lambda y: (y + 1) % 3, {"contradiction"}),
        (lambda y: np.random.default_rng(1).permutation(y), {"contradiction"}),
        (lambda y: np.full_like(y, -1), {"erased classes", "contradiction"}),
    ],
)
def test_collapsed_models_are_found(balanced, codes, found):
    y, beliefs = balanced
    assert against(classifier_checks(codes(y), beliefs)) == found


def test_moved_proportions_are_no_collapse():
    y = np.repeat([0, 1, 2], [260, 30, 10])
    beliefs = beliefs_of(np.arange(300) % 3, y)
    assert against(classifier_checks(y, beliefs)) == set()


def test_source_accuracy_and_rank_and_seeds_are_looked_at(balanced):
    y, beliefs = balanced
    line = np.outer(np.arange(300.0), np.ones(8))
    wrong = np.where(np.arange(300) % 2, y, (y + 1) % 3)
    checks = classifier_checks(
        y, beliefs, source_codes=wrong, features=line, other_codes=[(y + 1) % 3]
    )
    assert against(checks) == {"source accuracy lost", "effective rank", "disagreement of seeds"}
    values = {c.name: c.value for c in checks}
    assert values["source accuracy lost"] == pytest.approx(beliefs.accuracy - 0.5)
    assert values["effective rank"] == pytest.approx(1.0)
    assert values["disagreement of seeds"] == 1.0
    # Two columns say nothing of a rank.
    assert "effective rank" not in {
        c.name for c in classifier_checks(y, beliefs, features=line[:, :2])
    }


def test_contradiction_is_that_of_a_loop(balanced):
    y, beliefs = balanced
    rng = np.random.default_rng(3)
    proba = rng.dirichlet(np.ones(3), 300)
    agreed, codes = rng.random(300) < 0.7, rng.integers(-1, 3, 300)
    beliefs = SourceBeliefs(beliefs.classes, y, beliefs.held_out, proba, agreed)
    total = 0.0
    for j in range(300):
        if agreed[j]:
            c, label = max(proba[j]), list(proba[j]).index(max(proba[j]))
            total += c * ((codes[j] != label) - (1 - c))
    assert contradiction(codes, beliefs) == pytest.approx(total / 300)


def test_the_limit_of_contradiction_is_that_of_a_loop():
    rng = np.random.default_rng(4)
    proba = rng.dirichlet(np.ones(3) / 2, 400)
    agreed, share = rng.random(400) < 0.7, np.array([0.6, 0.3, 0.1])
    codes = rng.integers(0, 3, 400)

    def limit(n=400, excess_roughness=0.0):
        given = codes, proba, proba[:n], agreed[:n]
        return contradiction_limit(share, SourceBeliefs(np.arange(3), *given, excess_roughness))

    assert limit() == limit(excess_roughness=0.1) == LIMITS["contradiction"]
    total, variance = 0.0, 0.0
    for j in range(400):
        if agreed[j]:
            c, label = max(proba[j]), list(proba[j]).index(max(proba[j]))
            # Of labels that are drawn, all but a share differ.
            total += c * ((1 - share[label]) - (1 - c))
            variance += c**2 * c * (1 - c) if j < 10 else 0
    assert limit(excess_roughness=0.11) == pytest.approx(0.7 * total / 400)
    assert limit(n=10) == pytest.approx(3 * math.sqrt(variance) / 10)
    assert limit(n=10) > LIMITS["contradiction"]


def test_rough_labels_of_plain_models_are_told_and_let_pass(balanced):
    y, beliefs = balanced
    codes = np.where(np.arange(300) % 5 < 2, (y + 1) % 3, y)
    *_, trusted = classifier_checks(codes, beliefs)
    *_, doubted = classifier_checks(codes, replace(beliefs, excess_roughness=0.2))
    assert trusted.value == doubted.value
    assert trusted.speaks_against
    assert not doubted.speaks_against
    assert "let pass" in doubted.words
    assert "let pass" not in trusted.words
    *_, unrelated = classifier_checks((y + 1) % 3, replace(beliefs, excess_roughness=0.2))
    assert unrelated.speaks_against


def test_labels_that_are_rougher_than_true_ones_have_an_excess():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 3)) + 6 * y[:, None]
    for agreed, excess in ((y, 0.0), (rng.integers(0, 2, 200), 0.5)):
        beliefs = SourceBeliefs(np.arange(2), y, np.eye(2)[y], np.eye(2)[agreed], y == y)
        for kind in (np.asarray, sparse.csr_array):
            found = with_roughness(beliefs, kind(X), kind(X + 1), 0)
            assert found.excess_roughness == pytest.approx(excess, abs=0.05)


def test_what_calibrated_models_err_in_is_no_contradiction():
    y = np.arange(3000) % 3
    for sure in (0.5, 0.7, 0.95):
        assert abs(contradiction(y, beliefs_of(y, y, sure))) < 0.03


def test_shares_and_excess_by_hand():
    share = label_shares(np.array([0, 0, 0, 1, -1]), 3)
    np.testing.assert_allclose(share, [0.6, 0.2, 0.0])
    assert excess_share(share, np.array([0.5, 0.5, 0.5])) == pytest.approx(0.1)
    assert excess_share(share, np.ones(3)) == 0.0


def test_erased_classes_by_hand():
    expected = np.array([0.5, 0.3, 0.15, 0.05])
    assert erased_classes(np.array([0.9, 0.1, 0.0, 0.0]), expected, 100).tolist() == [2]
    assert erased_classes(np.array([0.9, 0.1, 0.0, 0.0]), expected, 200).tolist() == [2, 3]
    assert erased_classes(expected, expected, 200).tolist() == []


def test_plausible_shares_hold_the_true_ones():
    y = np.repeat([0, 1, 2], [200, 80, 20])
    lowest, largest = plausible_shares(beliefs_of(np.arange(300) % 3, y))
    assert (lowest <= np.array([200, 80, 20]) / 300).all()
    assert (largest >= np.array([200, 80, 20]) / 300).all()
    # Those of the source are plausible too.
    assert (lowest <= 1 / 3).all()
    assert (largest >= 1 / 3).all()


def test_a_class_that_the_source_model_never_names_is_not_missed(balanced):
    y, beliefs = balanced
    target = np.tile([0.5, 0.1, 0.4], (300, 1))
    checks = classifier_checks(np.zeros_like(y), replace(beliefs, target=target))
    assert {c.name: c.value for c in checks}["erased classes"] == 0


def test_where_the_source_models_never_agree_the_limit_is_the_least_one(balanced):
    _, beliefs = balanced
    beliefs = replace(beliefs, agreed=np.zeros(300, dtype=bool), excess_roughness=0.5)
    assert contradiction_limit(np.ones(3) / 3, beliefs) == LIMITS["contradiction"]


def test_one_output_without_spread_is_enough(values):
    yt, beliefs = values
    two = SourceValues(*(np.hstack([v, v]) for v in (beliefs.values, beliefs.held_out, yt)))
    checks = regressor_checks(np.hstack([yt, np.full_like(yt, yt.mean())]), two)
    assert against(checks) == {"spread of predictions"}


def test_every_estimate_counts_for_what_is_plausible():
    y = np.repeat([0, 1, 2], [270, 20, 10])
    beliefs = beliefs_of(np.arange(300) % 3, y, sure=0.5)
    _, largest = plausible_shares(beliefs)
    # Of a model that is so unsure, one by regularised BBSE alone, the other by EM alone.
    assert largest[0] > 0.85
    assert largest[1] > 0.65


def test_effective_rank_is_that_of_a_loop_and_has_its_limits():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5)) * [5, 3, 1, 0.5, 0.1] + 100
    values = np.linalg.svd(features - features.mean(axis=0))[1]
    entropy = -sum(v / sum(values) * math.log(v / sum(values)) for v in values)
    assert effective_rank(features) == pytest.approx(math.exp(entropy))
    assert effective_rank(7 * features + 3) == pytest.approx(effective_rank(features))
    square = np.linalg.qr(rng.normal(size=(41, 5)) - 0)[0]
    square = np.linalg.qr(square - square.mean(axis=0))[0]
    assert effective_rank(square) == pytest.approx(5)
    assert effective_rank(np.outer(np.arange(9.0), np.ones(4))) == pytest.approx(1)
    assert effective_rank(np.ones((9, 4))) == 0.0
    assert effective_rank(np.full((9, 4), 1e30)) == 0.0


@pytest.mark.parametrize(
    "target",
    [
        np.tile([1.0, 0.0, 0.0], (10, 1)),
        np.eye(3)[np.arange(10) % 3],
        np.full((10, 3), 1 / 3),
    ],
)
def test_edge_cases_are_finite(target):
    y = np.arange(30) % 3
    held_out = np.eye(3)[y]
    beliefs = SourceBeliefs(np.arange(3), y, held_out, target, np.zeros(10, dtype=bool))
    for codes in (np.zeros(10, dtype=int), target.argmax(axis=1)):
        checks = classifier_checks(codes, beliefs, source_codes=y, features=np.ones((10, 4)))
        assert all(np.isfinite(check.value) for check in checks)


@pytest.fixture
def values():
    """Values of a source and of target samples, and what plain models say of them."""
    rng = np.random.default_rng(0)
    ys, yt = rng.normal(size=(200, 1)), rng.normal(size=(150, 1))
    noise = 0.3 * rng.normal(size=(350, 1))
    return yt, SourceValues(ys, ys + noise[:200], yt + noise[200:])


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda y: y, set()),
        (lambda y: 1.5 * y + 0.5, set()),
        (lambda y: np.full_like(y, y.mean()), {"spread of predictions"}),
        (lambda y: -y, {"agreement in order"}),
        (lambda y: y + 50, {"implausible values"}),
        (lambda y: 100 * y, {"implausible values"}),
    ],
)
def test_regressors_that_collapsed_are_found(values, made, found):
    yt, beliefs = values
    checks = regressor_checks(made(yt), beliefs, source_values=beliefs.values)
    assert against(checks) == found
    assert all(np.isfinite(check.value) for check in checks)


def test_r2_and_seeds_of_regressors_are_looked_at(values):
    yt, beliefs = values
    checks = regressor_checks(
        yt, beliefs, source_values=np.zeros_like(beliefs.values), other_values=[yt + 1]
    )
    assert against(checks) == {"source R^2 lost", "disagreement of seeds"}
    found = {c.name: c.value for c in checks}
    assert found["disagreement of seeds"] == pytest.approx(1 / beliefs.values.std())


def test_each_check_has_its_limit(values, balanced):
    y, beliefs = balanced
    kinds = classifier_checks(
        y, beliefs, source_codes=y, features=np.eye(300)[:, :5], other_codes=[y]
    ) + regressor_checks(
        values[0], values[1], source_values=values[1].values, other_values=[values[0]]
    )
    assert {check.name for check in kinds} == LIMITS.keys()
    assert all(check.limit == LIMITS[check.name] for check in kinds)
    assert all(check.words.endswith(".") for check in kinds)


def test_a_class_that_was_not_held_back_is_no_error():
    rng = np.random.default_rng(0)
    held_out, target = (rng.dirichlet(np.ones(3), size=n) for n in (20, 30))
    codes = np.arange(20) % 2
    beliefs = SourceBeliefs(np.arange(3), codes, held_out, target, np.ones(30, dtype=bool))
    lowest, largest = plausible_shares(beliefs)
    assert (lowest <= target.mean(axis=0)).all()
    assert (target.mean(axis=0) <= largest).all()
