"""Matrices of pairs: texts and colours of their cells against scores that are known."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt.plotting import TransferMatrixDisplay
from domadapt.shallow import AdaptedClassifier

SCORES = {("a", "b"): 0.5, ("a", "c"): 0.6, ("b", "a"): 0.7, ("c", "a"): 0.8, ("c", "b"): 0.9}
BASELINE = {("a", "b"): 0.6, ("a", "c"): 0.6, ("b", "a"): 0.5, ("c", "a"): 0.8}


def texts(display):
    return [[None if t is None else t.get_text() for t in row] for row in display.text_]


@pytest.fixture(scope="module")
def domains():
    """Return three domains of two classes, each displaced."""
    rng = np.random.default_rng(0)
    made = {}
    for name, shift in (("a", 0.0), ("b", 1.5), ("c", -4.0)):
        y = rng.integers(0, 2, 40)
        made[name] = (rng.normal(size=(40, 2)) + 2 * y[:, None] + shift, y)
    return made


def test_cells_have_their_scores_and_pairs_without_one_are_empty(ax):
    display = TransferMatrixDisplay.from_scores(SCORES, score_name="accuracy", ax=ax)
    assert texts(display) == [[None, "0.50", "0.60"], ["0.70", None, None], ["0.80", "0.90", None]]
    values = display.mesh_.get_array()
    np.testing.assert_array_equal(
        values.filled(-1), [[-1, 0.5, 0.6], [0.7, -1, -1], [0.8, 0.9, -1]]
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("target", "source")
    assert ax.yaxis_inverted(), "the first source is not at the top"
    assert [text.get_position() for text in display.text_[0, 1:]] == [(1.5, 0.5), (2.5, 0.5)]
    assert ax.figure.axes[1].get_ylabel() == "accuracy"


def test_with_a_baseline_colours_are_gains_and_signs_say_harm(ax):
    display = TransferMatrixDisplay.from_scores(SCORES, baseline=BASELINE, ax=ax)
    assert texts(display)[0] == [None, "0.50\n-0.10", "0.60\n+0.00"]
    assert texts(display)[2][1] == "0.90", "there is no gain over what is not there"
    gains = display.mesh_.get_array()
    assert gains[0, 1] == pytest.approx(-0.1)
    assert np.ma.is_masked(gains[2, 1])
    # As far on either side of no gain, whose colour is that of neither.
    assert display.mesh_.norm(0.0) == pytest.approx(0.5)
    harmed, gained = (display.mesh_.cmap(display.mesh_.norm(gains[at])) for at in ((0, 1), (1, 0)))
    assert harmed[0] > harmed[2], "harm is not orange"
    assert gained[2] > gained[1], "a gain is not purple"


def test_texts_are_read_on_the_colours_below_them(ax):
    scores = np.linspace(0, 1, 36).reshape(6, 6)
    display = TransferMatrixDisplay(scores, list("abcdef"), list("abcdef")).plot(ax)

    def luminance(colour):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour[:3]]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    for text, score in zip(display.text_.flat, scores.flat, strict=True):
        ground = luminance(display.mesh_.cmap(display.mesh_.norm(score)))
        low, high = sorted([ground, {"white": 1.0, "black": 0.0}[text.get_color()]])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_arrays_have_names_and_numbers_a_format(ax):
    scores = [[np.nan, 81.25], [70.0, np.nan]]
    display = TransferMatrixDisplay.from_scores(scores, domains=["x", "y"], ax=ax)
    display.plot(ax, values_format=".1f", colorbar=False, mesh_kw={"vmin": 0, "vmax": 100})
    assert texts(display) == [[None, "81.2"], ["70.0", None]]
    assert (display.mesh_.norm.vmin, display.mesh_.norm.vmax) == (0, 100)


def test_sources_and_targets_may_be_others(ax):
    display = TransferMatrixDisplay.from_scores({("a", "c"): 1.0, ("b", "c"): 0.5}, ax=ax)
    assert (display.sources, display.targets) == (["a", "b"], ["c"])
    assert not any(t.get_parse_math() for t in ax.get_xticklabels() + ax.get_yticklabels())
    assert texts(display) == [["1.00"], ["0.50"]]


def test_domains_order_the_pairs_of_a_dict(ax):
    display = TransferMatrixDisplay.from_scores({("a", "b"): 0.5}, domains=["c", "b", "a"], ax=ax)
    assert texts(display) == [[None] * 3, [None] * 3, [None, "0.50", None]]


def test_predictions_are_scored_by_target_or_by_pair(ax):
    y_true = {"b": [0, 0, 0, 1], ("b", "a"): ["x", "y"]}
    y_pred = {("a", "b"): [0, 0, 0, 0], ("b", "a"): ["x", "x"]}
    display = TransferMatrixDisplay.from_predictions(y_true, y_pred, ax=ax)
    assert texts(display) == [[None, "0.75"], ["0.50", None]]
    assert display.score_name == "accuracy on the target"
    display = TransferMatrixDisplay.from_predictions(
        y_true, y_pred, baseline={("a", "b"): [1] * 4}, metric=balanced_accuracy_score, ax=ax
    )
    assert texts(display)[0][1] == "0.50\n+0.00"
    assert display.score_name == "balanced accuracy on the target"


def test_clones_are_fitted_to_every_pair(domains, ax):
    estimator = AdaptedClassifier(LogisticRegression(), "per_domain_scaling")
    before = {name: (X.copy(), y.copy()) for name, (X, y) in domains.items()}
    baseline = make_pipeline(StandardScaler(), LogisticRegression())
    display = TransferMatrixDisplay.from_estimator(estimator, domains, baseline=baseline, ax=ax)
    for i, source in enumerate(domains):
        for j, target in enumerate(domains):
            if i == j:
                assert np.isnan(display.scores[i, j])
                continue
            (Xs, ys), (Xt, yt) = domains[source], domains[target]
            adapted = AdaptedClassifier(LogisticRegression(), "per_domain_scaling")
            expected = np.mean(adapted.fit(Xs, ys, X_target=Xt).predict(Xt) == yt)
            plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(Xs, ys)
            assert display.scores[i, j] == pytest.approx(expected)
            assert display.baseline[i, j] == pytest.approx(np.mean(plain.predict(Xt) == yt))
    assert np.nanmax(display.scores - display.baseline) > 0.1
    assert not hasattr(estimator, "estimator_")
    assert not hasattr(baseline[0], "mean_")
    for name, (X, y) in domains.items():
        np.testing.assert_array_equal(X, before[name][0])
        np.testing.assert_array_equal(y, before[name][1])


def test_labels_of_the_target_do_not_reach_a_fit_and_seeds_are_kept(domains, ax):
    seen = []

    class Watches(ClassifierMixin, BaseEstimator):
        def __init__(self, random_state=None):
            self.random_state = random_state

        def fit(self, X, y, sample_domain=None):
            seen.append((self.random_state, y[sample_domain < 0].tolist()))
            self.classes_ = np.array([0, 1])
            return self

        def predict(self, X):
            return np.zeros(len(X), dtype=int)

    TransferMatrixDisplay.from_estimator(Watches(random_state=7), domains, ax=ax)
    assert len(seen) == 6
    assert {seed for seed, _ in seen} == {7}
    assert not {label for _, labels in seen for label in labels} & {0, 1}


def test_regressors_are_scored_by_r2(domains, ax):
    values = {name: (X, X[:, 0] - 2 * X[:, 1]) for name, (X, _) in list(domains.items())[:2]}
    display = TransferMatrixDisplay.from_estimator(Ridge(50.0), values, ax=ax)
    (Xs, ys), (Xt, yt) = values.values()
    assert display.scores[0, 1] == pytest.approx(r2_score(yt, Ridge(50.0).fit(Xs, ys).predict(Xt)))
    assert display.score_name == "R^2 on the target"


X, Y = np.zeros((4, 2)), np.arange(4) % 2


@pytest.mark.parametrize(
    ("estimator", "given", "kind", "message"),
    [
        (LogisticRegression, {}, TypeError, "estimator is the class LogisticRegression"),
        (StandardScaler(), {}, TypeError, "estimator is a StandardScaler, and an estimator"),
        (Ridge(), {"baseline": "source"}, TypeError, "baseline is a str"),
        (Ridge(), {"domains": [(X, Y)]}, TypeError, "domains is a list, and a dict"),
        (Ridge(), {"domains": {"a": (X, Y)}}, ValueError, "domains has 1 entries, and two"),
        (Ridge(), {"domains": {"a": (X, Y), "b": X}}, TypeError, r"domains\['b'\] is a ndarray"),
        (Ridge(), {"domains": {"a": (X, Y), "b": (X, Y[:3])}}, ValueError, "y of 'b'"),
        (Ridge(), {"domains": {"a": (X, Y), "b": (X, [0, 1, np.nan, 1])}}, ValueError, "1 missing"),
        (
            Ridge(),
            {"domains": {"a": (X, Y), "b": (X, list("abab"))}},
            ValueError,
            r"\['b'\] are",
        ),
        (Ridge(), {"baseline": LogisticRegression()}, ValueError, "one is a regressor"),
        (Ridge(), {"ax": "new"}, TypeError, "ax is a str"),
    ],
)
def test_bad_input_is_told_before_any_fit(estimator, given, kind, message, ax, monkeypatch):
    monkeypatch.setattr(Ridge, "fit", lambda *_: pytest.fail("fitted"))
    given = {"domains": {"a": (X, Y), "b": (X, Y)}, "ax": ax} | given
    with pytest.raises(kind, match=message):
        TransferMatrixDisplay.from_estimator(estimator, **given)


def test_bad_scores_are_told(ax):
    make = TransferMatrixDisplay.from_scores
    with pytest.raises(ValueError, match="scores has the key 'a', and pairs were expected"):
        make({"a": 1.0}, ax=ax)
    with pytest.raises(ValueError, match="Pass them: domains="):
        make(np.eye(2), ax=ax)
    with pytest.raises(ValueError, match=r"scores has shape \(2, 2\), and \(3, 3\) was expected"):
        make(np.eye(2), domains=list("abc"), ax=ax)
    with pytest.raises(
        ValueError, match=r"scores has the domains \['c'\], which domains=\['a', 'b'\]"
    ):
        make(SCORES, domains=["a", "b"], ax=ax)
    with pytest.raises(ValueError, match=r"There is no pair with a score\."):
        make(np.full((2, 2), np.nan), domains=list("ab"), ax=ax)
    with pytest.raises(ValueError, match="no pair with a score and a baseline"):
        make({("a", "b"): 0.5}, baseline={("b", "a"): 0.5}, ax=ax)
    with pytest.raises(ValueError, match=r"neither the pair .* nor the target 'b'"):
        TransferMatrixDisplay.from_predictions({"a": [0]}, {("a", "b"): [0]}, ax=ax)
    with pytest.raises(TypeError, match="metric is 'accuracy', and a function"):
        TransferMatrixDisplay.from_predictions(
            {"b": [0]}, {("a", "b"): [0]}, metric="accuracy", ax=ax
        )
