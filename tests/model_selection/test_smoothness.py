"""How smooth labels are over neighbours, against loops."""

import math

import numpy as np
import pytest

from domadapt.model_selection import _smoothness
from domadapt.model_selection._smoothness import (
    Neighborhood,
    class_roughness,
    compare_roughness,
    far_away,
    roughness,
    some_rows,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
OTHERS = RNG.normal(size=(30, 2)) * 2


def generator():
    return np.random.RandomState(0)


def nearest(x, rows, left_out=None):
    """Places of rows from the nearest to the farthest."""
    places = [place for place in range(len(rows)) if place != left_out]
    return sorted(places, key=lambda place: math.dist(x, rows[place]))


def test_neighbors_are_those_of_loops_and_no_sample_is_among_its_own():
    found = Neighborhood(X, generator())
    among, of = found.among_themselves(), found.of(OTHERS)
    assert among.shape == (40, 10)
    assert of.shape == (30, 11)
    for place, x in enumerate(X):
        assert among[place].tolist() == nearest(x, X, left_out=place)[:10]
    for place, x in enumerate(OTHERS):
        assert of[place].tolist() == nearest(x, X)[:11]
    assert found.of(X)[:, 0].tolist() == list(range(40))


def test_few_samples_are_all_neighbors_and_constant_ones_too():
    for rows in (X[:4], np.ones((4, 3))):
        found = Neighborhood(rows, generator())
        assert [sorted(row) for row in found.among_themselves().tolist()] == [
            [1, 2, 3],
            [0, 2, 3],
            [0, 1, 3],
            [0, 1, 2],
        ]
        assert found.of(rows).shape == (4, 4)


def test_many_samples_are_drawn_from_and_many_columns_reduced(monkeypatch):
    monkeypatch.setattr(_smoothness, "MOST_SAMPLES", 25)
    found = Neighborhood(X, generator())
    assert len(set(found.rows.tolist())) == 25
    assert (np.diff(found.rows) > 0).all()
    for place, x in enumerate(X[found.rows]):
        expected = nearest(x, X[found.rows], left_out=place)[:10]
        assert found.among_themselves()[place].tolist() == expected
    wide = RNG.normal(size=(80, 70))
    monkeypatch.setattr(_smoothness, "MOST_SAMPLES", 80)
    assert Neighborhood(wide, generator()).components.shape == (80, 50)
    assert some_rows(3, 3, generator()).tolist() == [0, 1, 2]


def test_the_share_far_away_is_that_of_loops():
    def tenth(x, left_out=None):
        return math.dist(x, X[nearest(x, X, left_out)[9]])

    limit = np.quantile([tenth(x, place) for place, x in enumerate(X)], 0.99)
    for shift in (0.0, 1.5, 9.0):
        expected = sum(tenth(x) > limit for x in OTHERS + shift) / 30
        assert far_away(Neighborhood(X, generator()), OTHERS + shift) == pytest.approx(expected)
    assert expected == 1
    assert far_away(Neighborhood(np.ones((5, 2)), generator()), np.ones((3, 2))) == 0


def test_roughness_is_that_of_loops_over_all_and_by_class():
    neighbors = Neighborhood(X, generator()).among_themselves()
    codes = np.where(RNG.random(40) < 0.3, 1, 0)
    # One sample of its class tells nothing, and no sample neither: both count 1.
    codes[7] = 2
    differ = [[codes[k] != codes[j] for k in neighbors[j]] for j in range(40)]
    assert roughness(codes, neighbors) == pytest.approx(np.mean(differ))
    own = [np.mean([differ[j] for j in range(40) if codes[j] == code]) for code in (0, 1)]
    assert class_roughness(codes, neighbors, 3) == pytest.approx((sum(own) + 1) / 3)
    assert class_roughness(codes, neighbors, 5) == pytest.approx((sum(own) + 3) / 5)


@pytest.mark.parametrize(
    ("shares", "n_wanted", "expected"),
    [
        ([0.5, 0.5, 0.0], 40, [20, 20, 0]),
        # As many as there are of the class that limits.
        ([0.2, 0.8, 0.0], 100, [12, 50, 0]),
        # A class of which less than one is wanted limits nothing.
        ([0.5, 0.495, 0.005], 100, [50, 50, 0]),
        # Too few are left: the source as it is.
        ([0.5, 0.2, 0.3], 100, [50, 50, 1]),
        ([0.5, 0.5, 0.0], 18, [50, 50, 1]),
    ],
)
def test_samples_are_drawn_with_the_proportions_that_are_wanted(shares, n_wanted, expected):
    codes = np.repeat([0, 1, 2], [50, 50, 1])
    drawn = _smoothness._draw_with_shares(codes, np.array(shares), n_wanted, generator())
    assert len(set(drawn.tolist())) == len(drawn)
    np.testing.assert_allclose(np.bincount(codes[drawn], minlength=3), expected, atol=1)


def classes_that_overlap(counts, seed):
    codes = np.repeat([0, 1], counts)
    X = np.random.default_rng(seed).normal(size=(len(codes), 2)) + codes[:, None] * [1.5, 0]
    return Neighborhood(X, generator()), codes


def test_moved_proportions_alone_make_labels_no_smoother_than_expected():
    source, ys = classes_that_overlap([300, 300], 0)
    target, yt = classes_that_overlap([360, 40], 1)
    found, expected = compare_roughness(source, ys, target, yt, 2, generator())
    assert found == pytest.approx(expected, abs=0.03)
    # Without drawing they would be: more even classes differ more often.
    assert roughness(ys, source.among_themselves()) > expected + 0.1


def test_fewer_samples_are_compared_with_as_few():
    source, ys = classes_that_overlap([30, 30], 0)
    target, yt = classes_that_overlap([2000, 2000], 1)
    found, expected = compare_roughness(source, ys, target, yt, 2, generator())
    assert found == pytest.approx(expected, abs=0.1)
    assert found != roughness(yt, target.among_themselves())


def test_labels_by_chance_are_rougher_and_lumped_ones_smoother_than_expected():
    source, ys = classes_that_overlap([200, 200], 0)
    target, yt = classes_that_overlap([200, 200], 1)
    by_chance = RNG.permutation(yt)
    found, expected = compare_roughness(source, ys, target, by_chance, 2, generator())
    assert found > expected + 0.1
    found, _ = compare_roughness(source, ys, target, np.zeros(400, dtype=int), 2, generator())
    assert found == 0


def test_the_roughness_of_a_draw_is_that_among_the_samples_drawn():
    neighborhood, codes = classes_that_overlap([30, 30], 0)
    drawn = np.arange(0, 60, 2)
    places = neighborhood.components[drawn]
    differ = [
        codes[drawn[k]] != codes[drawn[j]]
        for j, x in enumerate(places)
        for k in nearest(x, places, left_out=j)[:10]
    ]
    found = _smoothness._roughness_of(neighborhood, drawn, codes)
    assert found == pytest.approx(np.mean(differ))
