"""Scorers by name: in searches, with and without routing, and without any target label."""

import copy
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt import has_label, pack
from domadapt.model_selection import (
    StratifiedDomainKFold,
    domain_scorer_names,
    get_domain_scorer,
    scorers,
)
from domadapt.model_selection.scores._parameters import CONSTRAINTS
from domadapt.shallow import AdaptedClassifier

NAMES = domain_scorer_names()
pytestmark = pytest.mark.filterwarnings("ignore:.*is known to fail:UserWarning")


@pytest.fixture
def data(blobs):
    """Both domains stacked, shuffled, and the true labels of all rows."""
    Xs, ys, Xt, yt = blobs
    X, y, d = pack(Xs, ys, Xt)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order], d[order], np.concatenate([ys, yt])[order]


def adapted(adapter="coral"):
    return AdaptedClassifier(LogisticRegression(), adapter, random_state=0)


@pytest.fixture
def fitted(data):
    X, y, d, _ = data
    return adapted().fit(X, y, sample_domain=d)


@pytest.fixture
def make(blobs):
    """A scorer by name, with what it needs."""
    Xs, ys, Xt, _ = blobs
    pool = [LogisticRegression().fit(Xs, ys), adapted().fit(Xs, ys, X_target=Xt)]

    def make(name, **parameters):
        if name == "ensemble_agreement":
            parameters.setdefault("ensemble", pool)
        return get_domain_scorer(name, **parameters)

    return make


GRID = {"adapter": ["coral", "per_domain_scaling"]}


def folds():
    return StratifiedKFold(2, shuffle=True, random_state=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_goes_by_packed_rows_by_sample_domain_and_by_routing(name, make, data):
    X, y, d, truth = data
    splits, scorer = list(folds().split(X, np.where(d > 0, truth, -1))), make(name)
    plain = GridSearchCV(adapted(), GRID, cv=splits, scoring=scorer, error_score="raise")
    plain.fit(X, y, sample_domain=d)
    found = plain.cv_results_["mean_test_score"]
    assert np.isfinite(found).all()
    with sklearn.config_context(enable_metadata_routing=True):
        routed = adapted().set_fit_request(sample_domain=True)
        asking = clone(scorer).set_score_request(sample_domain=True)
        search = GridSearchCV(routed, GRID, cv=splits, scoring=asking, error_score="raise")
        # With sample_domain there may be true labels at target rows: they are not read.
        search.fit(X, truth, sample_domain=d)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], found)


@pytest.mark.parametrize("name", NAMES)
def test_changed_target_labels_change_nothing_to_the_bit(name, make, data, fitted):
    X, y, d, truth = data
    scorer, target = make(name), d < 0
    expected = scorer(fitted, X, y)
    assert isinstance(expected, float)
    assert np.isfinite(expected)
    rng = np.random.default_rng(1)
    others = [truth, np.where(target, rng.permutation(truth), truth), np.where(target, 77, truth)]
    for labels in others:
        assert scorer(fitted, X, labels, sample_domain=d) == expected
    texts = np.where(target, "unknown", truth.astype(object))
    assert scorer(fitted, X, texts, sample_domain=d) == expected
    mixed = [label if d > 0 else "unknown" for label, d in zip(truth.tolist(), d, strict=True)]
    assert scorer(fitted, X, mixed, sample_domain=d) == expected
    with_nan = np.where(target, np.nan, truth.astype(float))
    assert scorer(fitted, X, with_nan) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_estimator_and_the_target_samples_matter(name, make, data, fitted):
    X, y, d, _ = data
    scorer = make(name)
    weak = adapted("per_domain_scaling").set_params(estimator__C=1e-4)
    weak.fit(X, np.where(X[:, 0] > 0, y, y.min()), sample_domain=d)
    assert scorer(fitted, X, y) != scorer(weak, X, y)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_callers_is_changed(name, make, data, fitted):
    X, y, d, _ = data
    scorer, before = make(name), pickle.dumps(fitted)
    kept, state = (X.copy(), y.copy(), d.copy()), np.random.get_state()[1].copy()  # noqa: NPY002
    first = scorer(fitted, X, y, sample_domain=d)
    assert pickle.dumps(fitted) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    for array, copied in zip((X, y, d), kept, strict=True):
        np.testing.assert_array_equal(array, copied)
    assert first == scorer(fitted, X, y, sample_domain=d)
    again = pickle.loads(pickle.dumps(scorer))
    assert again(fitted, X, y) == clone(scorer)(fitted, X, y) == first
    assert copy.deepcopy(scorer)(fitted, X, y) == first


def test_all_searches_and_several_scorers_at_once(data):
    X, y, d, _ = data
    scoring = {n: get_domain_scorer(n) for n in ("entropy", "contradiction", "nuclear_norm")}
    found = cross_validate(
        *(adapted(), X, y), cv=2, scoring=scoring, params={"sample_domain": d}, error_score="raise"
    )
    assert all(np.isfinite(found[f"test_{name}"]).all() for name in scoring)
    search = GridSearchCV(adapted(), GRID, scoring=scoring, refit="contradiction", cv=2)
    assert search.fit(X, y, sample_domain=d).best_params_["adapter"] in GRID["adapter"]
    one = scoring["entropy"]
    RandomizedSearchCV(adapted(), GRID, n_iter=1, cv=2, scoring=one).fit(X, y, sample_domain=d)
    halving = HalvingGridSearchCV(
        *(adapted(), GRID), cv=folds(), scoring=one, min_resources=80, error_score="raise"
    )
    assert np.isfinite(halving.fit(X, y, sample_domain=d).best_score_)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = adapted().set_fit_request(sample_domain=True)
        again = cross_validate(
            *(routed, X, y), cv=2, scoring=scoring, params={"sample_domain": d}, error_score="raise"
        )
    np.testing.assert_array_equal(again["test_contradiction"], found["test_contradiction"])


@pytest.mark.parametrize("search", [GridSearchCV, HalvingGridSearchCV])
def test_pipelines_are_searched_with_and_without_routing(search, data):
    X, y, d, truth = data
    scoring = get_domain_scorer("contradiction")
    cv = StratifiedDomainKFold(2, shuffle=True, random_state=0)
    more = {"min_resources": 120, "random_state": 0} if search is HalvingGridSearchCV else {}
    grid = {f"adaptedclassifier__{name}": values for name, values in GRID.items()}
    found = []
    for routing, labels in ((False, y), (True, y), (True, truth)):
        with sklearn.config_context(enable_metadata_routing=routing):
            last = adapted().set_fit_request(sample_domain=True) if routing else adapted()
            pipe, name = make_pipeline(StandardScaler(), last), "sample_domain"
            tried = search(pipe, grid, cv=cv, scoring=scoring, error_score="raise", **more)
            keyword = name if routing else f"adaptedclassifier__{name}"
            tried.fit(X, labels, groups=d, **{keyword: d})
        found.append(tried.cv_results_["mean_test_score"])
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_array_equal(found[0], found[1])


def test_target_rows_are_those_of_sample_domain_where_it_comes(data, fitted):
    X, y, d, truth = data
    scorer, wrong = get_domain_scorer("source_validation"), np.where(d < 0, (truth + 1) % 3, y)
    assert scorer(fitted, X, wrong, sample_domain=d) == scorer(fitted, X, y)
    assert scorer(fitted, X, wrong) < scorer(fitted, X, y)
    # Source rows without a label are left out, and count as no target.
    few = np.where(np.arange(len(y)) % 2, y, y.max())
    assert not has_label(few).all()
    entropy = get_domain_scorer("entropy")
    assert entropy(fitted, X, few, sample_domain=d) == entropy(fitted, X, None, sample_domain=d)
    assert scorer(fitted, X, few, sample_domain=d) == scorer(fitted, X, few)


def test_parameters_reach_the_scores(data, fitted):
    X, y, d, _ = data
    weak = LogisticRegression().fit(X[d > 0], np.where(X[d > 0, 0] > 0, y[d > 0], 0))

    def score(name, **parameters):
        return get_domain_scorer(name, **parameters)(fitted, X, y, sample_domain=d)

    for name, changed in {
        "information_maximization": {"prior": [0.8, 0.1, 0.1]},
        "importance_weighted": {"loss": "log_loss"},
        "soft_neighborhood_density": {"temperature": 1.0},
        "mano": {"p": 2},
        "mixval": {"larger_part": 0.9},
        "confidence_optimal_transport": {"class_proportions": [0.8, 0.1, 0.1]},
        "disagreement_discrepancy": {"delta": 0.5},
        "contradiction": {"source_model": weak},
        "disagreement": {"other": weak},
    }.items():
        assert score(name, **changed) != score(name), name
    assert score("disagreement", other=fitted) == 1
    assert score("contradiction", source_model=fitted) == 0
    uniform = score("information_maximization", prior="uniform")
    assert uniform == score("information_maximization", prior=[1, 1, 1])


def test_named_priors_are_proportions_of_the_source_and_estimated_ones():
    rng = np.random.default_rng(0)
    ys, yt = np.arange(600) % 2, (np.arange(600) % 10 > 0).astype(int)
    Xs, Xt = (rng.normal(size=(600, 1)) + 4 * labels[:, None] for labels in (ys, yt))
    X, y, _ = pack(Xs, ys, Xt)
    model = LogisticRegression().fit(Xs, ys)

    def score(prior):
        return get_domain_scorer("information_maximization", prior=prior)(model, X, y)

    assert score("source") == pytest.approx(score([0.5, 0.5]), abs=1e-12)
    assert score("estimated") == pytest.approx(score([0.1, 0.9]), abs=0.01)
    assert score("estimated") > score("source") + 0.1


def test_a_scorer_says_what_it_is():
    assert repr(get_domain_scorer("entropy")) == "get_domain_scorer('entropy')"
    scorer = get_domain_scorer("mano", p=2)
    assert repr(scorer) == "get_domain_scorer('mano', p=2)"
    assert eval(repr(scorer), {"get_domain_scorer": get_domain_scorer}).parameters == {"p": 2}
    assert domain_scorer_names() == sorted(scorers.SCORERS)
    assert len(NAMES) == 19
    with pytest.raises(RuntimeError, match="metadata routing is enabled"):
        scorer.set_score_request(sample_domain=True)


@pytest.mark.parametrize(
    ("name", "parameters", "error", "message"),
    [
        ("entrpy", {}, ValueError, "no scorer 'entrpy'. Did you mean 'entropy'"),
        ("entropy_score", {}, ValueError, "Did you mean 'entropy'"),
        ("entropy", {"p": 2}, TypeError, "'entropy' has no parameter 'p'. It has none"),
        ("mano", {"q": 2}, TypeError, "has no parameter 'q'. It has p"),
        ("ensemble_agreement", {}, TypeError, "needs ensemble="),
        ("ensemble_agreement", {"ensemble": []}, ValueError, "is empty"),
        ("mano", {"p": 0}, ValueError, "'p' parameter of scorer 'mano' must be"),
        ("mixval", {"larger_part": 0.5}, ValueError, "'larger_part' parameter"),
        ("information_maximization", {"prior": "target"}, ValueError, "'prior' parameter"),
        ("disagreement_discrepancy", {"delta": 2}, ValueError, "'delta' parameter"),
        ("importance_weighted", {"clip": 0.1}, ValueError, "'clip' parameter"),
        ("source_validation", {"loss": "hinge"}, ValueError, "'loss' parameter"),
        ("disagreement", {"other": 3}, ValueError, "'other' parameter"),
    ],
)
def test_unknown_names_and_parameters_are_told_before_work(name, parameters, error, message):
    with pytest.raises(error, match=message.replace(".", r"\.")):
        get_domain_scorer(name, **parameters)


def test_every_parameter_of_a_scorer_has_a_constraint():
    import inspect

    for function in scorers.SCORERS.values():
        names = list(inspect.signature(function).parameters)[1:]
        assert set(names) <= set(CONSTRAINTS)
