"""One step before training: with gradients, of which nothing stays, and a word on constants."""

import gc
import warnings
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from domadapt import AlignmentClassifier, alignment
from domadapt.alignment import MMD, Criterion, MeanTeacher, PseudoLabels
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head, split_batch_norm
from domadapt.training import GradNormWeights, UncertaintyWeights, WeightedCriteria
from domadapt.training.rehearsal import rehearse
from domadapt.training.step import TrainingStep
from domadapt.training.tasks import Classification, Regression

N_SOURCE, N_TARGET, N_CLASSES = 8, 6, 3
NAMES = [name for name in alignment.__all__ if name not in ("Criterion", "declared_names")]
# Where no sample is sure enough to be learnt from.
UNSURE = {
    "PseudoLabels": lambda: PseudoLabels(threshold=1.0),
    "MeanTeacher": lambda: MeanTeacher(confidence=1.0),
}
FIT = {"max_epochs": 7, "batch_size": 16, "random_state": 0, "hidden_layer_sizes": (8,)}


def make_step(alignment, *, loss_weights=None, n_outputs=N_CLASSES):
    """Return a step with its mini-batch and scalars."""
    torch.manual_seed(0)
    extractor = mlp_backbone(4, (5,), batch_norm=True)
    learns = "values" if "Regression" in str(alignment) else "classes"
    criteria = WeightedCriteria(alignment, learns)
    head = mlp_head(n_outputs + criteria.n_extra_logits, in_features=5)
    network = FeatureClassifier(extractor, head)
    split_batch_norm(network, N_SOURCE)
    network.eval()
    if learns == "classes":
        task = Classification(torch.arange(N_SOURCE) % N_CLASSES)
    else:
        task = Regression(torch.randn(N_SOURCE, n_outputs))
    step = TrainingStep(
        network,
        criteria,
        task,
        {"source": N_SOURCE, "target": N_TARGET},
        torch.float32,
        source_domains=torch.eye(2).repeat(N_SOURCE // 2, 1),
        loss_weights=loss_weights,
    )
    index = {"source": torch.arange(N_SOURCE), "target": torch.arange(N_TARGET)}
    scalars = torch.tensor([0.0] + [1.0] * len(criteria.terms), dtype=torch.float64)
    return step, (torch.randn(N_SOURCE + N_TARGET, 4), index, scalars)


def samples():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int), X[:30] + 1.0


def steepness(source_features, target_features):
    """Penalise the gradient of a discrepancy."""
    loss = MMD()(source_features, target_features)
    (gradient,) = torch.autograd.grad(loss, source_features, create_graph=True)
    return gradient.square().sum()


def constant(target_features):
    return torch.zeros(())


class Detached(Criterion):
    """A criterion that takes its features out of the graph."""

    def forward(self, source_features, target_features):
        return (source_features.mean(0) - target_features.mean(0)).detach().square().sum()


@pytest.mark.filterwarnings("error")
def test_a_gradient_penalty_of_ones_own_is_trained_on():
    X, y, X_target = samples()
    with_penalty = AlignmentClassifier(steepness, alignment_weight=30.0, **FIT)
    with_penalty.fit(X, y, X_target=X_target)
    without = AlignmentClassifier(steepness, alignment_weight=0.0, **FIT)
    without.fit(X, y, X_target=X_target)
    assert with_penalty.history_["steepness"][0] > 0
    found, expected = (c.module_.state_dict().values() for c in (with_penalty, without))
    assert max((a - b).abs().max() for a, b in zip(found, expected, strict=True)) > 1e-4


@pytest.mark.parametrize(
    ("alignment", "named"),
    [
        (constant, "of constant takes no gradient"),
        (Detached(), "of Detached takes no gradient"),
        ([(1.0, MMD()), (0.5, Detached())], "of Detached takes no gradient"),
        ([(1.0, Detached()), (1.0, MMD()), (2.0, constant)], "of Detached, constant takes"),
        ([(1.0, Detached()), (1.0, Detached())], "of Detached_1, Detached_2 takes"),
    ],
)
@pytest.mark.parametrize("loss_weights", ["fixed", "uncertainty", "gradnorm"])
def test_a_loss_without_a_gradient_is_named_before_training(
    alignment, named, loss_weights, untrained
):
    clf = AlignmentClassifier(alignment, loss_weights=loss_weights, **FIT)
    X, y, X_target = samples()
    trained = pytest.raises(AssertionError, match="training started")
    with pytest.warns(UserWarning, match=named) as caught, trained:
        clf.fit(X, y, X_target=X_target)
    assert len(caught) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [*NAMES, "unsure PseudoLabels", "unsure MeanTeacher"])
def test_no_criterion_of_the_library_is_named(name):
    *_, kind = name.split()
    step, batch = make_step((getattr(alignment, kind) if kind == name else UNSURE[kind])())
    state = {key: value.clone() for key, value in step.network.state_dict().items()}
    loss = rehearse(step, *batch)
    assert loss.isfinite()
    assert not loss.requires_grad
    assert all(parameter.grad is None for parameter in step.parameters())
    for key, value in step.network.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert not any(module.training for module in step.network.modules())


@pytest.mark.filterwarnings("error")
def test_frozen_features_are_no_fault_of_the_criterion():
    step, batch = make_step(MMD())
    step.network.feature_extractor.requires_grad_(False)
    assert rehearse(step, *batch).isfinite()


@pytest.mark.parametrize("kind", [UncertaintyWeights, GradNormWeights])
def test_found_weights_are_where_a_rehearsal_without_gradients_leaves_them(kind):
    found, expected = kind(2), kind(2)
    step, batch = make_step(MMD(), loss_weights=found)
    other, _ = make_step(MMD(), loss_weights=expected)
    rehearse(step, *batch)
    with torch.no_grad():
        other(*batch)
    assert found.training
    for key, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key
    assert bool(found.started) == (kind is UncertaintyWeights)
    step.train()(*batch)
    assert found.started


def test_nothing_of_the_graph_stays():
    seen = []

    def look(source_features, target_features):
        seen.append(weakref.ref(source_features))
        loss = (source_features.mean(0) - target_features.mean(0)).square().sum()
        loss.backward(retain_graph=True)
        assert source_features.grad_fn is not None
        return loss

    step, batch = make_step(look)
    assert rehearse(step, *batch) > 0
    gc.collect()
    assert [reference() for reference in seen] == [None]
    assert all(parameter.grad is None for parameter in step.parameters())


def test_a_rehearsal_takes_gradients_where_its_caller_takes_none():
    modes = []

    class Look(nn.Module):
        def forward(self, target_features):
            modes.append((torch.is_grad_enabled(), target_features.requires_grad))
            return target_features.square().mean()

    step, batch = make_step(Look())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        rehearse(step, *batch)
    assert modes == [(True, True)]
