"""Checkpoints of another fit, damaged ones, and places that cannot be written to."""

import re

import numpy as np
import pytest
import torch
from small_fits import EPOCHS, SMALL, columns, fit, make_dan, vectors
from torch import nn

from domadapt import AlignmentClassifier, DeepCORALClassifier, ImageLoader
from domadapt._storage.files import read_tensors, write_tensors


@pytest.fixture
def begun(tmp_path, stop):
    """A checkpoint of a DAN after two epochs."""
    checkpoint = tmp_path / "fit"
    estimator = make_dan(checkpoint=checkpoint, backbone=columns(), dropout=0.1)
    fit(estimator.set_callbacks(stop(2)), vectors())
    return checkpoint


@pytest.fixture
def assert_refused(watch):
    """Check that a fit is refused in one line, before training, and the file left alone."""

    def check(checkpoint, estimator, data, match, fit=fit):
        before, state = checkpoint.read_bytes(), checkpoint.stat()
        watcher = watch()
        with pytest.raises(ValueError, match=match) as raised:
            fit(estimator.set_callbacks(watcher), data)
        assert "\n" not in str(raised.value)
        assert watcher.n_epochs == 0
        assert checkpoint.read_bytes() == before
        assert checkpoint.stat().st_mtime_ns == state.st_mtime_ns

    return check


def other_columns():
    backbone = columns()
    with torch.no_grad():
        backbone[0].bias[0] += 1
    return backbone


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.01},
        {"max_epochs": EPOCHS + 1},
        {"random_state": 4},
        {"hidden_layer_sizes": (8, 8)},
        {"dropout": 0.2},
        {"alignment_weight": 0.1},
        {"alignment_schedule": "linear"},
        {"optimizer": "adam"},
        {"batch_norm": "joint"},
        {"batch_size": 15},
        {"steps_per_epoch": 1},
        {"weight_decay": 0.0},
        {"label_smoothing": 0.0},
        {"precision": "bfloat16"},
        {"class_weight": "balanced"},
        {"freeze": True},
        {"backbone": None},
        {"backbone": other_columns()},
        {"backbone_rate": 0.5},
        {"image_loader": ImageLoader(crop=100)},
    ],
    ids=str,
)
def test_other_parameters_are_refused(begun, assert_refused, changes):
    parameters = {"checkpoint": begun, "backbone": columns(), "dropout": 0.1, **changes}
    match = "of a fit with other parameters or data"
    assert_refused(begun, make_dan(**parameters), vectors(), match)


def test_another_classifier_is_refused(begun, assert_refused):
    parameters = {"checkpoint": begun, "backbone": columns(), "dropout": 0.1}
    for kind in (DeepCORALClassifier, AlignmentClassifier):
        estimator = kind(**SMALL, **parameters).set_params(optimizer="sgd", label_smoothing=0.1)
        assert_refused(begun, estimator, vectors(), "other parameters or data")


def with_one_changed(array):
    changed = array.copy()
    changed[-1] = changed[-2] + 1
    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda X, y, X_target: (with_one_changed(X), y, X_target),
        lambda X, y, X_target: (X, y, with_one_changed(X_target)),
        lambda X, y, X_target: (X, y, X_target[:-1]),
        lambda X, y, X_target: (X, y, X),
        lambda X, y, X_target: (X, y, None),
        lambda X, y, X_target: (X, 1 - y, X_target),
        lambda X, y, X_target: (X, y + 1, X_target),
        lambda X, y, X_target: (X, y.astype(str), X_target),
        lambda X, y, X_target: (X[::-1], y[::-1], X_target),
        lambda X, y, X_target: (X[:, :4], y, X_target[:, :4]),
    ],
)
def test_other_data_are_refused(begun, assert_refused, change):
    estimator, data = make_dan(checkpoint=begun, backbone=columns(), dropout=0.1), vectors()
    data = change(*data)
    if data[0].shape[1] == 4:
        estimator.set_params(backbone=nn.Linear(4, 6))
    assert_refused(begun, estimator, data, "other parameters or data")


def test_other_weights_of_samples_are_refused(begun, assert_refused):
    def fit_weighted(estimator, data):
        X, y, X_target = data
        return estimator.fit(X, y, X_target=X_target, sample_weight=1.0 + np.arange(40))

    estimator, data = make_dan(checkpoint=begun, backbone=columns(), dropout=0.1), vectors()
    assert_refused(begun, estimator, data, "other parameters or data", fit=fit_weighted)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=["None", "object"])
def test_a_random_state_that_is_no_integer_is_refused_before_training(tmp_path, random_state):
    estimator = make_dan(checkpoint=tmp_path / "fit", random_state=random_state)
    with pytest.raises(ValueError, match=r"random_state=.* does not go with a checkpoint"):
        fit(estimator, vectors())
    assert not hasattr(estimator, "module_")
    assert not (tmp_path / "fit").exists()


def test_a_folder_that_cannot_be_written_to_is_told_before_training(tmp_path, watch):
    (tmp_path / "file").write_text("no folder")
    for checkpoint in (tmp_path / "nowhere" / "fit", tmp_path / "file" / "fit"):
        estimator = make_dan(checkpoint=checkpoint)
        with pytest.raises(OSError, match="is no folder that can be written to"):
            fit(estimator, vectors())
        assert not hasattr(estimator, "module_")
    estimator.set_params(checkpoint=tmp_path)
    watcher = watch()
    with pytest.raises(OSError, match="is a folder"):
        fit(estimator.set_callbacks(watcher), vectors())
    assert watcher.n_epochs == 0


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[-50] ^= 0x10
    path.write_bytes(raw)


def changed(change):
    """Return a function that writes a checkpoint anew, with a digest that agrees."""

    def damage(path):
        tensors, info = read_tensors(path, kind="checkpoint")
        change(tensors, info)
        write_tensors(path, tensors, info, kind="checkpoint")

    return damage


DAMAGES = {
    "cut": cut,
    "one bit": flip,
    "empty": lambda path: path.write_bytes(b""),
    "a model": lambda path: fit(make_dan(), vectors()).save(path),
    "no random state": changed(lambda tensors, info: tensors.pop("random.cpu")),
    "no fingerprint": changed(lambda tensors, info: info.pop("fingerprint")),
    "no history": changed(lambda tensors, info: info.pop("history")),
    "no steps": changed(lambda tensors, info: info.pop("n_steps")),
    "no weights": changed(lambda tensors, _: tensors.pop("step.network.classifier.0.weight")),
    "no order": changed(lambda tensors, info: tensors.pop("order.target.left")),
    "another random state": changed(
        lambda tensors, _: tensors.update({"random.cpu": torch.zeros(3, dtype=torch.uint8)})
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_checkpoint_is_refused(begun, assert_refused, damage):
    damage(begun)
    estimator = make_dan(checkpoint=begun, backbone=columns(), dropout=0.1)
    assert_refused(begun, estimator, vectors(), re.escape(str(begun)))


def test_a_checkpoint_of_another_format_is_refused(begun, assert_refused, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr("domadapt._storage.files.FORMAT", 0)
        write_tensors(begun, {}, {}, kind="checkpoint")
    assert_refused(begun, make_dan(checkpoint=begun), vectors(), "is of format 0, but this version")
