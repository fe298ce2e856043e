"""Photographs as samples: paths in, and the contract that holds for arrays."""

import copy
import pickle
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

from domadapt import AlignmentClassifier, DANNClassifier, ImageLoader, pack
from domadapt.nn import load_backbone

v2 = pytest.importorskip("torchvision.transforms.v2")

FROZEN = {"freeze": True, "hidden_layer_sizes": (6,), "dropout": 0.2}


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
def test_paths_of_any_kind_give_the_same_weights(photographs, small, same, kind):
    Xs, ys, Xt, _ = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    clf = small().fit(kind(Xs), ys, X_target=kind(Xt))
    assert same(reference, clf)
    np.testing.assert_array_equal(clf.predict_proba(kind(Xt)), reference.predict_proba(Xt))


def test_both_spellings_give_the_same_weights_on_photographs(make, loader, tiny, photographs, same):
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


def test_target_labels_and_the_order_of_target_labels_are_never_read(photographs, small, same):
    Xs, ys, Xt, yt = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    for labels in (yt, np.full(len(Xt), 77), np.full(len(Xt), np.nan)):
        X, y, sample_domain = pack(Xs, ys, Xt, y_test=labels)
        clf = small().fit(X, y, sample_domain=sample_domain)
        assert same(clf, reference)
        assert clf.classes_.tolist() == [0, 1, 2]


def test_training_end_to_end_learns(photographs, small):
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


def test_a_photograph_is_predicted_the_same_alone_and_among_others(
    photographs, small, through_network
):
    Xs, ys, Xt, _ = photographs
    clf = small().fit(Xs, ys, X_target=Xt)
    one_by_one = np.concatenate([clf.predict_proba(Xt[n : n + 1]) for n in range(5)])
    np.testing.assert_array_equal(one_by_one, clf.predict_proba(Xt)[:5])
    expected = through_network(nn.Sequential(clf.module_, nn.Softmax(1)), Xt)
    np.testing.assert_allclose(clf.predict_proba(Xt), expected, rtol=1e-4, atol=1e-6)


def test_the_default_network_takes_photographs_as_well(photographs, small):
    Xs, ys, Xt, _ = photographs
    clf = small(backbone=None, hidden_layer_sizes=(6,)).fit(Xs, ys, X_target=Xt)
    assert clf.transform(Xt).shape == (24, 6)


@pytest.mark.parametrize(
    "parameters", [{"n_workers": 2}, {"cache_megabytes": 0}, {"n_workers": 2, "cache_megabytes": 0}]
)
def test_weights_do_not_depend_on_who_reads_the_images(
    photographs, small, loader, same, parameters
):
    Xs, ys, Xt, _ = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    clf = small(image_loader=loader(**parameters)).fit(Xs, ys, X_target=Xt)
    assert same(reference, clf)
    assert clf.history_ == reference.history_


def test_images_kept_in_a_folder_change_no_weights(
    photographs, small, loader, same, tmp_path, monkeypatch
):
    Xs, ys, Xt, _ = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=r"^cache_folder=.* is no folder that can be written to"):
            small(image_loader=loader(cache_folder=folder)).fit(Xs, ys, X_target=Xt)
    keeping = loader(cache_folder=tmp_path / "kept", cache_megabytes=0)
    clf = small(image_loader=keeping, checkpoint=tmp_path / "state").fit(Xs, ys, X_target=Xt)
    assert same(reference, clf)
    monkeypatch.setattr("domadapt.inputs.decoding.decode", lambda *_: 1 / 0)
    assert same(reference, small(image_loader=keeping).fit(Xs, ys, X_target=Xt))
    predicted = clf.predict(Xt)
    monkeypatch.undo()
    np.testing.assert_array_equal(predicted, reference.predict(Xt))
    # Where images are kept does not make it another fit.
    resumed = small(image_loader=loader(), checkpoint=tmp_path / "state")
    assert same(reference, resumed.fit(Xs, ys, X_target=Xt))


def test_weights_follow_the_seed_and_the_transform(photographs, small, loader, same):
    Xs, ys, Xt, _ = photographs
    reference = small().fit(Xs, ys, X_target=Xt)
    assert same(reference, small().fit(Xs, ys, X_target=Xt))
    assert not same(reference, small(random_state=1).fit(Xs, ys, X_target=Xt))
    centre = loader(train_transform=v2.CenterCrop(12))
    assert not same(reference, small(image_loader=centre).fit(Xs, ys, X_target=Xt))


def test_samples_of_weight_zero_are_absent(photographs, small, same):
    Xs, ys, Xt, _ = photographs
    kept = np.arange(30) % 4 > 0
    weighted = small().fit(Xs, ys, X_target=Xt, sample_weight=np.where(kept, 2.0, 0.0))
    absent = small().fit(Xs[kept], ys[kept], X_target=Xt, sample_weight=np.ones(kept.sum()))
    assert same(weighted, absent)


def test_an_estimator_can_go_from_photographs_to_vectors_and_back(photographs, small, blobs, same):
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


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("parameters", [{}, FROZEN], ids=["trained", "frozen"])
@pytest.mark.parametrize("duplicate", [clone, copy.deepcopy, through_pickle])
def test_copies_of_classifiers_of_photographs_work_alike(
    photographs, small, same, duplicate, parameters
):
    Xs, ys, Xt, _ = photographs
    clf = small(**parameters).fit(Xs, ys, X_target=Xt)
    twin = duplicate(clf)
    if duplicate is clone:
        twin.fit(Xs, ys, X_target=Xt)
    assert same(clf, twin)
    np.testing.assert_array_equal(clf.predict_proba(Xt), twin.predict_proba(Xt))
    assert same(clf, duplicate(twin).fit(Xs, ys, X_target=Xt))


def test_a_search_may_go_over_settings_of_the_loader(photographs, small):
    Xs, ys, Xt, _ = photographs
    X, y, sample_domain = pack(Xs, ys, Xt)
    grid = {"image_loader__crop": [8, 12], "freeze": [False, True]}
    search = GridSearchCV(small(max_epochs=1), grid, cv=2, error_score="raise")
    search.fit(X, y, sample_domain=sample_domain)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.image_loader.crop == search.best_params_["image_loader__crop"]
    assert search.predict(Xt).shape == (24,)


def test_cross_validation_cuts_arrays_and_series_of_paths(photographs, small):
    Xs, ys, _, _ = photographs
    clf = small(max_epochs=15, batch_size=5, learning_rate=0.1)
    scores = cross_val_score(clf, Xs, ys, cv=3)
    assert scores.mean() > 0.8
    np.testing.assert_array_equal(scores, cross_val_score(clf, pd.Series(Xs), ys, cv=3))


@pytest.mark.parametrize("parameters", [{}, FROZEN], ids=["trained", "frozen"])
def test_nothing_of_the_caller_s_is_changed_by_photographs(photographs, small, tiny, parameters):
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
def test_alignment_reaches_the_backbone(photographs, small, estimator):
    Xs, ys, Xt, _ = photographs
    weights = []
    for weight in (0.0, 1.0):
        clf = small(alignment_weight=weight, alignment_schedule="constant")
        parameters = clf.get_params(deep=False)
        for name in ("alignment", "loss_weights", "source_weights"):
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
