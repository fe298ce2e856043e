"""A fitted classifier adapts to a target without its source."""

import copy

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

import domadapt
from domadapt import AlignmentClassifier, DANClassifier, SHOTClassifier
from domadapt.nn import SplitBatchNorm

SMALL = {
    "hidden_layer_sizes": (16,),
    "max_epochs": 3,
    "steps_per_epoch": 2,
    "batch_size": 32,
    "random_state": 0,
}


def draw_weights(module):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return module


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
def test_adapt_after_a_fit_is_the_fit_with_a_target(blobs, same, batch_norm):
    Xs, ys, Xt, _ = blobs
    settings = {**SMALL, "batch_norm": batch_norm, "dropout": 0.3}
    at_once = SHOTClassifier(**settings).fit(Xs, ys, X_target=Xt)
    apart = SHOTClassifier(**settings).fit(Xs, ys)
    before = apart.predict_proba(Xt)
    assert apart.adapt(Xt) is apart
    assert same(at_once, apart)
    np.testing.assert_array_equal(at_once.transduction_, apart.transduction_)
    np.testing.assert_array_equal(apart.transduction_, apart.predict(Xt))
    assert at_once.adaptation_history_ == apart.adaptation_history_
    assert at_once.history_ == apart.history_
    assert at_once.n_steps_ == apart.n_steps_
    assert not np.array_equal(apart.predict_proba(Xt), before)


def test_adapt_finds_classes_that_moved(moved_classes):
    Xs, ys, Xt, yt = moved_classes
    clf = SHOTClassifier(random_state=0, max_epochs=20).fit(Xs, ys)
    alone = clf.score(Xt, yt)
    assert clf.adapt(Xt).score(Xt, yt) >= alone + 0.1


def test_adapt_leaves_the_last_layer_and_the_history_of_the_fit(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = SHOTClassifier(**SMALL).fit(Xs, ys)
    last, rest = copy.deepcopy(clf.module_.classifier), copy.deepcopy(clf.module_.feature_extractor)
    history = copy.deepcopy(clf.history_)
    trained = [parameter.requires_grad for parameter in clf.module_.parameters()]
    clf.adapt(Xt)
    assert same(clf.module_.classifier, last)
    assert not same(clf.module_.feature_extractor, rest)
    assert [parameter.requires_grad for parameter in clf.module_.parameters()] == trained
    assert clf.history_ == history
    assert set(clf.adaptation_history_["task_loss"]) == {0.0}
    assert len(clf.adaptation_history_["alignment_loss"]) == 3
    assert clf.n_steps_ == 3 * 2 + 3 * 2
    assert not clf.module_.training


def test_a_second_adapt_goes_on_from_the_first(blobs, same):
    Xs, ys, Xt, _ = blobs
    clf = SHOTClassifier(**SMALL).fit(Xs, ys).adapt(Xt)
    once = copy.deepcopy(clf.module_)
    assert not same(clf.adapt(Xt).module_, once)
    assert clf.adapt(Xt[:40]).transduction_.shape == (40,)


def test_adapt_goes_on_after_a_file_as_before_it(blobs, same, tmp_path):
    Xs, ys, Xt, _ = blobs
    clf = SHOTClassifier(**SMALL).fit(Xs, ys)
    clf.save(tmp_path / "model")
    again = domadapt.load(tmp_path / "model").adapt(Xt)
    assert same(clf.adapt(Xt), again)
    again.save(tmp_path / "adapted")
    loaded = domadapt.load(tmp_path / "adapted")
    assert same(clf, loaded)
    assert loaded.adaptation_history_ == clf.adaptation_history_
    np.testing.assert_array_equal(loaded.transduction_, clf.transduction_)


def test_adapt_draws_by_random_state_and_leaves_global_state(blobs, same):
    Xs, ys, Xt, _ = blobs
    source = SHOTClassifier(**SMALL, dropout=0.3).fit(Xs, ys)
    first, again, other = (copy.deepcopy(source) for _ in range(3))
    before = torch.get_rng_state()
    given = Xt.copy()
    first.adapt(Xt)
    again.adapt(Xt)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first, again)
    assert not same(first, other.set_params(random_state=1).adapt(Xt))
    np.testing.assert_array_equal(Xt, given)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("alignment", ["shot", "mcc", [(1.0, "bnm"), (0.5, "entropy")]])
@pytest.mark.parametrize("with_target", [False, True])
def test_any_classifier_can_be_adapted(blobs, same, alignment, with_target):
    Xs, ys, Xt, yt = blobs
    kind = DANClassifier if with_target else AlignmentClassifier
    settings = {**SMALL, "max_epochs": 10, **({} if with_target else {"alignment": None})}
    clf = kind(**settings).fit(Xs, ys, X_target=Xt if with_target else None)
    other = Xt - 3.0
    last = copy.deepcopy(clf.module_.classifier)
    before = clf.predict_proba(other)
    clf.adapt(other, alignment=alignment)
    assert same(clf.module_.classifier, last)
    assert not np.array_equal(clf.predict_proba(other), before)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(other))
    # Predictions have become surer.
    assert clf.predict_proba(other).max(1).mean() > before.max(1).mean()
    assert clf.score(other, yt) > 0.5


def test_after_a_fit_with_a_target_all_samples_are_normalised_as_target(blobs):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**SMALL).fit(Xs, ys, X_target=Xt)
    (layer,) = (m for m in clf.module_.modules() if isinstance(m, SplitBatchNorm))
    sizes, before = layer.n_first, copy.deepcopy(layer)
    clf.adapt(Xt - 3.0)
    # The source's statistics stay; scale and shift are shared.
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(getattr(layer.first, name), getattr(before.first, name))
        assert not torch.equal(getattr(layer.second, name), getattr(before.second, name))
    assert layer.n_first == sizes


@pytest.mark.parametrize("hidden_layer_sizes", [None, (8,)])
def test_a_frozen_backbone_stays_and_what_is_on_top_adapts(blobs, same, hidden_layer_sizes):
    Xs, ys, Xt, _ = blobs
    backbone = draw_weights(nn.Sequential(nn.Linear(10, 12), nn.BatchNorm1d(12), nn.ReLU()))
    settings = {**SMALL, "hidden_layer_sizes": hidden_layer_sizes or (8,), "batch_norm": "joint"}
    clf = AlignmentClassifier(None, backbone=backbone, freeze=True, **settings).fit(Xs, ys)
    frozen = copy.deepcopy(clf.module_.feature_extractor.backbone)
    layers = copy.deepcopy(clf.module_.feature_extractor.layers)
    clf.adapt(Xt)
    assert same(clf.module_.feature_extractor.backbone, frozen)
    assert not same(clf.module_.feature_extractor.layers, layers)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    clf.adapt(Xt, alignment="batch_norm")
    assert same(clf.module_.feature_extractor.backbone, frozen)


@pytest.mark.parametrize(
    ("alignment", "name"),
    [
        ("mmd", "MMD"),
        ("dann", "DomainAdversarial"),
        ("adda", "UntiedAdversarial"),
        ([(1.0, "mcc"), (0.1, "deepcoral")], "DeepCORAL"),
    ],
)
def test_what_asks_for_the_source_is_refused(blobs, same, request, alignment, name):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(None, **SMALL).fit(Xs, ys)
    before = copy.deepcopy(clf.module_)
    request.getfixturevalue("untrained")
    with pytest.raises(
        ValueError, match=rf"asks for source samples \({name}\), which adapt does not"
    ):
        clf.adapt(Xt, alignment=alignment)
    assert same(clf.module_, before)
    assert not hasattr(clf, "transduction_")


def test_adapt_on_what_is_no_target_is_refused(blobs):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(NotFittedError):
        SHOTClassifier().adapt(Xt)
    clf = SHOTClassifier(**SMALL).fit(Xs, ys)
    with pytest.raises(ValueError, match="X has 9 features, but SHOTClassifier is expecting 10"):
        clf.adapt(Xt[:, :9])
    with pytest.raises(ValueError, match="contains NaN"):
        clf.adapt(np.full((5, 10), np.nan))
    with pytest.raises(ValueError, match="0 sample"):
        clf.adapt(Xt[:0])
    with pytest.raises(ValueError, match="'magic' is unknown"):
        clf.adapt(Xt, alignment="magic")
    with pytest.raises(TypeError, match="is no criterion"):
        clf.adapt(Xt, alignment=3)
