"""Classifiers that go through a file, and files that are refused."""

import errno
import json
import os
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

import domadapt
from domadapt import AlignmentClassifier, DANClassifier, DANNClassifier, ImageLoader
from domadapt._storage.files import read_tensors, write_tensors
from domadapt._storage.fingerprints import digest_of
from domadapt.alignment import MMD
from domadapt.nn.pretrained import NamedBackbone, load_backbone

QUICK = {"max_epochs": 2, "batch_size": 16, "hidden_layer_sizes": (8,), "random_state": 0}


@pytest.fixture
def file(tmp_path):
    """A place for a classifier."""
    return tmp_path / "classifier.safetensors"


@pytest.fixture
def fitted(blobs):
    """A small classifier, quickly fitted."""
    Xs, ys, Xt, _ = blobs
    return DANClassifier(**QUICK).fit(Xs, ys, X_target=Xt)


def draw_weights(module, seed=0):
    """Give a module weights and statistics that depend on nothing but a number."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5, generator=generator)
    return module


def images(n=24, channels=3, size=8):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n, channels, size, size)).astype(np.float32)
    y = np.arange(n) % 2
    X[y == 1, :, : size // 2] += 1
    return X, y, X + 0.5


def assert_same(first, second, X):
    """Check that two classifiers are the same in what they give, to the last bit."""
    for method in ("predict", "predict_proba", "transform"):
        one, other = getattr(first, method)(X), getattr(second, method)(X)
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    for name in ("classes_", "transduction_", "feature_names_in_"):
        assert hasattr(first, name) == hasattr(second, name), name
        if hasattr(first, name):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
            assert getattr(first, name).dtype == getattr(second, name).dtype
    for name in ("history_", "n_steps_", "n_features_in_", "n_skipped_images_"):
        assert getattr(first, name, None) == getattr(second, name, None), name
    names = [clf.get_feature_names_out().tolist() for clf in (first, second)]
    assert names[0] == names[1]
    kinds = [[type(m).__name__ for m in clf.module_.modules()] for clf in (first, second)]
    assert kinds[0] == kinds[1]
    trained = [[p.requires_grad for p in clf.module_.parameters()] for clf in (first, second)]
    assert trained[0] == trained[1]


def through_file(estimator, file, **parameters):
    """Save a classifier and load it, without a warning."""
    estimator.save(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return domadapt.load(file, **parameters)


def test_every_classifier_comes_back_as_it_was(make, blobs, file):
    Xs, ys, Xt, _ = blobs
    clf = make(label_smoothing=0.25, class_weight={0: 1.0, 1: 2.5, 2: 1.0}).fit(Xs, ys, X_target=Xt)
    again = through_file(clf, file)
    assert type(again) is type(clf)
    assert again.get_params() == clf.get_params()
    assert list(map(type, again.class_weight)) == [int] * 3
    assert isinstance(again.hidden_layer_sizes, tuple)
    assert_same(clf, again, Xt)
    assert not again.module_.training


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
def test_labels_come_back_in_their_kind(blobs, file, names):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**QUICK).fit(Xs, names[ys], X_target=Xt)
    again = through_file(clf, file)
    assert again.classes_.tolist() == sorted(names)
    assert_same(clf, again, Xt)


def test_booleans_are_labels_too(blobs, file):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**QUICK).fit(Xs, ys > 0, X_target=Xt)
    again = through_file(clf, file)
    assert again.classes_.dtype == bool
    assert_same(clf, again, Xt)


def test_names_of_columns_come_back_and_are_checked(blobs, file):
    Xs, ys, Xt, _ = blobs
    source, target = (pd.DataFrame(X, columns=[f"c{i}" for i in range(10)]) for X in (Xs, Xt))
    again = through_file(DANClassifier(**QUICK).fit(source, ys, X_target=target), file)
    assert again.feature_names_in_.tolist() == source.columns.tolist()
    assert_same(DANClassifier(**QUICK).fit(source, ys, X_target=target), again, target)
    with pytest.raises(ValueError, match="feature names"):
        again.predict(target[target.columns[::-1]])


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
@pytest.mark.parametrize(
    "sizes", [None, 12, (), (16, 8), [6], np.array([7, 5])], ids=lambda sizes: repr(sizes)
)
def test_any_layers_come_back(blobs, file, batch_norm, sizes):
    Xs, ys, Xt, _ = blobs
    layers = {"batch_norm": batch_norm, "hidden_layer_sizes": sizes, "dropout": 0.2}
    clf = DANClassifier(**{**QUICK, **layers}).fit(Xs, ys, X_target=Xt)
    assert_same(clf, through_file(clf, file), Xt)


def test_a_fit_on_the_source_alone_comes_back_without_a_transduction(make, blobs, file):
    Xs, ys, Xt, _ = blobs
    clf = make().fit(Xs, ys)
    again = through_file(clf, file)
    assert not hasattr(again, "transduction_")
    assert_same(clf, again, Xt)


@pytest.mark.parametrize("axes", ["colour", "grey"])
def test_image_stacks_come_back(file, axes):
    X, y, X_target = images()
    X, X_target = (X, X_target) if axes == "colour" else (X[:, 0], X_target[:, 0])
    clf = DANNClassifier(**QUICK).fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert_same(clf, again, X_target)
    with pytest.raises(ValueError, match="samples of shape"):
        again.predict(X_target[..., :5])


def test_paths_and_their_loader_come_back(tmp_path, file):
    pytest.importorskip("torchvision")
    pil_image = pytest.importorskip("PIL.Image")
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for path in paths:
        pixels = generator.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        pil_image.fromarray(pixels).save(path)
    paths[11].write_bytes(b"no image")
    loader = ImageLoader(resize=8, crop=6, n_workers=0, unreadable="skip")
    backbone = draw_weights(nn.Sequential(nn.Flatten(), nn.Linear(108, 4)))
    clf = DANClassifier(**QUICK, image_loader=loader, backbone=backbone)
    with pytest.warns(UserWarning, match="1 images cannot be read"):
        clf.fit(paths, np.arange(12) % 2, X_target=paths[:6])
    again = through_file(clf, file, backbone=clone(clf).backbone)
    assert again.image_loader.get_params() == loader.get_params()
    assert again.n_skipped_images_ == 1
    assert not hasattr(again, "n_features_in_")
    assert_same(clf, again, paths[:11])


def to_floats(image):
    return image.float()


class OwnLoader(ImageLoader):
    """A loader that may do anything."""


@pytest.mark.parametrize(
    "loader",
    [
        ImageLoader(eval_transform=to_floats, train_transform=to_floats, n_workers=0, crop=17),
        OwnLoader(),
    ],
    ids=["transform", "subclass"],
)
def test_a_loader_of_one_s_own_has_to_be_given(blobs, file, loader):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**QUICK, image_loader=loader).fit(Xs, ys, X_target=Xt)
    clf.save(file)
    with pytest.raises(ValueError, match=r"image_loader=.*load\(path, image_loader=") as raised:
        domadapt.load(file)
    assert "\n" not in str(raised.value)
    assert_same(clf, through_file(clf, file, image_loader=loader), Xt)


def test_layer_sizes_that_a_file_cannot_hold_have_to_be_given(blobs, file):
    Xs, ys, Xt, _ = blobs
    sizes = range(8, 6, -1)
    clf = DANClassifier(**{**QUICK, "hidden_layer_sizes": sizes}).fit(Xs, ys, X_target=Xt)
    clf.save(file)
    with pytest.raises(ValueError, match=r"Pass it: load\(path, hidden_layer_sizes="):
        domadapt.load(file)
    assert_same(clf, through_file(clf, file, hidden_layer_sizes=(8, 7)), Xt)


def two_layers(width=6):
    return nn.Sequential(nn.Linear(10, width), nn.BatchNorm1d(width), nn.Tanh())


def test_a_backbone_of_one_s_own_has_to_be_given(make, blobs, file):
    Xs, ys, Xt, _ = blobs
    clf = make(backbone=two_layers(), hidden_layer_sizes=(5,)).fit(Xs, ys, X_target=Xt)
    clf.save(file)
    with pytest.raises(ValueError, match=r"backbone=Sequential.*load\(path, backbone=") as raised:
        domadapt.load(file)
    assert "\n" not in str(raised.value)
    given = draw_weights(two_layers(), 1)
    before = {name: value.clone() for name, value in given.state_dict().items()}
    assert_same(clf, domadapt.load(file, backbone=given), Xt)
    assert given.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (lambda: two_layers(7), r"feature_extractor\.0\.weight"),
        (lambda: nn.Sequential(*two_layers(), nn.Linear(6, 6)), r"feature_extractor\.3\.weight"),
        (lambda: nn.Linear(10, 6), r"feature_extractor\.weight"),
        (lambda: nn.Linear(9, 6), "backbone failed"),
        (lambda: load_backbone("resnet18"), "backbone failed"),
    ],
    ids=["wider", "longer", "plain", "other columns", "for images"],
)
def test_a_backbone_of_another_architecture_is_refused(blobs, file, other, differs):
    Xs, ys, Xt, _ = blobs
    parameters = {**QUICK, "hidden_layer_sizes": None}
    DANClassifier(**parameters, backbone=two_layers()).fit(Xs, ys, X_target=Xt).save(file)
    with pytest.raises(ValueError, match=differs) as raised:
        domadapt.load(file, backbone=other())
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_a_backbone_in_float64_stays_in_it(blobs, file):
    Xs, ys, Xt, _ = blobs
    backbone = draw_weights(two_layers().double())
    clf = DANNClassifier(**QUICK, backbone=backbone).fit(Xs, ys, X_target=Xt)
    again = through_file(clf, file, backbone=two_layers().double())
    assert again.predict_proba(Xt).dtype == np.float64
    assert_same(clf, again, Xt)


@pytest.mark.parametrize("given_frozen", [True, False])
def test_what_takes_no_gradient_is_known_whatever_the_given_backbone_says(
    blobs, file, given_frozen
):
    Xs, ys, Xt, _ = blobs
    backbone = nn.Sequential(two_layers(), nn.Linear(6, 6), nn.BatchNorm1d(6))
    backbone[0].requires_grad_(False)
    # A frozen shift alone does not freeze the statistics.
    backbone[2].bias.requires_grad_(False)
    draw_weights(backbone)
    clf = DANClassifier(**QUICK, backbone=backbone).fit(Xs, ys, X_target=Xt)
    assert isinstance(clf.module_.feature_extractor.backbone[0][1], nn.BatchNorm1d)
    given = nn.Sequential(two_layers(), nn.Linear(6, 6), nn.BatchNorm1d(6))
    if given_frozen:
        given[0].requires_grad_(False)
    else:
        given[2].requires_grad_(False)
    assert_same(clf, through_file(clf, file, backbone=given), Xt)


@pytest.mark.parametrize("frozen", [(), ("conv1", "bn1", "layer1"), "all"], ids=str)
@pytest.mark.parametrize("batch_norm", ["per_domain", "joint"])
def test_a_trained_backbone_by_name_is_built_again(file, frozen, batch_norm):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(load_backbone("resnet18", frozen=frozen))
    parameters = {**QUICK, "max_epochs": 1, "hidden_layer_sizes": None}
    clf = DANClassifier(**parameters, batch_norm=batch_norm, backbone=backbone)
    clf.fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert isinstance(again.backbone, NamedBackbone)
    assert (again.backbone.name, again.backbone.pretrained) == ("resnet18", False)
    assert_same(clf, again, X_target)


def frozen_resnet(**changes):
    backbone = draw_weights(load_backbone("resnet18")).to(changes.pop("dtype", torch.float32))
    return DANNClassifier(**{**QUICK, **changes}, freeze=True, backbone=backbone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_frozen_backbone_by_name_is_built_again_with_its_weights(file, same, dtype):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    clf = frozen_resnet(dtype=dtype).fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert_same(clf, again, X_target)
    # The next fit starts from the same backbone, so it ends the same.
    assert same(again.fit(X, y, X_target=X_target), clf)
    assert again.transform(X).dtype == clf.transform(X).dtype


def test_a_backbone_that_was_pretrained_is_not_taken_for_it_by_the_next_fit(file):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(load_backbone("resnet18"))
    backbone.pretrained = True
    clf = DANClassifier(**{**QUICK, "max_epochs": 1}, backbone=backbone)
    clf.fit(X, y, X_target=X_target).save(file)
    again = domadapt.load(file)
    assert again.backbone.pretrained is True
    assert_same(clf, again, X_target)
    with pytest.raises(ValueError, match="'resnet18' was read from a file, which does not hold"):
        again.fit(X, y, X_target=X_target)
    assert_same(clf, again, X_target)
    assert through_file(clf, file, backbone=backbone).backbone is backbone


class Doubled(NamedBackbone):
    """A backbone that has a name, but is no longer what the name stands for."""

    def forward(self, x):
        return 2.0 * super().forward(x)


def without_pooling():
    backbone = load_backbone("resnet18")
    backbone.model.maxpool = nn.Identity()
    return backbone


@pytest.mark.parametrize(
    "make_backbone",
    [
        without_pooling,
        lambda: Doubled("resnet18", load_backbone("resnet18").model),
        lambda: NamedBackbone("mine", nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))),
    ],
    ids=["changed", "subclass", "unknown name"],
)
def test_a_backbone_that_is_not_what_its_name_says_has_to_be_given(file, make_backbone):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(make_backbone())
    clf = DANClassifier(**QUICK, freeze=True, backbone=backbone).fit(X, y, X_target=X_target)
    clf.save(file)
    with pytest.raises(ValueError, match=r"Pass it: load\(path, backbone="):
        domadapt.load(file)
    assert_same(clf, domadapt.load(file, backbone=make_backbone()), X_target)


def test_a_backbone_that_scales_its_input_anew_does_so_again(file):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(load_backbone("googlenet"))
    # As torchvision sets it for its own weights; the state dict does not hold it.
    backbone.model.transform_input = True
    clf = DANClassifier(**QUICK, freeze=True, backbone=backbone).fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert again.backbone.model.transform_input is True
    assert_same(clf, again, X_target)


def distance(source_features, target_features):
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


def falling(progress):
    return 1.0 - 0.5 * progress


@pytest.mark.parametrize(
    ("lacking", "default"),
    [
        ({"alignment": distance}, "mmd"),
        ({"alignment": MMD(bandwidth=2.0)}, "mmd"),
        ({"alignment": [(1.0, "coral"), (0.5, distance)]}, "mmd"),
        ({"alignment_schedule": falling}, "dann"),
        ({"learning_rate_schedule": falling}, "dann"),
        ({"random_state": np.random.RandomState(0)}, None),
    ],
    ids=["function", "module", "list", "schedule", "rate schedule", "random state"],
)
def test_what_only_fit_needs_may_be_lacking(blobs, file, lacking, default):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(**{**QUICK, **lacking}).fit(Xs, ys, X_target=Xt)
    clf.save(file)
    (name,) = lacking
    with pytest.warns(UserWarning, match=f"^{name}=.* was not saved") as warned:
        again = domadapt.load(file)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert getattr(again, name) == default
    assert_same(clf, again, Xt)
    assert through_file(clf, file, **lacking).get_params()[name] is lacking[name]


def test_criteria_by_name_come_back_with_their_weights(blobs, file):
    Xs, ys, Xt, _ = blobs
    for alignment in (None, "coral", [(1.0, "coral"), (np.float32(0.5), "mmd")]):
        clf = AlignmentClassifier(alignment, **QUICK).fit(Xs, ys, X_target=Xt)
        assert through_file(clf, file).alignment == alignment


def test_parameters_may_be_set_while_loading(fitted, file):
    again = through_file(fitted, file, device="cpu", verbose=True, learning_rate=0.5)
    changed = {"device": "cpu", "verbose": True, "learning_rate": 0.5}
    assert again.get_params() == {**fitted.get_params(), **changed}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"depth": 3}, r"DANClassifier has no parameters \['depth'\]"),
        ({"dropout": 2.0}, "dropout"),
        ({"hidden_layer_sizes": (9,)}, "size mismatch"),
        ({"batch_norm": None}, "does not fit together"),
        ({"freeze": True}, "does not fit together"),
        ({"device": "cuda:99"}, "CUDA"),
    ],
    ids=str,
)
def test_parameters_that_do_not_fit_are_refused(fitted, file, given, told):
    fitted.save(file)
    with pytest.raises(ValueError, match=told):
        domadapt.load(file, **given)


def test_a_loaded_classifier_is_fitted_and_saved_again(make, blobs, file, same):
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
def test_a_gpu_that_is_not_there_becomes_auto(fitted, blobs, file, device):
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


def test_a_path_becomes_a_text(fitted, file, tmp_path):
    fitted.set_params(checkpoint=tmp_path / "fit.safetensors", device=torch.device("cpu"))
    again = through_file(fitted, file)
    assert again.checkpoint == str(tmp_path / "fit.safetensors")
    assert again.device == "cpu"


def test_no_pickle_is_written_or_read(fitted, blobs, file, monkeypatch):
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
    places = [*range(0, header, 3), *range(header, len(raw), 29), len(raw) - 1]
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
    "freeze without a backbone": setting("parameters", "freeze", to=True),
    "no parameters": setting("parameters", to=None),
    "precision": setting("dtype", to="int8"),
    "no precision": lacking("dtype"),
    "negative rows": setting("n_first", to=-3),
    "no rows": setting("n_first", to=0),
    "rows in words": setting("n_first", to="three"),
    "rows of one domain": setting("n_first", to=None),
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
    "class as attribute": setting("attributes", "__class__", to=1),
    "dict as attribute": setting("attributes", "__dict__", to={}),
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


def test_labels_that_json_cannot_hold_are_refused_before_anything_is_written(blobs, file):
    Xs, ys, Xt, _ = blobs
    days = np.array(["2020-01-01", "2021-01-01", "2022-01-01"], dtype="datetime64[D]")
    clf = DANClassifier(**QUICK).fit(Xs, days[ys], X_target=Xt)
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
def test_a_class_of_one_s_own_is_not_saved(blobs, file, kind):
    Xs, ys, Xt, _ = blobs
    clf = kind(**QUICK).fit(Xs, ys, X_target=Xt)
    with pytest.raises(TypeError, match="no class of domadapt's own"):
        clf.save(file)
    assert not file.exists()


def test_neither_saving_nor_loading_draws_random_numbers(file):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    clf = frozen_resnet(dropout=0.2).fit(X, y, X_target=X_target)
    before = torch.get_rng_state()
    clf.save(file)
    domadapt.load(file)
    domadapt.load(file, backbone=nn.Sequential(clf.backbone, nn.LazyLinear(3))[0])
    assert torch.equal(torch.get_rng_state(), before)


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
