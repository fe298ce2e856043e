"""Backbones that a file names, and those that have to be given."""

import numpy as np
import pytest
import torch
from torch import nn

import domadapt
from domadapt import DANClassifier, DANNClassifier
from domadapt.nn.pretrained import NamedBackbone, load_backbone

# Small, with batch normalisation and several layers that have names.
BY_NAME = "shufflenet_v2_x0_5"


def two_layers(width=6):
    return nn.Sequential(nn.Linear(10, width), nn.BatchNorm1d(width), nn.Tanh())


def test_a_backbone_of_one_s_own_has_to_be_given(make, blobs, assert_same, draw_weights, file):
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
        (lambda: nn.Linear(10, 6), r"feature_extractor\.0\.bias"),
        (lambda: nn.Linear(9, 6), "backbone failed"),
        (lambda: load_backbone(BY_NAME), "backbone failed"),
    ],
    ids=["wider", "longer", "plain", "other columns", "for images"],
)
def test_a_backbone_of_another_architecture_is_refused(blobs, quick, file, other, differs):
    Xs, ys, Xt, _ = blobs
    parameters = {**quick, "hidden_layer_sizes": None}
    DANClassifier(**parameters, backbone=two_layers()).fit(Xs, ys, X_target=Xt).save(file)
    with pytest.raises(ValueError, match=differs) as raised:
        domadapt.load(file, backbone=other())
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_a_backbone_in_float64_stays_in_it(
    blobs, quick, through_file, assert_same, draw_weights, file
):
    Xs, ys, Xt, _ = blobs
    backbone = draw_weights(two_layers().double())
    clf = DANNClassifier(**quick, backbone=backbone).fit(Xs, ys, X_target=Xt)
    again = through_file(clf, file, backbone=two_layers().double())
    assert again.predict_proba(Xt).dtype == np.float64
    assert_same(clf, again, Xt)


@pytest.mark.parametrize("given_frozen", [True, False])
def test_what_takes_no_gradient_is_known_whatever_the_given_backbone_says(
    blobs, quick, through_file, assert_same, draw_weights, file, given_frozen
):
    Xs, ys, Xt, _ = blobs
    backbone = nn.Sequential(two_layers(), nn.Linear(6, 6), nn.BatchNorm1d(6))
    backbone[0].requires_grad_(False)
    # A frozen shift alone does not freeze the statistics.
    backbone[2].bias.requires_grad_(False)
    draw_weights(backbone)
    clf = DANClassifier(**quick, backbone=backbone).fit(Xs, ys, X_target=Xt)
    assert isinstance(clf.module_.feature_extractor.backbone[0][1], nn.BatchNorm1d)
    given = nn.Sequential(two_layers(), nn.Linear(6, 6), nn.BatchNorm1d(6))
    if given_frozen:
        given[0].requires_grad_(False)
    else:
        given[2].requires_grad_(False)
    assert_same(clf, through_file(clf, file, backbone=given), Xt)


@pytest.mark.parametrize(
    ("frozen", "batch_norm"),
    [
        ((), "per_domain"),
        (("conv1", "stage2"), "per_domain"),
        (("conv1", "stage2"), "joint"),
        ("all", "per_domain"),
    ],
)
def test_a_trained_backbone_by_name_is_built_again(
    quick, through_file, assert_same, images, draw_weights, file, frozen, batch_norm
):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(load_backbone(BY_NAME, frozen=frozen))
    parameters = {**quick, "max_epochs": 1, "hidden_layer_sizes": None}
    clf = DANClassifier(**parameters, batch_norm=batch_norm, backbone=backbone)
    clf.fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert isinstance(again.backbone, NamedBackbone)
    assert (again.backbone.name, again.backbone.pretrained) == (BY_NAME, False)
    assert_same(clf, again, X_target)


@pytest.fixture
def frozen_by_name(quick, draw_weights):
    """Build a classifier on the features of a network by name."""

    def build(**changes):
        backbone = draw_weights(load_backbone(BY_NAME)).to(changes.pop("dtype", torch.float32))
        return DANNClassifier(**{**quick, **changes}, freeze=True, backbone=backbone)

    return build


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_frozen_backbone_by_name_is_built_again_with_its_weights(
    through_file, assert_same, images, frozen_by_name, file, same, dtype
):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    clf = frozen_by_name(dtype=dtype).fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert_same(clf, again, X_target)
    # The next fit starts from the same backbone, so it ends the same.
    assert same(again.fit(X, y, X_target=X_target), clf)
    assert again.transform(X).dtype == clf.transform(X).dtype


def test_a_backbone_that_was_pretrained_is_not_taken_for_it_by_the_next_fit(
    quick, through_file, assert_same, images, draw_weights, file
):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(load_backbone(BY_NAME))
    backbone.pretrained = True
    clf = DANClassifier(**{**quick, "max_epochs": 1}, backbone=backbone)
    clf.fit(X, y, X_target=X_target).save(file)
    again = domadapt.load(file)
    assert again.backbone.pretrained is True
    assert_same(clf, again, X_target)
    with pytest.raises(ValueError, match=f"'{BY_NAME}' was read from a file, which does not hold"):
        again.fit(X, y, X_target=X_target)
    assert_same(clf, again, X_target)
    assert through_file(clf, file, backbone=backbone).backbone is backbone


class Doubled(NamedBackbone):
    """A backbone that has a name, but is no longer what the name stands for."""

    def forward(self, x):
        return 2.0 * super().forward(x)


def without_pooling():
    backbone = load_backbone(BY_NAME)
    backbone.model.maxpool = nn.Identity()
    return backbone


@pytest.mark.parametrize(
    "make_backbone",
    [
        without_pooling,
        lambda: Doubled(BY_NAME, load_backbone(BY_NAME).model),
        lambda: NamedBackbone("mine", nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))),
    ],
    ids=["changed", "subclass", "unknown name"],
)
def test_a_backbone_that_is_not_what_its_name_says_has_to_be_given(
    quick, assert_same, images, draw_weights, file, make_backbone
):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(make_backbone())
    clf = DANClassifier(**quick, freeze=True, backbone=backbone).fit(X, y, X_target=X_target)
    clf.save(file)
    with pytest.raises(ValueError, match=r"Pass it: load\(path, backbone="):
        domadapt.load(file)
    assert_same(clf, domadapt.load(file, backbone=make_backbone()), X_target)


def test_a_backbone_that_scales_its_input_anew_does_so_again(
    quick, through_file, assert_same, images, draw_weights, file
):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    backbone = draw_weights(load_backbone("googlenet"))
    # As torchvision sets it for its own weights; the state dict does not hold it.
    backbone.model.transform_input = True
    clf = DANClassifier(**quick, freeze=True, backbone=backbone).fit(X, y, X_target=X_target)
    again = through_file(clf, file)
    assert again.backbone.model.transform_input is True
    assert_same(clf, again, X_target)


def test_neither_saving_nor_loading_draws_random_numbers(images, frozen_by_name, file):
    pytest.importorskip("torchvision")
    X, y, X_target = images(12, size=32)
    clf = frozen_by_name(dropout=0.2).fit(X, y, X_target=X_target)
    before = torch.get_rng_state()
    clf.save(file)
    domadapt.load(file)
    domadapt.load(file, backbone=nn.Sequential(clf.backbone, nn.LazyLinear(3))[0])
    assert torch.equal(torch.get_rng_state(), before)
