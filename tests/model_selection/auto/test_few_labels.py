"""Known labels of the target: an honest judge, never a teacher of what knows of none."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

import domadapt
from domadapt import AutoAdaptClassifier, MCCClassifier, pack
from domadapt.model_selection.auto import _few_labels
from domadapt.model_selection.auto._few_labels import (
    MIXTURE,
    TAUGHT,
    VOTE,
    choose_by_known,
    shrunk_accuracy,
)

# Labels that are wrong on purpose lead to a choice that is.
pytestmark = pytest.mark.filterwarnings("ignore::domadapt.model_selection.HarmWarning")


@pytest.fixture(autouse=True)
def _small_network(monkeypatch):
    """Train the network that learns the known labels for two epochs."""
    build = _few_labels.on_vectors

    def small(name):
        return build(name, epochs=2, hidden_layer_sizes=(8,))

    monkeypatch.setattr(_few_labels, "on_vectors", small)


class Column(ClassifierMixin, BaseEstimator):
    """Tells classes by the sign of a column that only the target knows."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(X[:, 3] > 0).astype(int)]


@pytest.fixture
def told(moved):
    """Both domains, and twenty known labels of the target, the rest unknown."""
    Xs, ys, Xt, yt = moved
    return Xs, ys, Xt, yt, np.where(np.arange(60) % 3 == 0, yt, np.nan)


def test_candidates_and_the_mixture_know_of_no_label(told):
    Xs, ys, Xt, _, known = told
    blind = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    for y_target in (known, np.where(np.isnan(known), np.nan, 1 - known)):
        auto = AutoAdaptClassifier(["coral+lr"], random_state=0)
        auto.fit(Xs, ys, X_target=Xt, y_target=y_target)
        places = {name: place for place, name in enumerate(auto.leaderboard_["candidate"])}
        order = [places[name] for name in blind.leaderboard_["candidate"]]
        for name in blind.leaderboard_.keys() - {"seconds", "weight"}:
            np.testing.assert_array_equal(auto.leaderboard_[name][order], blind.leaderboard_[name])
        np.testing.assert_array_equal(auto._mixture.weights, blind._mixture.weights)
        assert auto.roughness_ == blind.roughness_
        assert TAUGHT in places
    assert "known_accuracy" not in blind.leaderboard_


def test_known_accuracy_is_that_on_the_known_rows(told):
    Xs, ys, Xt, yt, known = told
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0)
    auto.fit(Xs, ys, X_target=Xt, y_target=known)
    rows = ~np.isnan(known)
    of = dict(zip(auto.leaderboard_["candidate"], auto.leaderboard_["known_accuracy"], strict=True))
    for member in auto._members[:-1]:
        right = auto.classes_[member.answers[rows].argmax(axis=1)] == yt[rows]
        assert of[member.candidate.name] == right.mean()
    taught = auto._members[-1]
    assert taught.held_back.shape == (20, 2)
    assert of[TAUGHT] == np.mean(taught.held_back.argmax(axis=1) == yt[rows])
    assert TAUGHT in auto.explain()
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)


def test_both_spellings_and_processes_and_files_are_the_same(told, assert_same, tmp_path):
    Xs, ys, Xt, _, known = told
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0, checkpoint=tmp_path)
    auto.fit(Xs, ys, X_target=Xt, y_target=known)
    n_files = len(list(tmp_path.iterdir()))
    X, y, d = pack(Xs, ys, Xt)
    both = np.concatenate([np.full(80, np.nan), known])
    again = AutoAdaptClassifier(["coral+lr"], random_state=0)
    assert_same(auto, again.fit(X, y, sample_domain=d, y_target=both))
    # All of it is read again from the folder; other known labels are learnt anew.
    assert_same(auto, auto.fit(Xs, ys, X_target=Xt, y_target=known))
    assert len(list(tmp_path.iterdir())) == n_files
    other = np.where(np.isnan(known), np.nan, 1 - known)
    auto.fit(Xs, ys, X_target=Xt, y_target=other).save(tmp_path / "auto")
    assert len(list(tmp_path.iterdir())) == n_files + 2
    read = domadapt.load(tmp_path / "auto")
    assert_same(auto, read)
    np.testing.assert_array_equal(auto.predict_proba(Xs), read.predict_proba(Xs))


def test_each_known_label_is_judged_by_a_fit_that_was_not_told_it(told, monkeypatch):
    Xs, ys, Xt, yt, known = told
    fit, given = MCCClassifier.fit, []

    def watched(self, X, y, **more):
        given.append([label is not None for label in more["y_target"]])
        return fit(self, X, y, **more)

    monkeypatch.setattr(MCCClassifier, "fit", watched)
    auto = AutoAdaptClassifier([], random_state=0)
    auto.fit(Xs, ys, X_target=Xt, y_target=known, sample_weight=np.ones(80))
    assert not any(auto.leaderboard_["problem"])
    given = np.array(given)[:, 80:]
    whole, folds = given[0], given[1:]
    np.testing.assert_array_equal(whole, ~np.isnan(known))
    assert len(folds) == 3
    assert (folds.sum(axis=0) == 2 * whole).all()
    # Each class is in each part.
    for fold in folds:
        assert set(yt[whole & ~fold]) == {0, 1}


def test_what_known_labels_speak_for_takes_the_place_of_the_mixture(told):
    Xs, ys, Xt, yt, known = told
    rng = np.random.default_rng(0)
    Xs = np.column_stack([Xs[:, :3], rng.normal(size=80)])
    # In the target classes are turned about, but for one column that the source knows nothing of.
    Xt = np.column_stack([Xt[:, :3], 3.0 * (2 * (1 - yt) - 1) + rng.normal(size=60)])
    own = [(f"own {i}", Column()) for i in range(5)]
    known = np.where(np.isnan(known), np.nan, 1 - yt)
    auto = AutoAdaptClassifier(own, random_state=0).fit(Xs, ys, X_target=Xt, y_target=known)
    assert auto._chosen.startswith("own")
    assert not auto.adapts_
    assert auto.score(Xt, 1 - yt) > 0.9
    assert auto.leaderboard_["candidate"][0] == auto._chosen
    assert auto.leaderboard_["weight"].tolist() == [1.0] + [0.0] * (len(own) + 3)
    assert auto.estimated_accuracy_ > 0.8
    text = auto.explain()
    assert f"by more than a standard error: {auto._chosen}." in text
    assert f"{MIXTURE} " in text
    np.testing.assert_array_equal(auto.predict(Xt), auto.transduction_)


def test_too_few_known_labels_are_told_and_not_used(told, assert_same):
    Xs, ys, Xt, yt, _ = told
    few = np.where(np.arange(60) < 9, yt, np.nan)
    auto = AutoAdaptClassifier(["coral+lr"], random_state=0)
    with pytest.warns(UserWarning, match=r"y_target knows 9 labels, and at least 10 were expected"):
        auto.fit(Xs, ys, X_target=Xt, y_target=few)
    blind = AutoAdaptClassifier(["coral+lr"], random_state=0).fit(Xs, ys, X_target=Xt)
    assert_same(auto, blind)


def test_texts_as_known_labels(told):
    Xs, ys, Xt, _, known = told
    names = np.array(["no", "yes"])
    y_target = [None if np.isnan(k) else names[int(k)] for k in known]
    auto = AutoAdaptClassifier([], random_state=0)
    auto.fit(Xs, names[ys], X_target=Xt, y_target=y_target)
    numbers = AutoAdaptClassifier([], random_state=0).fit(Xs, ys, X_target=Xt, y_target=known)
    np.testing.assert_array_equal(auto.transduction_, names[numbers.transduction_])
    assert not any(auto.leaderboard_["problem"])


def naive_choice(right):
    names = list(right)
    best = names[0]
    for name in names:
        if sum(right[name]) > sum(right[best]):
            best = name
    n = len(right[best])
    difference = [int(a) - int(b) for a, b in zip(right[best], right[names[0]], strict=True)]
    mean = sum(difference) / n
    variance = sum((d - mean) ** 2 for d in difference) / (n - 1)
    return best if mean - (variance / n) ** 0.5 > 1e-9 else names[0]


def test_the_mixture_stays_unless_beaten_by_a_standard_error():
    rng = np.random.default_rng(0)
    chosen = []
    for _ in range(60):
        n = rng.integers(10, 30)
        right = {name: rng.random(n) < p for name, p in ((MIXTURE, 0.7), (VOTE, 0.7), ("a", 0.85))}
        assert choose_by_known(right) == naive_choice(right)
        chosen.append(choose_by_known(right))
    assert set(chosen) == {MIXTURE, VOTE, "a"}
    same = np.ones(12, dtype=bool)
    assert choose_by_known({MIXTURE: same, VOTE: same}) == MIXTURE
    assert choose_by_known({MIXTURE: ~same, VOTE: same}) == VOTE
    for n in range(10, 40):
        one, two = (np.arange(n) >= k for k in (1, 2))
        assert choose_by_known({MIXTURE: one, VOTE: np.ones(n, dtype=bool)}) == MIXTURE
        assert choose_by_known({MIXTURE: two, VOTE: np.ones(n, dtype=bool)}) == VOTE


def test_the_accuracy_is_shrunk_by_how_sure_both_are():
    right = np.arange(20) < 18
    accuracy, (low, high) = shrunk_accuracy(0.6, (0.4, 0.8), right)
    variances = (0.2 / 1.6448536) ** 2, (19 / 22) * (3 / 22) / 20
    expected = (0.6 / variances[0] + 0.9 / variances[1]) / (1 / variances[0] + 1 / variances[1])
    assert accuracy == pytest.approx(expected)
    assert high - low == pytest.approx(2 * 1.6448536 / np.sqrt(sum(1 / v for v in variances)))
    # The more labels are known, and the vaguer the estimate without them, the closer to them.
    assert abs(shrunk_accuracy(0.6, (0.4, 0.8), np.tile(right, 9))[0] - 0.9) < 0.02
    assert shrunk_accuracy(0.6, (0.2, 1.0), right)[0] > accuracy
    assert shrunk_accuracy(0.6, (0.59, 0.61), right)[0] < 0.61
    # An interval that was cut off at 1 is as wide as its other half tells.
    assert shrunk_accuracy(0.95, (0.75, 1.0), right)[1][0] < 0.9
    low, high = shrunk_accuracy(0.9, (0.7, 1.0), np.ones(15, dtype=bool))[1]
    assert 0 < low < high <= 1
