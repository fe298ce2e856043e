"""Energy distance: against loops in float64, its gradient, its edges."""

import math

import pytest
import torch

from domadapt.alignment import EnergyDistance

SHAPES = [(5, 7, 3), (6, 6, 4), (4, 3, 20), (2, 2, 1), (1, 5, 4), (6, 1, 2), (1, 1, 3)]


def normal(n, d, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


def naive_energy(source, target, unbiased):
    def within(samples):
        n = len(samples)
        n_pairs = max(n * (n - 1), 1) if unbiased else n * n
        return sum(math.dist(a, b) for a in samples for b in samples) / n_pairs

    source, target = source.tolist(), target.tolist()
    between = [math.dist(a, b) for a in source for b in target]
    return 2 * sum(between) / len(between) - within(source) - within(target)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
def test_it_agrees_with_loops(n_source, n_target, d, unbiased):
    source, target = normal(n_source, d, 0), normal(n_target, d, 1, shift=1.0)
    expected = naive_energy(source, target, unbiased)
    ours = EnergyDistance(unbiased=unbiased)(source, target)
    assert ours.item() == pytest.approx(expected, rel=1e-9)
    in_float32 = EnergyDistance(unbiased=unbiased)(source.float(), target.float())
    assert in_float32.dtype == torch.float32
    assert in_float32.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("unbiased", [False, True])
def test_its_gradient_is_that_of_its_value(unbiased):
    inputs = normal(4, 3, 0).requires_grad_(), normal(5, 3, 1, shift=1.0).requires_grad_()
    assert torch.autograd.gradcheck(EnergyDistance(unbiased=unbiased), inputs)


def test_biased_it_is_zero_on_the_same_samples_and_positive_on_others():
    samples = normal(6, 3, 0)
    assert EnergyDistance(unbiased=False)(samples, samples).abs().item() < 1e-9
    assert EnergyDistance(unbiased=False)(samples, samples.roll(1, 1)).item() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_source", [1, 3])
@pytest.mark.parametrize("constant", [False, True])
def test_value_and_gradient_are_finite_at_the_edges(constant, n_source, dtype):
    rows = torch.ones(3, 4, dtype=dtype) if constant else normal(3, 4, 0).to(dtype)
    source, target = rows[:n_source].clone().requires_grad_(), rows.clone().requires_grad_()
    loss = EnergyDistance()(source, target)
    loss.backward()
    assert loss.isfinite()
    assert source.grad.isfinite().all()
    assert target.grad.isfinite().all()
