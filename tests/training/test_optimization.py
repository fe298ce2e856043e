"""Schedules and optimizers by name."""

import math

import pytest
import torch

from domadapt.training.optimization import (
    ALIGNMENT_SCHEDULES,
    LEARNING_RATE_SCHEDULES,
    parameter_groups,
)
from domadapt.training.optimizers import OPTIMIZERS, Optimizer


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.5, 0.99])
def test_schedules_follow_their_formulas(progress):
    expected = {
        "constant": 1.0,
        "linear": progress,
        "dann": 2 / (1 + math.exp(-10 * progress)) - 1,
    }
    for name, schedule in ALIGNMENT_SCHEDULES.items():
        assert schedule(progress) == pytest.approx(expected[name])
    assert LEARNING_RATE_SCHEDULES["constant"](progress) == 1.0
    assert LEARNING_RATE_SCHEDULES["dann"](progress) == pytest.approx(
        1 / (1 + 10 * progress) ** 0.75
    )


def test_the_alignment_schedule_of_dann_rises_from_0_to_1():
    schedule = ALIGNMENT_SCHEDULES["dann"]
    assert schedule(0.0) == 0.0
    assert schedule(1.0) > 0.9999


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.01)),
        ("adamw", lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.01)),
    ],
)
def test_optimizers_are_torch_s(name, reference):
    assert name in OPTIMIZERS
    trained, expected = (torch.nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    ours, theirs = Optimizer(name, [[trained]], 0.01), reference([expected])
    for rate in (0.1, 0.1, 0.03):
        theirs.param_groups[0]["lr"] = rate
        for parameter in (trained, expected):
            parameter.square().sum().backward()
        ours.step([rate])
        theirs.step()
        theirs.zero_grad()
        assert trained.grad is None
    torch.testing.assert_close(trained, expected)
    assert (trained - torch.tensor([1.0, -2.0])).abs().min() > 0.01


def test_a_parameter_without_a_gradient_stays_and_starts_when_it_has_one():
    one, other = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = Optimizer("adam", [[one, other]], 0.01)
    one.sum().backward()
    optimizer.step([0.1])
    assert torch.equal(other, torch.ones(2))
    (one.sum() + other.sum()).backward()
    optimizer.step([0.1])
    alone = torch.nn.Parameter(torch.ones(2))
    first = Optimizer("adam", [[alone]], 0.01)
    alone.sum().backward()
    first.step([0.1])
    assert torch.equal(other, alone)
    assert [optimizer.state[p]["step"].item() for p in (one, other)] == [2, 1]


def test_each_group_has_a_rate_of_its_own():
    slow, fast = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = Optimizer("sgd", [[slow], [fast]], 0.0)
    (slow + fast).backward()
    optimizer.step([0.1, torch.tensor(0.2, dtype=torch.float64)])
    # The first step with momentum 0.9 and look-ahead goes 1.9 times as far.
    torch.testing.assert_close(torch.cat([slow, fast]), torch.tensor([0.81, 0.62]))


def test_a_backbone_is_in_a_group_of_its_own_and_what_takes_no_gradient_in_none():
    backbone, head = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
    backbone.bias.requires_grad_(False)
    network = torch.nn.Sequential(backbone, head)
    groups = parameter_groups(network, [(backbone, 0.1)])
    assert [group["factor"] for group in groups] == [1.0, 0.1]
    assert [[*map(id, group["params"])] for group in groups] == [
        [id(head.weight), id(head.bias)],
        [id(backbone.weight)],
    ]
    (alone,) = parameter_groups(head)
    assert alone["factor"] == 1.0
