"""Fits that were interrupted or stopped, and resume from their checkpoint."""

import json
import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from small_fits import EPOCHS, SMALL, columns, fit, make_dan, vectors
from torch import nn

from domadapt import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    pack,
)
from domadapt.alignment import DomainAdversarial

N_STEPS = 40 // 16


@pytest.fixture
def go_on(watch, n_epochs_in):
    """Interrupt a fit twice and end it, with a new estimator each time."""

    def interrupt():
        raise KeyboardInterrupt

    def run(estimator, data, fit=fit):
        for n_epochs in (2, 1):
            interrupted = pickle.loads(pickle.dumps(estimator))
            interrupted.set_callbacks(watch(interrupt, n_epochs))
            with pytest.raises(KeyboardInterrupt):
                fit(interrupted, data)
        # The epoch at whose end a callback interrupts is not written down.
        assert n_epochs_in(estimator.checkpoint) == 1
        return fit(pickle.loads(pickle.dumps(estimator)), data)

    return run


@pytest.fixture(scope="session")
def straight():
    """A fit without a stop."""
    return fit(make_dan(), vectors())


VARIANTS = {
    "dan": (DANClassifier, {}),
    "adamw": (DANNClassifier, {"optimizer": "adamw", "dropout": 0.5}),
    "coral": (DeepCORALClassifier, {"batch_norm": "joint", "steps_per_epoch": 3}),
    "two criteria": (
        AlignmentClassifier,
        {"alignment": [(1.0, "dann"), (0.5, "mmd")], "batch_norm": None, "dropout": 0.1},
    ),
    "no criterion": (AlignmentClassifier, {"alignment": None, "optimizer": "adam"}),
    "backbone": (DANNClassifier, {"backbone": columns(), "backbone_rate": 0.1}),
    "float64": (DANNClassifier, {"backbone": columns().double(), "hidden_layer_sizes": None}),
    "frozen": (DANNClassifier, {"backbone": columns(), "freeze": True, "dropout": 0.3}),
    "lazy": (AlignmentClassifier, {"alignment": DomainAdversarial(), "backbone": nn.LazyLinear(4)}),
    "weights": (DANClassifier, {"class_weight": {0: 1.0, 1: 3.0}}),
    "bfloat16": (DANClassifier, {"precision": "bfloat16"}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_fit_goes_on(tmp_path, go_on, assert_same_fit, variant):
    kind, changes = VARIANTS[variant]
    estimator = kind(**{**SMALL, **changes}, checkpoint=tmp_path / "fit.safetensors")
    reference = fit(kind(**{**SMALL, **changes}), vectors())
    assert_same_fit(go_on(estimator, vectors()), reference, vectors()[0])


@pytest.mark.parametrize("kind", ["stacked", "sparse", "source alone", "weighted", "image stacks"])
def test_fits_to_data_of_any_kind_go_on(tmp_path, go_on, assert_same_fit, kind):
    X, y, X_target = vectors()
    if kind == "sparse":
        X, X_target = sparse.csr_array(X), sparse.csr_array(X_target)
    elif kind == "image stacks":
        X, X_target = (np.tile(rows, 5).reshape(-1, 1, 5, 5) for rows in (X, X_target))

    def fit_it(estimator, data):
        if kind == "stacked":
            stacked, labels, sample_domain = pack(*data)
            return estimator.fit(stacked, labels, sample_domain=sample_domain)
        if kind == "weighted":
            weight = np.arange(40) % 3
            return estimator.fit(data[0], data[1], X_target=data[2], sample_weight=weight)
        if kind == "source alone":
            return estimator.fit(data[0], data[1])
        return fit(estimator, data)

    reference = fit_it(DANNClassifier(**SMALL, dropout=0.2), (X, y, X_target))
    estimator = DANNClassifier(**SMALL, dropout=0.2, checkpoint=tmp_path / "fit")
    resumed = go_on(estimator, (X, y, X_target), fit=fit_it)
    assert_same_fit(resumed, reference, X)


def test_a_fit_that_a_callback_stopped_goes_on(
    tmp_path, straight, watch, stop, n_epochs_in, assert_same_fit
):
    # A text names a file as well as a path does.
    estimator, data = make_dan(checkpoint=str(tmp_path / "fit")), vectors()
    fit(estimator.set_callbacks(stop(2)), data)
    assert estimator.n_steps_ == 2 * N_STEPS
    assert n_epochs_in(tmp_path / "fit") == 2
    watcher = watch()
    fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    assert_same_fit(estimator, straight, data[0])


def test_a_finished_fit_is_not_trained_again(tmp_path, straight, watch, request, assert_same_fit):
    data = vectors()
    fit(make_dan(checkpoint=tmp_path / "fit"), data)
    before = (tmp_path / "fit").stat()
    request.getfixturevalue("untrained")
    watcher = watch()
    again = fit(make_dan(checkpoint=tmp_path / "fit").set_callbacks(watcher), data)
    assert watcher.n_epochs == 0
    assert again.n_steps_ == EPOCHS * N_STEPS
    assert_same_fit(again, straight, data[0])
    assert (tmp_path / "fit").stat().st_mtime_ns == before.st_mtime_ns


def test_what_does_not_change_the_weights_may_differ(
    tmp_path, watch, stop, assert_same_fit, capsys
):
    parameters, data = {"backbone": columns(), "dropout": 0.1}, vectors()
    begun = make_dan(checkpoint=tmp_path / "fit", **parameters)
    fit(begun.set_callbacks(stop(2)), data)
    moved = (tmp_path / "fit").rename(tmp_path / "moved")
    outward = {
        "checkpoint": str(moved),
        "verbose": True,
        "device": torch.device("cpu"),
        "feature_cache": tmp_path,
    }
    watcher = watch()
    resumed = fit(make_dan(**parameters, **outward).set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    assert capsys.readouterr().out.startswith(f"Epoch 3/{EPOCHS}")
    assert_same_fit(resumed, fit(make_dan(**parameters), data), data[0])


def test_a_checkpoint_holds_no_pickle_and_needs_none(tmp_path, watch, stop, monkeypatch):
    checkpoint, data = tmp_path / "fit", vectors()
    fit(make_dan(checkpoint=checkpoint).set_callbacks(stop(2)), data)

    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was used")

    for owner, name in [
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "dumps"),
        (pickle, "Unpickler"),
        (torch, "load"),
        (torch, "save"),
    ]:
        monkeypatch.setattr(owner, name, refuse)
    watcher = watch()
    fit(make_dan(checkpoint=checkpoint).set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    raw = checkpoint.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert max(ends) == len(raw) - 8 - length


def test_the_global_random_state_is_left_alone(tmp_path, stop):
    estimator = DANNClassifier(**SMALL, dropout=0.3, checkpoint=tmp_path / "fit")
    before = torch.get_rng_state()
    fit(estimator.set_callbacks(stop(2)), vectors())
    fit(estimator, vectors())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")])
def test_a_fit_goes_on_on_another_device(tmp_path, straight, watch, stop, devices):
    first, second = devices
    estimator = make_dan(checkpoint=tmp_path / "fit", device=first)
    fit(estimator.set_callbacks(stop(2)), vectors())
    estimator, watcher = make_dan(checkpoint=tmp_path / "fit", device=second), watch()
    fit(estimator.set_callbacks(watcher), vectors())
    assert watcher.n_epochs == EPOCHS - 2
    assert estimator.module_.device.type == second
    np.testing.assert_allclose(
        estimator.history_["task_loss"], straight.history_["task_loss"], rtol=1e-3
    )
