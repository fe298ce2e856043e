"""Files that are refused, and what is not saved."""

import errno
import json
import os
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.exceptions import NotFittedError

import domadapt
from domadapt import DANClassifier
from domadapt._storage.files import read_tensors, write_tensors
from domadapt._storage.fingerprints import digest_of


def test_no_pickle_is_written_or_read(fitted, blobs, assert_same, file, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was read")

    fitted.save(file)
    for module, name in [
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
        (torch, "load"),
        (np, "load"),
    ]:
        monkeypatch.setattr(module, name, refuse)
    assert_same(fitted, domadapt.load(file), blobs[2])
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    # Numbers of known shapes follow the header, and nothing else.
    assert max(ends) == len(raw) - 8 - length


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_file_that_was_cut_short_is_refused(fitted, file, share):
    fitted.save(file)
    raw = file.read_bytes()
    file.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        domadapt.load(file)


def test_a_file_with_any_changed_byte_is_refused(fitted, file):
    fitted.save(file)
    raw = file.read_bytes()
    header = 8 + int.from_bytes(raw[:8], "little")
    places = [*range(0, header, 11), *range(header, len(raw), 61), len(raw) - 1]
    for place in places:
        for change in (0x01, 0xFF):
            changed = bytearray(raw)
            changed[place] ^= change
            file.write_bytes(changed)
            with pytest.raises(ValueError, match="safetensors"):
                domadapt.load(file)
    file.write_bytes(raw + b"\0")
    with pytest.raises(ValueError, match="safetensors"):
        domadapt.load(file)
    file.write_bytes(raw)
    assert domadapt.load(file).n_steps_ == fitted.n_steps_


def setting(*path, to):
    """Make a change to one entry of what a file says."""

    def change(info, tensors):
        *parents, last = path
        for name in parents:
            info = info[name]
        info[last] = to

    return change


def lacking(*path):
    def change(info, tensors):
        *parents, last = path
        for name in parents:
            info = info[name]
        del info[last]

    return change


def swap(name, value):
    """Make a change to one tensor."""

    def change(info, tensors):
        tensors[name] = value
        if value is None:
            del tensors[name]

    return change


CHANGES = {
    "unknown class": setting("class", to="Popen"),
    "base class": setting("class", to="BaseAlignmentClassifier"),
    "no class": setting("class", to=None),
    "list of classes": setting("class", to=["DANClassifier"]),
    "unknown parameter": setting("parameters", "command", to="ls"),
    "private parameter": setting("parameters", "__class__", to="ls"),
    "nested parameter": setting("parameters", "image_loader__crop", to=3),
    "parameter of another kind": setting("parameters", "dropout", to="half"),
    "unknown kind": setting("parameters", "alignment_schedule", to={"pickle": "gASV"}),
    "kind with two entries": setting("parameters", "class_weight", to={"dict": [], "list": []}),
    "empty kind": setting("parameters", "class_weight", to={}),
    "unknown loader setting": setting(
        "parameters", "image_loader", to={"image_loader": {"command": "ls"}}
    ),
    "folder to write to": setting(
        "parameters", "image_loader", to={"image_loader": {"cache_folder": "kept"}}
    ),
    "unknown backbone": setting(
        "parameters",
        "backbone",
        to={"backbone": {"name": "os.system", "pretrained": False, "transform_input": None}},
    ),
    "another backbone": setting(
        "parameters",
        "backbone",
        to={"backbone": {"name": "resnet18", "pretrained": False, "transform_input": None}},
    ),
    "unknown criterion": setting("parameters", "alignment", to={"criterion": ["Popen", {}]}),
    "criterion of another module": setting(
        "parameters", "alignment", to={"criterion": ["os.system", {}]}
    ),
    "parameter of a criterion": setting(
        "parameters", "alignment", to={"criterion": ["MMD", {"command": "ls"}]}
    ),
    "value of a criterion": setting(
        "parameters", "alignment", to={"criterion": ["MMD", {"bandwidth": "wide"}]}
    ),
    "sizes of a criterion": setting(
        "parameters", "alignment", to={"criterion": ["DomainAdversarial", {"in_features": 9}]}
    ),
    "criterion without parameters": setting("parameters", "alignment", to={"criterion": "MMD"}),
    "freeze without a backbone": setting("parameters", "freeze", to=True),
    "no parameters": setting("parameters", to=None),
    "precision": setting("dtype", to="int8"),
    "no precision": lacking("dtype"),
    "negative samples": setting("n_first", to=-3),
    "no samples": setting("n_first", to=0),
    "samples in words": setting("n_first", to="three"),
    "samples of one domain": setting("n_first", to=None),
    "unknown dtype": setting("predicts", "classes", "dtype", to="os.system"),
    "records": setting("predicts", "classes", "dtype", to="i4,i4"),
    "void": setting("predicts", "classes", "dtype", to="V8"),
    "dates": setting("predicts", "classes", "dtype", to="M8[D]"),
    "complex": setting("predicts", "classes", "dtype", to="c16"),
    "texts": setting("predicts", "classes", "dtype", to="<U3"),
    "texts too long": setting(
        "predicts", "classes", to={"dtype": "<U2000000000", "values": ["a"] * 3}
    ),
    "no such memory": setting(
        "predicts", "classes", to={"dtype": "<U500000000", "values": ["a"] * 2**17}
    ),
    "cut texts": setting("predicts", "classes", to={"dtype": "<U1", "values": ["aa", "ab", "ac"]}),
    "overflow": setting("predicts", "classes", to={"dtype": "|i1", "values": [1, 2, 2**70]}),
    "lists as labels": setting(
        "predicts", "classes", to={"dtype": "|O", "values": [[1], [2], [3]]}
    ),
    "text as labels": setting("predicts", "classes", to={"dtype": "<U3", "values": "abc"}),
    "fewer labels": setting("predicts", "classes", to={"dtype": "<i8", "values": [0, 1]}),
    "unknown attribute": setting("attributes", "predict", to=1),
    "batch normalisation of another kind": setting("attributes", "batch_norm_", to="some"),
    "no batch normalisation": setting("parameters", "batch_norm", to=None),
    "class as attribute": setting("attributes", "__class__", to=1),
    "dict as attribute": setting("attributes", "__dict__", to={}),
    "NaN among the weights": swap("module.classifier.0.bias", torch.full((3,), torch.nan)),
    "weights in another precision": swap("module.classifier.0.bias", torch.zeros(3).double()),
    "a tensor of another name": swap("history", torch.zeros(3)),
    "repeated labels": setting("predicts", "classes", to={"dtype": "<i8", "values": [0, 1, 1]}),
    "no labels": setting("predicts", "classes", to={"dtype": "<i8", "values": []}),
    "a history of texts": setting("history", to={"task_loss": ["low"]}),
    "steps in words": setting("n_steps", to="many"),
    "a name in place of names": setting("attributes", "feature_names_in_", to="columns"),
    "backbone as another parameter": setting(
        "parameters",
        "class_weight",
        to={"backbone": {"name": "resnet18", "pretrained": False, "transform_input": None}},
    ),
    "criterion as another parameter": setting(
        "parameters", "dropout", to={"criterion": ["MMD", {}]}
    ),
    "criterion for a backbone": setting("parameters", "backbone", to={"criterion": ["MMD", {}]}),
    "negative shape": setting("input_shape", to=[-1]),
    "enormous shape": setting("input_shape", to=[2**62]),
    "beyond all shapes": setting("input_shape", to=[2**80]),
    "shape in words": setting("input_shape", to="ten"),
    "no shape": setting("sample_shape", to=5),
    "no history": lacking("history"),
    "transduction too high": swap("transduction", torch.tensor([0, 7])),
    "transduction in floats": swap("transduction", torch.tensor([0.0, 1.0])),
    "no weights": swap("module.classifier.0.weight", None),
    "weights of another shape": swap("module.classifier.0.weight", torch.zeros(3, 9)),
    "more weights": swap("module.classifier.1.weight", torch.zeros(3, 9)),
}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_was_forged_is_refused(fitted, file, change):
    fitted.save(file)
    tensors, info = read_tensors(file, kind="model")
    change(info, tensors)
    # Written with a digest that agrees.
    write_tensors(file, tensors, info, kind="model")
    with pytest.raises(ValueError, match=r"\w") as raised:
        domadapt.load(file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        "{}",
        "null",
        "no json",
        '{"format": 1}',
        '{"format": 1, "kind": "model"}',
        '{"format": 1, "kind": "model", "info": []}',
        '{"format": 1, "kind": "model", "info": {"class": "DANClassifier", "parameters": {}}}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_file_with_a_forged_header_is_refused(file, header):
    tensors = {"a": torch.zeros(1)}
    metadata = {"domadapt": header, "digest": digest_of(tensors, header)}
    safetensors.torch.save_file(tensors, file, metadata)
    with pytest.raises(ValueError, match=r"\w"):
        domadapt.load(file)


def test_files_of_another_kind_are_told_apart(fitted, tmp_path, file):
    with pytest.raises(FileNotFoundError, match="is not a file"):
        domadapt.load(file)
    with pytest.raises(FileNotFoundError, match="is not a file"):
        domadapt.load(tmp_path)
    safetensors.torch.save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match="was not written as a model"):
        domadapt.load(file)
    write_tensors(file, {}, {}, kind="checkpoint")
    with pytest.raises(ValueError, match="is a checkpoint, but a model was expected"):
        domadapt.load(file)
    torch.save(fitted.module_.state_dict(), file)
    with pytest.raises(ValueError, match="no whole safetensors file"):
        domadapt.load(file)


def test_labels_that_json_cannot_hold_are_refused_before_anything_is_written(blobs, quick, file):
    Xs, ys, Xt, _ = blobs
    days = np.array(["2020-01-01", "2021-01-01", "2022-01-01"], dtype="datetime64[D]")
    clf = DANClassifier(**quick).fit(Xs, days[ys], X_target=Xt)
    with pytest.raises(TypeError, match="Labels of the kind date cannot be saved"):
        clf.save(file)
    assert not file.exists()
    file.write_text("what was there")
    with pytest.raises(TypeError, match="Labels of the kind date cannot be saved"):
        clf.save(file)
    assert file.read_text() == "what was there"


def test_what_was_not_fitted_is_not_saved(make, file):
    with pytest.raises(NotFittedError):
        make().save(file)
    assert not file.exists()


class Mine(DANClassifier):
    """A class that a file could not name."""


class DANClassifierOfTheSameName(DANClassifier):
    """A class that a file would name wrongly."""


DANClassifierOfTheSameName.__name__ = "DANClassifier"


@pytest.mark.parametrize("kind", [Mine, DANClassifierOfTheSameName])
def test_a_class_of_one_s_own_is_not_saved(blobs, quick, file, kind):
    Xs, ys, Xt, _ = blobs
    clf = kind(**quick).fit(Xs, ys, X_target=Xt)
    with pytest.raises(TypeError, match="no class of domadapt's own"):
        clf.save(file)
    assert not file.exists()


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(fitted, file, monkeypatch, fails):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fitted.save(file)
    before = file.read_bytes()
    fitted.n_steps_ += 1
    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left") as raised:
        fitted.save(file)
    assert raised.value.filename == str(file)
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


def test_a_folder_that_is_not_there_is_named(fitted, tmp_path):
    path = tmp_path / "nowhere" / "classifier.safetensors"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fitted.save(path)
