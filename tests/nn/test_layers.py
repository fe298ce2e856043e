"""Gradients scaled and reversed, and batch normalisation by parts of the batch."""

import copy

import pytest
import torch
from torch import nn

from domadapt.nn import GradientReversal, SplitBatchNorm, scale_gradient, split_batch_norm


def test_values_pass_unchanged_and_gradients_are_scaled():
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    out = scale_gradient(x, 0.25)
    assert torch.equal(out, x)
    (out**2).sum().backward()
    torch.testing.assert_close(x.grad, 0.25 * 2 * x.detach())


def test_a_long_gradient_is_shortened_and_a_short_one_is_not():
    for scale, norm in ((10.0, 0.5), (0.01, 0.04)):
        x = torch.zeros(4, 4, requires_grad=True)
        (scale * scale_gradient(x, 1.0, max_norm=0.5)).sum().backward()
        assert x.grad.norm().item() == pytest.approx(norm)
        assert x.grad.std().item() == pytest.approx(0.0, abs=1e-6)


def test_reversal_really_reverses():
    layer = torch.nn.Linear(3, 1)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))

    def gradient(module):
        layer.zero_grad()
        module(layer(x)).square().mean().backward()
        return layer.weight.grad.clone()

    plain = gradient(torch.nn.Identity())
    assert plain.abs().max() > 0
    torch.testing.assert_close(gradient(GradientReversal()), -plain)
    torch.testing.assert_close(gradient(GradientReversal(0.5)), -0.5 * plain)


def test_descent_below_a_reversal_raises_the_loss():
    below = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([below], lr=0.1)

    def loss():
        return GradientReversal()(below).square().sum()

    before = loss()
    before.backward()
    optimizer.step()
    assert loss() > before


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.cat(
        [torch.randn(6, 3, generator=generator), 5 + 2 * torch.randn(4, 3, generator=generator)]
    )


def test_each_part_has_its_own_statistics():
    x = batch()
    out = SplitBatchNorm(nn.BatchNorm1d(3), 6)(x)
    torch.testing.assert_close(out[:6], nn.BatchNorm1d(3)(x[:6]))
    torch.testing.assert_close(out[6:], nn.BatchNorm1d(3)(x[6:]))


def test_evaluation_uses_the_statistics_of_the_second_part():
    x = batch()
    layer, second = SplitBatchNorm(nn.BatchNorm1d(3), 6), nn.BatchNorm1d(3)
    layer(x)
    second(x[6:])
    torch.testing.assert_close(layer.eval()(x), second.eval()(x))


def test_scale_and_shift_are_shared_also_after_a_copy():
    layer = copy.deepcopy(SplitBatchNorm(nn.BatchNorm1d(3), 6))
    assert layer.first.weight is layer.second.weight
    assert layer.first.bias is layer.second.bias
    assert len(list(layer.parameters())) == 2


def test_all_layers_of_a_module_are_replaced():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.BatchNorm2d(2)), nn.ReLU())
    split_batch_norm(net, 2)
    assert isinstance(net[1][0], SplitBatchNorm)
    assert isinstance(split_batch_norm(nn.BatchNorm1d(3), 2), SplitBatchNorm)
    assert net(torch.zeros(4, 1, 2, 2)).shape == (4, 2, 2, 2)
