"""Scorers on estimators of all kinds, on folds that lack something, and on collapsed models."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from domadapt import AlignmentRegressor, DANClassifier, OSBPClassifier, pack
from domadapt.model_selection import domain_scorer_names, get_domain_scorer
from domadapt.model_selection._answers import Answers
from domadapt.model_selection._other_models import domain_keywords, mixes
from domadapt.model_selection.scorers import OF_VALUES
from domadapt.shallow import AdaptedClassifier, AdaptedRegressor, PerDomainScaler

NAMES = [name for name in domain_scorer_names() if name != "ensemble_agreement"]
SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 2, "steps_per_epoch": 2, "random_state": 0}
LABELS_ALONE = [
    "circular_validation",
    "class_ami",
    "contradiction",
    "deep_embedded_validation",
    "disagreement",
    "disagreement_discrepancy",
    "importance_weighted",
    "mixval",
    "source_validation",
]
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is known to fail:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture
def packed(blobs):
    Xs, ys, Xt, _ = blobs
    return pack(Xs, ys, Xt)


class Nearest(ClassifierMixin, BaseEstimator):
    """A classifier that names classes and says nothing else."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.centres_ = np.stack([X[y == label].mean(axis=0) for label in self.classes_])
        return self

    def predict(self, X):
        apart = ((X[:, None] - self.centres_) ** 2).sum(axis=2)
        return self.classes_[apart.argmin(axis=1)]


KINDS = {
    "deep": lambda: DANClassifier(**SMALL),
    "adapted": lambda: AdaptedClassifier(LogisticRegression(), "coral"),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "decision function": lambda: SVC(kernel="linear"),
    "pipeline": lambda: make_pipeline(StandardScaler(), DANClassifier(**SMALL)),
    "pipeline of a plain one": lambda: make_pipeline(PCA(4), LogisticRegression()),
    "search": lambda: GridSearchCV(AdaptedClassifier(LogisticRegression()), {}, cv=2),
}


def fit(kind, X, y, d):
    estimator = KINDS[kind]()
    if kind in ("forest", "decision function", "pipeline of a plain one"):
        return estimator.fit(X[d > 0], y[d > 0])
    keyword = "danclassifier__sample_domain" if kind == "pipeline" else "sample_domain"
    return estimator.fit(X, y, **{keyword: d})


@pytest.mark.parametrize(
    ("kind", "routing"),
    [*((kind, False) for kind in KINDS), ("deep", True), ("pipeline", True), ("search", True)],
)
def test_every_scorer_takes_every_kind_of_estimator(kind, routing, packed):
    X, y, d = packed
    fitted = fit(kind, X, y, d)
    with sklearn.config_context(enable_metadata_routing=routing):
        for name in NAMES:
            assert np.isfinite(get_domain_scorer(name)(fitted, X, y)), name
        pool = get_domain_scorer("ensemble_agreement", ensemble=[fitted, fitted])
        assert pool(fitted, X, y) == 1


def test_labels_may_be_texts_and_columns_a_table(packed):
    X, y, d = packed
    frame = pd.DataFrame(X, columns=[f"c{k}" for k in range(10)])
    texts = np.where(d > 0, np.array(["a", "b", "c"])[np.where(d > 0, y, 0)], None)
    fitted = LogisticRegression().fit(frame[d > 0], texts[d > 0].astype(str))
    plain = LogisticRegression().fit(X[d > 0], y[d > 0])
    for name in NAMES:
        scorer = get_domain_scorer(name)
        assert scorer(fitted, frame, texts) == pytest.approx(scorer(plain, X, y), abs=1e-6), name


def test_sparse_samples_are_taken(packed):
    X, y, d = packed
    X = sparse.csr_array(X * (abs(X) > 1))
    fitted = LogisticRegression().fit(X[d > 0], y[d > 0])
    for name in NAMES:
        assert np.isfinite(get_domain_scorer(name)(fitted, X, y)), name


def test_source_samples_are_asked_as_source_and_features_are_those_of_transform(packed):
    X, y, d = packed
    source, target = d > 0, d < 0
    deep = DANClassifier(**SMALL, batch_norm="per_domain").fit(X, y, sample_domain=d)
    of_deep = Answers("it", deep, X, y, None)
    ones = np.ones(source.sum())
    expected = deep.predict_proba(X[source], sample_domain=ones)
    np.testing.assert_allclose(of_deep.source_proba, expected)
    assert abs(expected - deep.predict_proba(X[source])).max() > 1e-3
    features = deep.transform(X[source], sample_domain=ones)
    np.testing.assert_array_equal(of_deep.source_features, features)
    assert abs(features - deep.transform(X[source])).max() > 1e-3
    np.testing.assert_array_equal(of_deep.target_features, deep.transform(X[target]))
    pipe = make_pipeline(StandardScaler(), DANClassifier(**SMALL, batch_norm="per_domain"))
    pipe.fit(X, y, danclassifier__sample_domain=d)
    found = Answers("it", pipe, X, y, None)
    scaled = pipe[:-1].transform(X[source])
    expected = pipe[-1].predict_proba(scaled, sample_domain=ones)
    np.testing.assert_allclose(found.source_proba, expected)
    np.testing.assert_array_equal(found.target_features, pipe.transform(X[target]))
    plain = make_pipeline(PCA(4), LogisticRegression()).fit(X[source], y[source])
    np.testing.assert_array_equal(
        Answers("it", plain, X, y, None).source_features, plain[:-1].transform(X[source])
    )
    alone = LogisticRegression().fit(X[source], y[source])
    np.testing.assert_array_equal(Answers("it", alone, X, y, None).target_features, X[target])


def test_steps_of_a_pipeline_take_samples_by_their_domain(packed):
    X, y, d = packed
    X = np.where(d[:, None] > 0, X, 5 * X + 30).astype(np.float64)
    last = AdaptedClassifier(SVC(), "coral")
    pipe = make_pipeline(PerDomainScaler(), "passthrough", PCA(4), last)
    domains = {f"{name}__sample_domain": d for name in ("perdomainscaler", "adaptedclassifier")}
    pipe.fit(X, y, **domains)
    source = pipe["pca"].transform(pipe[0].transform(X[d > 0], sample_domain=d[d > 0]))
    found = Answers("it", pipe, X, y, None)
    np.testing.assert_array_equal(found.source_features, source)
    expected = pipe[-1].predict(source, sample_domain=d[d > 0])
    np.testing.assert_array_equal(found.source_labels, expected)
    np.testing.assert_array_equal(found.target_labels, pipe.predict(X[d < 0]))
    assert domain_keywords(pipe) == list(domains)
    assert domain_keywords(make_pipeline(PerDomainScaler(), SVC())) == []
    # Trained back, each domain has its own scale again.
    assert get_domain_scorer("circular_validation")(pipe, X, y) > 0.5
    assert get_domain_scorer("disagreement")(pipe, X, y) > 0.9


def test_transform_treats_rows_by_their_domain(packed):
    X, y, d = packed
    deep = DANClassifier(**SMALL, batch_norm="per_domain").fit(X, y, sample_domain=d)
    found = deep.transform(X, sample_domain=d)
    np.testing.assert_array_equal(found[d < 0], deep.transform(X[d < 0]))
    assert abs(found[d > 0] - deep.transform(X[d > 0])).max() > 1e-3
    with pytest.raises(ValueError, match="sample_domain has shape"):
        deep.transform(X, sample_domain=d[:3])


def test_a_class_for_what_is_unknown_has_a_column_of_its_own(packed):
    X, y, d = packed
    fitted = OSBPClassifier(**SMALL).fit(X, y, sample_domain=d)
    answers = Answers("it", fitted, X, y, None)
    assert answers.target_proba.shape[1] == 4
    for name in ("information_maximization", "contradiction", "importance_weighted_aggregation"):
        assert np.isfinite(get_domain_scorer(name)(fitted, X, y))


def test_a_label_that_the_estimator_does_not_know_counts_as_wrong(packed):
    X, y, d = packed
    source = d > 0
    two = LogisticRegression().fit(X[source & (y < 2)], y[source & (y < 2)])
    accuracy = (two.predict(X[source]) == y[source]).mean()
    assert get_domain_scorer("source_validation")(two, X, y) == pytest.approx(accuracy)
    for name in NAMES:
        assert np.isfinite(get_domain_scorer(name)(two, X, y)), name


@pytest.mark.parametrize("name", NAMES)
def test_what_a_fold_lacks_is_told(name, packed):
    X, y, d = packed
    fitted = LogisticRegression().fit(X[d > 0], y[d > 0])
    scorer = get_domain_scorer(name)
    if name == "source_validation":
        assert scorer(fitted, X[d > 0], y[d > 0]) > 0.5
    else:
        with pytest.raises(ValueError, match=f"'{name}' needs target samples, and there are none"):
            scorer(fitted, X[d > 0], y[d > 0])
    free = {"class_ami", "entropy", "information_maximization", "mano", "mixval", "nuclear_norm"}
    if name in free | {"soft_neighborhood_density"}:
        assert np.isfinite(scorer(fitted, X[d < 0], y[d < 0]))
    else:
        with pytest.raises(ValueError, match=f"'{name}' needs source samples with their labels"):
            scorer(fitted, X[d < 0], y[d < 0])


def test_what_cannot_be_told_apart_or_has_another_length_is_named(packed):
    X, y, d = packed
    fitted, scorer = LogisticRegression().fit(X[d > 0], y[d > 0]), get_domain_scorer("entropy")
    with pytest.raises(ValueError, match="neither y nor sample_domain"):
        scorer(fitted, X, None)
    with pytest.raises(ValueError, match="y has length 3"):
        scorer(fitted, X, y[:3])
    with pytest.raises(ValueError, match="sample_domain has shape"):
        scorer(fitted, X, y, sample_domain=d[:3])
    one = np.where(y == 0, y, y.max())
    with pytest.raises(ValueError, match="but one class, 0"):
        get_domain_scorer("contradiction")(fitted, X, one)


@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_that_only_names_classes_has_the_scores_of_labels(name, packed):
    X, y, d = packed
    fitted, scorer = Nearest().fit(X[d > 0], y[d > 0]), get_domain_scorer(name)
    if name in LABELS_ALONE:
        assert np.isfinite(scorer(fitted, X, y))
    else:
        with pytest.raises(TypeError, match=f"'{name}' needs predict_proba or decision_function"):
            scorer(fitted, X, y)


REGRESSORS = {
    "plain": lambda X, y, d: LinearRegression().fit(X[d > 0], y[d > 0]),
    "adapted": lambda X, y, d: AdaptedRegressor(Ridge()).fit(X, y, sample_domain=d),
    "deep": lambda X, y, d: AlignmentRegressor("mmd", **SMALL).fit(X, y, sample_domain=d),
}


@pytest.mark.parametrize("kind", REGRESSORS)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressors_have_scores_of_values_and_others_refuse_them(kind, n_outputs, blobs):
    Xs, _, Xt, _ = blobs
    ys = Xs[:, :n_outputs].sum(axis=1) if n_outputs == 1 else Xs[:, :2] + 0.5
    X, y, d = pack(Xs, ys, Xt)
    fitted = REGRESSORS[kind](X, y, d)
    changed = np.where((d < 0).reshape(-1, *[1] * (y.ndim - 1)), 5.0, y)
    for name in domain_scorer_names():
        given = {"ensemble": [fitted, fitted]} if name == "ensemble_agreement" else {}
        scorer = get_domain_scorer(name, **given)
        if name in OF_VALUES:
            score = scorer(fitted, X, y)
            assert score == scorer(fitted, X, changed, sample_domain=d)
            assert np.isfinite(score)
            assert score <= 0
        else:
            with pytest.raises(TypeError, match=f"'{name}' is one for classes"):
                scorer(fitted, X, y)
    accuracy = -np.square(Answers("it", fitted, X, y, None).source_labels - ys).mean()
    assert get_domain_scorer("source_validation")(fitted, X, y) == pytest.approx(accuracy)


@pytest.fixture
def good_and_collapsed(blobs):
    """Domains that differ little, a model that is right, and one that knows a single class."""
    Xs, ys, Xt, _ = blobs
    X, y, d = pack(Xs, ys, Xt - 1.5)
    models = LogisticRegression().fit(Xs, ys), DummyClassifier(strategy="constant", constant=0)
    return models[0], models[1].fit(Xs, ys), (X, y, d)


SEES_COLLAPSE = sorted(
    set(NAMES)
    - {"entropy", "mano", "soft_neighborhood_density", "disagreement"}
    - {"average_thresholded_confidence", "difference_of_confidences"}
)


@pytest.mark.parametrize("name", SEES_COLLAPSE)
def test_collapsed_predictions_are_worse_where_the_score_claims_to_see_it(name, good_and_collapsed):
    good, collapsed, (X, y, d) = good_and_collapsed
    scorer = get_domain_scorer(name)
    assert scorer(good, X, y, sample_domain=d) > scorer(collapsed, X, y, sample_domain=d) + 0.1


@pytest.mark.parametrize("name", ["entropy", "mano", "soft_neighborhood_density"])
def test_some_scores_prefer_collapse_as_their_pages_say(name, good_and_collapsed):
    good, collapsed, (X, y, d) = good_and_collapsed
    scorer = get_domain_scorer(name)
    assert scorer(collapsed, X, y, sample_domain=d) > scorer(good, X, y, sample_domain=d)


@pytest.mark.parametrize("name", ["deep_embedded_validation", "soft_neighborhood_density"])
def test_dev_and_snd_warn_each_time_also_within_a_search(name, packed):
    X, y, d = packed
    fitted = LogisticRegression().fit(X[d > 0], y[d > 0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            get_domain_scorer(name)(fitted, X, y)
    assert sum("known to fail" in str(w.message) for w in caught) == 2
    adapted = AdaptedClassifier(LogisticRegression())
    with pytest.warns(UserWarning, match="known to fail"):
        cross_validate(
            *(adapted, X, y), cv=2, scoring=get_domain_scorer(name), params={"sample_domain": d}
        )


@pytest.mark.parametrize("name", NAMES)
def test_ten_target_rows_and_two_source_rows_of_a_class_have_a_score(name, packed):
    X, y, d = packed
    fitted = LogisticRegression().fit(X[d > 0], y[d > 0])
    source = [row for k in range(3) for row in np.flatnonzero(y == k)[: 2 + (k == 0)]]
    rows = np.concatenate([source, np.flatnonzero(d < 0)[:10]])
    assert np.isfinite(get_domain_scorer(name)(fitted, X[rows], y[rows]))
    fewer = rows[[0, 3, 4, *range(7, 17)]]
    assert np.isfinite(get_domain_scorer(name)(fitted, X[fewer], y[fewer]))


def test_mixes_are_weighted_means_within_and_across_classes(packed):
    X, _, d = packed
    X, labels = X[d < 0][:12], np.array(list("aaaabbbbbccd"))
    mixed, first, second = mixes("it", X, labels, 0.55, 0)
    np.testing.assert_allclose(mixed, 0.55 * X[first] + 0.45 * X[second], rtol=1e-6)
    assert mixed.dtype == X.dtype
    alike = labels[first] == labels[second]
    assert sorted(first[alike]) == list(range(11))
    assert sorted(first[~alike]) == list(range(12))
    assert (first != second).all()


def test_mixes_keep_the_kind_of_samples():
    labels = np.array([0, 0, 1, 1])
    stack = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
    assert mixes("it", stack, labels, 0.6, 0)[0].dtype == np.uint8
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [0.5] * 4})
    assert list(mixes("it", frame, labels, 0.6, 0)[0].columns) == ["a", "b"]
    assert mixes("it", np.arange(4)[:, None], labels, 0.6, 0)[0].dtype == np.float64
    with pytest.raises(TypeError, match="mixes samples, and those of dtype <U1 cannot be"):
        mixes("it", np.array(list("abcd")), labels, 0.6, 0)
    with pytest.raises(ValueError, match="needs two target samples"):
        mixes("it", np.ones((1, 2)), np.array([0]), 0.6, 0)


def test_samples_that_are_no_numbers_need_a_source_model(packed):
    _, y, d = packed
    texts = np.array([["x"]] * len(y), dtype=object)
    dummy = DummyClassifier().fit(texts[d > 0], y[d > 0])
    with pytest.raises(ValueError, match=r"Pass source_model=, a fitted classifier"):
        get_domain_scorer("contradiction")(dummy, texts, y)
    given = get_domain_scorer("contradiction", source_model=dummy)
    assert given(dummy, texts, y) == 0
