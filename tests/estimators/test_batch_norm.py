"""Statistics of batch normalisation taken anew from a target."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from domadapt import AlignmentClassifier, DANClassifier
from domadapt.nn import SplitBatchNorm

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}
WITH_LAYERS = {**SMALL, "batch_norm": "per_domain"}


def adapted_statistics(X, Xs, ys, **settings):
    """Adapt a network of one linear layer; return its layers and the weights of before, too."""
    clf = AlignmentClassifier(None, **WITH_LAYERS, **settings).fit(Xs, ys)
    (layer,) = (m for m in clf.module_.modules() if isinstance(m, nn.BatchNorm1d))
    linear = next(m for m in clf.module_.modules() if isinstance(m, nn.Linear))
    weights = {n: p.detach().clone() for n, p in clf.module_.named_parameters()}
    clf.adapt(X, alignment="batch_norm")
    return clf, layer, linear, weights


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_statistics_are_those_of_the_target(blobs, dropout):
    Xs, ys, Xt, _ = blobs
    clf, layer, linear, weights = adapted_statistics(Xt, Xs, ys, dropout=dropout)
    rows = Xt.astype(np.float64) @ linear.weight.detach().double().numpy().T
    if linear.bias is not None:
        rows += linear.bias.detach().double().numpy()
    np.testing.assert_allclose(layer.running_mean, rows.mean(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.running_var, rows.var(0, ddof=1), rtol=1e-5)
    assert all(torch.equal(p, weights[n]) for n, p in clf.module_.named_parameters())
    assert layer.momentum == 0.1
    assert not clf.module_.training
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    assert not hasattr(clf, "adaptation_history_")


def test_dropout_has_no_part_in_statistics(blobs):
    Xs, ys, Xt, _ = blobs
    settings = {**WITH_LAYERS, "hidden_layer_sizes": (16, 8), "dropout": 0.5}
    clf = AlignmentClassifier(None, **settings).fit(Xs, ys)
    layers = [m for m in clf.module_.modules() if isinstance(m, (nn.Linear, nn.BatchNorm1d))]
    first, first_norm, second, second_norm, _ = layers
    clf.adapt(Xt, alignment="batch_norm")
    with torch.no_grad():
        rows = first(torch.from_numpy(Xt))
        rows = (rows - rows.mean(0)) / (rows.var(0, correction=0) + first_norm.eps).sqrt()
        rows = second((rows * first_norm.weight + first_norm.bias).relu())
    torch.testing.assert_close(second_norm.running_mean, rows.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second_norm.running_var, rows.var(0), rtol=1e-4, atol=1e-5)
    assert any(isinstance(m, nn.Dropout) for m in clf.module_.modules())


def test_statistics_of_the_target_undo_a_change_of_scale(blobs):
    Xs, ys, _, _ = blobs
    clf = AlignmentClassifier(None, **{**WITH_LAYERS, "max_epochs": 20}).fit(Xs, ys)
    moved = 3.0 * Xs + np.random.default_rng(0).normal(scale=20.0, size=10).astype(np.float32)
    on_source, before = clf.predict(Xs), clf.score(moved, ys)
    assert clf.adapt(moved, alignment="batch_norm").score(moved, ys) >= before + 0.1
    assert (clf.predict(moved) == on_source).mean() > 0.95


def test_statistics_of_the_target_side_are_replaced(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**SMALL).fit(Xs, ys, X_target=Xt)
    (layer,) = (m for m in clf.module_.modules() if isinstance(m, SplitBatchNorm))
    of_source, n_first = copy.deepcopy(layer.first), layer.n_first
    rows = Xt - 3.0
    linear = next(m for m in clf.module_.modules() if isinstance(m, nn.Linear))
    clf.adapt(rows, alignment="batch_norm")
    with torch.no_grad():
        expected = linear(torch.from_numpy(rows)).double().mean(0)
    np.testing.assert_allclose(layer.second.running_mean, expected, rtol=1e-5, atol=1e-5)
    assert same(layer.first, of_source)
    assert layer.n_first == n_first


def test_statistics_that_cannot_be_taken_are_refused(blobs, same):
    Xs, ys, Xt, _ = blobs
    without = AlignmentClassifier(None, **SMALL).fit(Xs, ys)
    with pytest.raises(ValueError, match=r"the network has none.* Fit with batch_norm='per_d"):
        without.adapt(Xt, alignment="batch_norm")
    clf = AlignmentClassifier(None, **WITH_LAYERS).fit(Xs, ys)
    before = copy.deepcopy(clf.module_)
    with pytest.raises(ValueError, match="X_target has 1 sample, which has no variance"):
        clf.adapt(Xt[:1], alignment="batch_norm")
    assert same(clf.module_, before)
