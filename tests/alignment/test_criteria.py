"""Each criterion: against loops in float64, its gradient, and its edges."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from domadapt.alignment import CORAL, MMD, DeepCORAL, DomainAdversarial


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def naive_mmd(source, target, unbiased, bandwidth=None, n_kernels=5):
    source, target = source.tolist(), target.tolist()

    def distance(a, b):
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))

    if bandwidth is None:
        both = source + target
        off_diagonal = [distance(a, b) for a in both for b in both if a is not b]
        bandwidth = sum(off_diagonal) / len(off_diagonal)

    def kernel(a, b):
        scales = [bandwidth * 2.0 ** (k - n_kernels // 2) for k in range(n_kernels)]
        return sum(math.exp(-distance(a, b) / scale) for scale in scales)

    def within(rows):
        pairs = [kernel(a, b) for a in rows for b in rows if not (unbiased and a is b)]
        return sum(pairs) / len(pairs)

    between = [kernel(a, b) for a in source for b in target]
    return within(source) + within(target) - 2 * sum(between) / len(between)


def naive_coral(source, target, scale):
    def covariance(rows, i, j):
        n = len(rows)
        means = [sum(row[k] for row in rows) / n for k in (i, j)]
        return sum((row[i] - means[0]) * (row[j] - means[1]) for row in rows) / (n - 1)

    source, target = source.tolist(), target.tolist()
    d = len(source[0])
    return scale(d) * sum(
        (covariance(source, i, j) - covariance(target, i, j)) ** 2
        for i in range(d)
        for j in range(d)
    )


def naive_adversarial(criterion, source, target):
    def probability(row):
        values = row
        for layer in criterion.discriminator:
            if isinstance(layer, torch.nn.ReLU):
                values = [max(v, 0.0) for v in values]
            else:
                weight, bias = layer.weight.tolist(), layer.bias.tolist()
                values = [
                    sum(w * v for w, v in zip(ws, values, strict=True)) + b
                    for ws, b in zip(weight, bias, strict=True)
                ]
        return 1.0 / (1.0 + math.exp(-values[0]))

    on_source = [-math.log(probability(row)) for row in source.tolist()]
    on_target = [-math.log(1.0 - probability(row)) for row in target.tolist()]
    return (sum(on_source) / len(on_source) + sum(on_target) / len(on_target)) / 2


# More columns than rows takes another path through CORAL than more rows than columns.
SHAPES = [(5, 7, 3), (6, 6, 4), (4, 3, 20), (2, 2, 1)]


@pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("settings", [{}, {"bandwidth": 2.5}, {"bandwidth": 2.5, "n_kernels": 2}])
def test_mmd_matches_the_sums(n_source, n_target, d, unbiased, settings):
    source, target = batch(n_source, d, 0), batch(n_target, d, 1)
    ours = MMD(unbiased=unbiased, **settings)(source, target).item()
    assert ours == pytest.approx(naive_mmd(source, target, unbiased, **settings), abs=1e-12)


@pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
@pytest.mark.parametrize(
    ("scaling", "scale"), [("deep_coral", lambda d: 1 / (4 * d * d)), ("coral", lambda d: 1.0)]
)
def test_coral_matches_the_sums(n_source, n_target, d, scaling, scale):
    source, target = batch(n_source, d, 0), batch(n_target, d, 1)
    expected = naive_coral(source, target, scale)
    assert CORAL(scaling=scaling)(source, target).item() == pytest.approx(expected, rel=1e-10)
    on_logits = DeepCORAL(scaling=scaling)(source_logits=source, target_logits=target)
    assert on_logits.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
def test_adversarial_loss_matches_the_sums(n_source, n_target, d):
    source, target = batch(n_source, d, 0), batch(n_target, d, 1)
    criterion = DomainAdversarial(hidden_layer_sizes=(4,), in_features=d).double()
    expected = naive_adversarial(criterion, source, target)
    assert criterion(source, target).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n_source", "n_target", "d"), [*SHAPES, (1, 1, 3), (1, 5, 4)])
@pytest.mark.parametrize(
    "criterion",
    [
        MMD(bandwidth=2.0, unbiased=False),
        MMD(bandwidth=2.0, n_kernels=3),
        CORAL(),
        CORAL(scaling="coral"),
    ],
    ids=repr,
)
def test_gradient_is_the_derivative(criterion, n_source, n_target, d):
    pair = batch(n_source, d, 0).requires_grad_(), batch(n_target, d, 1).requires_grad_()
    assert torch.autograd.gradcheck(criterion, pair)


def test_gradient_with_a_bandwidth_from_the_data_takes_it_as_given():
    source, target = batch(5, 3, 0).requires_grad_(), batch(7, 3, 1).requires_grad_()
    both = torch.cat([source, target]).detach()
    bandwidth = torch.pdist(both).square().mean().item()
    (grad,) = torch.autograd.grad(MMD()(source, target), source)
    (given,) = torch.autograd.grad(MMD(bandwidth=bandwidth)(source, target), source)
    torch.testing.assert_close(grad, given)


def test_adversarial_gradient_goes_down_in_the_discriminator_and_up_in_the_features():
    source, target = batch(5, 3, 0).requires_grad_(), batch(5, 3, 1).requires_grad_()
    criterion = DomainAdversarial(hidden_layer_sizes=(4,), in_features=3).double()
    criterion(source, target).backward()
    logits = criterion.discriminator(torch.cat([source, target])).squeeze(1)
    domain = torch.tensor([1.0] * 5 + [0.0] * 5, dtype=torch.float64)
    plain = F.binary_cross_entropy_with_logits(logits, domain)
    weights = list(criterion.discriminator.parameters())
    *of_weights, of_source = torch.autograd.grad(plain, [*weights, source])
    torch.testing.assert_close(source.grad, -of_source)
    for weight, expected in zip(weights, of_weights, strict=True):
        torch.testing.assert_close(weight.grad, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one row", "far"])
@pytest.mark.parametrize(
    "make", [MMD, partial(MMD, unbiased=False), CORAL, partial(DomainAdversarial, in_features=3)]
)
def test_values_and_gradients_are_finite_at_the_edges(make, kind, dtype):
    source = {
        "identical": batch(6, 3, 0),
        "constant": torch.full((6, 3), 0.1),
        "zero": torch.zeros(6, 3),
        "one row": batch(1, 3, 0),
        "far": batch(6, 3, 0) * 1e4,
    }[kind].to(dtype)
    target = source.clone() if kind != "far" else -source
    source.requires_grad_()
    loss = make().to(dtype)(source, target)
    loss.backward()
    assert loss.isfinite()
    assert source.grad.isfinite().all()


def test_identical_batches_are_at_no_distance():
    rows = batch(8, 3, 0)
    assert MMD(unbiased=False)(rows, rows).item() == pytest.approx(0.0, abs=1e-12)
    assert CORAL()(rows, rows.flip(0)).item() == pytest.approx(0.0, abs=1e-12)
    assert MMD()(rows, rows + 1).item() > 0.1


@pytest.mark.parametrize(
    "criterion", [MMD(), MMD(unbiased=False), CORAL(), DomainAdversarial(in_features=3)], ids=repr
)
def test_a_look_in_inference_mode_does_not_spoil_training(criterion):
    source, target = batch(9, 3, 0, torch.float32), batch(11, 3, 1, torch.float32)
    with torch.inference_mode():
        seen = criterion(source, target).item()
    loss = criterion(source.requires_grad_(), target)
    loss.backward()
    assert loss.item() == pytest.approx(seen)
    assert source.grad.abs().max() > 0


def test_order_of_the_domains_does_not_matter_for_a_distance():
    source, target = batch(5, 3, 0), batch(7, 3, 1)
    for criterion in (MMD(), MMD(unbiased=False), CORAL()):
        torch.testing.assert_close(criterion(source, target), criterion(target, source))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MMD(bandwidth=0.0), "bandwidth=0.0 must be a number above 0"),
        (lambda: MMD(n_kernels=0), "n_kernels=0 must be an integer of at least 1"),
        (lambda: CORAL(scaling="mean"), "scaling='mean' is unknown"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
