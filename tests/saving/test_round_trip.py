"""Estimators that go through a file and come back as they were."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch import nn

import domadapt
from domadapt import DANClassifier, DANNClassifier, ImageLoader, estimators, pack


def test_every_classifier_comes_back_as_it_was(make, blobs, through_file, assert_same, file):
    Xs, ys, Xt, _ = blobs
    clf = make(label_smoothing=0.25, class_weight={0: 1.0, 1: 2.5, 2: 1.0}).fit(Xs, ys, X_target=Xt)
    again = through_file(clf, file)
    assert type(again) is type(clf)
    assert again.get_params() == clf.get_params()
    assert list(map(type, again.class_weight)) == [int] * 3
    assert isinstance(again.hidden_layer_sizes, tuple)
    assert_same(clf, again, Xt)
    assert not again.module_.training


@pytest.mark.parametrize("name", estimators.__all__)
def test_every_estimator_is_known_again_by_its_name(name, blobs, quick, through_file, file, same):
    kind = getattr(estimators, name)
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    # Two sources, for the method that needs them.
    sample_domain[:45] = 2
    fitted = kind(**quick).fit(X, y, sample_domain=sample_domain)
    again = through_file(fitted, file)
    assert type(again) is kind
    assert again.get_params() == fitted.get_params()
    assert same(again, fitted)
    np.testing.assert_array_equal(again.predict(Xt), fitted.predict(Xt))
    assert again.history_ == fitted.history_
    for attribute in ("adaptation_history_", "unknown_"):
        assert getattr(again, attribute, None) == getattr(fitted, attribute, None)
    assert same(again.fit(X, y, sample_domain=sample_domain), fitted)


@pytest.mark.parametrize(
    "names",
    [
        np.array([3, 5, 100]),
        np.array([0, 1, 2], dtype=np.uint8),
        np.array([-1.0, 0.0, 2.0], dtype=np.float32),
        np.array(["a", "b", "grün"]),
        np.array(["x", "a longer one", "zz"], dtype=object),
    ],
    ids=lambda names: str(names.dtype),
)
def test_labels_come_back_in_their_kind(blobs, quick, through_file, assert_same, file, names):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**quick).fit(Xs, names[ys], X_target=Xt)
    again = through_file(clf, file)
    assert again.classes_.tolist() == sorted(names)
    assert_same(clf, again, Xt)


def test_booleans_are_labels_too(blobs, quick, through_file, assert_same, file):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**quick).fit(Xs, ys > 0, X_target=Xt)
    again = through_file(clf, file)
    assert again.classes_.dtype == bool
    assert_same(clf, again, Xt)


def test_names_of_columns_come_back_and_are_checked(blobs, quick, through_file, assert_same, file):
    Xs, ys, Xt, _ = blobs
    source, target = (pd.DataFrame(X, columns=[f"c{i}" for i in range(10)]) for X in (Xs, Xt))
    again = through_file(DANClassifier(**quick).fit(source, ys, X_target=target), file)
    assert again.feature_names_in_.tolist() == source.columns.tolist()
    assert_same(DANClassifier(**quick).fit(source, ys, X_target=target), again, target)
    with pytest.raises(ValueError, match="feature names"):
        again.predict(target[target.columns[::-1]])


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
@pytest.mark.parametrize(
    "sizes", [None, 12, (), (16, 8), [6], np.array([7, 5])], ids=lambda sizes: repr(sizes)
)
def test_any_layers_come_back(blobs, quick, through_file, assert_same, file, batch_norm, sizes):
    Xs, ys, Xt, _ = blobs
    layers = {"batch_norm": batch_norm, "hidden_layer_sizes": sizes, "dropout": 0.2}
    clf = DANClassifier(**{**quick, **layers}).fit(Xs, ys, X_target=Xt)
    assert_same(clf, through_file(clf, file), Xt)


def test_a_fit_on_the_source_alone_comes_back_without_a_transduction(
    make, blobs, through_file, assert_same, file
):
    Xs, ys, Xt, _ = blobs
    clf = make().fit(Xs, ys)
    again = through_file(clf, file)
    assert not hasattr(again, "transduction_")
    assert_same(clf, again, Xt)


@pytest.mark.parametrize("axes", ["colour", "grey"])
def test_image_stacks_come_back(quick, through_file, assert_same, images, file, axes):
    X, y, X_target = images()
    X, X_target = (X, X_target) if axes == "colour" else (X[:, 0], X_target[:, 0])
    clf = DANNClassifier(**quick).fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert_same(clf, again, X_target)
    with pytest.raises(ValueError, match="samples of shape"):
        again.predict(X_target[..., :5])


def test_paths_and_their_loader_come_back(
    quick, through_file, assert_same, draw_weights, tmp_path, file
):
    pytest.importorskip("torchvision")
    pil_image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for path in paths:
        pixels = generator.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        pil_image.fromarray(pixels).save(path)
    paths[11].write_bytes(b"no image")
    loader = ImageLoader(resize=8, crop=6, n_workers=0, unreadable="skip")
    loader.set_params(cache_folder=tmp_path / "kept")
    backbone = draw_weights(nn.Sequential(nn.Flatten(), nn.Linear(108, 4)))
    clf = DANClassifier(**quick, image_loader=loader, backbone=backbone)
    with pytest.warns(UserWarning, match="1 images cannot be read"):
        clf.fit(paths, np.arange(12) % 2, X_target=paths[:6])
    again = through_file(clf, file, backbone=clone(clf).backbone)
    # A folder of this machine is none of another's.
    assert again.image_loader.get_params() == loader.get_params() | {"cache_folder": None}
    assert again.n_skipped_images_ == 1
    assert not hasattr(again, "n_features_in_")
    assert_same(clf, again, paths[:11])


def test_a_loaded_classifier_is_fitted_and_saved_again(
    make, blobs, through_file, assert_same, file, same
):
    Xs, ys, Xt, _ = blobs
    clf = make().fit(Xs, ys, X_target=Xt)
    again = through_file(clf, file)
    again.fit(Xs + 1, ys)
    assert not same(again, clf)
    assert same(clone(again).fit(Xs, ys, X_target=Xt), clf)
    again.fit(Xs, ys, X_target=Xt)
    assert same(again, clf)
    third = through_file(again, file)
    assert_same(clf, third, Xt)
    assert_same(clf, pickle.loads(pickle.dumps(third)), Xt)


@pytest.mark.parametrize("device", ["cuda:99", torch.device("cuda", 99)], ids=repr)
def test_a_gpu_that_is_not_there_becomes_auto(fitted, blobs, through_file, file, device):
    proba = fitted.predict_proba(blobs[2])
    again = through_file(fitted.set_params(device=device), file)
    assert again.device == "auto"
    np.testing.assert_allclose(again.predict_proba(blobs[2]), proba, rtol=1e-5, atol=1e-6)


def test_cuda_becomes_auto_on_a_machine_without(fitted, blobs, file, monkeypatch):
    fitted.set_params(device="cuda").save(file)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    again = domadapt.load(file)
    assert again.device == "auto"
    assert again.module_.device.type == "cpu"
    assert again.predict(blobs[2]).shape == (75,)


def test_a_path_becomes_a_text(fitted, through_file, file, tmp_path):
    fitted.set_params(checkpoint=tmp_path / "fit.safetensors", device=torch.device("cpu"))
    again = through_file(fitted, file)
    assert again.checkpoint == str(tmp_path / "fit.safetensors")
    assert again.device == "cpu"
