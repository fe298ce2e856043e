"""Pipelines and searches, with metadata routing and without."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, DANNClassifier, pack
from domadapt.alignment import CORAL, MMD


@pytest.fixture
def stacked(blobs):
    """Source and target samples, mixed."""
    Xs, ys, Xt, yt = blobs
    X, y, sample_domain = pack(Xs, ys, Xt, y_test=yt)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order], sample_domain[order]


def small(**parameters):
    return DANNClassifier(
        hidden_layer_sizes=(16,),
        max_epochs=8,
        batch_size=16,
        optimizer="sgd",
        learning_rate=0.03,
        random_state=0,
        **parameters,
    )


def test_a_pipeline_passes_the_domains_on(stacked, blobs):
    X, y, sample_domain = stacked
    pipe = make_pipeline(StandardScaler(), small())
    pipe.fit(X, y, dannclassifier__sample_domain=sample_domain)
    assert pipe[-1].transduction_.shape == (75,)
    assert pipe.score(blobs[2], blobs[3]) > 0.8


def test_a_pipeline_with_routing(stacked, blobs, same):
    X, y, sample_domain = stacked
    plain = make_pipeline(StandardScaler(), small())
    plain.fit(X, y, dannclassifier__sample_domain=sample_domain)
    with config_context(enable_metadata_routing=True):
        routed = make_pipeline(StandardScaler(), small().set_fit_request(sample_domain=True))
        routed.fit(X, y, sample_domain=sample_domain)
    assert same(plain[-1], routed[-1])


@pytest.mark.parametrize("routing", [False, True])
def test_a_grid_search_cuts_the_domains_along_with_the_samples(stacked, routing):
    X, y, sample_domain = stacked
    clf = small()
    grid = {"dannclassifier__alignment_weight": [0.0, 1.0]}
    with config_context(enable_metadata_routing=routing):
        if routing:
            clf.set_fit_request(sample_domain=True).set_score_request(sample_domain=True)
            given = {"sample_domain": sample_domain}
        else:
            given = {"dannclassifier__sample_domain": sample_domain}
        search = GridSearchCV(make_pipeline(StandardScaler(), clf), grid, cv=3, error_score="raise")
        search.fit(X, y, **given)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_[-1].transduction_.shape == (75,)


def test_a_criterion_is_a_parameter_like_any_other(stacked):
    X, y, sample_domain = stacked
    clf = AlignmentClassifier(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    search = GridSearchCV(clf, {"alignment": ["mmd", MMD(bandwidth=2.0), CORAL()]}, cv=2)
    search.fit(X, y, sample_domain=sample_domain)
    assert len(search.cv_results_["params"]) == 3


def test_cross_validation_passes_the_domains_on(stacked):
    X, y, sample_domain = stacked
    scores = cross_val_score(small(), X, y, params={"sample_domain": sample_domain}, cv=3)
    assert scores.min() > 0.7


def test_features_come_out_as_a_frame_where_asked(blobs):
    Xs, ys, Xt, _ = blobs
    clf = small().set_output(transform="pandas").fit(Xs, ys, X_target=Xt)
    frame = clf.transform(Xt)
    assert frame.shape == (75, 16)
    assert frame.columns[0] == "dannclassifier0"
