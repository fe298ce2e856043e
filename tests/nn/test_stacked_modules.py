"""Modules of several networks as one: outputs, gradients and statistics of each."""

import copy

import pytest
import torch
from torch import nn

from domadapt.nn import FeatureClassifier, conv_backbone, mlp_backbone, mlp_head, split_batch_norm
from domadapt.nn.random_numbers import Dropout
from domadapt.nn.stacking import Stack, StackedDropout, UnstackableError

N, ROWS, COLUMNS = 3, 10, 4


def drawn(module, seed):
    """Return a copy with weights and statistics of its own, in float64."""
    generator = torch.Generator().manual_seed(seed)
    module = copy.deepcopy(module).double()
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.2)
    return module


def batch(*shape):
    generator = torch.Generator().manual_seed(9)
    return torch.randn(N, ROWS, *shape, generator=generator, dtype=torch.float64)


def frozen(batch_norm):
    return batch_norm.requires_grad_(False)


VECTORS = {
    "linear": nn.Linear(COLUMNS, 3),
    "linear without a shift": nn.Linear(COLUMNS, 3, bias=False),
    "batch norm": nn.BatchNorm1d(COLUMNS),
    "mean of all statistics": nn.BatchNorm1d(COLUMNS, momentum=None),
    "not affine": nn.BatchNorm1d(COLUMNS, affine=False),
    "no statistics": nn.BatchNorm1d(COLUMNS, track_running_stats=False),
    "layer norm": nn.LayerNorm(COLUMNS),
    "by domain": split_batch_norm(nn.BatchNorm1d(COLUMNS), 6),
    "a frozen one": nn.Sequential(nn.Linear(COLUMNS, 3), frozen(nn.BatchNorm1d(3))),
    "a network": split_batch_norm(
        FeatureClassifier(mlp_backbone(COLUMNS, (6, 5)), mlp_head(3, (4,), in_features=5)), 6
    ),
    "others": nn.Sequential(nn.Tanh(), nn.Unflatten(1, (2, 2)), nn.Flatten(), nn.GELU()),
}
IMAGES = {
    "convolutions": conv_backbone(2, (5,)),
    "by domain": split_batch_norm(conv_backbone(2, (5,)), 6),
    "average": nn.Sequential(nn.Conv2d(2, 3, 3), nn.AvgPool2d(2), nn.Flatten()),
}
CASES = [(name, module, (COLUMNS,)) for name, module in VECTORS.items()]
CASES += [(f"images: {name}", module, (2, 6, 6)) for name, module in IMAGES.items()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "module", "shape"), CASES, ids=[case[0] for case in CASES])
def test_a_stack_does_what_each_module_does(name, module, shape, training):
    alone = [drawn(module, seed).train(training) for seed in range(N)]
    members = copy.deepcopy(alone)
    for one in [*alone, *members]:
        for layer in one.modules():
            if isinstance(layer, nn.BatchNorm1d) and layer.weight is not None:
                # As training does with those that are frozen.
                layer.train(training and layer.weight.requires_grad)
    stack = Stack(members)
    stack.module.train(training)
    for _ in range(2):
        x = batch(*shape).requires_grad_()
        out = stack.module(x)
        weight = torch.rand(out.shape, generator=torch.Generator().manual_seed(1)).double()
        (out * weight).sum().backward()
        for number, one in enumerate(alone):
            own = x.detach()[number].clone().requires_grad_()
            wanted = one(own)
            (wanted * weight[number]).sum().backward()
            torch.testing.assert_close(out[number], wanted, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(x.grad[number], own.grad, rtol=1e-9, atol=1e-9)
    for stacked, own in stack.parameters():
        for number, parameter in enumerate(own):
            at = [id(p) for p in members[number].parameters()].index(id(parameter))
            wanted = list(alone[number].parameters())[at].grad
            found = None if stacked.grad is None else stacked.grad[number]
            if wanted is None:
                assert found is None
            else:
                torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    for one, member in zip(alone, members, strict=True):
        for key, value in one.state_dict().items():
            torch.testing.assert_close(member.state_dict()[key], value, rtol=1e-10, atol=1e-10)


def test_members_are_parts_of_the_stack_until_it_lets_them_go():
    members = [drawn(split_batch_norm(mlp_backbone(COLUMNS, (5,)), 6), i) for i in range(N)]
    before = copy.deepcopy([member.state_dict() for member in members])
    own = members[1][0].weight
    places = [p.data_ptr() for p in members[1].parameters()]
    stack = Stack(members)
    assert members[1][0].weight is own
    with torch.no_grad():
        for stacked, _ in stack.parameters():
            stacked.add_(1.0)
    for member, state in zip(members, before, strict=True):
        torch.testing.assert_close(member[0].weight, state["0.weight"] + 1.0)
    stack.module.train()
    stack.module(batch(COLUMNS))
    statistics = [member[1].second.running_mean.clone() for member in members]
    stack.release()
    with torch.no_grad():
        for stacked, _ in stack.parameters():
            stacked.zero_()
    assert [p.data_ptr() for p in members[1].parameters()] == places
    assert members[1][1].first.weight is members[1][1].second.weight
    for member, state, mean in zip(members, before, statistics, strict=True):
        torch.testing.assert_close(member[0].weight, state["0.weight"] + 1.0)
        torch.testing.assert_close(member[1].second.running_mean, mean)
        assert not torch.equal(mean, state["1.second.running_mean"])
        assert member[1].second.num_batches_tracked == state["1.second.num_batches_tracked"] + 1


def test_dropout_draws_for_each_network_what_it_would_draw_alone():
    members = [Dropout(0.4) for _ in range(N)]
    stack = Stack([nn.Sequential(member) for member in members])
    (layer,) = stack.module
    assert isinstance(layer, StackedDropout)
    layer.generators = [torch.Generator().manual_seed(seed) for seed in range(N)]
    out = stack.module(torch.ones(N, ROWS, COLUMNS))
    for seed in range(N):
        kept = torch.empty(ROWS, COLUMNS)
        kept.bernoulli_(0.6, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(out[seed], kept / 0.6)
    stack.module.eval()
    assert torch.equal(stack.module(out), out)


class Own(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([nn.Linear(2, 3), nn.Linear(2, 4)], r"shape \(3, 2\) stand beside \(4, 2\)"),
        ([nn.Linear(2, 3), nn.Linear(2, 3).double()], "stand beside"),
        ([nn.Linear(2, 3), nn.Linear(2, 3).requires_grad_(False)], "stand beside"),
        ([nn.ReLU(), nn.Tanh()], "ReLU stands beside another layer"),
        ([nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)], "0.1.*stands beside.*0.2"),
        ([nn.Sequential(nn.ReLU()), nn.Sequential()], "different layers"),
        ([Own(), Own()], "Own is no layer that is known"),
        # What torch's own draws comes from a generator that all share.
        ([nn.Dropout(0.5), nn.Dropout(0.5)], "Dropout is no layer that is known"),
    ],
)
def test_what_cannot_be_stacked_says_why_and_stays_as_it_is(members, message):
    whole = [nn.Sequential(nn.Linear(2, 2), member) for member in members]
    weight, place = whole[0][0].weight.clone(), whole[0][0].weight.data_ptr()
    with pytest.raises(UnstackableError, match=message):
        Stack(whole)
    assert torch.equal(whole[0][0].weight, weight)
    assert whole[0][0].weight.data_ptr() == place
