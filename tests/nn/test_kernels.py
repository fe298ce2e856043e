"""The Gaussian kernel family against loops in float64."""

import math

import pytest
import torch

from domadapt.nn import rbf_pair_sum


def naive(features, weights, bandwidth, n_kernels):
    total = 0.0
    for i, a in enumerate(features.tolist()):
        for j, b in enumerate(features.tolist()):
            distance = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
            for k in range(n_kernels):
                scale = bandwidth * 2.0 ** (k - n_kernels // 2)
                total += float(weights[i, j]) * math.exp(-distance / scale)
    return total


def rows(n=7, d=3, dtype=torch.float64, offset=0.0):
    generator = torch.Generator().manual_seed(n * d)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + offset


def symmetric(n, dtype=torch.float64):
    weights = rows(n, n)
    return (weights + weights.T).to(dtype)


@pytest.mark.parametrize("n_kernels", [1, 2, 3, 4, 5])
def test_matches_the_double_sum(n_kernels):
    f, w = rows(), symmetric(7)
    ours = rbf_pair_sum(f, w, bandwidth=1.7, n_kernels=n_kernels)
    assert ours.item() == pytest.approx(naive(f, w, 1.7, n_kernels), rel=1e-12)


def test_bandwidth_from_the_data_is_the_mean_squared_distance_of_different_rows():
    f, w = rows(), symmetric(7)
    distances = [(a - b).square().sum().item() for a in f for b in f if a is not b]
    mean = sum(distances) / (7 * 6)
    assert rbf_pair_sum(f, w).item() == pytest.approx(naive(f, w, mean, 5), rel=1e-12)


@pytest.mark.parametrize("n_kernels", [1, 5])
def test_gradient_is_the_derivative(n_kernels):
    f, w = rows().requires_grad_(), symmetric(7)
    assert torch.autograd.gradcheck(
        lambda x: rbf_pair_sum(x, w, bandwidth=1.7, n_kernels=n_kernels), (f,)
    )


def test_far_from_the_origin_float32_keeps_its_digits():
    w = symmetric(7)
    exact = rbf_pair_sum(rows(offset=1000.0).float().double(), w)
    ours = rbf_pair_sum(rows(offset=1000.0).float(), w.float())
    assert ours.item() == pytest.approx(exact.item(), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e10])
def test_constant_samples_give_finite_values_and_no_pull(dtype, value):
    f = torch.full((6, 4), value, dtype=dtype, requires_grad=True)
    w = symmetric(6, dtype)
    total = rbf_pair_sum(f, w)
    total.backward()
    assert total.item() == pytest.approx(5 * w.sum().item(), rel=1e-4)
    assert f.grad.abs().max() * max(value, 1.0) < 1e-2
