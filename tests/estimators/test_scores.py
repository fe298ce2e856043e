"""Scores of samples whose labels are known, and predictions by domain."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from domadapt import DANClassifier, DANRegressor, pack

SMALL = {"max_epochs": 10, "hidden_layer_sizes": 16, "random_state": 0}


@pytest.mark.parametrize("names", [None, np.array(["a", "b", "c"]), np.array([1.0, 2.0, 7.0])])
def test_what_has_no_label_does_not_count(blobs, names):
    X, y, X_target, y_target = blobs
    y, y_target = (v if names is None else names[v] for v in (y, y_target))
    both, packed, domain = pack(X, y, X_target)
    clf = DANClassifier(**SMALL).fit(both, packed, sample_domain=domain)
    assert clf.score(both, packed) == accuracy_score(y, clf.predict(X))
    weight = np.arange(len(both)) % 3
    expected = accuracy_score(y, clf.predict(X), sample_weight=weight[: len(X)])
    assert clf.score(both, packed, weight) == pytest.approx(expected)
    _, known, _ = pack(X, y, X_target, y_test=y_target)
    assert clf.score(both, known) == accuracy_score(known, clf.predict(both))
    with pytest.raises(ValueError, match="y knows no label"):
        clf.score(X_target, packed[len(X) :])


def test_numbers_that_are_objects_are_scored_as_they_are_fitted(blobs):
    X, y, _, _ = blobs
    clf = DANClassifier(**SMALL).fit(X, y.astype(object), X_target=X)
    assert clf.score(X, y.astype(object)) == clf.score(X, y) > 0.8
    half = np.where(np.arange(len(y)) % 2, y.astype(object), None)
    assert clf.score(X, half) == accuracy_score(y[1::2], clf.predict(X[1::2]))


def test_values_that_are_not_there_do_not_count(blobs):
    X, _, X_target, _ = blobs
    y = X[:, 0] + 0.5
    both, packed, domain = pack(X, y, X_target)
    model = DANRegressor(**SMALL).fit(both, packed, sample_domain=domain)
    assert model.score(both, packed) == pytest.approx(r2_score(y, model.predict(X)))
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(
        model.set_params(max_epochs=30), both, packed, cv=folds, params={"sample_domain": domain}
    )
    assert scores.min() > 0.3


@pytest.mark.parametrize("kind", [DANClassifier, DANRegressor])
def test_source_samples_are_normalised_by_the_statistics_of_the_source(blobs, kind):
    X, y, X_target, _ = blobs
    model = kind(**SMALL, batch_norm="per_domain").fit(X, y, X_target=X_target)
    domain = np.where(np.arange(len(X)) % 2, 2, -1)
    predicted = model.predict(X, sample_domain=domain)
    # The statistics of the source, written into the place of those of prediction.
    layer = model.module_.feature_extractor[1]
    as_target = model.predict(X)
    for name, value in layer.first.named_buffers():
        getattr(layer.second, name).copy_(value)
    expected = np.where(domain > 0, model.predict(X), as_target)
    np.testing.assert_allclose(predicted, expected, rtol=1e-6)
    if kind is DANClassifier:
        assert not np.array_equal(model.predict_proba(X, sample_domain=np.ones(len(X))), as_target)


@pytest.mark.parametrize("wrong", [[1, -1], np.zeros(90), ["a"] * 90])
def test_domains_that_do_not_fit_are_refused(blobs, wrong):
    X, y, X_target, _ = blobs
    clf = DANClassifier(**SMALL).fit(X, y, X_target=X_target)
    for method in (clf.predict, clf.predict_proba):
        with pytest.raises(ValueError, match="sample_domain"):
            method(X, sample_domain=wrong)
    with pytest.raises(ValueError, match="sample_domain"):
        clf.score(X, y, sample_domain=wrong)


def test_a_search_tells_candidates_apart_by_the_labels_that_are_known(blobs):
    X, y, X_target, _ = blobs
    both, packed, domain = pack(X, y, X_target)
    grid = {"learning_rate": [1e-9, 0.03]}
    search = GridSearchCV(DANClassifier(**SMALL), grid, cv=3)
    search.fit(both, packed, sample_domain=domain)
    untrained, trained = search.cv_results_["mean_test_score"]
    assert untrained < 0.7 < 0.9 < trained
    with config_context(enable_metadata_routing=True):
        clf = DANClassifier(**SMALL).set_fit_request(sample_domain=True)
        clf.set_score_request(sample_domain=True)
        routed = GridSearchCV(clf, grid, cv=3).fit(both, packed, sample_domain=domain)
    assert routed.cv_results_["mean_test_score"][1] > 0.9


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_a_vote_predicts_classes_alone(blobs, voting):
    X, y, X_target, y_target = blobs
    both, packed, domain = pack(X, np.array(["a", "b", "c"])[y], X_target)
    with config_context(enable_metadata_routing=True):
        members = [
            (str(seed), DANClassifier(**{**SMALL, "random_state": seed})) for seed in range(3)
        ]
        for _, member in members:
            member.set_fit_request(sample_domain=True)
        vote = VotingClassifier(members, voting=voting)
        vote.fit(both, packed, sample_domain=domain)
        assert (vote.predict(X_target) == np.array(["a", "b", "c"])[y_target]).mean() > 0.9
