"""Estimates of the accuracy, bounds and aggregation, against loops and programs."""

import numpy as np
import pytest
from scipy import optimize, sparse

from domadapt.model_selection import (
    average_thresholded_confidence_score,
    confidence_optimal_transport_score,
    difference_of_confidences_score,
    disagreement_discrepancy_score,
    importance_weighted_aggregation,
    importance_weighted_aggregation_score,
)
from domadapt.model_selection.scores import bounds

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.dirichlet(np.ones(3), 50), RNG.dirichlet(np.ones(3) / 2, 40)
Y = np.where(RNG.random(50) < 0.7, SOURCE.argmax(axis=1), RNG.integers(0, 3, 50))
COLLAPSED = np.eye(3)[np.zeros(40, dtype=int)]


@pytest.mark.parametrize("confidence", ["maximum", "negative_entropy"])
def test_atc_is_that_of_loops(confidence):
    def sure(row):
        return max(row) if confidence == "maximum" else sum(v * np.log(v) for v in row)

    n_wrong = sum(np.argmax(row) != k for row, k in zip(SOURCE, Y, strict=True))
    threshold = sorted(sure(row) for row in SOURCE)[n_wrong]
    expected = sum(sure(row) >= threshold for row in TARGET) / len(TARGET)
    found = average_thresholded_confidence_score(Y, SOURCE, TARGET, confidence=confidence)
    assert found == pytest.approx(expected)
    # On the source itself it is the accuracy.
    itself = average_thresholded_confidence_score(Y, SOURCE, SOURCE, confidence=confidence)
    assert itself == pytest.approx(1 - n_wrong / 50)


def test_doc_is_that_of_loops():
    accuracy = sum(np.argmax(row) == k for row, k in zip(SOURCE, Y, strict=True)) / 50
    moved = sum(map(max, TARGET)) / 40 - sum(map(max, SOURCE)) / 50
    found = difference_of_confidences_score(Y, SOURCE, TARGET)
    assert found == pytest.approx(min(max(accuracy + moved, 0), 1))
    assert difference_of_confidences_score(Y, SOURCE, SOURCE) == pytest.approx(accuracy)
    assert difference_of_confidences_score([0], [[0.6, 0.4]], [[1.0, 0.0]]) == 1
    assert difference_of_confidences_score([1], [[0.6, 0.4]], [[0.5, 0.5]]) == 0


def test_estimates_take_labels_by_name():
    names = np.array(["x", "y", "z"])
    for score in (average_thresholded_confidence_score, difference_of_confidences_score):
        by_name = score(names[Y], SOURCE, TARGET, classes=names)
        assert by_name == score(Y, SOURCE, TARGET)
        assert by_name != score(Y, SOURCE, SOURCE)


def test_models_that_are_wholly_right_or_wrong_have_estimates():
    right = np.eye(3)[Y]
    wrong = np.eye(3)[(Y + 1) % 3]
    assert (
        average_thresholded_confidence_score(Y, right, TARGET) == (TARGET.max(axis=1) >= 1).mean()
    )
    assert average_thresholded_confidence_score(Y, wrong, TARGET) == 0
    assert average_thresholded_confidence_score(Y, wrong, COLLAPSED) == 0
    assert difference_of_confidences_score(Y, right, COLLAPSED) == 1


def test_confidence_estimates_are_blind_to_collapse_as_they_are_known_to_be():
    assert average_thresholded_confidence_score(Y, SOURCE, COLLAPSED) == 1
    assert difference_of_confidences_score(Y, SOURCE, COLLAPSED) > 0.9


def test_transport_is_that_of_a_linear_program():
    for proportions in (np.array([0.5, 0.3, 0.2]), np.array([0.7, 0.0, 0.3])):
        check_transport(6, proportions)


def check_transport(n, proportions):
    proba = TARGET[:n]
    cost = [[max(abs(p - e)) for e in np.eye(3)] for p in proba]
    rows = np.kron(np.eye(n), np.ones(3))
    columns = np.kron(np.ones(n), np.eye(3))
    program = optimize.linprog(
        np.ravel(cost),
        A_eq=np.vstack([rows, columns]),
        b_eq=np.concatenate([np.full(n, 1 / n), proportions]),
    )
    found = confidence_optimal_transport_score(proba, proportions)
    assert found == pytest.approx(1 - program.fun, abs=1e-9)


def test_transport_sees_collapse_and_moved_proportions():
    even = np.full(3, 1 / 3)
    good = np.eye(3)[np.arange(39) % 3]
    assert confidence_optimal_transport_score(good, even) == pytest.approx(1)
    assert confidence_optimal_transport_score(COLLAPSED, even) == pytest.approx(1 / 3)
    assert confidence_optimal_transport_score(COLLAPSED, [1, 0, 0]) == pytest.approx(1)
    assert confidence_optimal_transport_score(TARGET, even) <= TARGET.max(axis=1).mean() + 1e-12


def blobs(shift=0.0, seed=0, n=300):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) + np.array([shift, 0])
    return X, (X[:, 0] > 0).astype(int)


def bound_score(shift, wrong=0.0, **options):
    (Xs, ys), (Xt, yt) = blobs(), blobs(shift, seed=1)
    said = np.where(np.random.default_rng(2).random(300) < wrong, 1 - ys, ys)
    return disagreement_discrepancy_score(ys, said, yt, Xs, Xt, **options)


def test_the_bound_grows_with_the_shift_the_error_and_the_certainty_asked_for():
    assert bound_score(0) > bound_score(1) > bound_score(3)
    assert bound_score(0, wrong=0.2) < bound_score(0) - 0.1
    assert bound_score(0, delta=1e-6) < bound_score(0, delta=0.1)
    assert bound_score(0) <= 1 - np.sqrt((300 + 1200) * np.log(100) / (2 * 300 * 300))


def test_the_loss_of_the_critic_is_that_of_loops_and_the_least(monkeypatch):
    (Xs, ys), (Xt, yt) = blobs(n=20), blobs(1.0, seed=1, n=15)
    Xs, Xt = np.hstack([Xs, Xs**2]), np.hstack([Xt, Xt**2])
    ys, yt = (np.digitize(X[:, 0], [-0.5, 0.5]) for X in (Xs, Xt))

    def loss(flat):
        table = flat.reshape(5, 3)
        total = 1e-4 / 2 * np.sum(table[:-1] ** 2)
        for x, k in zip(Xs, ys, strict=True):
            z = x @ table[:-1] + table[-1]
            total -= np.log(np.exp(z[k]) / np.exp(z).sum()) / np.log(3) / 20
        for x, k in zip(Xt, yt, strict=True):
            z = x @ table[:-1] + table[-1]
            margin = z[k] - sum(z[j] for j in range(3) if j != k) / 2
            total += np.log(1 + np.exp(margin)) / np.log(2) / 15
        return total

    seen = {}
    minimize = optimize.minimize

    def watched(function, start, **options):
        seen["loss"] = function
        return minimize(function, start, **options)

    monkeypatch.setattr(bounds.optimize, "minimize", watched)
    weights, bias = bounds._critic(Xs, ys, Xt, yt, 3)
    at = RNG.normal(size=15)
    value, gradient = seen["loss"](at)
    assert value == pytest.approx(loss(at), rel=1e-9)
    np.testing.assert_allclose(gradient, optimize.approx_fprime(at, loss, 1e-7), atol=1e-5)
    found = np.vstack([weights, bias]).ravel()
    assert abs(optimize.approx_fprime(found, loss, 1e-6)).max() < 1e-3


@pytest.mark.parametrize("sign", [1, -1])
def test_the_bound_adds_what_loops_count(sign, monkeypatch):
    rng = np.random.default_rng(3)
    Xs, Xt = rng.normal(size=(40, 2)) * [5, 1], rng.normal(size=(25, 2)) * [5, 1] + [9, 1]
    y, of_source = rng.integers(0, 3, (2, 40))
    weights, bias = rng.normal(size=(2, 3)), rng.normal(size=3)
    both = np.vstack([Xs, Xt])

    def disagrees(x, code):
        z = (x - both.mean(axis=0)) / both.std(axis=0)
        return np.argmax([z @ weights[:, k] + bias[k] for k in range(3)]) != code

    # Labels with which the critic disagrees more on the target, or more on the source.
    agreed = [next(k for k in range(3) if disagrees(x, k) == (sign > 0)) for x in Xt]
    of_target = np.where(rng.random(25) < 0.9, agreed, 0)
    on_source = sum(disagrees(x, k) for x, k in zip(Xs, of_source, strict=True)) / 40
    on_target = sum(disagrees(x, k) for x, k in zip(Xt, of_target, strict=True)) / 25
    assert sign * (on_target - on_source) > 0.1
    error = sum(a != b for a, b in zip(y, of_source, strict=True)) / 40
    by_chance = np.sqrt((40 + 4 * 25) * np.log(1 / 0.05) / (2 * 40 * 25))
    expected = 1 - error - max(on_target - on_source, 0) - by_chance
    monkeypatch.setattr(bounds, "_critic", lambda *given: (weights, bias))
    found = disagreement_discrepancy_score(y, of_source, of_target, Xs, Xt, delta=0.05)
    assert found == pytest.approx(expected)


def test_the_bound_is_finite_on_edges():
    (X, y), one = blobs(n=12), np.zeros(12, dtype=int)
    for score in (
        disagreement_discrepancy_score(one, one, one, X, X),
        disagreement_discrepancy_score(y, y, one, np.ones((12, 2)), np.ones((12, 2))),
        disagreement_discrepancy_score(y, y, y, X * 0, X * 0 + 1),
        disagreement_discrepancy_score(y, y, y, sparse.csr_array(X), sparse.csr_array(X)),
    ):
        assert np.isfinite(score)


PROBAS_S, PROBAS_T = RNG.dirichlet(np.ones(3), (3, 50)), RNG.dirichlet(np.ones(3), (3, 40))
WEIGHTS = RNG.random(50)


def test_aggregation_solves_the_equations_of_loops():
    G, g = np.zeros((3, 3)), np.zeros(3)
    for i in range(3):
        for j in range(3):
            G[i, j] = sum(a @ b for a, b in zip(PROBAS_T[i], PROBAS_T[j], strict=True)) / 40
        rows = zip(WEIGHTS, PROBAS_S[i], Y, strict=True)
        g[i] = sum(w * p[k] for w, p, k in rows) / sum(WEIGHTS)
    expected = np.linalg.inv(G + 0.1 * np.trace(G) / 3 * np.eye(3)) @ g
    found = importance_weighted_aggregation(Y, PROBAS_S, PROBAS_T, WEIGHTS, ridge=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    one = importance_weighted_aggregation_score(Y, PROBAS_S[1], PROBAS_T[1], WEIGHTS)
    assert one == pytest.approx(2 * g[1] - G[1, 1] - 1)


def test_the_score_of_one_candidate_is_minus_its_squared_error_on_one_domain():
    expected = -np.square(SOURCE - np.eye(3)[Y]).sum(axis=1).mean()
    found = importance_weighted_aggregation_score(Y, SOURCE, SOURCE, np.ones(50))
    assert found == pytest.approx(expected)


def test_candidates_that_are_the_same_share_and_a_wrong_one_gets_little():
    right, collapsed = np.eye(3)[Y], np.eye(3)[np.zeros(50, dtype=int)]
    twice = importance_weighted_aggregation(Y, [right, right], [right, right], np.ones(50), ridge=0)
    np.testing.assert_allclose(twice, [0.5, 0.5])
    pool = [right, collapsed]
    found = importance_weighted_aggregation(Y, pool, pool, np.ones(50))
    np.testing.assert_allclose(found, [1, 0], atol=0.01)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"'confidence' .* Got 'margin'"):
        average_thresholded_confidence_score(Y, SOURCE, TARGET, confidence="margin")
    with pytest.raises(ValueError, match="target_proba has 2 columns, and 3"):
        difference_of_confidences_score(Y, SOURCE, TARGET[:, :2])
    with pytest.raises(ValueError, match="y_source has 49 rows, and 50"):
        difference_of_confidences_score(Y[1:], SOURCE, TARGET)
    with pytest.raises(ValueError, match="class_proportions has shape"):
        confidence_optimal_transport_score(TARGET, [0.5, 0.5])
    with pytest.raises(ValueError, match=r"'delta' parameter of disagreement_.* Got 0"):
        bound_score(0, delta=0)
    with pytest.raises(ValueError, match="source_labels has 1 rows"):
        disagreement_discrepancy_score([0, 1], [0], [0], [[0.0], [1.0]], [[0.0]])
    with pytest.raises(ValueError, match="of 3 candidates, and target_probas of 2"):
        importance_weighted_aggregation(Y, PROBAS_S, PROBAS_T[:2], WEIGHTS)
    with pytest.raises(ValueError, match="of 0 candidates"):
        importance_weighted_aggregation(Y, [], [], WEIGHTS)
    with pytest.raises(ValueError, match=r"'ridge' parameter of importance_.* Got -1"):
        importance_weighted_aggregation(Y, PROBAS_S, PROBAS_T, WEIGHTS, ridge=-1)
    with pytest.raises(ValueError, match=r"source_probas\[1\] has 2 columns, and 3"):
        importance_weighted_aggregation(Y, [SOURCE, SOURCE[:, :2]], [TARGET, TARGET], WEIGHTS)
    with pytest.raises(ValueError, match=r"target_probas\[1\] has 39 rows, and 40"):
        importance_weighted_aggregation(Y, [SOURCE, SOURCE], [TARGET, TARGET[1:]], WEIGHTS)
    with pytest.raises(ValueError, match=r"target_probas\[0\] has 2 columns, and 3"):
        importance_weighted_aggregation(Y, [SOURCE], [np.eye(2)[[0] * 40]], WEIGHTS)
    with pytest.raises(ValueError, match=r"source_probas\[0\] holds rows"):
        importance_weighted_aggregation(Y, [2 * SOURCE], [TARGET], WEIGHTS)
    with pytest.raises(ValueError, match="target_labels holds labels such as 'a'"):
        disagreement_discrepancy_score([0, 1], [0, 1], ["a"], [[0.0], [1.0]], [[0.0]])
