"""Several sources, numbered in sample_domain."""

import math

import numpy as np
import pytest

from domadapt import (
    AlignmentClassifier,
    CDANClassifier,
    DANNClassifier,
    M3SDAClassifier,
    pack,
)

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}


@pytest.fixture
def stacked(blobs):
    """Samples of two sources and a target, mixed."""
    Xs, ys, Xt, yt = blobs
    X, y, sample_domain = pack(Xs, ys, Xt, y_test=yt)
    sample_domain[:90:2] = 2
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order], sample_domain[order]


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("alignment", ["m3sda", [(1.0, "mmd"), (0.1, "m3sda")]])
def test_one_source_is_too_few_for_moments_of_several(blobs, alignment):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    match = "MomentMatching needs at least two sources, and sample_domain names 1. Give each"
    for estimator in (M3SDAClassifier(), AlignmentClassifier(alignment)):
        with pytest.raises(ValueError, match=match):
            estimator.fit(Xs, ys, X_target=Xt)
        with pytest.raises(ValueError, match=match):
            estimator.fit(X, y, sample_domain=sample_domain)
        # Samples of weight 0 are no source.
        with pytest.raises(ValueError, match=match):
            estimator.fit(
                X,
                y,
                sample_domain=np.where(np.arange(165) < 5, 2, sample_domain),
                sample_weight=np.arange(165) >= 5,
            )
        assert not hasattr(estimator, "module_")


def test_several_sources_need_no_target_and_then_no_numbers(blobs, same):
    Xs, ys, _, _ = blobs
    several = M3SDAClassifier(**SMALL)
    shared = several.get_params(deep=False)
    del shared["alignment"]
    alone = AlignmentClassifier(None, **shared)
    assert same(several.fit(Xs, ys), alone.fit(Xs, ys))


@pytest.mark.parametrize("estimator", [DANNClassifier, CDANClassifier])
def test_a_discriminator_tells_each_source_from_the_others(estimator, stacked):
    X, y, sample_domain = stacked
    settings = {**SMALL, "learning_rate": 1e-9, "batch_norm": None, "max_epochs": 1}

    def first_loss(n_sources):
        names = np.where(sample_domain < 0, -1, 1 + np.arange(len(X)) % n_sources)
        clf = estimator(**settings).fit(X, y, sample_domain=names)
        return clf.history_["alignment_loss"][0]

    # A discriminator that has learnt nothing knows no better than to guess.
    for n_sources in (1, 2, 4):
        assert first_loss(n_sources) == pytest.approx(math.log(n_sources + 1), abs=0.25)


@pytest.mark.parametrize("estimator", [DANNClassifier, M3SDAClassifier])
def test_what_sources_are_called_does_not_matter_but_who_they_are_does(estimator, stacked, same):
    X, y, sample_domain = stacked
    others = np.select([sample_domain == 1, sample_domain == 2], [3, 7], -4)
    mixed = np.where(sample_domain < 0, -1, 1 + np.arange(len(X)) % 2)
    first, renamed, other = (
        estimator(**SMALL).fit(X, y, sample_domain=names)
        for names in (sample_domain, others, mixed)
    )
    assert same(first, renamed)
    assert not same(first, other)


def test_the_spelling_by_x_target_is_one_source(blobs, same):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    apart = DANNClassifier(**SMALL).fit(Xs, ys, X_target=Xt)
    assert same(apart, DANNClassifier(**SMALL).fit(X, y, sample_domain=5 * sample_domain))
    sample_domain[:45] = 2
    assert not same(apart, DANNClassifier(**SMALL).fit(X, y, sample_domain=sample_domain))


def test_a_checkpoint_with_other_sources_is_refused(stacked, tmp_path):
    X, y, sample_domain = stacked
    settings = {**SMALL, "checkpoint": tmp_path / "fit"}
    DANNClassifier(**settings).fit(X, y, sample_domain=sample_domain)
    for other in (np.sign(sample_domain), np.where(sample_domain < 0, -1, 3 - sample_domain)):
        with pytest.raises(ValueError, match="of a fit with other parameters or data"):
            DANNClassifier(**settings).fit(X, y, sample_domain=other)
