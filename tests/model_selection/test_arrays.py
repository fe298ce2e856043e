"""Arrays that scores take, and temperatures of probabilities."""

import numpy as np
import pytest
from scipy import sparse, special

from domadapt.domains.arrays import (
    codes_of,
    has_columns,
    read_both_features,
    read_features,
    read_labels,
    read_probabilities,
    read_proportions,
    read_values,
    read_weights,
)
from domadapt.model_selection._calibration import fit_temperature, tempered


@pytest.fixture
def sure():
    """Logits that are six times too large, and the labels they stand for."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, 3))
    chance = special.softmax(logits, axis=1)
    y = np.array([rng.choice(3, p=p) for p in chance])
    return special.softmax(6 * logits, axis=1), y, chance


def test_the_temperature_is_found_and_makes_probabilities_mean_what_they_say(sure):
    proba, y, chance = sure
    temperature = fit_temperature(proba, y)
    assert temperature == pytest.approx(6, rel=0.1)
    np.testing.assert_allclose(tempered(proba, temperature), chance, atol=0.03)


def test_weights_of_samples_count_in_the_temperature(sure):
    proba, y, _ = sure
    right = proba.argmax(axis=1) == y
    assert fit_temperature(proba, y, right + 0.01) < fit_temperature(proba, y, ~right + 0.01)


def test_tempered_is_a_power_and_keeps_the_order():
    proba = np.random.default_rng(1).dirichlet(np.ones(4), 20)
    powers = proba**0.5
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(tempered(proba, 2.0), expected, rtol=1e-9)
    np.testing.assert_allclose(tempered(proba, 1.0), proba, rtol=1e-9)


def test_probabilities_of_zero_and_one_stay_finite():
    y = np.arange(9) % 3
    for proba in (np.eye(3)[y], np.eye(3)[(y + 1) % 3], np.full((9, 3), 1 / 3)):
        temperature = fit_temperature(proba, y)
        found = tempered(proba, temperature)
        assert 0 < temperature < np.inf
        assert (found > 0).all()
        np.testing.assert_allclose(found.sum(axis=1), 1)


def test_labels_that_were_objects_and_columns_of_labels_are_read():
    assert read_labels("y", np.array([1, 2], dtype=object)).dtype == np.int64
    assert read_labels("y", [["a"], ["b"]]).tolist() == ["a", "b"]
    assert codes_of("y", ["b", "a"], (2, 2), ["b", "a"]).tolist() == [0, 1]
    with pytest.raises(ValueError, match="y holds no label for 1"):
        read_labels("y", np.array([1, None], dtype=object))


def test_values_and_features_that_are_no_numbers_are_named():
    assert read_values("y", [1, 2]).shape == (2, 1)
    with pytest.raises(ValueError, match="y must hold finite numbers"):
        read_values("y", ["a"])
    with pytest.raises(ValueError, match=r"X must hold finite numbers .* images, texts"):
        read_features("X", [["a"]])
    with pytest.raises(ValueError, match="X has 1 rows, and 2"):
        read_features("X", [[1.0]], n_samples=2)


def test_what_is_nearly_of_sum_one_has_it_afterwards():
    np.testing.assert_allclose(read_probabilities("p", [[0.5, 0.5005]]).sum(axis=1), 1, rtol=1e-12)
    assert read_proportions("pi", [1, 3], 2).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="p has 1 rows, and 2 were expected"):
        read_probabilities("p", [[0.5, 0.5]], n_samples=2)


def test_probabilities_are_told_from_labels_by_their_columns():
    assert [has_columns("y", y) for y in ([0, 1], [[0], [1]], [[0.5, 0.5]])] == [False, False, True]


@pytest.mark.parametrize("codes", [[-2, 0], [0, 3], [0, 0.5]])
def test_codes_are_columns(codes):
    with pytest.raises(ValueError, match="0 to 2"):
        codes_of("y", codes, (2, 3))
    assert codes_of("y", [2.0, 0.0], (2, 3)).tolist() == [2, 0]


@pytest.mark.parametrize("numbers", [[np.inf, 1], [np.nan, 1], [-1, 3], [0, 0], [1]])
def test_weights_and_proportions_are_finite_not_negative_and_not_all_zero(numbers):
    for read in (read_weights, read_proportions):
        with pytest.raises(ValueError, match=r"w (must hold|is|has)"):
            read("w", numbers, 2)


def test_features_of_both_domains_become_of_one_kind():
    rows = np.eye(2)
    kinds = [sparse.issparse(z) for z in read_both_features(sparse.csr_array(rows), rows)]
    assert kinds == [False, False]
    assert all(map(sparse.issparse, read_both_features(*[sparse.csr_array(rows)] * 2)))
    with pytest.raises(ValueError, match="target_features has 3 columns, and 2"):
        read_both_features(rows, np.eye(3))
