"""Scores from labelled source samples, against loops, and importance weights."""

import warnings

import numpy as np
import pytest
from scipy import optimize, sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from domadapt.model_selection import (
    deep_embedded_validation_score,
    importance_weighted_score,
    importance_weights,
    source_validation_score,
)

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 40)
PROBA = RNG.dirichlet(np.ones(3), 40)
WEIGHTS = RNG.random(40) * 3


def dev(*arguments, **options):
    with pytest.warns(UserWarning, match="known to fail"):
        return deep_embedded_validation_score(*arguments, **options)


def losses(loss):
    if loss == "zero_one":
        return [float(np.argmax(p) != k) for p, k in zip(PROBA, Y, strict=True)]
    return [-np.log(p[k]) for p, k in zip(PROBA, Y, strict=True)]


def by_loops(loss, weights):
    total = sum(w * v for w, v in zip(weights, losses(loss), strict=True)) / sum(weights)
    return 1 - total if loss == "zero_one" else -total


@pytest.mark.parametrize("loss", ["zero_one", "log_loss"])
def test_scores_are_those_of_loops(loss):
    plain = source_validation_score(Y, PROBA, loss=loss)
    assert plain == pytest.approx(by_loops(loss, np.ones(40)), rel=1e-12)
    weighted = importance_weighted_score(Y, PROBA, WEIGHTS, loss=loss)
    assert weighted == pytest.approx(by_loops(loss, WEIGHTS), rel=1e-12)
    assert weighted != plain


@pytest.mark.parametrize("loss", ["zero_one", "log_loss"])
@pytest.mark.parametrize("weights", [WEIGHTS, 1 + WEIGHTS / 100])
def test_dev_is_that_of_loops(loss, weights):
    values = losses(loss)
    products = [w * v for w, v in zip(weights, values, strict=True)]
    mean_w, mean_p = sum(weights) / 40, sum(products) / 40
    pairs = list(zip(weights, products, strict=True))
    covariance = sum((w - mean_w) * (p - mean_p) for w, p in pairs) / 39
    variance = sum((w - mean_w) ** 2 for w in weights) / 39
    eta = -covariance / variance
    risk = mean_p + eta * mean_w - eta
    expected = 1 - risk if loss == "zero_one" else -risk
    assert dev(Y, PROBA, weights, loss=loss) == pytest.approx(expected, rel=1e-9)


def test_with_weights_of_mean_one_dev_is_the_importance_weighted_score():
    weights = WEIGHTS / WEIGHTS.mean()
    assert dev(Y, PROBA, weights) == pytest.approx(importance_weighted_score(Y, PROBA, weights))
    assert dev(Y, PROBA, WEIGHTS) != pytest.approx(importance_weighted_score(Y, PROBA, WEIGHTS))


@pytest.mark.parametrize("weight", [0.1, 0.7, 1 / 3, 3.3])
def test_dev_of_weights_that_are_all_the_same_needs_no_control_variate(weight):
    for n in (7, 10, 100):
        y = np.arange(n) % 3
        found = dev(y, np.zeros(n, dtype=int), np.full(n, weight))
        assert found == pytest.approx(1 - weight * np.mean(y != 0))


def test_labels_probabilities_and_values_are_taken():
    names = np.array(["a", "b", "c"])
    by_labels = source_validation_score(names[Y], names[PROBA.argmax(axis=1)])
    assert by_labels == source_validation_score(Y, PROBA)
    assert by_labels == source_validation_score(names[Y], PROBA, classes=names)
    assert source_validation_score([0.0, 1.0], [1.0, 3.0], loss="squared_error") == -2.5
    assert source_validation_score([[0, 0]], [[1, 3]], loss="squared_error") == -5.0
    assert (
        importance_weighted_score([0, 1], [1, 3], [1, 3], loss="squared_error") == -(1 + 3 * 4) / 4
    )


def test_sure_mistakes_have_a_finite_loss():
    sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert -20 < source_validation_score([0, 1], sure, loss="log_loss") < -10
    assert dev([0, 1], sure, [1.0, 1.0]) == 0.5


def test_weights_follow_the_ratio_of_the_densities():
    rng = np.random.default_rng(1)
    Xs, Xt = rng.normal(0, 1, (2000, 1)), rng.normal(1, 1, (1000, 1))
    found = importance_weights(Xs, Xt, random_state=0)
    ratio = np.exp(Xs[:, 0] - 0.5)
    assert found.mean() == pytest.approx(1)
    np.testing.assert_allclose(found, ratio / ratio.mean(), rtol=0.3, atol=0.1)
    plain = importance_weights(Xs, Xt, normalize=False, random_state=0)
    assert plain.mean() == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(plain / plain.mean(), found)
    np.testing.assert_array_equal(found, importance_weights(Xs, Xt, random_state=0))


def test_weights_are_those_of_classifiers_that_have_not_seen_the_samples():
    rng = np.random.default_rng(5)
    # Columns of unlike size, domains of unlike size, and more noise than signal.
    scale = np.array([100.0] + [0.01] * 11)
    Xs, Xt = rng.normal(size=(400, 12)) * scale, (rng.normal(size=(60, 12)) + 0.4) * scale
    X, is_target = np.vstack([Xs, Xt]), np.repeat([0, 1], [400, 60])
    share = np.where(is_target, 1 / 120, 1 / 800)
    logits = np.zeros(460)
    for seen, held in StratifiedKFold(5, shuffle=True, random_state=0).split(X, is_target):
        mean, spread = X[seen].mean(axis=0), X[seen].std(axis=0)
        weight = np.where(is_target[seen], len(seen) / 96, len(seen) / 640)
        classifier = LogisticRegression().fit((X[seen] - mean) / spread, is_target[seen], weight)
        logits[held] = classifier.decision_function((X[held] - mean) / spread)

    def loss(temperature):
        return share @ np.logaddexp(0, np.where(is_target, -logits, logits) / temperature)

    temperature = optimize.minimize_scalar(loss, (1, 2)).x
    assert temperature > 1.2
    expected = np.exp(logits[:400] / temperature)
    found = importance_weights(Xs, Xt, clip=None, normalize=False, random_state=0)
    np.testing.assert_allclose(found, expected, rtol=0.02)
    normalized = importance_weights(Xs, Xt, clip=None, random_state=0)
    np.testing.assert_allclose(normalized, found / found.mean())
    held_back = importance_weights(Xs, Xt, clip=1.5, normalize=False, random_state=0)
    np.testing.assert_allclose(held_back, np.minimum(found, 1.5 * found.mean()))


def test_weights_of_identical_domains_are_about_one():
    X = np.random.default_rng(2).normal(size=(400, 3))
    assert abs(importance_weights(X, X, random_state=0) - 1).max() < 0.3


@pytest.mark.parametrize(
    ("Xs", "Xt"),
    [
        (np.ones((20, 2)), np.ones((10, 2))),
        (np.zeros((20, 1)), np.ones((20, 1))),
        (np.arange(12.0)[:, None], np.arange(2.0)[:, None] + 100),
        (np.arange(3.0)[:, None], np.arange(4.0)[:, None]),
    ],
)
def test_weights_are_finite_on_constant_and_separate_domains(Xs, Xt):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = importance_weights(Xs, Xt, random_state=0)
    assert np.isfinite(found).all()
    assert (found > 0).all()


def test_clipping_holds_back_the_largest_weights():
    rng = np.random.default_rng(3)
    Xs, Xt = rng.normal(0, 1, (500, 1)), rng.normal(2, 0.5, (500, 1))
    free, held = (importance_weights(Xs, Xt, clip=c, random_state=0) for c in (None, 2.0))
    assert held.max() < free.max()
    assert np.all(np.argsort(free)[:50] == np.argsort(held)[:50])


def test_sparse_features_are_taken():
    rng = np.random.default_rng(4)
    Xs, Xt = sparse.random(60, 8, 0.3, rng=rng), sparse.random(50, 8, 0.6, rng=rng)
    mixed = importance_weights(Xs.tocsr(), Xt.toarray(), random_state=0)
    assert importance_weights(Xs.tocsr(), Xt.tocsr(), random_state=0).shape == mixed.shape == (60,)


def test_dev_warns_each_time_and_says_what_to_use():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        deep_embedded_validation_score([0, 1], [0, 1], [1, 2])
        deep_embedded_validation_score([0, 1], [0, 1], [1, 2])
    assert len(caught) == 2
    assert "information_maximization" in str(caught[0].message)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0, 1, 1]), "predicted has 3 rows, and 2 were expected"),
        (([0, 2], [[0.5, 0.5]] * 2), "y goes from 0 to 2"),
        ((["a", "b"], [[0.5, 0.5]] * 2), "y holds labels such as 'a', .*classes="),
        (([0, 1.5], [[0.5, 0.5]] * 2), "y holds labels such as 1.5, .*, 0 to 1"),
        (([0, 1], [[0.5, 0.5], [1.0]]), "predicted must have rows of one length"),
        ((["0", "1"], [0, 1]), "predicted holds labels such as 0, and y such as '0'"),
        (([0, 1], [[0.5, 0.6]] * 2), "predicted holds rows that are no probabilities"),
        (([0, None], [0, 1]), "y holds no label for 1 samples"),
        (([], []), "y has shape"),
    ],
)
def test_what_cannot_be_scored_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        source_validation_score(*arguments)


def test_other_bad_input_is_named():
    with pytest.raises(ValueError, match="loss is 'hinge'"):
        source_validation_score([0], [0], loss="hinge")
    with pytest.raises(ValueError, match="needs probabilities"):
        source_validation_score([0], [0], loss="log_loss")
    with pytest.raises(ValueError, match="holds labels that are not among classes"):
        source_validation_score(["z"], [[0.5, 0.5]], classes=["a", "b"])
    with pytest.raises(ValueError, match="classes has shape"):
        source_validation_score(["a"], [[0.5, 0.5]], classes=["a"])
    with pytest.raises(ValueError, match=r"classes is .*, which holds a label twice"):
        source_validation_score(["a"], [[0.5, 0.5]], classes=["a", "a"])
    with pytest.raises(ValueError, match="predicted has 2 outputs, and y has 1"):
        source_validation_score([0.0], [[0.5, 0.5]], loss="squared_error")
    with pytest.raises(ValueError, match="weights has shape"):
        importance_weighted_score([0, 1], [0, 1], [1])
    with pytest.raises(ValueError, match="weights must hold finite numbers"):
        importance_weighted_score([0, 1], [0, 1], [1, -1])
    with pytest.raises(ValueError, match="weights must hold finite numbers"):
        importance_weighted_score([0, 1], [0, 1], [0, 0])
    with pytest.raises(ValueError, match=r"'clip' parameter of .* Got 0\.5"):
        importance_weights([[0.0]] * 3, [[1.0]] * 3, clip=0.5)
    with pytest.raises(ValueError, match="two samples of each domain"):
        importance_weights([[0.0]] * 3, [[1.0]])
    with pytest.raises(ValueError, match="target_features has 2 columns, and 1 were expected"):
        importance_weights([[0.0]] * 3, [[1.0, 2.0]] * 3)
    with pytest.raises(ValueError, match="source_features must hold finite numbers"):
        importance_weights([[np.nan]] * 3, [[1.0]] * 3)
