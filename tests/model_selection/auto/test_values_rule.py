"""The rule for numbers against naive loops, and the shifts that it is to tell apart."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from domadapt import AutoAdaptRegressor
from domadapt.model_selection.auto import _estimators
from domadapt.model_selection.auto._candidates import adapted_candidates
from domadapt.model_selection.auto._values import MOVED, displacement, implausible_share, mix_values


def drawn(n_outputs=None):
    """Return what mix_values takes: three plain candidates, two that recentre, one more."""
    rng = np.random.default_rng(0)
    shape = (40,) if n_outputs is None else (40, n_outputs)
    y = 3 * rng.normal(size=(50, *shape[1:]))
    answers = 3 * rng.normal(size=(6, *shape))
    held = [y[:20] + s * rng.normal(size=y[:20].shape) for s in (0.1, 0.2, 6.0)]
    is_plain = np.arange(6) < 3
    return [
        answers,
        is_plain,
        np.isin(np.arange(6), (3, 4)),
        False,
        [*held, None, None, None],
        y[:20],
        y,
    ]


def naive_mix(answers, is_plain, recentres, moved, held_back, y_held, y):
    """Return the names of the chosen, by loops over candidates and outputs."""
    columns = y.reshape(len(y), -1)
    scale = columns.std(axis=0)

    def r2(values):
        each = []
        for values_of, true in zip(
            values.reshape(len(values), -1).T, y_held.reshape(len(y_held), -1).T, strict=True
        ):
            each.append(1 - sum((true - values_of) ** 2) / sum((true - true.mean()) ** 2))
        return np.mean(each)

    judged = [-np.inf if held is None else r2(held) for held in held_back]
    sound = []
    for values in answers:
        outside, table = 0, values.reshape(len(values), -1)
        for row in table:
            far = False
            for value, column in zip(row, columns.T, strict=True):
                margin = (column.max() - column.min()) / 2
                far |= value < column.min() - margin or value > column.max() + margin
            outside += far
        sound.append(outside / len(values) <= 0.05 and min(table.std(axis=0) / scale) >= 0.1)
    able = [told and r >= max(judged) - 0.05 for told, r in zip(is_plain, judged, strict=True)]
    first = [m for m in range(6) if recentres[m] and sound[m]]
    if moved and first:
        return first
    chosen = [m for m in range(6) if able[m] and sound[m]]
    return chosen or [m for m in range(6) if able[m]]


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize("change", ["none", "implausible", "flat", "all flat"])
def test_those_are_averaged_that_naive_loops_choose(change, moved, n_outputs):
    given = drawn(n_outputs)
    given[3] = moved
    if change == "implausible":
        given[0][[0, 3]] *= 100
    elif change == "flat":
        given[0][[0, 3]] *= 0.01
    elif change == "all flat":
        given[0][:] *= 0.01
    chosen = naive_mix(*given)
    found = mix_values(*given)
    np.testing.assert_allclose(found.weights, np.isin(np.arange(6), chosen) / len(chosen))
    mean = np.mean([given[0][m] for m in chosen], axis=0)
    np.testing.assert_allclose(found.combine(given[0]), mean)
    assert found.is_plain == (not set(chosen) & {3, 4})
    distance = [np.mean(abs(v - mean) / given[6].std(axis=0)) for v in given[0]]
    np.testing.assert_allclose(found.agreement, -np.array(distance))


def test_a_plain_model_that_explains_the_source_worse_does_not_count():
    assert mix_values(*drawn()).weights.tolist() == [0.5, 0.5, 0, 0, 0, 0]


def test_values_far_outside_of_the_range_are_implausible():
    y = np.array([0.0, 2.0])
    assert implausible_share(np.array([-1.0, 3.0, -1.1, 3.1]), y) == 0.5
    pairs = np.array([[0.0, 0.0], [2.0, 20.0]])
    assert implausible_share(np.array([[0.0, 25.0], [4.0, 25.0]]), pairs) == 0.5


def low_rank(seed, n_samples, shift=0.0):
    """Draw twenty columns out of three, which a value depends on."""
    rng = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(size=(3, 20))
    Z = rng.normal(size=(n_samples, 3)) + shift
    return Z @ loadings + 0.1 * rng.normal(size=(n_samples, 20)), Z @ [1.0, 2.0, 3.0]


def other_instrument(X, seed=5):
    rng = np.random.default_rng(seed)
    return X * rng.uniform(0.8, 1.2, X.shape[1]) + 8 * rng.normal(size=X.shape[1])


def moved_by(X, X_target, seed=0):
    return displacement(X, X_target, np.random.RandomState(seed))


def test_displacement_is_that_of_the_mean_outside_of_the_space_of_the_source():
    X, X_target = low_rank(0, 300)[0], other_instrument(low_rank(1, 200)[0])
    scale = X.std(axis=0)
    _, values, axes = np.linalg.svd(X / scale - (X / scale).mean(axis=0), full_matrices=False)
    share = np.cumsum(values**2) / sum(values**2)
    kept = axes[: 1 + int(np.searchsorted(share, 0.95))]

    def outside(row):
        return sum((row - sum((row @ axis) * axis for axis in kept)) ** 2)

    center = (X / scale).mean(axis=0)
    moved = outside((X_target / scale).mean(axis=0) - center)
    usual = np.mean([outside(row / scale - center) for row in X])
    # The function fits the space on one half of the source and measures on the other.
    assert moved_by(X, X_target) == pytest.approx(moved / usual, rel=0.3)


def test_displacement_knows_instruments_from_samples():
    X, _ = low_rank(0, 200)
    for seed in range(3):
        like, shifted = low_rank(seed + 1, 150)[0], low_rank(seed + 1, 150, shift=1.5)[0]
        assert moved_by(X, like) < 1
        assert moved_by(X, shifted) < MOVED / 2
        assert moved_by(X, other_instrument(like, seed)) > 2 * MOVED
    # Units of columns change nothing, nor do constant columns or a source of three samples.
    units = 10.0 ** np.arange(-10, 10)
    assert moved_by(X * units, like * units) == pytest.approx(moved_by(X, like), rel=0.5, abs=0.2)
    assert moved_by(X[:3], like) == 0
    assert moved_by(np.ones((20, 3)), np.zeros((20, 3))) == 0


@pytest.fixture
def _quick(monkeypatch):
    """Leave out networks among what is tried by default."""

    def shallow(learns, n_sources):
        kept = adapted_candidates(learns)[:3]
        for one in kept:
            one.estimator.set_params(
                **{name: 10 for name in one.estimator.get_params() if "n_estim" in name}
            )
        return kept

    monkeypatch.setattr(_estimators, "adapted_candidates", shallow)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("seed", range(2))
def test_another_instrument_is_adapted_to_and_beats_ridge(seed):
    (Xs, ys), (Xt, yt) = low_rank(0, 200), low_rank(seed + 1, 150)
    Xt = other_instrument(Xt, seed)
    auto = AutoAdaptRegressor(random_state=0).fit(Xs, ys, X_target=Xt)
    assert auto.adapts_
    assert auto.displacement_ > MOVED
    assert auto.score(Xt, yt) > Ridge().fit(Xs, ys).score(Xt, yt) + 0.01
    heavy = auto.leaderboard_["candidate"][auto.leaderboard_["weight"] > 0]
    assert (
        {"per-domain scaling + ridge"}
        <= set(heavy)
        <= {c.name for c in adapted_candidates("values")}
    )
    assert "So those stand that do not depend on shifted columns" in auto.explain()
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_where_only_samples_moved_plain_models_stand(shift):
    (Xs, ys), (Xt, yt) = low_rank(0, 200), low_rank(1, 150, shift)
    auto = AutoAdaptRegressor(random_state=0).fit(Xs, ys, X_target=Xt)
    assert not auto.adapts_
    assert auto.score(Xt, yt) > 0.7
    assert (auto.leaderboard_["weight"][auto.leaderboard_["kind"] == "adapted"] == 0).all()
    text = auto.explain()
    assert "So plain models stand" in text
    for name, weight in zip(
        auto.leaderboard_["candidate"], auto.leaderboard_["weight"], strict=True
    ):
        assert (f"  {name}: " in text) == (weight == 0)
