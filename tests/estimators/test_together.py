"""Fits at once are the fits one by one."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from domadapt import (
    AlignmentClassifier,
    AlignmentRegressor,
    DANClassifier,
    DANNClassifier,
    fit_together,
)
from domadapt.alignment import CORAL, MMD, KernelMMD
from domadapt.methods import METHODS

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "batch_size": 16, "steps_per_epoch": 4}
# Methods that one classifier can be given by name, with a single source.
NAMES = sorted(
    name
    for name, method in METHODS.items()
    if method.classes is not None
    and name not in ("adda", "shot", "m3sda", "osbp")
    and name not in ("mmd", "deepcoral", "domain_separation", "spectral_penalty", "mean_teacher")
)


def domains(dtype=np.float32):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 5)).astype(dtype)
    y = (X[:, 0] > 0) + 2 * (X[:, 1] > 0.5)
    return X, y, (X[:50] * 1.2 + 0.4).astype(dtype)


def double_backbone():
    """Return a network in float64, where rounding hides nothing."""
    layers = nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Tanh()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        layers[0].weight.normal_(generator=generator)
    return nn.Sequential(*layers).double()


def fitted_tensors(estimator, X_target):
    predict = getattr(estimator, "predict_proba", estimator.predict)
    found = {name: value.numpy() for name, value in estimator.module_.state_dict().items()}
    found |= {name: np.array(values) for name, values in estimator.history_.items()}
    return found | {"predictions": predict(X_target), "steps": np.array(estimator.n_steps_)}


def assert_alike(found, wanted, X_target, atol):
    one, other = fitted_tensors(found, X_target), fitted_tensors(wanted, X_target)
    assert one.keys() == other.keys()
    for name, value in other.items():
        np.testing.assert_allclose(one[name], value, rtol=0, atol=atol, err_msg=name)
    if wanted.transduction_.dtype.kind == "f":
        np.testing.assert_allclose(found.transduction_, wanted.transduction_, rtol=0, atol=atol)
    else:
        np.testing.assert_array_equal(found.transduction_, wanted.transduction_)


def check(estimators, as_one, data=None, *, groups, atol=2e-5, **given):
    """Fit together and one by one; compare all that a fit ends with."""
    X, y, X_target = domains() if data is None else data
    alone = [clone(estimator).fit(X, y, X_target=X_target, **given) for estimator in estimators]
    assert as_one == []
    assert fit_together(estimators, X, y, X_target=X_target, **given) == estimators
    assert as_one == groups
    for found, wanted in zip(estimators, alone, strict=True):
        assert_alike(found, wanted, X_target, atol)
    return alone


# Those that take a stack, and one of each other way: by vmap, with the classifier, with random
# numbers, with inputs, with buffers of their own.
OFTEN = {"coral", "dan", "dann", "mcc", "cdan", "mcd", "swd", "vat", "centroids"}


@pytest.mark.parametrize(
    "name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.many) for n in NAMES]
)
def test_seeds_of_every_method_end_as_alone(name, as_one):
    seeds = [AlignmentClassifier(name, random_state=i, **SMALL) for i in range(3)]
    alone = check(seeds, as_one, groups=[3] * 3, atol=1e-4)
    X_target = domains()[2]
    differ = alone[0].predict_proba(X_target) - alone[1].predict_proba(X_target)
    assert np.abs(differ).max() > 0.01


@pytest.mark.parametrize(
    ("optimizer", "batch_norm"), [("sgd", "per_domain"), ("adam", "joint"), ("adamw", None)]
)
def test_in_float64_all_digits_but_the_last_are_the_same(optimizer, batch_norm, as_one):
    parameters = {**SMALL, "optimizer": optimizer, "batch_norm": batch_norm, "weight_decay": 1e-3}
    estimators = [
        AlignmentClassifier(alignment, random_state=seed, backbone=double_backbone(), **parameters)
        for seed, alignment in enumerate(("coral", "dan", "dann", "mcc"))
    ]
    check(estimators, as_one, domains(np.float64), groups=[4] * 3, atol=1e-9)


def test_rates_weights_schedules_and_criteria_may_differ(as_one):
    alignments = [
        MMD(),
        MMD(bandwidth=2.0),
        KernelMMD(kernel="laplacian"),
        CORAL(),
        [(0.5, "dann")],
        "dann",
    ]
    changes = [
        {"learning_rate": 0.02},
        {"alignment_weight": 0.1},
        {"alignment_schedule": "constant"},
        {"learning_rate_schedule": "constant"},
        {"weight_decay": 0.1},
        {},
    ]
    estimators = [
        AlignmentClassifier(alignment, random_state=i % 2, dropout=0.2, **SMALL, **change)
        for i, (alignment, change) in enumerate(zip(alignments, changes, strict=True))
    ]
    check(estimators, as_one, groups=[6] * 3)


def test_a_list_of_criteria_trains_with_others_of_as_many(as_one):
    def mean_distance(source_features, target_features, progress):
        gap = source_features.mean(0) - target_features.mean(0)
        return (1 + progress) * gap.square().sum()

    estimators = [
        AlignmentClassifier([(0.3, first), (0.1, mean_distance)], random_state=i, **SMALL)
        for i, first in enumerate(["coral", "coral", "mcc"])
    ]
    check(estimators, as_one, groups=[3] * 3)


@pytest.mark.parametrize("alignment", [None, "dan"])
def test_regressors_labels_of_the_target_and_weights_of_samples(alignment, as_one):
    X, y, X_target = domains()
    known = np.full(len(X_target), np.nan)
    known[:8] = y[:8]
    regressors = [
        AlignmentRegressor(alignment, random_state=i, batch_norm=None, **SMALL) for i in range(2)
    ]
    given = {"sample_weight": np.arange(len(y)) % 3 + 0.5, "y_target": known}
    check(regressors, as_one, (X, y * 1.5, X_target), groups=[2] * 3, **given)
    classifiers = [
        AlignmentClassifier(alignment, random_state=i, focal_gamma=1.0, **SMALL) for i in range(2)
    ]
    as_one.clear()
    check(classifiers, as_one, groups=[2] * 3, **given)


def test_several_sources_are_told_apart_in_a_stack(as_one):
    X, y, X_target = domains()
    stacked_rows, labels = np.concatenate([X, X_target]), np.concatenate([y, -np.ones(50, int)])
    domain = np.concatenate([1 + np.arange(60) % 2, -np.ones(50, int)])
    estimators = [DANNClassifier(random_state=i, **SMALL) for i in range(2)]
    alone = [clone(e).fit(stacked_rows, labels, sample_domain=domain) for e in estimators]
    as_one.clear()
    fit_together(estimators, stacked_rows, labels, sample_domain=domain)
    assert as_one == [2] * 3
    for found, wanted in zip(estimators, alone, strict=True):
        assert_alike(found, wanted, X_target, 2e-5)


def test_images_train_as_one(as_one):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 1, 6, 6)).astype(np.float32)
    y = np.arange(40) % 2
    X[y == 1, :, :3] += 1
    parameters = {**SMALL, "max_epochs": 2, "hidden_layer_sizes": (4,)}
    estimators = [DANClassifier(random_state=i, **parameters) for i in range(2)]
    check(estimators, as_one, (X, y, X + 0.3), groups=[2] * 2, atol=1e-4)


def test_criteria_that_run_the_network_run_that_of_their_own_fit(as_one):
    # CORAL comes first in a stack; the others ask for the classifier, or run on the inputs.
    alignments = ["mdd", "vat", "coral", "vat", "mdd"]
    estimators = [
        AlignmentClassifier([(0.3, name)], random_state=i, **SMALL)
        for i, name in enumerate(alignments)
    ]
    check(estimators, as_one, groups=[5] * 3)


class Halved(CORAL):
    """A criterion of a person's own that knows of one network alone."""

    def forward(self, source_features, target_features):
        n = len(source_features) // 2
        return super().forward(source_features[:n], target_features[:n])


def test_a_criterion_that_changes_one_of_ours_is_run_for_each_network(as_one):
    estimators = [AlignmentClassifier(Halved(), random_state=i, **SMALL) for i in range(2)]
    check(estimators, as_one, groups=[2] * 3)
