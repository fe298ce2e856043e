"""Each classifier's method reaches the feature extractor and obeys its weight."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import is_classifier

from domadapt import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    M3SDAClassifier,
    MeanTeacherClassifier,
    OSBPClassifier,
    SHOTClassifier,
    estimators,
    pack,
)
from domadapt.alignment import MMD
from domadapt.alignment.protocol import StepTensors
from domadapt.alignment.registry import CRITERIA
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.training.step import WeightedCriteria

EVERY = [getattr(estimators, name) for name in estimators.__all__]
NAMED = [e for e in EVERY if is_classifier(e()) and e is not AlignmentClassifier]
AFTERWARDS = [estimator for estimator in NAMED if estimator.aligns_afterwards]
# One class more than the others makes a wider last layer.
AT_ONCE = [e for e in NAMED if e not in AFTERWARDS and e is not OSBPClassifier]
OWN_PARAMETERS = {MeanTeacherClassifier: {"augmentation"}, OSBPClassifier: {"threshold", "unknown"}}

# Only predictions that are sure become labels, or are learnt from a teacher.
NEED_SURE_PREDICTIONS = ("pseudo_labels", "mean_teacher")


def data_for(estimator, blobs, *, stacked=False, target_labels=None):
    """Give the rows as a method takes them: M3SDA wants two sources, hence stacked rows."""
    Xs, ys, Xt, _ = blobs
    if estimator is not M3SDAClassifier and not stacked:
        return {"X": Xs, "y": ys, "X_target": Xt}
    X, y, sample_domain = pack(Xs, ys, Xt, target_labels)
    if estimator is M3SDAClassifier:
        sample_domain[:45] = 2
    return {"X": X, "y": y, "sample_domain": sample_domain}


def general(named, alignment):
    """Build an AlignmentClassifier with the parameters of a named classifier."""
    parameters = named.get_params()
    for own in OWN_PARAMETERS.get(type(named), ()):
        del parameters[own]
    return AlignmentClassifier(alignment, **parameters)


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_the_gradient_of_a_criterion_reaches_the_feature_extractor(name):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 6, generator=generator)
    inputs[8:] += 1.0
    torch.manual_seed(0)
    network = FeatureClassifier(mlp_backbone(6, (5,), batch_norm=False), mlp_head(3, in_features=5))
    if name in NEED_SURE_PREDICTIONS:
        network.classifier[0].weight.data.mul_(10.0)

    def step():
        features = network.feature_extractor(inputs)
        return StepTensors(
            n_source=8,
            features=features,
            outputs=network.classifier(features),
            labels=torch.zeros(8, dtype=torch.int64),
            weight=None,
            source_indices=torch.arange(8),
            target_indices=torch.arange(8),
            classifier=network.classifier,
            progress=0.5,
            feature_extractor=network.feature_extractor,
            gather_inputs=lambda: inputs,
            source_domains=torch.eye(2).repeat(4, 1) if name == "m3sda" else None,
        )

    criteria = WeightedCriteria(name)
    with torch.no_grad():
        at = step()
        # Layers take their sizes, and copies of the network are made.
        criteria(at, 1.0)
        for criterion in criteria.epoch_listeners:
            criterion.begin_epoch(at.features[8:], at.outputs[8:])
    criteria(step(), 1.0).backward()
    for parameter in network.feature_extractor.parameters():
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("estimator", NAMED)
def test_the_weight_changes_the_outcome(estimator, blobs, same):
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 15, "random_state": 0}
    if estimator is MeanTeacherClassifier:
        # Its teacher follows slowly, and teaches nothing until it is sure of some rows.
        settings |= {"steps_per_epoch": 20, "label_smoothing": 0.0}
    weak, strong, again = (
        estimator(**settings, alignment_weight=weight).fit(**data_for(estimator, blobs))
        for weight in (0.01, 1.0, 1.0)
    )
    assert not same(weak, strong)
    assert same(strong, again)


@pytest.mark.parametrize("estimator", AT_ONCE)
def test_a_weight_of_zero_is_no_alignment_to_the_last_bit(estimator, blobs, same):
    data = data_for(estimator, blobs)
    small = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}
    idle = estimator(**{**small, "alignment_weight": 0.0})
    assert same(idle.fit(**data), general(idle, None).fit(**data))


@pytest.mark.parametrize("estimator", AFTERWARDS)
def test_a_weight_of_zero_leaves_what_the_source_has_taught_to_the_last_bit(estimator, blobs, same):
    Xs, ys, Xt, _ = blobs
    small = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}
    idle = estimator(**small, alignment_weight=0.0).fit(Xs, ys, X_target=Xt)
    assert same(idle, general(idle, None).fit(Xs, ys))
    np.testing.assert_array_equal(idle.transduction_, idle.predict(Xt))


def test_with_a_weight_of_zero_the_threshold_of_unknown_rows_does_not_matter(blobs, same):
    Xs, ys, Xt, _ = blobs
    small = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}

    def fit(threshold, weight):
        clf = OSBPClassifier(threshold=threshold, alignment_weight=weight, **small)
        return clf.fit(Xs, ys, X_target=Xt)

    assert same(fit(0.2, 0.0), fit(0.8, 0.0))
    assert not same(fit(0.2, 1.0), fit(0.8, 1.0))


def test_dropout_is_drawn_alike_with_a_criterion_and_without(blobs, same):
    Xs, ys, Xt, _ = blobs
    backbone = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5))
    # Drawing the discriminator's weights must not shift what dropout draws.
    idle = DANNClassifier(backbone=backbone, max_epochs=3, random_state=0, alignment_weight=0.0)
    none = AlignmentClassifier(None, **idle.get_params())
    assert same(idle.fit(Xs, ys, X_target=Xt), none.fit(Xs, ys, X_target=Xt))


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


@pytest.mark.parametrize("estimator", AT_ONCE)
def test_named_estimators_only_choose_a_criterion(estimator, blobs, same):
    data = data_for(estimator, blobs)
    named = estimator(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    assert same(named.fit(**data), general(named, named.alignment).fit(**data))


@pytest.mark.parametrize("estimator", NAMED)
def test_named_estimators_hold_no_logic(estimator):
    functions = {name for name, value in vars(estimator).items() if inspect.isfunction(value)}
    assert functions <= {"__init__"}
    properties = {name for name, value in vars(estimator).items() if isinstance(value, property)}
    assert properties == ({"alignment"} if estimator in OWN_PARAMETERS else set())
    added = estimator().get_params().keys() - AlignmentClassifier().get_params().keys()
    assert added == OWN_PARAMETERS.get(estimator, set())


@pytest.mark.parametrize("estimator", AFTERWARDS)
def test_methods_of_two_stages_keep_the_classifier_of_the_source(estimator, blobs, same):
    Xs, ys, Xt, _ = blobs
    named = estimator(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    source = general(named, None).fit(Xs, ys)
    named.fit(Xs, ys, X_target=Xt)
    for name, value in source.module_.classifier.state_dict().items():
        assert torch.equal(named.module_.classifier.state_dict()[name], value)
    assert not same(named, source)
    assert named.history_ == source.history_


def test_the_second_stage_of_shot_is_adapt(blobs, same):
    Xs, ys, Xt, _ = blobs
    named = SHOTClassifier(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    source = general(named, None).fit(Xs, ys)
    assert same(named.fit(Xs, ys, X_target=Xt), source.adapt(Xt))


@pytest.mark.parametrize("estimator", NAMED)
def test_labels_of_target_rows_are_never_read_by_any_method(estimator, blobs, same):
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}
    alone = estimator(**settings).fit(**data_for(estimator, blobs))
    for target_labels in (blobs[3], np.full(75, np.nan)):
        data = data_for(estimator, blobs, stacked=True, target_labels=target_labels)
        assert same(alone, estimator(**settings).fit(**data))


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
