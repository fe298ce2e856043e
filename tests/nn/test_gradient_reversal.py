"""Gradients scaled and reversed."""

import pytest
import torch

from domadapt.nn import GradientReversal, scale_gradient


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
