"""Paths, transforms and parameters that are refused before training."""

import os

import numpy as np
import pytest
from torch import nn

from domadapt import AlignmentClassifier

v2 = pytest.importorskip("torchvision.transforms.v2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda Xs, Xt: (Xs, np.zeros((24, 3))), "One of X and X_target holds paths of images"),
        (lambda Xs, Xt: (np.zeros((30, 3)), Xt), "One of X and X_target holds paths of images"),
        (lambda Xs, Xt: ([*Xs[:-1], "no such.png"], Xt), "X names 1 paths .* 'no such.png'"),
        (lambda Xs, Xt: (Xs, [*Xt[:-2], "a", "b"]), "X_target names 2 paths .* such as 'a'"),
        (lambda Xs, Xt: (Xs, [*Xt[:-1], os.path.dirname(Xt[0])]), "X_target names 1 paths"),
        (lambda Xs, Xt: ([*Xs[:-1], 3], Xt), "."),
        (lambda Xs, Xt: (Xs, [*Xt[:-1], None]), "."),
        (lambda Xs, Xt: (Xs, []), "."),
        (lambda Xs, Xt: (Xs[:, None], Xt[:, None]), "."),
        (lambda Xs, Xt: (Xs[:-1], Xt), "y has length 30, but X has 29 samples"),
    ],
)
def test_samples_that_are_not_what_they_should_be(photographs, small, untrained, change, message):
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
        ({"image_loader": {"crop": 0}}, "The 'crop' parameter of ImageLoader"),
        ({"image_loader": {"n_workers": -1}}, "The 'n_workers' parameter of ImageLoader"),
        ({"image_loader": {"unreadable": "drop"}}, "The 'unreadable' parameter of ImageLoader"),
        ({"image_loader": {"eval_transform": "crop"}}, "The 'eval_transform' parameter of"),
        ({"image_loader": {"crop": 20}}, "crop=20 is larger than resize=16"),
        ({"backbone": nn.Conv2d(3, 2, 3)}, r"backbone returned shape \(2, 2, 10, 10\)"),
        ({"backbone": nn.Linear(5, 3)}, r"backbone failed on samples of shape \(3, 12, 12\)"),
        ({"backbone": nn.Conv2d(3, 2, 3), "freeze": True}, r"backbone returned shape \(2, 2, 10"),
        ({"backbone": nn.Linear(5, 3), "freeze": True}, "backbone failed on samples of shape"),
        ({"backbone_rate": -1.0}, "The 'backbone_rate' parameter"),
        ({"steps_per_epoch": 0}, "The 'steps_per_epoch' parameter"),
        ({"dropout": 1.0}, "The 'dropout' parameter"),
    ],
)
def test_parameters_that_do_not_go_with_photographs(
    photographs, small, loader, untrained, parameters, message
):
    Xs, ys, Xt, _ = photographs
    if isinstance(parameters.get("image_loader"), dict):
        parameters = {"image_loader": loader(**parameters["image_loader"])}
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
def test_a_transform_is_named_before_training(
    photographs, small, loader, untrained, parameters, error
):
    Xs, ys, Xt, _ = photographs
    with pytest.raises(error, match=f"^{next(iter(parameters))} returned"):
        small(image_loader=loader(**parameters)).fit(Xs, ys, X_target=Xt)


def test_prediction_wants_samples_of_the_kind_of_fit(photographs, small, blobs):
    Xs, ys, Xt, _ = photographs
    clf = small().fit(Xs, ys, X_target=Xt)
    for rows in (np.zeros((5, 10)), np.zeros((5, 3, 12, 12))):
        for method in ("predict", "predict_proba", "transform"):
            with pytest.raises(ValueError, match=r"X has samples of shape .* on paths of images"):
                getattr(clf, method)(rows)
    with pytest.raises(
        ValueError, match=r"X names 1 paths at which there is no file, such as 'none'"
    ):
        clf.predict(["none"])
    vectors = AlignmentClassifier(max_epochs=1, random_state=0).fit(blobs[0], blobs[1])
    with pytest.raises(ValueError, match=r"X has paths of images, but .* shape \(10,\)"):
        vectors.predict(Xt)
