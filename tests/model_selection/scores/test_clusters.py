"""Scores from clusters of predictions and features, against loops."""

import math
import warnings
from collections import Counter

import numpy as np
import pytest
from scipy import sparse

from domadapt.model_selection import class_ami_score, mixval_score, soft_neighborhood_density_score
from domadapt.model_selection.scores import clusters

RNG = np.random.default_rng(0)
PROBA = RNG.dirichlet(np.ones(3), 12)
WARNS = pytest.warns(UserWarning, match="known to fail")


def snd(*arguments, **options):
    with pytest.warns(UserWarning, match="known to fail"):
        return soft_neighborhood_density_score(*arguments, **options)


def snd_by_loops(rows, temperature):
    total, n = 0.0, len(rows)
    for j in range(n):
        products = []
        for k in range(n):
            if k != j:
                lengths = math.dist(rows[j], [0] * 3) * math.dist(rows[k], [0] * 3)
                products.append(math.exp(float(rows[j] @ rows[k]) / lengths / temperature))
        total -= sum(v / sum(products) * math.log(v / sum(products)) for v in products)
    return total / n / math.log(n - 1)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_snd_is_that_of_loops_in_any_parts(temperature, monkeypatch):
    expected = snd_by_loops(PROBA, temperature)
    assert snd(PROBA, temperature=temperature) == pytest.approx(expected, rel=1e-9)
    for entries in (25, 5):
        monkeypatch.setattr(clusters, "ENTRIES", entries)
        assert snd(PROBA, temperature=temperature) == pytest.approx(expected, rel=1e-9)


def test_snd_prefers_collapse_as_it_is_known_to():
    good, collapsed = np.eye(3)[np.arange(30) % 3], np.eye(3)[np.zeros(30, dtype=int)]
    assert snd(collapsed) == pytest.approx(1)
    # Rounding takes none above it.
    assert max(snd(collapsed[:n]) for n in range(3, 30)) <= 1
    assert snd(good) < 0.8


def test_snd_takes_features_and_rows_of_zeros():
    features = RNG.normal(size=(10, 3))
    features[0] = 0
    assert 0 < snd(features) <= 1
    assert snd(sparse.csr_array(features)) == pytest.approx(snd(features))


def test_snd_warns_each_time():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        soft_neighborhood_density_score(PROBA)
        soft_neighborhood_density_score(PROBA)
    assert len(caught) == 2


def ami_by_counts(a, b):
    """Adjusted mutual information, with all permutations of the second for the expectation."""
    from itertools import permutations

    def entropy(values):
        return -sum(c / len(values) * math.log(c / len(values)) for c in Counter(values).values())

    def mutual(a, b):
        return entropy(a) + entropy(b) - entropy(list(zip(a, b, strict=True)))

    expected = np.mean([mutual(a, p) for p in permutations(b)])
    return (mutual(a, b) - expected) / ((entropy(a) + entropy(b)) / 2 - expected)


def test_class_ami_is_that_of_counts():
    features = [[0.0], [0.1], [0.2], [9.0], [9.1], [9.2], [9.3]]
    labels = ["a", "a", "b", "b", "b", "b", "a"]
    expected = ami_by_counts(labels, [0, 0, 0, 1, 1, 1, 1])
    assert class_ami_score(labels, features, random_state=0) == pytest.approx(expected, abs=1e-9)


def test_class_ami_draws_from_the_random_state_that_is_passed():
    drawn = np.random.RandomState(0)
    class_ami_score([0, 1, 0, 1], RNG.normal(size=(4, 2)), random_state=drawn)
    assert drawn.randint(2**31) != np.random.RandomState(0).randint(2**31)


def test_class_ami_prefers_predictions_that_are_clusters():
    y = np.arange(60) % 3
    features = np.eye(3)[y] * 10 + RNG.normal(size=(60, 3))
    assert class_ami_score(y, features, random_state=0) == pytest.approx(1)
    assert class_ami_score(np.zeros(60), features, n_clusters=3, random_state=0) == 0
    assert class_ami_score(np.zeros(60), features, random_state=0) == 0
    half = np.where(RNG.random(60) < 0.5, y, 0)
    assert 0 < class_ami_score(half, features, n_clusters=3, random_state=0) < 0.9
    swapped = (y + 1) % 3
    assert class_ami_score(swapped, features, random_state=0) == pytest.approx(1)


def test_class_ami_of_constant_features_is_no_agreement():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert class_ami_score([0, 1, 0, 1], np.ones((4, 2)), random_state=0) == 0.0
        for one in (np.ones((4, 2)), sparse.csr_array((4, 2))):
            assert class_ami_score([1, 1, 1, 1], one, random_state=0) == 0.0
        few = class_ami_score([0, 1, 2, 2], [[0.0], [0.0], [1.0], [1.0]], random_state=0)
    assert 0 < few < 1


def test_mixval_is_the_mean_of_both_shares():
    first, second = [0, 0, 0, 1, 1, 2], [0, 0, 1, 0, 2, 2]
    mixed = [0, 1, 0, 1, 2, 0]
    within = [m == a for a, b, m in zip(first, second, mixed, strict=True) if a == b]
    across = [m == a for a, b, m in zip(first, second, mixed, strict=True) if a != b]
    expected = (sum(within) / len(within) + sum(across) / len(across)) / 2
    assert mixval_score(first, second, mixed) == pytest.approx(expected)


def test_mixval_counts_collapsed_predictions_as_half():
    assert mixval_score([0, 0], [0, 0], [0, 0]) == 0.5
    assert mixval_score(["a", "b"], ["a", "a"], ["a", "b"]) == 1.0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="has 2 rows, and three"), WARNS:
        soft_neighborhood_density_score(PROBA[:2])
    with pytest.raises(ValueError, match=r"'temperature' parameter of .* Got 0"), WARNS:
        soft_neighborhood_density_score(PROBA, temperature=0)
    with pytest.raises(ValueError, match="n_clusters is 9"):
        class_ami_score([0, 1], [[0.0], [1.0]], n_clusters=9)
    with pytest.raises(ValueError, match="target_features has 1 rows, and 2 were expected"):
        class_ami_score([0, 1], [[0.0]])
    with pytest.raises(ValueError, match="mixed_labels has 1 rows"):
        mixval_score([0, 1], [0, 1], [0])
    with pytest.raises(ValueError, match="second_labels holds labels such as 'a'"):
        mixval_score([0, 1], ["a", "b"], [0, 1])
    with pytest.raises(ValueError, match="mixed_labels holds labels such as 'a'"):
        mixval_score([0, 1], [0, 1], ["a", "b"])
