"""Several tasks at once in the one step: losses, their weights, and rates of parts of a network."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from domadapt.domains.samples import Samples
from domadapt.inputs.reader import ArrayBatches
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.nn.random_numbers import RandomNumbers
from domadapt.training import GradNormWeights, Trainer, TrainingSettings, UncertaintyWeights
from domadapt.training.optimization import constant
from domadapt.training.tasks import Classification, Regression, SeveralTasks

CPU = torch.device("cpu")
N_SAMPLES = {"digit": 9, "size": 14}
SETTINGS = {
    "batch_size": 4,
    "max_epochs": 2,
    "steps_per_epoch": 3,
    "precision": torch.float32,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "weight_decay": 0.0,
    "batch_norm": None,
    "alignment_weight": 0.0,
    "alignment_schedule": constant,
    "learning_rate_schedule": constant,
}


def several(size=1.0):
    """Return classes of nine samples and values of fourteen, as one task."""
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 3, 9))
    values = size * torch.from_numpy(rng.normal(size=(14, 2))).float()
    tasks = {"digit": Classification(labels), "size": Regression(values)}
    return SeveralTasks(tasks, list(N_SAMPLES.values()), [3, 2]), labels, values


def make_trainer(task, loss_weights=None, rates=(), **changes):
    rng = np.random.default_rng(1)
    parts = {n: Samples(rng.normal(size=(k, 3)).astype(np.float32)) for n, k in N_SAMPLES.items()}
    torch.manual_seed(0)
    network = FeatureClassifier(mlp_backbone(3, (6,), batch_norm=False), mlp_head(5, in_features=6))
    if callable(rates):
        rates = rates(network)
    return Trainer(
        network,
        None,
        ArrayBatches(parts, CPU, torch.float32),
        task,
        TrainingSettings(**{**SETTINGS, **changes}),
        seed=1,
        random_numbers=RandomNumbers(1, CPU),
        rates=rates,
        loss_weights=loss_weights,
    )


def test_each_task_has_the_loss_of_its_samples_by_its_columns():
    task, labels, values = several()
    outputs = torch.from_numpy(np.random.default_rng(2).normal(size=(8, 5))).float()
    # Those of the second task are counted after the nine of the first.
    parts = [torch.tensor([8, 0, 3]), torch.tensor([9, 22, 11, 14])]
    of_classes, of_values = task.losses(outputs, parts)
    torch.testing.assert_close(of_classes, F.cross_entropy(outputs[:3, :3], labels[[8, 0, 3]]))
    squares = (outputs[3:7, 3:] - values[[0, 13, 2, 5]]).square()
    torch.testing.assert_close(of_values, squares.mean())
    assert task.names == ("digit", "size")


def test_all_tasks_are_noted_and_trained_on_the_sum():
    trainer = make_trainer(several()[0])
    trainer.run_epoch()
    history = trainer.history
    assert [*history] == [
        *("task_loss", "alignment_loss", "alignment_weight", "learning_rate"),
        *("digit", "size"),
    ]
    assert history["task_loss"][0] == pytest.approx(history["digit"][0] + history["size"][0])
    before = history["digit"][0], history["size"][0]
    for _ in range(15):
        trainer.run_epoch()
    assert history["digit"][-1] < before[0]
    assert history["size"][-1] < before[1]


@pytest.mark.parametrize("kind", [UncertaintyWeights, GradNormWeights])
def test_losses_of_very_different_scale_come_to_count_alike(kind):
    weights = kind(2)
    trainer = make_trainer(several(size=30.0)[0], weights, learning_rate=1e-3)
    for _ in range(5):
        trainer.run_epoch()
    of_classes, of_values = weights.factors().tolist()
    assert of_classes > 5 * of_values
    assert trainer.history["task_loss"][0] == pytest.approx(
        trainer.history["digit"][0] + trainer.history["size"][0]
    )


def test_weights_scale_the_gradient_of_each_loss():
    features = torch.tensor([[1.0, 2.0]], requires_grad=True)
    losses = [features[0, 0].square(), 50 * features[0, 1].square()]
    weights = UncertaintyWeights(2)
    weights.penalty(torch.stack(losses))
    first, second = weights.factors().tolist()
    weights.weigh(losses, features).backward()
    torch.testing.assert_close(features.grad, torch.tensor([[2.0 * first, 200.0 * second]]))


def test_a_rate_that_changes_with_progress_holds_a_part_still():
    start = several()[0]
    trainer = make_trainer(
        start, rates=lambda network: [(network.feature_extractor, lambda p: float(p >= 0.5))]
    )
    weight = trainer.network.feature_extractor[0].weight
    head = trainer.network.classifier[0].weight
    before, head_before = weight.clone(), head.clone()
    trainer.run_epoch()
    assert torch.equal(weight, before)
    assert not torch.equal(head, head_before)
    trainer.run_epoch()
    assert not torch.equal(weight, before)


def test_what_is_in_several_parts_has_the_rate_of_the_first():
    trainer = make_trainer(
        several()[0], rates=lambda network: [(network.classifier, 0.0), (network, 1.0)]
    )
    head = trainer.network.classifier[0].weight
    weight, before = trainer.network.feature_extractor[0].weight.clone(), head.clone()
    trainer.run_epoch()
    assert torch.equal(head, before)
    assert not torch.equal(trainer.network.feature_extractor[0].weight, weight)
