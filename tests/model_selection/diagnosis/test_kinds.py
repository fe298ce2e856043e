"""The kind that is named for drawn shifts, and what it advises."""

import numpy as np
import pytest

from domadapt import diagnose

CENTRES = np.array([[0.0, 0.0, 0.0], [3.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
SIZES = (400, 320)


def rows_of(y, rng):
    return CENTRES[y] + rng.normal(size=(len(y), 3))


def no_shift(rng):
    ys, yt = (rng.integers(3, size=n) for n in SIZES)
    return rows_of(ys, rng), ys, rows_of(yt, rng)


def label_shift(rng):
    ys = rng.integers(3, size=SIZES[0])
    yt = rng.choice(3, SIZES[1], p=rng.permutation([0.1, 0.2, 0.7]))
    return rows_of(ys, rng), ys, rows_of(yt, rng)


def covariate_shift(rng):
    """Select rows of one population by a logistic function of two columns."""
    X = rng.uniform(-2, 2, size=(6000, 3))
    y = (X[:, 0] * X[:, 1] > 0.3 * X[:, 2]).astype(int)
    p = 1 / (1 + np.exp(-2 * (X[:, 0] + X[:, 2])))
    target = rng.choice(6000, SIZES[1], replace=False, p=p / p.sum())
    source = rng.choice(np.setdiff1d(np.arange(6000), target), SIZES[0], replace=False)
    return X[source], y[source], X[target]


def moved_columns(rng):
    Xs, ys, Xt = no_shift(rng)
    along = rng.normal(size=3)
    return Xs, ys, Xt * rng.uniform(1.2, 1.8, 3) + 3 * along / np.linalg.norm(along)


DRAWS = {
    "none": no_shift,
    "label": label_shift,
    "covariate": covariate_shift,
    "concept": moved_columns,
}


@pytest.mark.parametrize("kind", DRAWS)
def test_the_right_kind_is_named(kind):
    for seed in range(2):
        found = diagnose(*DRAWS[kind](np.random.default_rng(seed)))
        assert found.kind == kind
        assert bool(found.methods) == (found.advice != "do not adapt")


def test_label_shift_is_told_with_its_proportions():
    rng = np.random.default_rng(3)
    ys, yt = rng.integers(3, size=900), rng.choice(3, 800, p=[0.1, 0.2, 0.7])
    found = diagnose(rows_of(ys, rng), ys, rows_of(yt, rng))
    assert found.kind == "label"
    assert found.methods == ("em", "bbse", "rlls")
    for one, true in zip(found.class_proportions, np.bincount(yt) / 800, strict=True):
        assert one.em_interval[0] <= one.em <= one.em_interval[1]
        assert one.em_interval[0] - 0.02 <= true <= one.em_interval[1] + 0.02
        assert abs(one.bbse - true) < 0.06


def test_columns_that_moved_come_first_and_others_are_not_named():
    rng = np.random.default_rng(0)
    Xs, ys, Xt = no_shift(rng)
    Xt[:, 1] += 2.0
    found = diagnose(Xs, ys, Xt)
    assert found.moved_columns[0].name == 1
    assert [one.name for one in found.moved_columns if one.p_bonferroni < 0.01] == [1]


def test_numbers_to_predict_are_looked_at_by_their_quarters():
    rng = np.random.default_rng(0)
    ys, yt = rng.normal(size=600), rng.normal(1.0, 0.5, size=500)
    Xs, Xt = (np.c_[y, -y] + 0.3 * rng.normal(size=(len(y), 2)) for y in (ys, yt))
    found = diagnose(Xs, ys, Xt)
    assert len(found.class_proportions) == 4
    assert found.class_proportions[0].name.startswith("up to")
    assert found.class_proportions[3].em > 0.5
    assert any("quarters" in caution for caution in found.cautions)
    assert found.displacement < 6
    assert found.advice == "do not adapt"
    assert "AutoAdaptRegressor" in found.explanation


def test_numbers_of_another_instrument_are_advised_to_adapt():
    rng = np.random.default_rng(0)
    ys, yt = rng.normal(size=(2, 150))
    along = rng.normal(size=12)
    Xs, Xt = (np.outer(y, along) + 0.2 * rng.normal(size=(150, 12)) for y in (ys, yt))
    found = diagnose(Xs, ys, Xt + rng.normal(size=12))
    assert found.displacement > 6
    assert (found.kind, found.advice) == ("concept", "adapt")
    assert "per_domain_scaling" in found.methods


def test_units_of_columns_are_of_no_importance():
    Xs, ys, Xt = label_shift(np.random.default_rng(0))
    one, two = (diagnose(a * Xs + 7, ys, a * Xt + 7) for a in (1.0, 1000.0))
    assert one.kind == two.kind
    assert one.domain_classifier.auc == pytest.approx(two.domain_classifier.auc, abs=1e-3)
