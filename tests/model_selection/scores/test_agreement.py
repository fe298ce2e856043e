"""Scores from whether models agree, against loops."""

import numpy as np
import pytest

from domadapt.model_selection import (
    circular_validation_score,
    contradiction_score,
    disagreement_score,
    ensemble_agreement_score,
)

RNG = np.random.default_rng(0)
CANDIDATES = RNG.dirichlet(np.ones(3), (4, 25))


def largest(row):
    return max(range(len(row)), key=lambda k: row[k])


def test_ensemble_agreement_is_that_of_loops():
    for own in CANDIDATES:
        agrees = 0
        for j in range(25):
            mean = [sum(p[j][k] for p in CANDIDATES) / 4 for k in range(3)]
            agrees += largest(mean) == largest(own[j])
        assert ensemble_agreement_score(own, CANDIDATES) == pytest.approx(agrees / 25)
    mean = CANDIDATES.mean(axis=0)
    assert ensemble_agreement_score(mean, list(CANDIDATES)) == 1


def test_a_collapsed_candidate_agrees_less_than_good_ones():
    good = np.eye(3)[np.arange(30) % 3] * 0.7 + 0.1
    collapsed = np.eye(3)[np.zeros(30, dtype=int)]
    pool = [good, good, collapsed]
    scores = [ensemble_agreement_score(p, pool) for p in (good, collapsed)]
    assert scores[0] == 1
    assert scores[1] == pytest.approx(1 / 3)


def test_values_agree_by_squared_differences():
    found = ensemble_agreement_score([1.0, 2.0], [[1.0, 2.0], [5.0, 2.0]], loss="squared_error")
    assert found == pytest.approx(-(4 + 0) / 2)
    assert disagreement_score([1.0, 2.0], [2.0, 2.0], loss="squared_error") == -0.5
    assert circular_validation_score([1.0, 2.0], [2.0, 2.0], loss="squared_error") == -0.5


@pytest.mark.parametrize("score", [disagreement_score, circular_validation_score])
def test_shares_are_those_of_loops(score):
    a, b = RNG.choice(["x", "y", "z"], (2, 30))
    assert score(a, b) == pytest.approx(sum(u == v for u, v in zip(a, b, strict=True)) / 30)
    assert score(a, a) == 1
    assert score(b, a) == score(a, b)


@pytest.mark.parametrize("classes", [None, ["a", "b", "c"]])
def test_contradiction_is_that_of_loops(classes):
    source, codes = CANDIDATES[0], RNG.integers(0, 3, 25)
    total = 0.0
    for row, code in zip(source, codes, strict=True):
        total -= row[largest(row)] * (code != largest(row)) / 25
    labels = codes if classes is None else np.array(classes)[codes]
    found = contradiction_score(labels, source, classes=classes)
    assert found == pytest.approx(total, rel=1e-12)
    if classes is None:
        assert contradiction_score(np.eye(3)[codes], source) == pytest.approx(total, rel=1e-12)


def test_the_source_model_does_not_contradict_itself_and_collapse_does():
    source = np.eye(3)[np.arange(30) % 3] * 0.7 + 0.1
    assert contradiction_score(source.argmax(axis=1), source) == 0
    assert contradiction_score(np.zeros(30, dtype=int), source) == pytest.approx(-0.8 * 2 / 3)
    # A label that the source model does not know contradicts it.
    assert contradiction_score(["z"], [[0.9, 0.1]], classes=["a", "b"]) == pytest.approx(-0.9)


def test_a_doubtful_source_model_contradicts_less():
    sure, doubtful = np.array([[0.9, 0.1]]), np.array([[0.6, 0.4]])
    assert contradiction_score([1], sure) < contradiction_score([1], doubtful) < 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="candidates_predicted is empty"):
        ensemble_agreement_score(CANDIDATES[0], [])
    with pytest.raises(ValueError, match=r"candidates_predicted\[1\] has shape"):
        ensemble_agreement_score(CANDIDATES[0], [CANDIDATES[0], CANDIDATES[1][:3]])
    with pytest.raises(ValueError, match=r"candidates_predicted\[0\] holds rows"):
        ensemble_agreement_score(CANDIDATES[0], [CANDIDATES[0] * 2])
    with pytest.raises(ValueError, match="loss is 'other'"):
        ensemble_agreement_score(CANDIDATES[0], CANDIDATES, loss="other")
    for score in (ensemble_agreement_score, disagreement_score, circular_validation_score):
        with pytest.raises(ValueError, match="loss is 'log_loss', and one of zero_one, squared"):
            score(CANDIDATES[0], CANDIDATES, loss="log_loss")
    with pytest.raises(ValueError, match="target_labels holds labels such as 'a', and classes"):
        contradiction_score(["a", "b"], CANDIDATES[0][:2])
    with pytest.raises(ValueError, match="second has 1 rows"):
        disagreement_score([0, 1], [0])
    with pytest.raises(ValueError, match="labels_back has 1 rows"):
        circular_validation_score([0, 1], [0])
    with pytest.raises(ValueError, match="y_source holds no label"):
        circular_validation_score([0.0, np.nan], [0, 1])
    with pytest.raises(ValueError, match="source_proba holds rows"):
        contradiction_score([0], [[2.0, 0.0]])
    with pytest.raises(ValueError, match="target_labels has 2 rows"):
        contradiction_score([0, 1], [[1.0, 0.0]])
    with pytest.raises(ValueError, match=r"classes has shape \(3,\), and \(2,\)"):
        contradiction_score([0], [[1.0, 0.0]], classes=[0, 1, 2])
