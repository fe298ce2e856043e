"""How a backbone of photographs is trained: its layers, rate and precision."""

import numpy as np
import pytest
import torch
from torch import nn

from domadapt.nn.pretrained import NamedBackbone

pytest.importorskip("torchvision")

FROZEN = {"freeze": True, "hidden_layer_sizes": (6,), "dropout": 0.2}


def test_hidden_layers_come_after_the_backbone(photographs, small, tiny, through_network):
    Xs, ys, Xt, _ = photographs
    clf = small(hidden_layer_sizes=(7, 5)).fit(Xs, ys, X_target=Xt)
    assert clf.transform(Xt).shape == (24, 5)
    kinds = [type(module).__name__ for module in clf.module_.feature_extractor.layers]
    assert kinds == ["Linear", "SplitBatchNorm", "ReLU"] * 2
    assert small().fit(Xs, ys, X_target=Xt).transform(Xt).shape == (24, 4)
    frozen = small(freeze=True, hidden_layer_sizes=()).fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(frozen.transform(Xt), through_network(tiny(), Xt))


def test_dropout_changes_training_and_not_prediction(photographs, small, same):
    Xs, ys, Xt, _ = photographs
    without = small(hidden_layer_sizes=(8,)).fit(Xs, ys, X_target=Xt)
    clf = small(hidden_layer_sizes=(8,), dropout=0.5).fit(Xs, ys, X_target=Xt)
    names = clf.module_.state_dict().keys()
    assert names == without.module_.state_dict().keys()
    assert not same(clf, without)
    assert same(clf, small(hidden_layer_sizes=(8,), dropout=0.5).fit(Xs, ys, X_target=Xt))
    proba = clf.predict_proba(Xt)
    np.testing.assert_array_equal(proba, clf.predict_proba(Xt))
    without.module_.load_state_dict(clf.module_.state_dict())
    np.testing.assert_array_equal(proba, without.predict_proba(Xt))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_backbone_without_a_rate_keeps_its_parameters_but_not_its_statistics(
    photographs, small, tiny, optimizer
):
    Xs, ys, Xt, _ = photographs
    settings = {"batch_norm": "joint", "optimizer": optimizer, "weight_decay": 0.1}
    clf = small(**settings, backbone_rate=0).fit(Xs, ys, X_target=Xt)
    before, after = tiny().state_dict(), clf.module_.feature_extractor.state_dict()
    for name, value in before.items():
        is_statistic = "running" in name or "num_batches" in name
        assert torch.equal(value, after[name]) is not is_statistic, name
    unmoved = small(**settings, learning_rate=1e-12).fit(Xs, ys, X_target=Xt)
    heads = [fitted.module_.classifier[0].weight for fitted in (clf, unmoved)]
    assert (heads[0] - heads[1]).abs().max() > 1e-3
    trained = small(**settings).fit(Xs, ys, X_target=Xt).module_.feature_extractor
    for name, value in trained.named_parameters():
        # Batch normalisation takes the bias away again, up to its decay.
        assert name == "0.bias" or not torch.equal(value, before[name]), name


def test_a_pretrained_backbone_moves_at_a_tenth_of_the_rate(photographs, small, tiny, same):
    Xs, ys, Xt, _ = photographs

    def fitted(pretrained, **parameters):
        backbone = NamedBackbone("tiny", tiny(), pretrained=pretrained)
        return small(backbone=backbone, **parameters).fit(Xs, ys, X_target=Xt)

    assert same(fitted(True), fitted(True, backbone_rate=0.1))
    assert same(fitted(True), fitted(False, backbone_rate=0.1))
    assert same(fitted(False), fitted(False, backbone_rate=1.0))
    assert not same(fitted(True), fitted(False))
    moved = [
        (clf.module_.feature_extractor.model[0].weight - tiny()[0].weight).norm().item()
        for clf in (fitted(True), fitted(False))
    ]
    assert 0 < moved[0] < 0.3 * moved[1]


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint"])
def test_layers_that_take_no_gradient_stay_bit_for_bit(photographs, small, tiny, batch_norm):
    Xs, ys, Xt, _ = photographs
    with torch.random.fork_rng():
        torch.manual_seed(1)
        more = nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
    first, norm, *rest = tiny()
    backbone = nn.Sequential(first, norm, *more, *rest)
    first.requires_grad_(False)
    norm.requires_grad_(False)
    norm.running_mean += 0.1
    clf = small(backbone=backbone, batch_norm=batch_norm, weight_decay=0.1)
    clf.fit(Xs, ys, X_target=Xt)
    extractor = clf.module_.feature_extractor
    for before, after in ((first, extractor[0]), (norm, extractor[1])):
        assert type(before) is type(after)
        assert not any(p.requires_grad for p in after.parameters())
        for name, value in before.state_dict().items():
            assert torch.equal(value, after.state_dict()[name]), name
    assert not torch.equal(extractor[2].weight, more[0].weight)
    assert (type(extractor[3]).__name__ == "SplitBatchNorm") == (batch_norm == "per_domain")


def test_half_precision_is_near_full_precision_and_comes_out_in_full(photographs, small, same):
    Xs, ys, Xt, yt = photographs
    settings = {"max_epochs": 15, "learning_rate": 0.1, "hidden_layer_sizes": (6,)}
    full = small(**settings).fit(Xs, ys, X_target=Xt)
    half = small(**settings, precision="bfloat16").fit(Xs, ys, X_target=Xt)
    assert not same(full, half)
    assert half.predict_proba(Xt).dtype == np.float32
    assert half.transform(Xt).dtype == np.float32
    assert all(value.dtype == torch.float32 for value in half.module_.parameters())
    assert half.score(Xt, yt) > 0.9
    first = [clf.history_["task_loss"][0] for clf in (full, half)]
    assert first[0] != first[1]
    assert abs(first[0] - first[1]) < 0.02
    frozen = small(**FROZEN, precision="bfloat16").fit(Xs, ys, X_target=Xt)
    assert frozen.transform(Xt).dtype == np.float32


def test_a_backbone_in_float64_is_trained_in_float64(photographs, small, tiny):
    Xs, ys, Xt, _ = photographs
    clf = small(backbone=tiny().double()).fit(Xs, ys, X_target=Xt)
    assert clf.predict_proba(Xt).dtype == np.float64
    assert clf.module_.classifier[0].weight.dtype == torch.float64
    frozen = small(backbone=tiny().double(), freeze=True).fit(Xs, ys, X_target=Xt)
    assert frozen.predict_proba(Xt).dtype == np.float64


@pytest.mark.parametrize("freeze", [False, True])
def test_an_epoch_has_as_many_steps_as_were_asked_for(photographs, small, freeze):
    Xs, ys, Xt, _ = photographs
    clf = small(steps_per_epoch=5, max_epochs=3, freeze=freeze).fit(Xs, ys, X_target=Xt)
    assert clf.n_steps_ == 15
    assert [len(values) for values in clf.history_.values()] == [3] * 5
    assert small(max_epochs=3, steps_per_epoch=None).fit(Xs, ys, X_target=Xt).n_steps_ == 3 * 8
