"""Fits that are the same in one process and in two, by name, on small data."""

import functools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from domadapt import (
    ADDAClassifier,
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DANRegressor,
    DeepCORALClassifier,
    ImageLoader,
    SHOTClassifier,
    pack,
)

SMALL = {
    "hidden_layer_sizes": (8,),
    "batch_size": 16,
    "max_epochs": 2,
    "steps_per_epoch": 4,
    "random_state": 3,
    "alignment_schedule": "constant",
    "device": "cpu",
}
# In float64 only the order of additions tells two processes from one. In float32 Adam
# turns the rounding of a small gradient into a step of its own.
EXACT = {"rtol": 1e-9, "atol": 1e-9}
SINGLE = {"rtol": 1e-4, "atol": 1e-5}
HALF = {"rtol": 3e-2, "atol": 3e-2}


def vectors():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 6)).astype(np.float32)
    X_target = 1 + generator.normal(size=(35, 6)).astype(np.float32)
    return X, (X[:, 0] > 0) + 2 * (X[:, 1] > 1), X_target


def draw_weights(module):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return module


def double_backbone(batch_norm):
    norm = nn.Identity() if batch_norm is None else nn.BatchNorm1d(7)
    layers = [nn.Linear(6, 7), norm, nn.Tanh(), nn.Linear(7, 5)]
    return draw_weights(nn.Sequential(*layers)).double()


def convolutions(dtype=torch.float32):
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.AdaptiveAvgPool2d(2)]
    return draw_weights(nn.Sequential(*layers, nn.Flatten())).to(dtype)


def conditional(
    source_features,
    target_features,
    source_labels,
    source_indices,
    target_indices,
    source_weight,
    classifier,
    progress,
):
    """Compare the means of each class; every sample counts by its place in the data."""
    guess = classifier(target_features).softmax(1)
    truth = nn.functional.one_hot(source_labels, guess.shape[1]).to(guess)
    truth = truth * ((1 + source_indices % 5) * source_weight).unsqueeze(1)
    guess = guess * (1 + target_indices % 3).unsqueeze(1)
    source_means = truth.T @ source_features / (1 + truth.sum(0).unsqueeze(1))
    target_means = guess.T @ target_features / (1 + guess.sum(0).unsqueeze(1))
    return (1 + progress) * (source_means - target_means).square().sum()


def on_inputs(source_inputs, target_inputs, source_domains, feature_extractor, classifier):
    """Let predictions stay the same under a small step; compare samples of each source."""
    features = feature_extractor(target_inputs)
    before = classifier(features).detach()
    after = classifier(feature_extractor(target_inputs + 0.1))
    means = source_domains.T @ source_inputs / (1 + source_domains.sum(0).unsqueeze(1))
    away = features.mean() * (means - target_inputs.mean(0)).square().sum()
    return (after - before).square().mean() + 0.01 * away


CLASSIFIERS = {
    "dan": DANClassifier,
    "dann": DANNClassifier,
    "coral": DeepCORALClassifier,
    "own": functools.partial(AlignmentClassifier, conditional),
}


def make(name, data=vectors, *, weighted=False, **changes):
    """Return a classifier that is not fitted, and what to fit it to."""
    X, y, X_target = data()
    fit = {"X": X, "y": y, "X_target": X_target}
    if weighted:
        # Some samples are left out altogether.
        fit["sample_weight"] = np.arange(len(y)) % 4
        changes["class_weight"] = {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.5}
    return CLASSIFIERS[name](**{**SMALL, **changes}), fit


def doubled(name, batch_norm, optimizer, **changes):
    backbone = double_backbone(batch_norm)
    return make(name, batch_norm=batch_norm, optimizer=optimizer, backbone=backbone, **changes)


def images():
    generator = np.random.default_rng(1)
    X = generator.normal(size=(32, 3, 6, 6)).astype(np.float32)
    y = np.arange(32) % 2
    X[y == 1, 0] += 1
    return X, y, X[4:] + 0.5


def photographs(folder):
    paths = sorted(map(str, Path(folder).glob("*.png")))
    return paths, np.arange(len(paths)) % 2, paths[3:]


def stacked():
    """The other spelling, where the samples of a domain lie anywhere."""
    X, y, sample_domain = pack(*vectors())
    order = np.random.default_rng(2).permutation(len(X))
    estimator = DANNClassifier(**SMALL, backbone=double_backbone("joint"))
    return estimator, {"X": X[order], "y": y[order], "sample_domain": sample_domain[order]}


def other_settings(estimator, batch_norm, *, few_labels=False, **changes):
    """Return two sources and a target, with some of its labels where that is asked for."""
    X, y, sample_domain = pack(*vectors())
    sample_domain[:15] = 2
    fit = {"X": X, "y": y, "sample_domain": sample_domain}
    if few_labels:
        # An even number, which two processes can share.
        labels = np.where(sample_domain > 0, y, 0)
        fit["y_target"] = np.where(np.arange(len(y)) < 48, labels, np.nan)
    backbone = double_backbone(batch_norm)
    return estimator(**{**SMALL, **changes}, batch_norm=batch_norm, backbone=backbone), fit


def regression(batch_norm):
    X, _, X_target = vectors()
    estimator = DANRegressor(**SMALL, batch_norm=batch_norm, backbone=double_backbone(batch_norm))
    return estimator, {"X": X, "y": X[:, :2] * 3.0 + 1.0, "X_target": X_target}


def source_alone():
    estimator, fit = doubled("dann", "joint", "adam")
    return estimator, {"X": fit["X"], "y": fit["y"]}


NORMS = ("per_domain", "joint", None)
# What else is fitted by domain, and with which other kinds of batch normalisation.
OTHERS = {
    "inputs": (functools.partial(AlignmentClassifier, on_inputs), {}, ("joint", None)),
    "labelled samples": (DANNClassifier, {"few_labels": True}, ("joint",)),
    "two stages": (ADDAClassifier, {}, ("joint", None)),
    "target alone": (SHOTClassifier, {}, ("joint",)),
    "uncertainty": (AlignmentClassifier, {"loss_weights": "uncertainty"}, (None,)),
    "gradnorm": (AlignmentClassifier, {"loss_weights": "gradnorm"}, ("joint",)),
}


# What these combine is fitted one by one in the others: for a long run.
REPEATED = {
    *("dan per_domain sgd", "dann joint sgd", "dann None adam", "coral joint adam"),
    *("coral None sgd", "own per_domain adam", "dan in float32", "dan images in float64"),
    *("inputs None", "labelled samples joint", "two stages None", "target alone joint"),
    *("uncertainty per_domain", "gradnorm per_domain", "regression joint"),
}


def cases(folder):
    """Return all fits by name, with how to begin each and how near both ways have to come."""
    found = {}
    for number, name in enumerate(CLASSIFIERS):
        for other, norm in enumerate(NORMS):
            # Each rule comes with every criterion and with every normalisation.
            rule = ("sgd", "adam")[(number + other) % 2]
            begin = functools.partial(doubled, name, norm, rule, weighted=rule == "adam")
            found[f"{name} {norm} {rule}"] = begin, EXACT
        if number > 1:
            # What precision and convolutions change is the same code for all criteria.
            continue
        found[f"{name} in float32"] = functools.partial(make, name, optimizer="sgd"), SINGLE
        pictures = functools.partial(make, name, images, hidden_layer_sizes=None)
        deep = functools.partial(pictures, backbone=convolutions(torch.float64))
        found[f"{name} images in float64"] = deep, EXACT
    # Without statistics, which parts of other samples would give.
    found["dann in parts"] = functools.partial(doubled, "dann", None, "sgd", accumulate=4), EXACT
    pictures = functools.partial(make, "dan", images, optimizer="sgd")
    found["images"] = (
        functools.partial(pictures, hidden_layer_sizes=None, backbone=convolutions()),
        SINGLE,
    )
    found["default convolutions"] = pictures, SINGLE
    found["stacked"] = stacked, EXACT
    found["source alone"] = source_alone, EXACT
    found["no criterion"] = no_criterion, EXACT
    found["several criteria"] = several_criteria, EXACT
    for name, (estimator, changes, norms) in OTHERS.items():
        for norm in ("per_domain", *norms):
            begin = functools.partial(other_settings, estimator, norm, **changes)
            found[f"{name} {norm}"] = begin, EXACT
    for norm in NORMS[:2]:
        found[f"regression {norm}"] = functools.partial(regression, norm), EXACT
    found["frozen"] = functools.partial(doubled, "dann", "joint", "adam", freeze=True), EXACT
    found["slow backbone"] = (
        functools.partial(doubled, "dan", "joint", "sgd", backbone_rate=0.1),
        EXACT,
    )
    found["frozen layer"] = frozen_layer, EXACT
    found["bfloat16"] = (
        functools.partial(make, "dan", optimizer="sgd", precision="bfloat16", max_epochs=1),
        HALF,
    )
    if list(Path(folder).glob("*.png")):
        loader = ImageLoader(resize=16, crop=12, n_workers=0)
        for dtype, near in ((torch.float32, SINGLE), (torch.float64, EXACT)):
            data = functools.partial(photographs, folder)
            parameters = {"image_loader": loader, "backbone": convolutions(dtype)}
            begin = functools.partial(make, "coral", data, hidden_layer_sizes=None, **parameters)
            found[f"photographs in {dtype}"] = begin, near
    return found


def no_criterion():
    return AlignmentClassifier(None, **SMALL, backbone=double_backbone("joint")), fit_args()


def fit_args():
    return make("dan")[1]


def several_criteria():
    backbone = double_backbone("per_domain")
    alignment = [(1.0, "dann"), (0.5, "mmd"), (0.1, conditional)]
    return AlignmentClassifier(alignment, **SMALL, backbone=backbone), fit_args()


def frozen_layer():
    """Normalisation that keeps its statistics, beside another that does not."""
    backbone = nn.Sequential(nn.BatchNorm1d(6), *double_backbone("per_domain")).double()
    backbone[0].requires_grad_(False)
    return DANClassifier(**SMALL, backbone=backbone), fit_args()


def fitted_tensors(estimator, fit):
    """Return everything that a fit ends with."""
    found = dict(estimator.module_.state_dict())
    X = fit.get("X_target", fit["X"])
    predict = getattr(estimator, "predict_proba", estimator.predict)
    found["predictions"] = torch.from_numpy(predict(X))
    if hasattr(estimator, "transduction_"):
        found["transduction"] = torch.from_numpy(estimator.transduction_)
    for name, values in estimator.history_.items():
        found[name] = torch.tensor(values, dtype=torch.float64)
    found["n_steps"] = torch.tensor(estimator.n_steps_)
    return found
