"""Target samples of classes that the source lacks are told as being far away."""

import numpy as np
import pytest

from domadapt import AutoAdaptClassifier
from domadapt.model_selection._smoothness import Neighborhood, far_away

CENTERS = np.array([[0.0, 0, 0], [5, 0, 0], [0, 12, 0]])


def draw(rng, labels):
    return CENTERS[labels] + rng.normal(size=(len(labels), 3))


@pytest.mark.parametrize("seed", range(3))
def test_the_share_of_a_new_class_is_found(seed):
    rng = np.random.RandomState(seed)
    source = Neighborhood(draw(rng, np.arange(300) % 2), rng)
    assert far_away(source, draw(rng, np.arange(300) % 2)) < 0.05
    labels = np.where(np.arange(300) % 4 == 0, 2, np.arange(300) % 2)
    assert far_away(source, draw(rng, labels)) == pytest.approx(0.25, abs=0.04)


def test_it_agrees_with_all_distances():
    rng = np.random.RandomState(0)
    X, other = rng.normal(size=(40, 2)), 2 * rng.normal(size=(30, 2))
    own = np.sort(np.linalg.norm(X[:, None] - X, axis=2), axis=1)[:, 10]
    distances = np.sort(np.linalg.norm(other[:, None] - X, axis=2), axis=1)[:, 9]
    expected = np.mean(distances > np.quantile(own, 0.99))
    assert far_away(Neighborhood(X, rng), other) == pytest.approx(expected)


def test_the_automatic_choice_tells_of_them():
    rng = np.random.default_rng(0)
    ys = np.arange(120) % 2
    new = np.where(np.arange(80) % 4 == 0, 2, np.arange(80) % 2)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0)
    auto.fit(draw(rng, ys), ys, X_target=draw(rng, new))
    assert auto.far_away_ > 0.15
    assert "classes that the source lacks" in auto.explain()
    auto.fit(draw(rng, ys), ys, X_target=draw(rng, np.arange(80) % 2))
    assert "classes that the source lacks" not in auto.explain()
