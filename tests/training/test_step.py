"""What a step passes to criteria by their signatures, and what weights do."""

import pytest
import torch
from torch import nn

from domadapt.alignment import CORAL, MCC, MMD, DeepCORAL, DomainAdversarial, declared_names
from domadapt.alignment.protocol import ON_OFFER, StepTensors
from domadapt.training import WeightedCriteria
from domadapt.training.step import TrainingStep
from domadapt.training.tasks import SeveralTasks, Task


def step_tensors(n_source=3, n_target=2, weight=None, source_domains=None):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n_source + n_target, 4, generator=generator).requires_grad_()
    classifier, feature_extractor = nn.Linear(4, 2), nn.Linear(3, 4)
    inputs = torch.randn(n_source + n_target, 3, generator=generator)
    return StepTensors(
        n_source=n_source,
        features=features,
        outputs=classifier(features),
        labels=torch.tensor([0, 1, 1]),
        weight=weight,
        source_indices=torch.tensor([4, 0, 2]),
        target_indices=torch.tensor([1, 3]),
        classifier=classifier,
        progress=torch.tensor(0.5),
        feature_extractor=feature_extractor,
        gather_inputs=lambda: inputs,
        source_domains=source_domains,
    )


def alignment_loss(criteria, at, weight):
    """Return the sum of the losses as a step has it, with a weight on top of those of a list."""
    factors = [torch.tensor(weight * own) for own in criteria.own_weights(0.5)]
    return torch.stack(criteria(at, factors)).sum()


def test_a_signature_is_a_declaration():
    assert declared_names(MMD()) == ("source_features", "target_features")
    assert declared_names(lambda target_logits, progress: 0) == ("target_logits", "progress")
    assert declared_names(lambda source_labels, power=2: 0) == ("source_labels",)


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (lambda source_features, features_target: 0, "asks for 'features_target'"),
        (lambda: 0, "asks for nothing on offer"),
        (lambda power=2: 0, "asks for nothing on offer"),
    ],
)
def test_an_unknown_name_is_told_with_what_is_on_offer(criterion, message):
    with pytest.raises(TypeError, match=rf"{message}.*source_features, target_features"):
        declared_names(criterion)


def test_everything_on_offer_is_passed():
    of_two = torch.eye(2)[torch.tensor([0, 0, 1, 0, 1])]
    at, seen = step_tensors(source_domains=of_two), {}

    def everything(
        source_inputs,
        target_inputs,
        source_domains,
        feature_extractor,
        source_features,
        target_features,
        source_logits,
        target_logits,
        source_labels,
        source_indices,
        target_indices,
        source_weight,
        classifier,
        progress,
    ):
        seen.update(locals())
        return source_features.sum()

    alignment_loss(WeightedCriteria(everything), at, 1.0)
    assert set(ON_OFFER["classes"]) <= set(seen)
    torch.testing.assert_close(seen["source_inputs"], at.gather_inputs()[:3])
    torch.testing.assert_close(seen["target_inputs"], at.gather_inputs()[3:])
    extracted = at.feature_extractor(at.gather_inputs())
    torch.testing.assert_close(seen["feature_extractor"](at.gather_inputs()), extracted)
    assert seen["source_domains"].tolist() == [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    torch.testing.assert_close(seen["source_features"], at.features[:3])
    torch.testing.assert_close(seen["target_features"], at.features[3:])
    torch.testing.assert_close(seen["source_logits"], at.outputs[:3])
    torch.testing.assert_close(seen["target_logits"], at.outputs[3:])
    torch.testing.assert_close(seen["classifier"](at.features), at.outputs)
    assert seen["source_labels"].tolist() == [0, 1, 1]
    assert seen["source_indices"].tolist() == [4, 0, 2]
    assert seen["target_indices"].tolist() == [1, 3]
    assert seen["source_weight"].tolist() == [1.0, 1.0, 1.0]
    assert seen["progress"] == 0.5


@pytest.mark.parametrize(
    "criterion",
    [
        lambda source_features: 1e-2 * source_features.square().sum(),
        lambda target_logits: 1e-2 * target_logits.square().sum(),
        lambda source_features, classifier: 1e-2 * classifier(source_features).square().sum(),
    ],
    ids=["features", "logits", "classifier"],
)
def test_a_weight_multiplies_every_gradient_into_the_network(criterion):
    def gradients(weight):
        at = step_tensors()
        inputs = [at.features, *at.classifier.parameters()]
        loss = alignment_loss(WeightedCriteria(criterion), at, weight)
        return torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)

    torch.manual_seed(0)
    full = gradients(1.0)
    torch.manual_seed(0)
    half = gradients(0.5)
    assert max(g.abs().max() for g in full) > 0
    for whole, scaled in zip(full, half, strict=True):
        torch.testing.assert_close(scaled, 0.5 * whole)


def test_no_criterion_pulls_harder_than_a_cross_entropy_could():
    at = step_tensors()
    runaway = WeightedCriteria(lambda source_features: 1e6 * source_features.sum())
    loss = alignment_loss(runaway, at, 1.0)
    (grad,) = torch.autograd.grad(loss, at.features)
    assert grad.norm().item() == pytest.approx((2 / 3) ** 0.5)
    assert grad[:3].std() == 0
    assert grad[3:].abs().max() == 0


def test_a_discriminator_learns_at_the_full_rate_whatever_the_weight():
    criterion = DomainAdversarial(in_features=4)

    def gradients(weight):
        at = step_tensors()
        criteria = WeightedCriteria(criterion)
        alignment_loss(criteria, at, weight).backward()
        return at.features.grad, [p.grad for p in criteria.parameters()]

    features, discriminator = gradients(1.0)
    features_at_0, discriminator_at_0 = gradients(0.0)
    assert features.abs().max() > 0
    assert features_at_0.abs().max() == 0
    torch.testing.assert_close(discriminator, discriminator_at_0)


def test_several_criteria_add_up_each_with_its_weight():
    at = step_tensors()
    both = alignment_loss(WeightedCriteria([(0.02, MMD()), (0.005, DeepCORAL())]), at, 3.0)
    (grad,) = torch.autograd.grad(both, at.features, retain_graph=True)
    mmd = MMD()(at.features[:3], at.features[3:])
    coral = CORAL()(at.outputs[:3], at.outputs[3:])
    torch.testing.assert_close(both, mmd + coral)
    (expected,) = torch.autograd.grad(0.06 * mmd + 0.015 * coral, at.features)
    torch.testing.assert_close(grad, expected)


def test_the_caller_s_criterion_is_copied():
    mine = DomainAdversarial()
    alignment_loss(WeightedCriteria(mine), step_tensors(), 1.0)
    assert isinstance(mine.discriminator[0], nn.LazyLinear)


def test_every_criterion_has_a_name_of_its_own():
    alignment = [(1.0, MMD()), (1.0, MCC()), (0.5, MCC(temperature=1.0))]
    assert WeightedCriteria(alignment).names == ["MMD", "MCC_1", "MCC_2"]
    assert WeightedCriteria(alignment[:2]).names == ["MMD", "MCC"]


def test_default_weights_are_those_of_a_criterion_alone():
    assert WeightedCriteria(MMD()).default_weight == MMD.default_weight
    assert WeightedCriteria(DeepCORAL()).default_weight == CORAL.default_weight
    assert MMD.default_weight != CORAL.default_weight != 1.0
    assert WeightedCriteria([(1.0, MMD()), (1.0, CORAL())]).default_weight == 1.0
    assert WeightedCriteria(lambda source_features: source_features.sum()).default_weight == 1.0


@pytest.mark.parametrize(
    ("alignment", "error", "message"),
    [
        ("magic", TypeError, "alignment='magic' is no criterion"),
        ([], ValueError, "alignment=.* names no criterion"),
        ([MMD()], TypeError, "pairs of a weight and a criterion"),
        ([(-1.0, MMD())], ValueError, "has the weight -1.0"),
        ([(float("nan"), MMD())], ValueError, "has the weight nan"),
        ([(1.0, 3)], TypeError, "alignment=3 is no criterion"),
        (MMD, TypeError, "is no criterion: pass a name"),
    ],
)
def test_what_is_no_alignment_is_told(alignment, error, message):
    with pytest.raises(error, match=message):
        WeightedCriteria(alignment)


def test_criteria_beside_several_tasks_are_refused():
    task = SeveralTasks({"a": Task(), "b": Task()}, [3, 3], [2, 2])
    network, sizes = nn.Identity(), {"source": 2, "target": 2}
    with pytest.raises(
        ValueError, match=r"MMD would not be trained on: several tasks \('a', 'b'\)"
    ):
        TrainingStep(network, WeightedCriteria(MMD()), task, sizes, torch.float32)
    assert TrainingStep(network, None, task, sizes, torch.float32).names == ("a", "b")
