"""Each method reaches the feature extractor, obeys its weight and reads no target labels."""

import inspect
import types

import numpy as np
import pytest
import torch
from sklearn.base import is_classifier

from domadapt import (
    AlignmentClassifier,
    AlignmentRegressor,
    DANClassifier,
    DANNClassifier,
    MeanTeacherClassifier,
    OSBPClassifier,
    SHOTClassifier,
    estimators,
    pack,
)
from domadapt.alignment import MMD
from domadapt.alignment.protocol import StepTensors
from domadapt.methods import METHODS
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.training.step import WeightedCriteria

QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 2, "batch_size": 32, "random_state": 0}
QUICK |= {"steps_per_epoch": 3}
NAMED = [
    getattr(estimators, name)
    for name in estimators.__all__
    if name not in ("AlignmentClassifier", "AlignmentRegressor")
]
OWN_PARAMETERS = {
    MeanTeacherClassifier: {"augmentation", "momentum", "confidence"},
    OSBPClassifier: {"threshold", "unknown"},
}
OWN_LABELS = {"_all_labels", "_check_extra_logits", "_extra_labels"}

EVERY = [
    pytest.param(method, learns, id=f"{method.name}-{learns}")
    for method in METHODS.values()
    for learns in ("classes", "values")
    if getattr(method, learns) is not None
]
TOGETHER = [case for case in EVERY if case.values[0].stages == 1]
AFTERWARDS = [case for case in EVERY if case.values[0].stages == 2]
# One class more than the others makes a wider last layer.
COMPARABLE = [case for case in TOGETHER if case.values[0].setting != "open set"]

# Only predictions that are sure become labels, or are learnt from a teacher.
NEED_SURE_PREDICTIONS = ("pseudo_labels", "mean_teacher")


def build(method, learns, **parameters):
    """Build the estimator of a method: its own class, or the general one with its name."""
    name = method.classifier if learns == "classes" else method.regressor
    if name is not None:
        return getattr(estimators, name)(**parameters)
    kind = AlignmentClassifier if learns == "classes" else AlignmentRegressor
    return kind(method.name, **parameters)


def data_for(method, learns, blobs, *, stacked=False, y_test=None):
    """Return what fit takes: for several sources, or where it is asked for, stacked."""
    Xs, ys, Xt, _ = blobs
    ys = ys if learns == "classes" else Xs[:, 0] + np.sin(Xs[:, 1])
    several = method.setting == "several sources"
    if not several and not stacked:
        return {"X": Xs, "y": ys, "X_target": Xt}
    X, y, sample_domain = pack(Xs, ys, Xt, y_test=y_test)
    if several:
        sample_domain[:45] = 2
    return {"X": X, "y": y, "sample_domain": sample_domain}


def general(estimator, alignment):
    """Build the estimator of any alignment with the parameters of a named one."""
    kind = AlignmentClassifier if is_classifier(estimator) else AlignmentRegressor
    shared = kind().get_params(deep=False).keys() - {"alignment"}
    given = estimator.get_params(deep=False)
    if alignment is None and given["batch_norm"] == "auto":
        # By itself it would leave batch normalisation out.
        given["batch_norm"] = getattr(estimator, "batch_norm_", "per_domain")
    return kind(alignment, **{name: v for name, v in given.items() if name in shared})


@pytest.mark.parametrize(("method", "learns"), EVERY)
def test_the_gradient_of_each_criterion_reaches_the_feature_extractor(method, learns):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 6, generator=generator)
    inputs[8:] += 1.0
    is_several = method.setting == "several sources"
    of_outputs = {
        "classes": [(3, torch.zeros(8, dtype=torch.int64))],
        "values": [(n, torch.randn(8, n, generator=generator)) for n in (1, 2)],
    }
    for n_outputs, labels in of_outputs[learns]:
        torch.manual_seed(0)
        extractor = mlp_backbone(6, (5,), batch_norm=False)
        network = FeatureClassifier(extractor, mlp_head(n_outputs, in_features=5))
        if method.name in NEED_SURE_PREDICTIONS:
            network.classifier[0].weight.data.mul_(10.0)

        def step(network=network, labels=labels):
            features = network.feature_extractor(inputs)
            return StepTensors(
                n_source=8,
                features=features,
                outputs=network.classifier(features),
                labels=labels,
                weight=None,
                source_indices=torch.arange(8),
                target_indices=torch.arange(8),
                classifier=network.classifier,
                progress=torch.tensor(0.5),
                feature_extractor=network.feature_extractor,
                gather_inputs=lambda: inputs,
                source_domains=torch.eye(2).repeat(4, 1) if is_several else None,
            )

        criteria = WeightedCriteria(getattr(method, learns)(), learns)
        factors = [1.0] * len(criteria.terms)
        with torch.no_grad():
            at = step()
            # Layers take their sizes, and copies of the network are made.
            criteria(at, factors)
            for criterion in criteria.epoch_listeners:
                criterion.begin_epoch(at.features[8:], at.outputs[8:])
        losses = criteria(step(), factors)
        assert len(losses) == len(criteria.names) > 0
        for loss in losses:
            parameters = list(network.feature_extractor.parameters())
            for gradient in torch.autograd.grad(loss, parameters, retain_graph=True):
                assert gradient.abs().max() > 0


@pytest.mark.parametrize(("method", "learns"), EVERY)
def test_the_weight_changes_the_outcome(method, learns, blobs, same):
    settings = dict(QUICK)
    if method.name in NEED_SURE_PREDICTIONS:
        # A teacher follows slowly, too.
        settings |= {"steps_per_epoch": 30, "label_smoothing": 0.0, "learning_rate": 0.01}
    weak, strong, again = (
        build(method, learns, **settings, alignment_weight=weight).fit(
            **data_for(method, learns, blobs)
        )
        for weight in (0.01, 1.0, 1.0)
    )
    assert not same(weak, strong)
    assert same(strong, again)


@pytest.mark.parametrize(("method", "learns"), COMPARABLE)
def test_a_weight_of_zero_is_no_alignment_to_the_last_bit(method, learns, blobs, same):
    data = data_for(method, learns, blobs)
    idle = build(method, learns, **QUICK, alignment_weight=0.0)
    assert same(idle.fit(**data), general(idle, None).fit(**data))


@pytest.mark.parametrize(("method", "learns"), EVERY)
def test_without_a_target_there_is_no_method_to_the_last_bit(method, learns, blobs, same):
    data = data_for(method, learns, blobs)
    Xs, ys = data["X"][:90], data["y"][:90]
    alone = build(method, learns, **QUICK).fit(Xs, ys)
    none = general(alone, None).fit(Xs, ys)
    assert same(alone, none)
    np.testing.assert_array_equal(alone.predict(blobs[2]), none.predict(blobs[2]))
    assert alone.history_ == none.history_


@pytest.mark.parametrize(("method", "learns"), AFTERWARDS)
def test_a_weight_of_zero_leaves_what_the_source_has_taught_to_the_last_bit(
    method, learns, blobs, same
):
    Xs, ys, Xt, _ = blobs
    idle = build(method, learns, **QUICK, alignment_weight=0.0).fit(Xs, ys, X_target=Xt)
    assert same(idle, general(idle, None).fit(Xs, ys))
    np.testing.assert_array_equal(idle.transduction_, idle.predict(Xt))


@pytest.mark.parametrize(("method", "learns"), EVERY)
def test_labels_of_target_samples_are_never_read(method, learns, blobs, same):
    apart = build(method, learns, **QUICK).fit(**data_for(method, learns, blobs))
    wild = {"classes": blobs[3], "values": np.full(75, 1e9)}[learns]
    for y_test in (wild, np.full(75, np.nan)):
        data = data_for(method, learns, blobs, stacked=True, y_test=y_test)
        stacked = build(method, learns, **QUICK).fit(**data)
        assert same(apart, stacked)
        np.testing.assert_array_equal(apart.transduction_, stacked.transduction_)


@pytest.mark.parametrize(("method", "learns"), COMPARABLE)
def test_a_named_estimator_only_chooses_a_criterion(method, learns, blobs, same):
    data = data_for(method, learns, blobs)
    named = build(method, learns, **QUICK).fit(**data)
    assert same(named, general(named, method.name).fit(**data))


@pytest.mark.parametrize("estimator", NAMED)
def test_named_estimators_hold_no_logic(estimator):
    own = OWN_PARAMETERS.get(estimator, set())
    kinds = (types.FunctionType, property)
    logic = {name for name, value in vars(estimator).items() if isinstance(value, kinds)}
    # A criterion with parameters of the estimator, and a class beyond those of the source.
    allowed = ({"alignment"} if own else set()) | (OWN_LABELS if "unknown" in own else set())
    assert {name for name in logic if not name.startswith("__")} == allowed
    kind = AlignmentClassifier if is_classifier(estimator()) else AlignmentRegressor
    names, of_all = (set(inspect.signature(k).parameters) for k in (estimator, kind))
    assert names - of_all == own
    assert of_all - names == {"loss_weights", "source_weights"} | ({"alignment"} if own else set())


@pytest.mark.parametrize(("method", "learns"), AFTERWARDS)
def test_methods_of_two_stages_keep_the_classifier_of_the_source(method, learns, blobs, same):
    Xs, ys, Xt, _ = blobs
    named = build(method, learns, **QUICK).fit(Xs, ys, X_target=Xt)
    source = general(named, None).fit(Xs, ys)
    assert same(named.module_.classifier, source.module_.classifier)
    assert not same(named, source)
    assert named.history_ == source.history_


def test_the_second_stage_of_shot_is_adapt(blobs, same):
    Xs, ys, Xt, _ = blobs
    named = SHOTClassifier(**QUICK)
    source = general(named, None).fit(Xs, ys)
    assert same(named.fit(Xs, ys, X_target=Xt), source.adapt(Xt))


def test_with_a_weight_of_zero_the_threshold_of_unknown_samples_does_not_matter(blobs, same):
    Xs, ys, Xt, _ = blobs

    def fit(threshold, weight):
        clf = OSBPClassifier(threshold=threshold, alignment_weight=weight, **QUICK)
        return clf.fit(Xs, ys, X_target=Xt)

    assert same(fit(0.2, 0.0), fit(0.8, 0.0))
    assert not same(fit(0.2, 1.0), fit(0.8, 1.0))


def test_dropout_is_drawn_alike_with_a_criterion_and_without(blobs, same):
    Xs, ys, Xt, _ = blobs
    backbone = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5))
    # Drawing the discriminator's weights must not shift what dropout draws.
    idle = DANNClassifier(backbone=backbone, max_epochs=3, random_state=0, alignment_weight=0.0)
    none = general(idle, None)
    assert same(idle.fit(Xs, ys, X_target=Xt), none.fit(Xs, ys, X_target=Xt))


def test_the_discriminator_ends_up_less_sure_than_against_idle_features(blobs):
    Xs, ys, Xt, _ = blobs
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 40, "random_state": 0}
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


def test_a_list_of_criteria_and_a_plain_function_align(blobs, same):
    Xs, ys, Xt, _ = blobs

    def mean_distance(source_features, target_features):
        return (source_features.mean(0) - target_features.mean(0)).square().sum()

    fitted = [
        AlignmentClassifier(alignment, **QUICK).fit(Xs, ys, X_target=Xt)
        for alignment in (mean_distance, [(1.0, mean_distance)], [(1.0, "mmd"), (0.5, "dann")])
    ]
    assert same(fitted[0], fitted[1])
    assert not same(fitted[0], fitted[2])
