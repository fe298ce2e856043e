"""The focal factor of the task loss: against loops, its gradient, and its limits."""

import math
from statistics import mean

import pytest
import torch
import torch.nn.functional as F

from domadapt.training.tasks import Classification

N_SAMPLES, N_CLASSES = 7, 4
INDEX = torch.tensor([3, 0, 6, 6, 2])


def drawn(scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(len(INDEX), N_CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.randint(N_CLASSES, (N_SAMPLES,), generator=generator)
    weight = torch.rand(N_SAMPLES, generator=generator, dtype=torch.float64)
    return logits.to(dtype), labels, weight.to(dtype)


def naive(logits, labels, weight, smoothing, gamma):
    losses = []
    for z, place in zip(logits.tolist(), INDEX.tolist(), strict=True):
        y = labels[place].item()
        p = [math.exp(value) / sum(map(math.exp, z)) for value in z]
        q = [(1 - smoothing) * (k == y) + smoothing / N_CLASSES for k in range(N_CLASSES)]
        entropy = -sum(a * math.log(b) for a, b in zip(q, p, strict=True))
        factor = (1 - p[y]) ** gamma
        losses.append(factor * entropy * (1.0 if weight is None else weight[place].item()))
    return mean(losses)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_it_matches_the_loops_and_gradient_is_the_derivative(is_weighted, smoothing, gamma):
    logits, labels, weight = drawn()
    weight = weight if is_weighted else None
    task = Classification(labels, weight, smoothing, gamma)
    expected = naive(logits, labels, weight, smoothing, gamma)
    assert task.loss(logits, INDEX).item() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(lambda z: task.loss(z, INDEX), logits.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_power_of_zero_is_cross_entropy_to_the_bit(is_weighted, smoothing, dtype):
    logits, labels, weight = drawn(dtype=dtype)
    weight = weight if is_weighted else None
    found = Classification(labels, weight, smoothing, 0.0).loss(logits, INDEX)
    if weight is None:
        expected = F.cross_entropy(logits, labels[INDEX], label_smoothing=smoothing)
    else:
        each = F.cross_entropy(logits, labels[INDEX], reduction="none", label_smoothing=smoothing)
        expected = torch.dot(weight[INDEX], each) / len(each)
    assert torch.equal(found, expected)


def test_it_is_at_most_the_cross_entropy_and_small_where_a_sample_is_right():
    logits, labels, _ = drawn(scale=3.0)
    plain, focal = (
        [
            Classification(labels, focal_gamma=gamma).loss(logits[[i]], INDEX[[i]]).item()
            for i in range(len(INDEX))
        ]
        for gamma in (0.0, 2.0)
    )
    assert all(one < other for one, other in zip(focal, plain, strict=True))
    shares = [one / other for one, other in zip(focal, plain, strict=True)]
    # The surer of its label, the smaller the share that is left.
    assert sorted(shares) == [share for _, share in sorted(zip(plain, shares, strict=True))]
    assert min(shares) < 0.01 < 0.9 < max(shares)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gamma", [0.1, 1.0, 2.0, 1e6, 1e30])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("n_classes", [2, N_CLASSES])
def test_values_and_gradients_are_finite(n_classes, scale, gamma, dtype):
    logits, labels, _ = drawn(scale, dtype)
    logits, labels = logits[:, :n_classes].contiguous().requires_grad_(), labels % n_classes
    for smoothing in (0.0, 0.1):
        loss = Classification(labels, None, smoothing, gamma).loss(logits, INDEX)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert loss >= 0
        assert gradient.isfinite().all()


def test_several_networks_at_once_have_the_losses_of_single_ones():
    logits, labels, weight = drawn()
    task = Classification(labels, weight, 0.1, 2.0)
    stacked = torch.stack([logits, 2.0 * logits])
    found = torch.func.vmap(lambda z: task.loss(z, INDEX))(stacked)
    expected = torch.stack([task.loss(z, INDEX) for z in stacked])
    torch.testing.assert_close(found, expected)
