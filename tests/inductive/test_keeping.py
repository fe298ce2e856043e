"""What keeps a network near what it has learnt, against formulas worked out by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from domadapt.inductive._keeping import L2SP, Distillation, ElasticWeights, diagonal_fisher
from domadapt.nn import conv_backbone, mlp_backbone
from domadapt.training.tasks import Classification, Regression, Task

PARTS = [torch.tensor([0, 1])]


class Quadratic(Task):
    """1/2 sum a_i (w_i - b_i)^2 of a layer's weights, for the minimum by hand."""

    names = ()

    def __init__(self, layer, a, b):
        self.layer, self.a, self.b = layer, torch.tensor(a), torch.tensor(b)

    def losses(self, outputs, parts):
        return [(self.a * (self.layer.weight[0] - self.b).square()).sum() / 2]


def descend(task, layer, *, rate=0.05, steps=600):
    optimizer = torch.optim.SGD(layer.parameters(), lr=rate, momentum=0.9, nesterov=True)
    for _ in range(steps):
        sum(task.losses(torch.zeros(2, 1, dtype=torch.float64), PARTS)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return layer.weight[0].detach().numpy()


def two_weights(w):
    layer = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    layer.weight.data[:] = torch.tensor(w)
    return layer


def test_ewc_ends_at_the_minimum_of_the_quadratic_programme():
    layer = two_weights([3.0, -1.0])
    a, b, fisher, weight = [1.0, 2.0], [0.0, 4.0], torch.tensor([[5.0, 0.1]]), 2.0
    task = ElasticWeights(Quadratic(layer, a, b), layer, {"weight": fisher}, weight)
    # The gradient a (w - b) + weight F (w - w0) is 0 there.
    c = weight * np.array([5.0, 0.1])
    expected = (np.multiply(a, b) + c * [3.0, -1.0]) / (a + c)
    np.testing.assert_allclose(descend(task, layer), expected, rtol=1e-6)


@pytest.mark.parametrize("weight", [0.3, 50.0, 1e8])
def test_proximal_steps_end_there_too_and_no_weight_is_too_large(weight):
    layer = two_weights([3.0, -1.0])
    task = L2SP(Quadratic(layer, [1.0, 2.0], [0.0, 4.0]), layer, weight, largest_rate=0.05)
    expected = (np.array([0.0, 8.0]) + weight * np.array([3.0, -1.0])) / (
        np.array([1.0, 2.0]) + weight
    )
    np.testing.assert_allclose(descend(task, layer), expected, rtol=1e-3)
    # Nothing is left behind: the next gradient is what it is.
    F.linear(torch.ones(1, 2, dtype=torch.float64), layer.weight).backward()
    torch.testing.assert_close(layer.weight.grad, torch.ones(1, 2, dtype=torch.float64))
    assert not layer.weight._backward_hooks


def test_a_forward_pass_that_none_goes_back_from_changes_no_later_gradient():
    layer = two_weights([1.0, 1.0])
    task = L2SP(Quadratic(layer, [1.0, 1.0], [0.0, 0.0]), layer, 1.0, largest_rate=1.0)
    for _ in range(3):
        losses = task.losses(torch.zeros(2, 1, dtype=torch.float64), PARTS)
    sum(losses).backward()
    # 1 (w - 0) divided once by 1 + 1 * 1 * 1.
    torch.testing.assert_close(layer.weight.grad, torch.full((1, 2), 0.5, dtype=torch.float64))


def test_the_penalty_is_half_the_sum_over_what_is_kept():
    layer = nn.Linear(2, 3)
    start = {"weight": layer.weight.detach() - 0.5}
    task = L2SP(Classification(torch.tensor([0, 2])), layer, 4.0, start=start)
    outputs = layer(torch.ones(2, 2))
    labels, kept = task.losses(outputs, PARTS)
    assert task.names == ("labels", "l2_sp")
    torch.testing.assert_close(labels, F.cross_entropy(outputs, torch.tensor([0, 2])))
    assert kept.item() == pytest.approx(4.0 / 2 * 6 * 0.25)
    kept.backward()
    torch.testing.assert_close(layer.weight.grad, torch.full((3, 2), 2.0))
    assert layer.bias.grad is None


def test_several_earlier_tasks_are_kept_by_one_around_the_other():
    layer = nn.Linear(2, 1)
    fisher = {"weight": torch.ones(1, 2)}
    first = ElasticWeights(Regression(torch.zeros(2, 1)), layer, fisher, 1.0)
    both = ElasticWeights(first, layer, fisher, 2.0, start={"weight": layer.weight + 1.0})
    assert both.names == ("labels", "ewc", "ewc_of_2")
    losses = both.losses(torch.zeros(2, 1), PARTS)
    assert [round(loss.item(), 4) for loss in losses] == [0.0, 0.0, 2.0]


def naive_fisher(network, inputs, learns):
    total = {n: torch.zeros_like(p) for n, p in network.named_parameters()}
    for row in inputs:
        outputs = network(row[None])[0]
        share = outputs.softmax(0).detach() if learns == "classes" else torch.ones(len(outputs))
        for column in range(len(outputs)):
            network.zero_grad()
            outputs = network(row[None])[0]
            (outputs.log_softmax(0) if learns == "classes" else outputs)[column].backward()
            for name, p in network.named_parameters():
                total[name] += share[column] * p.grad.square() / len(inputs)
    network.zero_grad()
    return total


@pytest.mark.parametrize("learns", ["classes", "values"])
@pytest.mark.parametrize("kind", ["vectors", "images"])
def test_the_fisher_information_is_that_of_a_loop(learns, kind, monkeypatch):
    monkeypatch.setattr("domadapt.inductive._keeping.N_NUMBERS", 2000)
    torch.manual_seed(0)
    backbone = mlp_backbone(3, (6,)) if kind == "vectors" else conv_backbone(1, (6,))
    inputs = torch.randn(5, *((3,) if kind == "vectors" else (1, 4, 4))).double()
    network = nn.Sequential(backbone, nn.Linear(6, 3)).double()
    network(inputs)
    network.eval()
    before = {n: v.clone() for n, v in network.state_dict().items()}
    network.train()
    fisher = diagonal_fisher(network, inputs.split(2), learns=learns)
    assert network.training
    network.eval()
    for name, expected in naive_fisher(network, inputs, learns).items():
        torch.testing.assert_close(fisher[name], expected)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_takes_no_gradient_has_no_fisher_information():
    network = nn.Sequential(nn.Linear(2, 3).requires_grad_(False), nn.Linear(3, 2))
    assert set(diagonal_fisher(network, torch.ones(2, 2))) == {"1.weight", "1.bias"}


def test_distillation_is_the_cross_entropy_of_softened_outputs():
    rng = np.random.default_rng(0)
    recorded, outputs = rng.normal(size=(4, 3)), rng.normal(size=(3, 5))
    task = Distillation(
        Classification(torch.tensor([0, 1, 1, 0])),
        torch.from_numpy(recorded),
        0.7,
        temperature=3.0,
        task_columns=slice(0, 2),
        old_columns=slice(2, 5),
    )
    labels, kept = task.losses(torch.from_numpy(outputs), [torch.tensor([3, 0])])
    expected = 0.0
    for now, before in zip(outputs[:2, 2:], recorded[[3, 0]], strict=True):
        p = np.exp(before / 3) / np.exp(before / 3).sum()
        q = np.exp(now / 3) / np.exp(now / 3).sum()
        expected -= (p * np.log(q)).sum() / 2
    assert kept.item() == pytest.approx(0.7 * expected)
    own = torch.from_numpy(outputs[:2, :2])
    assert labels.item() == pytest.approx(F.cross_entropy(own, torch.tensor([0, 0])).item())


def test_distillation_of_values_is_their_squared_error():
    task = Distillation(Regression(torch.zeros(2, 1)), torch.ones(2, 1), 2.0, learns="values")
    labels, kept = task.losses(torch.full((2, 1), 3.0), [torch.tensor([1])])
    assert (labels.item(), kept.item()) == (9.0, 8.0)
