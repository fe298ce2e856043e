"""Backbones that are not trained, and their features, which may be kept."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from domadapt import AlignmentClassifier
from domadapt._storage.files import read_tensors
from domadapt.inputs import UnreadableImageError
from domadapt.inputs.frozen import FrozenBackbone

v2 = pytest.importorskip("torchvision.transforms.v2")

FROZEN = {"freeze": True, "hidden_layer_sizes": (6,), "dropout": 0.2}


def test_a_frozen_backbone_is_training_on_its_features(photographs, small, tiny, through_network):
    Xs, ys, Xt, _ = photographs
    frozen = small(**FROZEN).fit(Xs, ys, X_target=Xt)
    source, target = (through_network(tiny(), paths) for paths in (Xs, Xt))
    assert source.dtype == np.float32
    on_vectors = small(**{**FROZEN, "freeze": False, "backbone": None})
    on_vectors.fit(source, ys, X_target=target)
    ours = frozen.module_.state_dict()
    layers = {
        name.replace("extractor.layers.", "extractor."): value
        for name, value in ours.items()
        if "extractor.backbone." not in name
    }
    theirs = on_vectors.module_.state_dict()
    assert layers.keys() == theirs.keys()
    for name, value in layers.items():
        assert torch.equal(value, theirs[name]), name
    np.testing.assert_array_equal(frozen.predict_proba(Xt), on_vectors.predict_proba(target))
    np.testing.assert_array_equal(frozen.transform(Xs), on_vectors.transform(source))
    assert frozen.history_ == on_vectors.history_


def test_a_frozen_backbone_stays_as_it_is_even_in_training_mode(photographs, small, tiny):
    Xs, ys, Xt, _ = photographs
    backbone = tiny()
    backbone[1].running_mean += 0.5
    clf = small(**{**FROZEN, "backbone": backbone}).fit(Xs, ys, X_target=Xt)
    kept = clf.module_.feature_extractor.backbone
    clf.module_.train()
    assert not kept.training
    assert not any(module.training for module in kept.modules())
    assert clf.module_.classifier.training
    generator = torch.Generator().manual_seed(0)
    clf.module_(torch.randn(8, 3, 12, 12, generator=generator)).sum().backward()
    assert all(not p.requires_grad and p.grad is None for p in kept.parameters())
    assert any(p.grad is not None for p in clf.module_.parameters())
    assert isinstance(kept.model[1], nn.BatchNorm2d)
    for name, value in kept.model.state_dict().items():
        assert torch.equal(value, backbone.state_dict()[name]), name


def test_arrays_have_frozen_features_too(blobs, tiny, same):
    Xs, ys, Xt, _ = blobs
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = nn.Sequential(nn.Linear(10, 7), nn.Tanh())
    settings = {"max_epochs": 3, "random_state": 0, "hidden_layer_sizes": (6,)}
    frozen = AlignmentClassifier(backbone=backbone, freeze=True, **settings)
    frozen.fit(Xs, ys, X_target=Xt)
    with torch.no_grad():
        source, target = (backbone(torch.from_numpy(X)).numpy() for X in (Xs, Xt))
    on_vectors = AlignmentClassifier(**settings).fit(source, ys, X_target=target)
    np.testing.assert_array_equal(frozen.predict_proba(Xt), on_vectors.predict_proba(target))
    assert frozen.n_features_in_ == 10
    rng = np.random.default_rng(0)
    stack, y = rng.normal(size=(20, 3, 8, 8)), np.arange(20) % 2
    clf = AlignmentClassifier(backbone=tiny(), freeze=True, **settings).fit(stack, y)
    assert clf.transform(stack).shape == (20, 6)
    again = AlignmentClassifier(backbone=tiny(), freeze=True, **settings).fit(stack, y)
    assert same(clf, again)


def test_a_frozen_backbone_may_be_lazy(photographs, small, same):
    Xs, ys, Xt, _ = photographs
    backbone = nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.ReLU())
    clf = small(**{**FROZEN, "backbone": backbone}).fit(Xs, ys, X_target=Xt)
    assert clf.module_.feature_extractor.backbone.model[1].weight.shape == (5, 3 * 12 * 12)
    assert clf.predict(Xt).shape == (24,)
    assert same(clf, small(**{**FROZEN, "backbone": backbone}).fit(Xs, ys, X_target=Xt))


def files_in(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


@pytest.fixture
def computed(monkeypatch):
    """Collect how many samples frozen backbones compute features of."""
    seen, forward = [], FrozenBackbone.forward

    def noted(self, x):
        seen.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(FrozenBackbone, "forward", noted)
    return seen


def test_features_that_were_kept_are_not_computed_again(
    copied, small, same, computed, exchange_content, tmp_path
):
    Xs, ys, Xt, _ = copied
    cached = {**FROZEN, "feature_cache": tmp_path / "a" / "cache"}
    reference = small(**FROZEN).fit(Xs, ys, X_target=Xt)
    proba = reference.predict_proba(Xt)
    computed.clear()
    first = small(**cached).fit(Xs, ys, X_target=Xt)
    assert sum(computed) == 30 + 24
    assert same(first, reference)
    files = files_in(tmp_path / "a" / "cache")
    assert len(files) == 2
    assert all(re.fullmatch(r"features-[0-9a-f]{32}\.safetensors", name) for name in files)
    tensors, _ = read_tensors(tmp_path / "a" / "cache" / files[0], kind="features")
    assert tensors["features"].shape[1] == 4
    computed.clear()
    # The same contents, under other names and of another time.
    moved = [
        np.array([shutil.copyfile(p, tmp_path / f"{i}{Path(p).name}") for p in X])
        for i, X in enumerate((Xs, Xt))
    ]
    for paths in ((Xs, Xt), moved):
        second = small(**cached).fit(paths[0], ys, X_target=paths[1])
        assert same(second, reference)
        np.testing.assert_array_equal(second.predict_proba(paths[1]), proba)
        np.testing.assert_array_equal(second.transduction_, reference.transduction_)
    other = small(**{**cached, "random_state": 1, "hidden_layer_sizes": (3,), "max_epochs": 3})
    other.fit(Xs, ys, X_target=Xt)
    assert not computed
    assert files_in(tmp_path / "a" / "cache") == files
    # Other contents under the same names, of the same sizes and times.
    exchange_content(Xs[2:])
    with pytest.raises(UnreadableImageError):
        small(**cached).fit(Xs, ys, X_target=Xt)


OTHERS = {
    "resize": lambda loader, tiny: {"image_loader": loader(resize=17)},
    "crop": lambda loader, tiny: {"image_loader": loader(crop=11)},
    "transform": lambda loader, tiny: {"image_loader": loader(eval_transform=corner(0))},
    "other transform": lambda loader, tiny: {"image_loader": loader(eval_transform=corner(1))},
    "weights": lambda loader, tiny: {"backbone": tiny(1)},
    "precision": lambda loader, tiny: {"precision": "bfloat16"},
    "layers": lambda loader, tiny: {"backbone": nn.Sequential(*tiny(), nn.Dropout(0.1))},
}


def corner(start):
    return lambda image: image[:, :12, start : start + 12]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_other_features_are_kept_beside_the_first(
    photographs, small, loader, tiny, tmp_path, other
):
    Xs, ys, _, _ = photographs
    change = other(loader, tiny)
    cached = {**FROZEN, "feature_cache": str(tmp_path / "cache"), "max_epochs": 1}
    small(**cached).fit(Xs, ys)
    (first,) = files_in(tmp_path / "cache")
    reference = small(**{**FROZEN, "max_epochs": 1}, **change).fit(Xs, ys)
    clf = small(**cached, **change).fit(Xs, ys)
    assert len(files_in(tmp_path / "cache")) == 2
    assert first in files_in(tmp_path / "cache")
    np.testing.assert_array_equal(clf.predict_proba(Xs), reference.predict_proba(Xs))
    assert len(files_in(tmp_path / "cache")) == 2


def test_a_photograph_that_was_changed_is_read_again(copied, small, tmp_path):
    Xs, ys, _, _ = copied
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "max_epochs": 1}
    before = small(**cached).fit(Xs, ys).transform(Xs)
    state = os.stat(Xs[0])
    shutil.copyfile(Xs[10], Xs[0])
    # Its time is as it was.
    os.utime(Xs[0], ns=(state.st_atime_ns, state.st_mtime_ns))
    clf = small(**cached).fit(Xs, ys)
    assert len(files_in(tmp_path / "cache")) == 2
    features = clf.transform(Xs)
    np.testing.assert_array_equal(features[0], features[10])
    assert not np.array_equal(before[0], before[10])


def test_loading_in_another_way_takes_the_same_features(photographs, small, loader, tmp_path):
    Xs, ys, _, _ = photographs
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "max_epochs": 1}
    small(**cached).fit(Xs, ys)
    files = files_in(tmp_path / "cache")
    other = loader(n_workers=2, cache_megabytes=0, train_transform=v2.CenterCrop(3))
    small(**cached, image_loader=other).fit(Xs.tolist(), ys)
    assert files_in(tmp_path / "cache") == files


def test_features_of_arrays_are_not_kept(blobs, small, tmp_path):
    backbone = nn.Sequential(nn.Linear(10, 7), nn.Tanh())
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "backbone": backbone}
    assert small(**cached).fit(blobs[0], blobs[1]).predict(blobs[0]).shape == (90,)
    assert files_in(tmp_path / "cache") == []


def test_a_damaged_file_of_features_is_told(photographs, small, cut_off, tmp_path, untrained):
    Xs, ys, _, _ = photographs
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "max_epochs": 1}
    with pytest.raises(AssertionError, match="training started"):
        small(**cached).fit(Xs, ys)
    (name,) = files_in(tmp_path / "cache")
    cut_off(tmp_path / "cache" / name)
    with pytest.raises(ValueError, match=f"{name}' is no whole safetensors file"):
        small(**cached).fit(Xs, ys)


def test_a_folder_that_cannot_be_is_told_before_features_are_computed(
    photographs, small, tiny, tmp_path
):
    Xs, ys, _, _ = photographs
    (tmp_path / "file").write_text("no folder")
    calls = []
    backbone = tiny()
    backbone[0].register_forward_hook(lambda *_: calls.append(1))
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        calls.clear()
        with pytest.raises(OSError, match=r"feature_cache=.* is no folder that can be written to"):
            small(**{**FROZEN, "backbone": backbone, "feature_cache": folder}).fit(Xs, ys)
        assert not calls
