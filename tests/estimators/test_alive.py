"""Each method reaches the feature extractor, obeys its weight, and adapts."""

import inspect

import numpy as np
import pytest
import torch

from domadapt import (
    AlignmentClassifier,
    BNMClassifier,
    CMDClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DeepJDOTClassifier,
    DSANClassifier,
    JANClassifier,
    MCCClassifier,
    MCDClassifier,
    PseudoLabelClassifier,
    SWDClassifier,
    WDGRLClassifier,
    estimators,
    pack,
)
from domadapt.alignment import MMD
from domadapt.alignment.criteria import WeightedCriteria
from domadapt.alignment.registry import CRITERIA
from domadapt.alignment.step_tensors import StepTensors
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head

NAMED = [getattr(estimators, name) for name in estimators.__all__ if name != "AlignmentClassifier"]


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_the_gradient_of_a_criterion_reaches_the_feature_extractor(name):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 6, generator=generator)
    inputs[8:] += 1.0
    torch.manual_seed(0)
    network = FeatureClassifier(mlp_backbone(6, (5,), batch_norm=False), mlp_head(3, in_features=5))
    if name == "pseudo_labels":
        # Only predictions that are sure become labels.
        network.classifier[0].weight.data.mul_(10.0)
    features = network.feature_extractor(inputs)
    at = StepTensors(
        n_source=8,
        features=features,
        outputs=network.classifier(features),
        labels=torch.zeros(8, dtype=torch.int64),
        weight=None,
        source_indices=torch.arange(8),
        target_indices=torch.arange(8),
        classifier=network.classifier,
        progress=0.5,
    )
    WeightedCriteria(name)(at, 1.0).backward()
    for parameter in network.feature_extractor.parameters():
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("estimator", NAMED)
def test_the_weight_changes_the_outcome(estimator, blobs, same):
    Xs, ys, Xt, _ = blobs
    weak, strong, again = (
        estimator(hidden_layer_sizes=(16,), max_epochs=15, random_state=0, alignment_weight=w).fit(
            Xs, ys, X_target=Xt
        )
        for w in (0.01, 1.0, 1.0)
    )
    assert not same(weak, strong)
    assert same(strong, again)


@pytest.mark.parametrize("estimator", NAMED)
def test_a_weight_of_zero_is_no_alignment_to_the_last_bit(estimator, blobs, same):
    Xs, ys, Xt, _ = blobs
    small = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}
    idle = estimator(**{**small, "alignment_weight": 0.0})
    none = AlignmentClassifier(None, **idle.get_params())
    assert same(idle.fit(Xs, ys, X_target=Xt), none.fit(Xs, ys, X_target=Xt))


def test_dropout_is_drawn_alike_with_a_criterion_and_without(blobs, same):
    Xs, ys, Xt, _ = blobs
    backbone = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5))
    # Drawing the discriminator's weights must not shift what dropout draws.
    idle = DANNClassifier(backbone=backbone, max_epochs=3, random_state=0, alignment_weight=0.0)
    none = AlignmentClassifier(None, **idle.get_params())
    assert same(idle.fit(Xs, ys, X_target=Xt), none.fit(Xs, ys, X_target=Xt))


def with_a_spurious_column(n_rows, *, target, seed):
    """Draw two classes; the first column tells them apart in the source alone."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 2
    sign = 2.0 * y - 1.0
    spurious = 2.0 + 0.0 * sign if target else 2.0 * sign
    X = np.column_stack([spurious, sign]) + rng.normal(scale=0.5, size=(n_rows, 2))
    return X.astype(np.float32), y


@pytest.mark.parametrize(
    ("estimator", "weight", "batch_norm"),
    [
        (DANNClassifier, 3.0, "per_domain"),
        (DANClassifier, None, "joint"),
        (DeepCORALClassifier, None, "joint"),
    ],
)
def test_alignment_leaves_a_column_that_differs_between_the_domains(estimator, weight, batch_norm):
    Xs, ys = with_a_spurious_column(400, target=False, seed=0)
    Xt, yt = with_a_spurious_column(400, target=True, seed=1)
    settings = {"random_state": 0, "max_epochs": 60, "optimizer": "sgd", "learning_rate": 0.05}
    settings["batch_norm"] = batch_norm

    def accuracy(alignment_weight):
        clf = estimator(alignment_weight=alignment_weight, **settings)
        return clf.fit(Xs, ys, X_target=Xt).score(Xt, yt)

    assert accuracy(weight) >= accuracy(0.0) + 0.1


@pytest.mark.parametrize(
    "estimator",
    [BNMClassifier, CMDClassifier, DSANClassifier, JANClassifier, MCCClassifier, MCDClassifier],
)
def test_a_column_that_differs_between_the_domains_is_left(estimator):
    Xs, ys = with_a_spurious_column(400, target=False, seed=0)
    Xt, yt = with_a_spurious_column(400, target=True, seed=1)
    clf = estimator(random_state=0, max_epochs=60, batch_norm="joint").fit(Xs, ys, X_target=Xt)
    alone = AlignmentClassifier(None, random_state=0, max_epochs=60).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1


def moved_by_class(n_rows, *, target, seed):
    """Draw five classes; in the target each has moved in a direction of its own."""
    y = np.arange(n_rows) % 5
    centres = 2.0 * np.random.default_rng(0).normal(size=(5, 8))
    moves = 1.3 * np.random.default_rng(1).normal(size=(5, 8))
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(n_rows, 8))
    return (centres[y] + target * moves[y] + noise).astype(np.float32), y


@pytest.mark.parametrize(
    "estimator",
    [
        BNMClassifier,
        DANClassifier,
        DSANClassifier,
        DeepCORALClassifier,
        DeepJDOTClassifier,
        JANClassifier,
        MCCClassifier,
        PseudoLabelClassifier,
        SWDClassifier,
        WDGRLClassifier,
    ],
)
def test_classes_that_moved_apart_from_one_another_are_found(estimator):
    Xs, ys = moved_by_class(400, target=False, seed=0)
    Xt, yt = moved_by_class(400, target=True, seed=1)
    clf = estimator(random_state=0, max_epochs=60).fit(Xs, ys, X_target=Xt)
    alone = AlignmentClassifier(None, random_state=0, max_epochs=60).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1


def test_the_discriminator_ends_up_less_sure_than_against_idle_features(blobs):
    Xs, ys, Xt, _ = blobs
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 100, "random_state": 0}
    settings |= {"batch_norm": None, "learning_rate": 5e-3}

    def last_loss(weight):
        clf = DANNClassifier(alignment_weight=weight, **settings)
        return clf.fit(Xs, ys, X_target=Xt - 0.5).history_["alignment_loss"][-1]

    assert last_loss(1.0) > last_loss(0.0) + 0.2


def test_mmd_between_the_features_falls(blobs):
    Xs, ys, Xt, _ = blobs
    small = {"hidden_layer_sizes": (16,), "max_epochs": 20, "random_state": 0, "batch_norm": None}

    def distance(weight):
        clf = DANClassifier(alignment_weight=weight, **small).fit(Xs, ys, X_target=Xt)
        return MMD()(*(torch.from_numpy(clf.transform(X)) for X in (Xs, Xt))).item()

    assert distance(5.0) < 0.5 * distance(0.0)


@pytest.mark.parametrize("estimator", NAMED)
def test_named_estimators_only_choose_a_criterion(estimator, blobs, same):
    Xs, ys, Xt, _ = blobs
    named = estimator(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    general = AlignmentClassifier(estimator.alignment, **named.get_params())
    assert same(named.fit(Xs, ys, X_target=Xt), general.fit(Xs, ys, X_target=Xt))
    functions = {name for name, value in vars(estimator).items() if inspect.isfunction(value)}
    assert functions <= {"__init__"}


@pytest.mark.parametrize("estimator", NAMED)
def test_labels_of_target_rows_are_never_read_by_any_method(estimator, blobs, same):
    Xs, ys, Xt, yt = blobs
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}
    alone = estimator(**settings).fit(Xs, ys, X_target=Xt)
    for target_labels in (yt, np.full(len(Xt), np.nan)):
        X, y, sample_domain = pack(Xs, ys, Xt, target_labels)
        assert same(alone, estimator(**settings).fit(X, y, sample_domain=sample_domain))


def test_a_list_of_criteria_and_a_plain_function_align(blobs, same):
    Xs, ys, Xt, _ = blobs
    small = {"hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}

    def mean_distance(source_features, target_features):
        return (source_features.mean(0) - target_features.mean(0)).square().sum()

    fitted = [
        AlignmentClassifier(alignment, **small).fit(Xs, ys, X_target=Xt)
        for alignment in (mean_distance, [(1.0, mean_distance)], [(1.0, "mmd"), (0.5, "dann")])
    ]
    assert same(fitted[0], fitted[1])
    assert not same(fitted[0], fitted[2])
