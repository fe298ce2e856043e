"""Photographs as rows: paths in, the same contract as for arrays out."""

import copy
import os
import pickle
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

from domadapt import (
    AlignmentClassifier,
    DANNClassifier,
    ImageLoader,
    pack,
)
from domadapt._storage.files import read_tensors
from domadapt.inputs import UnreadableImageError
from domadapt.inputs.decoding import to_network
from domadapt.nn import load_backbone
from domadapt.nn.pretrained import NamedBackbone

v2 = pytest.importorskip("torchvision.transforms.v2")

ENDINGS = ["png", "jpg", "bmp", "tif", "webp"]
COLOURS = np.array([[190, 70, 70], [70, 190, 70], [70, 70, 190]])


def paint(folder, n, rng, light):
    """Write noisy squares, coloured by their class; give paths and classes."""
    paths, y = [], np.arange(n) % 3
    for number, label in enumerate(y):
        noise = rng.normal(scale=40, size=(40, 40, 3)) + COLOURS[label] + light
        path = folder / f"{number}.{ENDINGS[number % 5]}"
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path)
        paths.append(str(path))
    return np.array(paths), y


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """Photographs of a source and of a darker target, which no test may change."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    parts = []
    for name, n, light in (("source", 30, 20), ("target", 24, -30)):
        (folder / name).mkdir()
        parts += paint(folder / name, n, rng, light)
    return tuple(parts)


@pytest.fixture
def photographs(painted):
    return tuple(array.copy() for array in painted)


@pytest.fixture
def copied(painted, tmp_path):
    """The same in a folder of the test's own."""
    Xs, ys, Xt, yt = painted
    shutil.copytree(Path(Xs[0]).parents[1], tmp_path / "copied")
    Xs, Xt = (
        np.array([str(tmp_path / "copied" / Path(p).parent.name / Path(p).name) for p in paths])
        for paths in (Xs, Xt)
    )
    return Xs, ys.copy(), Xt, yt.copy()


def tiny(seed=0, dropout=0.0):
    """A backbone with four features."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def loader(**parameters):
    return ImageLoader(**{"resize": 16, "crop": 12, "n_workers": 0, **parameters})


def small(**parameters):
    """A classifier of photographs that is fitted in no time."""
    settings = {
        "backbone": tiny(),
        "image_loader": loader(),
        "max_epochs": 2,
        "batch_size": 12,
        "random_state": 0,
    }
    return AlignmentClassifier(**{**settings, **parameters})


def cut_off(path):
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)


def exchange_content(paths):
    """Put garbage in files and leave what the system says of them as it was."""
    for path in paths:
        state = os.stat(path)
        Path(path).write_bytes(b"x" * state.st_size)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(
    "kind",
    [
        lambda paths: paths.tolist(),
        lambda paths: tuple(paths.tolist()),
        lambda paths: [Path(path) for path in paths],
        lambda paths: np.array([Path(path) for path in paths]),
        lambda paths: paths.astype(object),
        lambda paths: pd.Series(paths, index=np.arange(len(paths))[::-1]),
        lambda paths: pd.Series([Path(path) for path in paths]),
    ],
    ids=["list", "tuple", "Path", "array of Path", "object", "Series", "Series of Path"],
)
def test_paths_of_any_kind_give_the_same_weights(photographs, same, kind):
    Xs, ys, Xt, _ = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    clf = small().fit(kind(Xs), ys, X_target=kind(Xt))
    assert same(reference, clf)
    np.testing.assert_array_equal(clf.predict_proba(kind(Xt)), reference.predict_proba(Xt))


def test_both_spellings_give_the_same_weights_on_photographs(make, photographs, same):
    Xs, ys, Xt, _ = photographs
    parameters = {"backbone": tiny(), "image_loader": loader(), "batch_size": 12, "max_epochs": 2}
    apart = make(**parameters).fit(Xs, ys, X_target=Xt)
    X, y, sample_domain = pack(Xs, ys, Xt)
    order = np.argsort(np.r_[np.arange(30) * 2, np.arange(24) * 2 + 1])
    stacked = make(**parameters).fit(X[order], y[order], sample_domain=sample_domain[order])
    assert same(apart, stacked)
    np.testing.assert_array_equal(apart.transduction_, stacked.transduction_)
    listed = make(**parameters).fit([Path(p) for p in X], y, sample_domain=sample_domain)
    assert same(apart, listed)


def test_target_labels_and_the_order_of_target_labels_are_never_read(photographs, same):
    Xs, ys, Xt, yt = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    for labels in (yt, np.full(len(Xt), 77), np.full(len(Xt), np.nan)):
        X, y, sample_domain = pack(Xs, ys, Xt, labels)
        clf = small().fit(X, y, sample_domain=sample_domain)
        assert same(clf, reference)
        assert clf.classes_.tolist() == [0, 1, 2]


def test_training_end_to_end_learns(photographs):
    Xs, ys, Xt, yt = photographs
    names = np.array(["red", "green", "blue"])
    clf = small(max_epochs=15, learning_rate=0.1).fit(Xs, names[ys], X_target=Xt)
    assert clf.score(Xt, names[yt]) > 0.9
    assert clf.classes_.tolist() == ["blue", "green", "red"]
    proba = clf.predict_proba(Xt)
    assert proba.shape == (24, 3)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(clf.classes_[proba.argmax(1)], clf.predict(Xt))
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    assert clf.transform(Xt).shape == (24, 4)
    assert len(clf.get_feature_names_out()) == 4
    assert clf.n_steps_ == 15 * 2
    assert clf.n_skipped_images_ == 0
    assert not hasattr(clf, "n_features_in_")


def test_a_photograph_is_predicted_the_same_alone_and_among_others(photographs):
    Xs, ys, Xt, _ = photographs
    clf = small().fit(Xs, ys, X_target=Xt)
    one_by_one = np.concatenate([clf.predict_proba(Xt[n : n + 1]) for n in range(5)])
    np.testing.assert_array_equal(one_by_one, clf.predict_proba(Xt)[:5])
    inputs = torch.stack([loader().read(path) for path in Xt])
    logits = clf.module_(to_network(inputs, torch.device("cpu"), torch.float32))
    expected = logits.softmax(1).detach().numpy()
    np.testing.assert_allclose(clf.predict_proba(Xt), expected, rtol=1e-4, atol=1e-6)


def test_the_default_network_takes_photographs_as_well(photographs):
    Xs, ys, Xt, _ = photographs
    clf = small(backbone=None, hidden_layer_sizes=(6,)).fit(Xs, ys, X_target=Xt)
    assert clf.transform(Xt).shape == (24, 6)


@pytest.mark.parametrize(
    "parameters", [{"n_workers": 2}, {"cache_megabytes": 0}, {"n_workers": 2, "cache_megabytes": 0}]
)
def test_weights_do_not_depend_on_who_reads_the_images(photographs, same, parameters):
    Xs, ys, Xt, _ = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    clf = small(image_loader=loader(**parameters)).fit(Xs, ys, X_target=Xt)
    assert same(reference, clf)
    assert clf.history_ == reference.history_


def test_weights_follow_the_seed_and_the_transform(photographs, same):
    Xs, ys, Xt, _ = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    assert same(reference, small().fit(Xs, ys, X_target=Xt))
    assert not same(reference, small(random_state=1).fit(Xs, ys, X_target=Xt))
    centre = loader(train_transform=v2.CenterCrop(12))
    assert not same(reference, small(image_loader=centre).fit(Xs, ys, X_target=Xt))


def test_rows_of_weight_zero_are_absent(photographs, same):
    Xs, ys, Xt, _ = photographs
    kept = np.arange(30) % 4 > 0
    weighted = small().fit(Xs, ys, X_target=Xt, sample_weight=np.where(kept, 2.0, 0.0))
    absent = small().fit(Xs[kept], ys[kept], X_target=Xt, sample_weight=np.ones(kept.sum()))
    assert same(weighted, absent)


@pytest.fixture
def no_training(monkeypatch):
    from domadapt.training.trainer import Trainer

    def must_not_train(self):
        raise AssertionError("training started on bad input")

    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda Xs, Xt: (Xs, np.zeros((24, 3))), "One of X and X_target holds paths of images"),
        (lambda Xs, Xt: (np.zeros((30, 3)), Xt), "One of X and X_target holds paths of images"),
        (lambda Xs, Xt: ([*Xs[:-1], "no such.png"], Xt), "X names 1 files .* 'no such.png'"),
        (lambda Xs, Xt: (Xs, [*Xt[:-2], "a", "b"]), "X_target names 2 files .* such as 'a'"),
        (lambda Xs, Xt: (Xs, [*Xt[:-1], os.path.dirname(Xt[0])]), "X_target names 1 files"),
        (lambda Xs, Xt: ([*Xs[:-1], 3], Xt), "."),
        (lambda Xs, Xt: (Xs, [*Xt[:-1], None]), "."),
        (lambda Xs, Xt: (Xs, []), "."),
        (lambda Xs, Xt: (Xs[:, None], Xt[:, None]), "."),
        (lambda Xs, Xt: (Xs[:-1], Xt), "y has length 30, but X has 29 samples"),
    ],
)
def test_rows_that_are_not_what_they_should_be(photographs, no_training, change, message):
    Xs, ys, Xt, _ = photographs
    source, target = change(Xs, Xt)
    with pytest.raises(ValueError, match=message):
        small().fit(source, ys, X_target=target)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"freeze": True, "backbone": None}, "freeze=True needs a backbone"),
        (
            {"precision": "bfloat16", "backbone": nn.Conv2d(3, 2, 3).double()},
            "precision='bfloat16' does not go with a backbone in float64",
        ),
        ({"precision": "float16"}, "The 'precision' parameter"),
        ({"image_loader": "a folder"}, "The 'image_loader' parameter"),
        ({"image_loader": loader(crop=0)}, "The 'crop' parameter of ImageLoader"),
        ({"image_loader": loader(n_workers=-1)}, "The 'n_workers' parameter of ImageLoader"),
        ({"image_loader": loader(unreadable="drop")}, "The 'unreadable' parameter of ImageLoader"),
        ({"image_loader": loader(eval_transform="crop")}, "The 'eval_transform' parameter of"),
        ({"image_loader": loader(crop=20)}, "crop=20 is larger than resize=16"),
        ({"backbone": nn.Conv2d(3, 2, 3)}, r"backbone returned shape \(2, 2, 10, 10\)"),
        ({"backbone": nn.Linear(5, 3)}, r"backbone failed on samples of shape \(3, 12, 12\)"),
        ({"backbone": nn.Conv2d(3, 2, 3), "freeze": True}, r"backbone returned shape \(2, 2, 10"),
        ({"backbone": nn.Linear(5, 3), "freeze": True}, "backbone failed on samples of shape"),
        ({"backbone_rate": -1.0}, "The 'backbone_rate' parameter"),
        ({"steps_per_epoch": 0}, "The 'steps_per_epoch' parameter"),
        ({"dropout": 1.0}, "The 'dropout' parameter"),
    ],
)
def test_parameters_that_do_not_go_with_photographs(photographs, no_training, parameters, message):
    Xs, ys, Xt, _ = photographs
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"train_transform": v2.ToPILImage()}, TypeError),
        ({"eval_transform": v2.ToPILImage()}, TypeError),
        ({"train_transform": lambda image: image[:, : 5 + int(image[0, 0, 0]) % 3]}, ValueError),
    ],
)
def test_a_transform_is_named_before_training(photographs, no_training, parameters, error):
    Xs, ys, Xt, _ = photographs
    with pytest.raises(error, match=f"^{next(iter(parameters))} returned"):
        small(image_loader=loader(**parameters)).fit(Xs, ys, X_target=Xt)


def test_prediction_wants_rows_of_the_kind_of_fit(photographs, blobs):
    Xs, ys, Xt, _ = photographs
    clf = small().fit(Xs, ys, X_target=Xt)
    for rows in (np.zeros((5, 10)), np.zeros((5, 3, 12, 12))):
        for method in ("predict", "predict_proba", "transform"):
            with pytest.raises(ValueError, match=r"X has samples of shape .* on paths of images"):
                getattr(clf, method)(rows)
    with pytest.raises(ValueError, match=r"X names 1 files that are not there, such as 'none'"):
        clf.predict(["none"])
    vectors = AlignmentClassifier(max_epochs=1, random_state=0).fit(blobs[0], blobs[1])
    with pytest.raises(ValueError, match=r"X has paths of images, but .* shape \(10,\)"):
        vectors.predict(Xt)


def test_an_estimator_can_go_from_photographs_to_vectors_and_back(photographs, blobs, same):
    Xs, ys, Xt, _ = photographs
    clf = small(backbone=None, hidden_layer_sizes=(6,))
    clf.fit(blobs[0], blobs[1], X_target=blobs[2])
    assert clf.n_features_in_ == 10
    assert not hasattr(clf, "n_skipped_images_")
    clf.fit(Xs, ys, X_target=Xt)
    assert not hasattr(clf, "n_features_in_")
    assert same(clf, small(backbone=None, hidden_layer_sizes=(6,)).fit(Xs, ys, X_target=Xt))
    clf.fit(blobs[0], blobs[1], X_target=blobs[2])
    assert clf.predict(blobs[2]).shape == (75,)
    assert not hasattr(clf, "n_skipped_images_")


def features_by_hand(backbone, paths):
    model = copy.deepcopy(backbone).to(memory_format=torch.channels_last).eval()
    images = torch.stack([loader().read(path) for path in paths])
    with torch.no_grad():
        return model(to_network(images, torch.device("cpu"), torch.float32)).numpy()


FROZEN = {"freeze": True, "hidden_layer_sizes": (6,), "dropout": 0.2}


def test_a_frozen_backbone_is_training_on_its_features(photographs, monkeypatch):
    Xs, ys, Xt, _ = photographs
    frozen = small(**FROZEN).fit(Xs, ys, X_target=Xt)
    source, target = (features_by_hand(tiny(), paths) for paths in (Xs, Xt))
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


def test_a_frozen_backbone_stays_as_it_is_even_in_training_mode(photographs):
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


def test_arrays_have_frozen_features_too(blobs, same):
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


def test_a_frozen_backbone_may_be_lazy(photographs, same):
    Xs, ys, Xt, _ = photographs
    backbone = nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.ReLU())
    clf = small(**{**FROZEN, "backbone": backbone}).fit(Xs, ys, X_target=Xt)
    assert clf.module_.feature_extractor.backbone.model[1].weight.shape == (5, 3 * 12 * 12)
    assert clf.predict(Xt).shape == (24,)
    assert same(clf, small(**{**FROZEN, "backbone": backbone}).fit(Xs, ys, X_target=Xt))


def files_in(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def test_features_that_were_kept_are_not_computed_again(copied, same, tmp_path):
    Xs, ys, Xt, _ = copied
    cached = {**FROZEN, "feature_cache": tmp_path / "a" / "cache"}
    reference = small(**FROZEN).fit(Xs, ys, X_target=Xt)
    proba = reference.predict_proba(Xt)
    first = small(**cached).fit(Xs, ys, X_target=Xt)
    assert same(first, reference)
    files = files_in(tmp_path / "a" / "cache")
    assert len(files) == 2
    assert all(re.fullmatch(r"features-[0-9a-f]{32}\.safetensors", name) for name in files)
    tensors, _ = read_tensors(tmp_path / "a" / "cache" / files[0], kind="features")
    assert tensors["features"].shape[1] == 4
    # All but the first two of each domain, by which the network takes its sizes.
    exchange_content([*Xs[2:], *Xt])
    second = small(**cached).fit(Xs, ys, X_target=Xt)
    assert same(second, reference)
    np.testing.assert_array_equal(second.predict_proba(Xt), proba)
    np.testing.assert_array_equal(second.transduction_, reference.transduction_)
    other = small(**{**cached, "random_state": 1, "hidden_layer_sizes": (3,), "max_epochs": 3})
    other.fit(Xs, ys, X_target=Xt)
    assert files_in(tmp_path / "a" / "cache") == files
    with pytest.raises(UnreadableImageError):
        small(**FROZEN).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize(
    "change",
    [
        {"image_loader": loader(resize=17)},
        {"image_loader": loader(crop=11)},
        {"image_loader": loader(eval_transform=lambda image: image[:, :12, :12])},
        {"image_loader": loader(eval_transform=lambda image: image[:, :12, 1:13])},
        {"backbone": tiny(1)},
        {"precision": "bfloat16"},
        {"backbone": nn.Sequential(*tiny(), nn.Dropout(0.1))},
    ],
    ids=["resize", "crop", "transform", "other transform", "weights", "precision", "layers"],
)
def test_other_features_are_kept_beside_the_first(photographs, tmp_path, change):
    Xs, ys, _, _ = photographs
    cached = {**FROZEN, "feature_cache": str(tmp_path / "cache"), "max_epochs": 1}
    small(**cached).fit(Xs, ys)
    (first,) = files_in(tmp_path / "cache")
    reference = small(**{**FROZEN, "max_epochs": 1}, **change).fit(Xs, ys)
    clf = small(**cached, **change).fit(Xs, ys)
    assert len(files_in(tmp_path / "cache")) == 2
    assert first in files_in(tmp_path / "cache")
    np.testing.assert_array_equal(clf.predict_proba(Xs), reference.predict_proba(Xs))
    assert len(files_in(tmp_path / "cache")) == 2


def test_a_photograph_that_was_changed_is_read_again(copied, tmp_path):
    Xs, ys, _, _ = copied
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "max_epochs": 1}
    before = small(**cached).fit(Xs, ys).transform(Xs)
    # The same size, but a later time.
    shutil.copyfile(Xs[10], Xs[0])
    state = os.stat(Xs[0])
    os.utime(Xs[0], ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    clf = small(**cached).fit(Xs, ys)
    assert len(files_in(tmp_path / "cache")) == 2
    features = clf.transform(Xs)
    np.testing.assert_array_equal(features[0], features[10])
    assert not np.array_equal(before[0], before[10])


def test_loading_in_another_way_takes_the_same_features(photographs, tmp_path):
    Xs, ys, _, _ = photographs
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "max_epochs": 1}
    small(**cached).fit(Xs, ys)
    files = files_in(tmp_path / "cache")
    other = loader(n_workers=2, cache_megabytes=0, train_transform=v2.CenterCrop(3))
    small(**cached, image_loader=other).fit(Xs.tolist(), ys)
    assert files_in(tmp_path / "cache") == files


def test_features_of_arrays_are_not_kept(blobs, tmp_path):
    backbone = nn.Sequential(nn.Linear(10, 7), nn.Tanh())
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "backbone": backbone}
    assert small(**cached).fit(blobs[0], blobs[1]).predict(blobs[0]).shape == (90,)
    assert files_in(tmp_path / "cache") == []


def test_a_damaged_file_of_features_is_told(photographs, tmp_path, no_training):
    Xs, ys, _, _ = photographs
    cached = {**FROZEN, "feature_cache": tmp_path / "cache", "max_epochs": 1}
    with pytest.raises(AssertionError, match="training started"):
        small(**cached).fit(Xs, ys)
    (name,) = files_in(tmp_path / "cache")
    cut_off(tmp_path / "cache" / name)
    with pytest.raises(ValueError, match=f"{name}' is no whole safetensors file"):
        small(**cached).fit(Xs, ys)


def test_a_folder_that_cannot_be_is_told_before_features_are_computed(
    photographs, tmp_path, monkeypatch
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


def test_hidden_layers_come_after_the_backbone(photographs):
    Xs, ys, Xt, _ = photographs
    clf = small(hidden_layer_sizes=(7, 5)).fit(Xs, ys, X_target=Xt)
    assert clf.transform(Xt).shape == (24, 5)
    kinds = [type(module).__name__ for module in clf.module_.feature_extractor.layers]
    assert kinds == ["Linear", "SplitBatchNorm", "ReLU"] * 2
    assert small().fit(Xs, ys, X_target=Xt).transform(Xt).shape == (24, 4)
    frozen = small(freeze=True, hidden_layer_sizes=()).fit(Xs, ys, X_target=Xt)
    np.testing.assert_array_equal(frozen.transform(Xt), features_by_hand(tiny(), Xt))


def test_dropout_changes_training_and_not_prediction(photographs, same):
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
    photographs, optimizer
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


def test_a_pretrained_backbone_moves_at_a_tenth_of_the_rate(photographs, same):
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
def test_layers_that_take_no_gradient_stay_bit_for_bit(photographs, batch_norm):
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


def test_half_precision_is_near_full_precision_and_comes_out_in_full(photographs, same):
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


def test_a_backbone_in_float64_is_trained_in_float64(photographs):
    Xs, ys, Xt, _ = photographs
    clf = small(backbone=tiny().double()).fit(Xs, ys, X_target=Xt)
    assert clf.predict_proba(Xt).dtype == np.float64
    assert clf.module_.classifier[0].weight.dtype == torch.float64
    frozen = small(backbone=tiny().double(), freeze=True).fit(Xs, ys, X_target=Xt)
    assert frozen.predict_proba(Xt).dtype == np.float64


@pytest.mark.parametrize("freeze", [False, True])
def test_an_epoch_has_as_many_steps_as_were_asked_for(photographs, freeze):
    Xs, ys, Xt, _ = photographs
    clf = small(steps_per_epoch=5, max_epochs=3, freeze=freeze).fit(Xs, ys, X_target=Xt)
    assert clf.n_steps_ == 15
    assert [len(values) for values in clf.history_.values()] == [3] * 4
    assert small(max_epochs=3).fit(Xs, ys, X_target=Xt).n_steps_ == 3 * (30 // 12)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_images_that_cannot_be_read_are_left_out_where_that_was_asked_for(copied, same, n_workers):
    Xs, ys, Xt, _ = copied
    weight = np.linspace(0.5, 1.5, len(Xs))
    bad_source, bad_target = [0, 7, 29], [1, 23]
    domains = ((Xs, bad_source), (Xt, bad_target))
    readable = [np.delete(np.arange(len(X)), bad) for X, bad in domains]
    good = {"X": Xs[readable[0]], "y": ys[readable[0]], "X_target": Xt[readable[1]]}
    reference = small().fit(**good, sample_weight=weight[readable[0]])
    assert reference.n_skipped_images_ == 0
    for path in (*Xs[bad_source], *Xt[bad_target]):
        cut_off(path)
    clf = small(image_loader=loader(unreadable="skip", n_workers=n_workers))
    with pytest.warns(UserWarning, match="^5 images cannot be read and are left out of fit"):
        clf.fit(Xs, ys, X_target=Xt, sample_weight=weight)
    assert clf.n_skipped_images_ == 5
    assert same(clf, reference)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt[readable[1]]))
    X, y, sample_domain = pack(Xs, ys, Xt)
    stacked = clone(clf)
    with pytest.warns(UserWarning, match="^5 images"):
        stacked.fit(X, y, sample_domain=sample_domain, sample_weight=np.r_[weight, np.ones(24)])
    assert same(stacked, reference)
    with pytest.raises(UnreadableImageError, match=re.escape(repr(str(Xt[1])))):
        clf.predict(Xt)


def test_one_class_that_can_be_read_is_too_few(copied, no_training):
    Xs, ys, Xt, _ = copied
    exchange_content(Xs[ys != ys[0]])
    with pytest.raises(ValueError, match="fewer than 2 classes can be read"):
        small(image_loader=loader(unreadable="skip")).fit(Xs, ys, X_target=Xt)


def test_nothing_is_said_where_all_images_can_be_read(photographs, same, recwarn):
    Xs, ys, Xt, _ = photographs
    clf = small(image_loader=loader(unreadable="skip")).fit(Xs, ys, X_target=Xt)
    assert clf.n_skipped_images_ == 0
    assert same(clf, small().fit(Xs, ys, X_target=Xt))
    assert not [str(w.message) for w in recwarn if "images" in str(w.message)]


def test_a_domain_without_any_image_that_can_be_read_is_refused(copied, no_training):
    Xs, ys, Xt, _ = copied
    exchange_content(Xt)
    with pytest.raises(ValueError, match="None of the 24 images of a domain can be read"):
        small(image_loader=loader(unreadable="skip")).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize("n_workers", [0, 2])
@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("row", [0, 29])
def test_an_image_that_cannot_be_read_ends_the_fit_by_its_name(
    copied, same, row, freeze, n_workers
):
    Xs, ys, Xt, _ = copied
    whole = Path(Xs[row]).read_bytes()
    cut_off(Xs[row])
    clf = small(image_loader=loader(n_workers=n_workers), freeze=freeze)
    message = f"^The image {str(Xs[row])!r} cannot be read: .*unreadable='skip'"
    with pytest.raises(UnreadableImageError, match=message):
        clf.fit(Xs, ys, X_target=Xt)
    Path(Xs[row]).write_bytes(whole)
    assert same(clf.fit(Xs, ys, X_target=Xt), small(freeze=freeze).fit(Xs, ys, X_target=Xt))


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("parameters", [{}, FROZEN], ids=["trained", "frozen"])
@pytest.mark.parametrize("duplicate", [clone, copy.deepcopy, through_pickle])
def test_copies_of_classifiers_of_photographs_work_alike(photographs, same, duplicate, parameters):
    Xs, ys, Xt, _ = photographs
    clf = small(**parameters).fit(Xs, ys, X_target=Xt)
    twin = duplicate(clf)
    if duplicate is clone:
        twin.fit(Xs, ys, X_target=Xt)
    assert same(clf, twin)
    np.testing.assert_array_equal(clf.predict_proba(Xt), twin.predict_proba(Xt))
    assert same(clf, duplicate(twin).fit(Xs, ys, X_target=Xt))


def test_a_search_may_go_over_settings_of_the_loader(photographs):
    Xs, ys, Xt, _ = photographs
    X, y, sample_domain = pack(Xs, ys, Xt)
    grid = {"image_loader__crop": [8, 12], "freeze": [False, True]}
    search = GridSearchCV(small(max_epochs=1), grid, cv=2, error_score="raise")
    search.fit(X, y, sample_domain=sample_domain)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.image_loader.crop == search.best_params_["image_loader__crop"]
    assert search.predict(Xt).shape == (24,)


def test_cross_validation_cuts_arrays_and_series_of_paths(photographs):
    Xs, ys, _, _ = photographs
    clf = small(max_epochs=15, batch_size=5, learning_rate=0.1)
    scores = cross_val_score(clf, Xs, ys, cv=3)
    assert scores.mean() > 0.8
    np.testing.assert_array_equal(scores, cross_val_score(clf, pd.Series(Xs), ys, cv=3))


@pytest.mark.parametrize("parameters", [{}, FROZEN], ids=["trained", "frozen"])
def test_nothing_of_the_caller_s_is_changed_by_photographs(photographs, parameters):
    Xs, ys, Xt, _ = photographs
    backbone = tiny()
    clf = small(**{**parameters, "backbone": backbone})
    given = (Xs, ys, Xt, backbone.state_dict(), clf.get_params(), clf.image_loader.get_params())
    before = copy.deepcopy(given[:4])

    def global_state():
        return (
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            random.getstate(),
            torch.get_num_threads(),
        )

    state = global_state()
    clf.fit(Xs, ys, X_target=Xt).predict(Xt)
    assert global_state() == state
    for array, original in zip(given[:3], before[:3], strict=True):
        np.testing.assert_array_equal(array, original)
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, before[3][name]), name
    assert backbone.training
    assert all(p.requires_grad and p.grad is None for p in backbone.parameters())
    assert clf.backbone is backbone
    assert clf.get_params() == given[4]
    assert clf.image_loader.get_params() == given[5]


@pytest.mark.parametrize("estimator", [AlignmentClassifier, DANNClassifier])
def test_alignment_reaches_the_backbone(photographs, estimator):
    Xs, ys, Xt, _ = photographs
    weights = []
    for weight in (0.0, 1.0):
        clf = small(alignment_weight=weight, alignment_schedule="constant")
        parameters = clf.get_params(deep=False)
        for name in ("alignment", "loss_weights"):
            parameters.pop(name)
        clf = estimator(**parameters).fit(Xs, ys, X_target=Xt)
        weights.append(clf.module_.feature_extractor[0].weight)
    assert (weights[0] - weights[1]).abs().max() > 1e-5


@pytest.mark.data
def test_real_photographs_are_recognised_by_their_frozen_features(data_folder):
    images = data_folder / "office_caltech10" / "images"
    X, y = {}, {}
    for domain in ("dslr", "webcam"):
        paths = sorted((images / domain).glob("*/*"))
        classes = sorted({path.parent.name for path in paths})
        by_class = [[p for p in paths if p.parent.name == name][:4] for name in classes]
        X[domain] = [path for some in by_class for path in some]
        y[domain] = np.array([path.parent.name for path in X[domain]])
        assert len(X[domain]) == 40
    weights = data_folder / "weights" / "mobilenet_v2-imagenet.safetensors"
    clf = AlignmentClassifier(
        backbone=load_backbone("mobilenet_v2", weights=weights),
        freeze=True,
        hidden_layer_sizes=(),
        image_loader=ImageLoader(resize=110, crop=96, n_workers=0),
        max_epochs=30,
        random_state=0,
    )
    clf.fit(X["dslr"], y["dslr"], X_target=X["webcam"])
    assert clf.score(X["webcam"], y["webcam"]) > 0.6
