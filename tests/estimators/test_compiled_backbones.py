"""Backbones that torch.compile has wrapped: trained compiled, copied and saved like others."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import domadapt
from domadapt import DeepCORALClassifier
from domadapt._storage.fingerprints import describe
from domadapt.estimators._encoding import encode
from domadapt.inductive import FineTuneClassifier
from domadapt.nn import load_backbone
from domadapt.nn.compiled import copy_module

RAN = []


def count(graph, inputs):
    """Count what is compiled, and what runs of it, without a compiler: a backend of torch."""

    def run(*arguments):
        RAN.append(len(arguments))
        return graph.forward(*arguments)

    return run


def fail(graph, inputs):
    raise RuntimeError("there is no compiler")


@pytest.fixture(autouse=True)
def forget():
    """Torch keeps few compiled variants of a function in a process."""
    RAN.clear()
    yield
    torch.compiler.reset()


def plain_backbone():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU())


@pytest.fixture
def compiled():
    return torch.compile(plain_backbone(), backend=count)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(23, 3)).astype(np.float32)
    return {"X": X, "y": (X[:, 0] > 0).astype(int), "X_target": X[:17] + 1}


def make(backbone, **parameters):
    settings = {"max_epochs": 2, "batch_size": 8, "random_state": 0, "device": "cpu"}
    return DeepCORALClassifier(backbone=backbone, **settings | parameters)


pytestmark = pytest.mark.filterwarnings("ignore:The fit made")


@pytest.mark.parametrize("parameters", [{}, {"freeze": True}, {"hidden_layer_sizes": 4}], ids=str)
def test_a_compiled_backbone_learns_what_the_plain_one_learns(compiled, data, parameters):
    before = {name: value.clone() for name, value in compiled.state_dict().items()}
    clf = make(compiled, **parameters).fit(**data)
    # What the backend counts is only called where compiled code runs.
    assert len(RAN) >= 2 if "freeze" in parameters else len(RAN) > 8
    expected = make(plain_backbone(), **parameters).fit(**data).module_.state_dict()
    found = clf.module_.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    for name, value in compiled.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_model_with_a_compiled_backbone_is_saved_as_with_the_plain_one(compiled, data, tmp_path):
    clf = make(compiled).fit(**data)
    expected = clf.predict_proba(data["X_target"])
    clf.save(tmp_path / "model")
    RAN.clear()
    for backbone in (plain_backbone(), compiled):
        loaded = domadapt.load(tmp_path / "model", backbone=backbone)
        np.testing.assert_allclose(loaded.predict_proba(data["X_target"]), expected, rtol=1e-6)
    assert RAN == []
    assert loaded.fit(**data).backbone is compiled
    assert RAN != []


@pytest.mark.parametrize("copied", [clone, lambda clf: pickle.loads(pickle.dumps(clf))])
def test_copies_of_an_estimator_train_compiled_too(compiled, data, copied):
    RAN.clear()
    copied(make(compiled)).fit(**data)
    assert len(RAN) > 8


def test_a_fit_may_be_resumed_without_compiling(compiled, data, tmp_path):
    checkpoint = {"checkpoint": tmp_path / "checkpoint"}
    whole = make(compiled, **checkpoint).fit(**data)
    resumed = make(plain_backbone(), **checkpoint).fit(**data)
    assert resumed.history_ == whole.history_
    for name, value in whole.module_.state_dict().items():
        assert torch.equal(resumed.module_.state_dict()[name], value)


def test_a_backbone_is_known_again_however_it_is_run(compiled):
    text = describe(plain_backbone())
    assert describe(compiled) == text
    assert describe(copy_module(compiled)) == text
    assert describe(compiled._orig_mod) == text
    assert describe(torch.compile(nn.Linear(2, 3), backend=count)) != text


def test_a_compiled_backbone_that_has_a_name_is_saved_by_it():
    pytest.importorskip("torchvision")
    backbone = load_backbone("shufflenet_v2_x0_5")
    assert encode(torch.compile(backbone, backend=count)) == encode(backbone)
    assert "backbone" in encode(backbone)


def test_what_cannot_be_compiled_is_refused_before_training(data):
    clf = make(torch.compile(plain_backbone(), backend=fail))
    with pytest.raises(
        ValueError, match=r"^backbone failed on samples of shape \(3,\): .*\n.*is no co"
    ):
        clf.fit(**data)


def test_a_compiled_backbone_can_be_fine_tuned(compiled, data, tmp_path):
    X, y = data["X"], data["y"]
    settings = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
    clf = FineTuneClassifier(compiled, **settings).fit(X, y)
    assert RAN != []
    expected = FineTuneClassifier(plain_backbone(), **settings).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-5)
    clf.save(tmp_path / "model")
    loaded = domadapt.load(tmp_path / "model", source=plain_backbone())
    np.testing.assert_allclose(loaded.predict_proba(X), expected, rtol=1e-5)
