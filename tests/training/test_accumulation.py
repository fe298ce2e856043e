"""Mini-batches in parts: the gradient of the whole, in the memory of a part."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from domadapt import AlignmentClassifier, DANNClassifier, MCCClassifier, VADAClassifier
from domadapt.inductive import FineTuneClassifier
from domadapt.training import accumulation
from domadapt.training.accumulation import accumulate_features

SETTINGS = {
    "hidden_layer_sizes": (16,),
    "max_epochs": 2,
    "steps_per_epoch": 3,
    "batch_size": 32,
    "random_state": 0,
}


@pytest.fixture
def run_once(monkeypatch):
    """Hold on to all that a part computes, in place of running it again."""

    def hold(function, *args, use_reentrant, context_fn):
        return function(*args)

    monkeypatch.setattr(accumulation, "checkpoint", hold)


def alike(first, second, atol):
    weights = [clf.module_.state_dict() for clf in (first, second)]
    return weights[0].keys() == weights[1].keys() and all(
        bool(((weights[1][name] - value).abs() <= atol).all()) for name, value in weights[0].items()
    )


class Noting(nn.Linear):
    """Notes of how many samples it is given at once in training."""

    def __init__(self):
        super().__init__(10, 8)
        self.sizes = set()

    def forward(self, x):
        if self.training:
            self.sizes.add(len(x))
        return super().forward(x)


@pytest.mark.parametrize("estimator", [DANNClassifier, MCCClassifier, VADAClassifier])
def test_without_statistics_parts_learn_what_the_whole_does(estimator, blobs):
    Xs, ys, Xt, _ = blobs
    whole = estimator(batch_norm=None, **SETTINGS)
    parts = clone(whole).set_params(accumulate=8)
    # Random directions of VADA are drawn for the whole in both.
    assert alike(*(clf.fit(Xs, ys, X_target=Xt) for clf in (whole, parts)), atol=1e-6)


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
@pytest.mark.parametrize("dropout", ["own", "of others"])
def test_a_part_is_the_same_when_it_is_run_again(batch_norm, dropout, blobs, request):
    Xs, ys, Xt, _ = blobs
    layers = [nn.Linear(10, 8), nn.BatchNorm1d(8, momentum=None), nn.ReLU(), nn.Dropout(0.3)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = nn.Sequential(*layers) if dropout == "of others" else None
    clf = DANNClassifier(
        backbone=backbone, batch_norm=batch_norm, dropout=0.3, accumulate=4, **SETTINGS
    )
    again = clone(clf).fit(Xs, ys, X_target=Xt)
    request.getfixturevalue("run_once")
    assert alike(again, clf.fit(Xs, ys, X_target=Xt), atol=0.0)


class Writing(nn.Linear):
    """Writes into its input, and into a buffer that its output depends on."""

    def __init__(self):
        super().__init__(10, 8)
        self.register_buffer("n_runs", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.n_runs += 1
        return super().forward(x.mul_(1 + 1 / (1 + self.n_runs)))


def test_what_a_backbone_writes_is_written_once(blobs, request):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(backbone=Writing(), accumulate=4, **SETTINGS)
    again = clone(clf).fit(Xs, ys, X_target=Xt)
    assert again.module_.feature_extractor[0].n_runs == 2 * 3 * 4
    request.getfixturevalue("run_once")
    assert alike(again, clf.fit(Xs, ys, X_target=Xt), atol=0.0)


class WeightGradients(nn.Module):
    """Compares gradients of weights, for which parts are run again before the backward pass."""

    def forward(self, source_features, target_features, feature_extractor):
        weights = list(feature_extractor.parameters())
        first, second = (
            torch.autograd.grad(features.square().mean(), weights, create_graph=True)
            for features in (source_features, target_features)
        )
        return sum((a - b).square().sum() for a, b in zip(first, second, strict=True))


def test_a_criterion_may_take_gradients_of_weights(blobs, request):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(alignment=WeightGradients(), dropout=0.3, accumulate=4, **SETTINGS)
    again = clone(clf).fit(Xs, ys, X_target=Xt)
    request.getfixturevalue("run_once")
    assert alike(again, clf.fit(Xs, ys, X_target=Xt), atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images_and_known_labels(precision, request):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3, 8, 8)).astype(np.float32), np.arange(40) % 2
    known = np.where(np.arange(40) < 6, y, None)
    clf = DANNClassifier(
        accumulate=2, max_epochs=1, batch_size=8, precision=precision, random_state=0
    )
    again = clone(clf).fit(X, y, X_target=X + 0.5, y_target=known)
    request.getfixturevalue("run_once")
    assert alike(again, clf.fit(X, y, X_target=X + 0.5, y_target=known), atol=0.0)


def test_no_more_than_a_part_is_run_at_once_and_of_both_domains(blobs):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(backbone=Noting(), accumulate=8, batch_norm=None, **SETTINGS)
    clf.fit(Xs, ys, X_target=Xt)
    assert clf.module_.feature_extractor[0].sizes == {8}
    inputs = torch.arange(12.0)[:, None]
    seen = []

    def noting(part):
        seen.append(part.flatten().tolist())
        return 10 * part

    features = accumulate_features(noting_module(noting), inputs, torch.float32, [8, 4], 4)
    torch.testing.assert_close(features, 10 * inputs)
    assert seen == [[0, 1, 8], [2, 3, 9], [4, 5, 10], [6, 7, 11]]


def noting_module(function):
    module = nn.Module()
    module.forward = function
    return module


def test_memory_holds_one_part(blobs):
    Xs, *_ = blobs
    layers = [nn.Linear(10, 10) for _ in range(20)]

    def held(accumulate):
        network = nn.Sequential(*layers)
        inputs = torch.from_numpy(Xs[:64])
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            if accumulate == 1:
                network(inputs)
            else:
                accumulate_features(network, inputs, torch.float32, [32, 32], accumulate)
        weights = {p.data_ptr() for p in network.parameters()}
        return sum(t.nbytes for t in kept if t.data_ptr() not in weights)

    saved = {accumulate: held(accumulate) for accumulate in (1, 4)}
    assert saved[1] >= 20 * 64 * 10 * 4
    # What is left is the inputs of each part.
    assert saved[4] <= 2 * 64 * 10 * 4


def test_a_model_is_tuned_in_parts(blobs):
    Xs, ys, Xt, yt = blobs
    source = AlignmentClassifier(batch_norm=None, **SETTINGS).fit(Xs, ys)
    tuned = [
        FineTuneClassifier(source, accumulate=n, max_epochs=2, batch_size=16, random_state=0)
        for n in (1, 4)
    ]
    assert alike(*(clf.fit(Xt[:32], yt[:32]) for clf in tuned), atol=1e-6)


def test_a_number_that_does_not_divide_the_batch_is_refused(blobs, untrained):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(ValueError, match=r"accumulate=5 does not divide batch_size=32\. Use"):
        DANNClassifier(accumulate=5, batch_size=32).fit(Xs, ys, X_target=Xt)
    with pytest.raises(ValueError, match="The 'accumulate' parameter"):
        DANNClassifier(accumulate=0).fit(Xs, ys, X_target=Xt)
    with pytest.raises(ValueError, match="a domain of 10 samples leaves none for some of the 16"):
        DANNClassifier(accumulate=16, batch_size=32).fit(Xs, ys, X_target=Xt[:10])


def test_parts_of_a_single_sample_are_refused_where_it_has_no_variance(blobs, untrained):
    Xs, ys, _, _ = blobs
    clf = AlignmentClassifier(accumulate=32, batch_size=32, batch_norm="joint")
    with pytest.raises(ValueError, match="batch_size=32, accumulate=32 and 90 samples of the"):
        clf.fit(Xs, ys)
