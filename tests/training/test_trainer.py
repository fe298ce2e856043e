"""The step and the loop against a plain loop, and the watch over losses."""

import math
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from domadapt import DANNClassifier, fit_together
from domadapt.alignment import CORAL, MMD, DomainAdversarial
from domadapt.domains.samples import Samples
from domadapt.inputs.reader import ArrayBatches
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.nn.random_numbers import RandomNumbers
from domadapt.training import NonFiniteLossError, Trainer, TrainingSettings, WeightedCriteria
from domadapt.training.optimization import dann_alignment, dann_learning_rate
from domadapt.training.orders import EndlessPermutations
from domadapt.training.stacked import StackedRunner
from domadapt.training.step import EagerRunner
from domadapt.training.tasks import Classification

SETTINGS = {
    "batch_size": 4,
    "max_epochs": 3,
    "steps_per_epoch": 3,
    "precision": torch.float32,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "weight_decay": 1e-3,
    "batch_norm": "joint",
    "alignment_weight": 0.7,
    "alignment_schedule": dann_alignment,
    "learning_rate_schedule": dann_learning_rate,
}


def domains(n_source=11, n_target=14):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(n_source, 3)), 1 + rng.normal(size=(n_target, 3))
    return source.astype(np.float32), rng.integers(0, 2, n_source), target.astype(np.float32)


def make_trainer(
    alignment,
    *,
    weight=None,
    label_smoothing=0.1,
    n_source=11,
    n_target=14,
    with_target=True,
    **changes,
):
    source, labels, target = domains(n_source, n_target)
    torch.manual_seed(0)
    network = FeatureClassifier(mlp_backbone(3, (5,)), mlp_head(2, in_features=5))
    cpu = torch.device("cpu")
    parts = {"source": Samples(source)}
    if with_target:
        parts["target"] = Samples(target)
    return Trainer(
        network,
        None if alignment is None else WeightedCriteria(alignment),
        ArrayBatches(parts, cpu, torch.float32),
        Classification(torch.from_numpy(labels), weight, label_smoothing=label_smoothing),
        TrainingSettings(**{**SETTINGS, **changes}),
        seed=1,
        random_numbers=RandomNumbers(1, cpu),
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_training_is_what_a_plain_loop_does(weighted):
    weight = torch.linspace(0.5, 1.5, 11) if weighted else None
    trainer = make_trainer(CORAL(), weight=weight)
    source, labels, target = (torch.from_numpy(a) for a in domains())
    torch.manual_seed(0)
    features = torch.nn.Sequential(
        torch.nn.Linear(3, 5, bias=False), torch.nn.BatchNorm1d(5), torch.nn.ReLU()
    )
    head = torch.nn.Linear(5, 2)
    parameters = [*features.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=1.0, momentum=0.9, nesterov=True, weight_decay=1e-3)
    orders = EndlessPermutations(11, 1), EndlessPermutations(14, 2)
    for epoch in range(3):
        trainer.run_epoch()
        source_index, target_index = (order.take(3, 4) for order in orders)
        for i in range(3):
            progress = (3 * epoch + i) / 9
            f = features(torch.cat([source[source_index[i]], target[target_index[i]]]))
            logits = head(f[:4]).log_softmax(1)
            wanted = 0.05 + 0.9 * F.one_hot(labels[source_index[i]], 2)
            losses = -(wanted * logits).sum(1)
            if weighted:
                losses = losses * weight[source_index[i]]
            shift = torch.cov(f[:4].T) - torch.cov(f[4:].T)
            schedule = 2 / (1 + math.exp(-10 * progress)) - 1
            loss = losses.mean() + 0.7 * schedule * shift.square().sum() / 100
            optimizer.param_groups[0]["lr"] = 0.05 * (1 + 10 * progress) ** -0.75
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    reference = FeatureClassifier(features, torch.nn.Sequential(head))
    ours, theirs = trainer.network.state_dict(), reference.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_history_notes_every_epoch():
    trainer = make_trainer(CORAL())
    for _ in range(3):
        trainer.run_epoch()
    assert trainer.n_steps == 9
    assert {len(values) for values in trainer.history.values()} == {3}
    assert trainer.history["alignment_weight"][-1] == pytest.approx(0.7 * dann_alignment(8 / 9))
    assert trainer.history["learning_rate"][-1] == pytest.approx(0.05 * dann_learning_rate(8 / 9))
    assert all(value > 0 for value in trainer.history["alignment_loss"])
    # The only criterion is the alignment.
    assert trainer.history["CORAL"] == trainer.history["alignment_loss"]


def test_history_has_a_list_for_each_criterion_by_its_name():
    def alignment_loss(source_features, target_features):
        return 1.0 + 0.0 * source_features.sum()

    trainer = make_trainer([(0.5, CORAL()), (2.0, MMD()), (1.0, alignment_loss), (1.0, MMD())])
    for _ in range(2):
        trainer.run_epoch()
    history = trainer.history
    names = ["task_loss", "alignment_loss", "alignment_weight", "learning_rate"]
    assert list(history) == [*names, "CORAL", "MMD_1", "MMD_2"]
    assert {len(values) for values in history.values()} == {2}
    # A function may be called like the sum, which stands there all the same.
    for total, *parts in zip(*(history[n] for n in names[1:2] + list(history)[4:]), strict=True):
        assert total == pytest.approx(1.0 + sum(parts), rel=1e-5)
    assert history["MMD_1"] == pytest.approx(history["MMD_2"])
    assert history["CORAL"] != history["MMD_1"]


@pytest.mark.parametrize(
    ("n_source", "n_target", "steps"), [(11, 14, 8), (3, 40, 10), (40, 1, 10), (2, 2, 8)]
)
def test_an_epoch_is_one_pass_over_the_larger_domain_or_eight_steps(n_source, n_target, steps):
    sizes = {"n_source": n_source, "n_target": n_target}
    trainer = make_trainer(CORAL(), **sizes, batch_norm="per_domain", steps_per_epoch=None)
    trainer.run_epoch()
    assert trainer.n_steps == steps


def test_a_weight_of_zero_trains_the_network_as_no_criterion_does():
    idle, none = make_trainer(DomainAdversarial(), alignment_weight=0.0), make_trainer(None)
    for trainer in (idle, none):
        trainer.run_epoch()
    for name, value in none.network.state_dict().items():
        assert torch.equal(idle.network.state_dict()[name], value), name


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_discriminator_sized_at_the_first_batch_is_trained(optimizer):
    trainer = make_trainer(DomainAdversarial(hidden_layer_sizes=(4,)), optimizer=optimizer)
    before = [p.detach().clone() for p in trainer.criteria.parameters()]
    trainer.run_epoch()
    after = list(trainer.criteria.parameters())
    assert len(before) == 4
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def nan_in_step(wanted, per_epoch=3):
    """Make a criterion whose loss is not a number in one step, counted from the first."""
    calls = []

    def criterion(source_features, target_features):
        calls.append(1)
        # The first call of all is the rehearsal.
        factor = float("nan") if len(calls) == wanted + 2 else 1.0
        return factor * (source_features.mean() - target_features.mean()).square()

    return criterion


def test_a_criterion_that_turns_non_finite_is_named_and_finite_weights_kept():
    trainer = make_trainer(nan_in_step(4))
    trainer.run_epoch()
    kept = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    with pytest.raises(NonFiniteLossError, match=r"epoch 1, step 1 .*loss of criterion is not"):
        trainer.run_epoch()
    assert trainer.n_steps == 3
    assert len(trainer.history["task_loss"]) == 1
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(value, kept[name]), name


def test_a_task_loss_that_turns_non_finite_blames_the_learning_rate():
    trainer = make_trainer(None, with_target=False, learning_rate=1e30, batch_norm=None)
    with pytest.raises(NonFiniteLossError, match=r"epoch 0, .*learning_rate=1e\+30 is too high"):
        trainer.run_epoch()
    assert all(value.isfinite().all() for value in trainer.network.state_dict().values())


def test_a_gradient_that_is_not_finite_points_to_the_criterion():
    def root_at_zero(source_features, target_features):
        return 0.0 * (source_features - source_features).norm(dim=0).sqrt().sum()

    trainer = make_trainer(root_at_zero, batch_norm=None)
    with pytest.raises(NonFiniteLossError, match="gradient of root_at_zero was not finite"):
        trainer.run_epoch()


@pytest.mark.parametrize(
    ("criterion", "came"),
    [
        (lambda source_features: source_features, r"shape \(4, 5\)"),
        (lambda source_features: 0.5, "0.5"),
    ],
)
def test_a_criterion_that_returns_no_scalar_is_told_before_training(criterion, came):
    with pytest.raises(TypeError, match=rf"returned {came}. A scalar tensor was expected"):
        make_trainer(criterion)


@pytest.mark.parametrize("runner", [EagerRunner, StackedRunner])
def test_what_a_step_returns_is_not_kept(runner, blobs, monkeypatch):
    Xs, ys, Xt, _ = blobs
    take_step, returned = runner.__call__, []

    def noting(self, *given):
        # That of the step before is in use until this one ends.
        assert all(ref() is None for ref in returned[:-1])
        losses = take_step(self, *given)
        returned.append(weakref.ref(losses))
        return losses

    monkeypatch.setattr(runner, "__call__", noting)
    both = [DANNClassifier(max_epochs=2, random_state=seed) for seed in range(2)]
    fit_together(both if runner is StackedRunner else both[:1], Xs, ys, X_target=Xt)
    assert len(returned) == 2 * 8
