"""Subspace distance: against decompositions of the features, its gradient, its edges."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from domadapt.alignment.subspace_distance import RSD

# More columns than rows and fewer, so that both Gram matrices are used.
SHAPES = [(6, 6, 9), (8, 5, 12), (3, 7, 9), (12, 9, 6), (4, 9, 8), (9, 3, 5), (1, 5, 3), (1, 1, 4)]
every_shape = pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, d, generator=generator, dtype=torch.float64) + 0.3).to(dtype)


def naive(source, target, k, mismatch_weight):
    """Follow the formula, by the decomposition of the features themselves."""
    u, v = (np.linalg.svd(rows.numpy().T)[0][:, :k] for rows in (source, target))
    d = len(u)
    product = [[sum(u[r, i] * v[r, j] for r in range(d)) for j in range(k)] for i in range(k)]
    p, cosines, q = np.linalg.svd(np.array(product))
    sines = sum(math.sqrt(max(1.0 - c * c, 0.0)) for c in cosines)
    squares = sum((abs(p[i, j]) - abs(q[j, i])) ** 2 for i in range(k) for j in range(k))
    return sines + mismatch_weight * math.sqrt(squares)


@every_shape
@pytest.mark.parametrize("mismatch_weight", [0.1, 0.0, 2.0])
def test_the_loss_is_the_one_of_the_formula(n_source, n_target, d, mismatch_weight):
    source, target = batch(n_source, d, 0), batch(n_target, d, 1)
    ours = RSD(mismatch_weight=mismatch_weight)(source, target).item()
    k = max(min(n_source, n_target, d) // 2, 1)
    assert ours == pytest.approx(naive(source, target, k, mismatch_weight), rel=1e-9)


@pytest.mark.parametrize("n_components", [1, 2, 4, 99])
def test_so_many_components_are_compared_as_there_are(n_components):
    source, target = batch(5, 12, 0), batch(6, 12, 1)
    ours = RSD(n_components=n_components)(source, target).item()
    assert ours == pytest.approx(naive(source, target, min(n_components, 5), 0.1), rel=1e-9)


@every_shape
@pytest.mark.parametrize("mismatch_weight", [0.0, 1.0])
def test_the_gradient_is_the_derivative(n_source, n_target, d, mismatch_weight):
    pair = batch(n_source, d, 0).requires_grad_(), batch(n_target, d, 1).requires_grad_()
    assert torch.autograd.gradcheck(RSD(mismatch_weight=mismatch_weight), pair, rtol=1e-4)


@pytest.mark.parametrize("n_components", [1, 3, 5])
def test_the_gradient_is_the_derivative_for_all_directions_of_few_samples(n_components):
    pair = batch(5, 12, 2).requires_grad_(), batch(6, 12, 3).requires_grad_()
    assert torch.autograd.gradcheck(RSD(n_components=n_components), pair, rtol=1e-4)


def test_the_size_of_features_and_the_order_of_samples_do_not_matter():
    source, target = batch(6, 9, 0), batch(8, 9, 1)
    loss = RSD()(source, target)
    torch.testing.assert_close(RSD()(1e5 * source.flip(0), -1e-5 * target), loss)
    rotation = torch.linalg.qr(batch(9, 9, 2)).Q
    torch.testing.assert_close(RSD()(source @ rotation, target @ rotation), loss)
    assert loss > 0.1


def test_a_rotation_of_the_rows_leaves_the_subspace():
    source = batch(6, 9, 0)
    mixed = torch.linalg.qr(batch(6, 6, 3)).Q @ source
    assert RSD()(source, mixed).item() == pytest.approx(0.0, abs=1e-6)


def test_the_gradient_leaves_the_size_of_the_features_as_it_is():
    source, target = batch(6, 9, 0).requires_grad_(), batch(8, 9, 1).requires_grad_()
    RSD()(source, target).backward()
    for rows in (source, target):
        assert rows.grad.norm() > 0.01
        assert (rows * rows.grad).sum().item() == pytest.approx(0.0, abs=1e-9)


def test_known_angles_give_their_sines():
    angle = 0.3
    source = torch.diag(torch.tensor([3.0, 2.0])) @ torch.eye(2, 4)
    target = torch.tensor([[5 * math.cos(angle), 0.0, 5 * math.sin(angle), 0.0], [0, 1.0, 0, 0]])
    criterion = RSD(n_components=2, mismatch_weight=0.0)
    assert criterion(source, target).item() == pytest.approx(math.sin(angle), rel=1e-3)
    # The same plane, its directions in the other order: nothing but a mismatch.
    swapped = RSD(n_components=2)(source, source[:, [1, 0, 2, 3]]).item()
    assert swapped == pytest.approx(0.1 * 2.0, abs=2e-3)


def test_a_direction_that_only_one_domain_has_counts_one():
    plane, line = torch.eye(4, dtype=torch.float64)[:2], torch.zeros(2, 4, dtype=torch.float64)
    line[:, 0] = 1.0
    criterion = RSD(n_components=2, mismatch_weight=0.0)
    plane = plane * torch.tensor([[2.0], [1.0]], dtype=torch.float64)
    assert criterion(plane, line).item() == pytest.approx(1.0, abs=1e-6)
    assert criterion(3.0 * line, line).item() == pytest.approx(0.0, abs=1e-6)


EDGES = ["identical", "constant", "constant source", "zero", "zero source", "one row each"]
EDGES += ["one source row", "far", "rows twice", "one column"]


def edge(kind, dtype):
    n_source, n_target = {"one row each": (1, 1), "one source row": (1, 6)}.get(kind, (6, 6))
    d = 1 if kind == "one column" else 8
    source, target = batch(n_source, d, 0, dtype), batch(n_target, d, 1, dtype)
    if kind in ("constant", "zero"):
        source, target = (torch.full_like(x, 0.1 * (kind == "constant")) for x in (source, target))
    elif kind in ("constant source", "zero source"):
        source = torch.full_like(source, 0.1 * (kind == "constant source"))
    elif kind == "identical":
        target = source.clone()
    elif kind == "far":
        source, target = 1e4 * source, -1e4 * target
    elif kind == "rows twice":
        source, target = source.repeat(2, 1), target[:2].repeat(3, 1)
    return source.requires_grad_(), target.requires_grad_()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_components", [None, 1, 3, 99])
@pytest.mark.parametrize("kind", EDGES)
def test_values_and_gradients_are_finite_at_the_edges(kind, n_components, dtype):
    source, target = edge(kind, dtype)
    loss = RSD(n_components=n_components)(source, target)
    gradients = torch.autograd.grad(loss, (source, target))
    assert loss.isfinite()
    assert loss.dtype == dtype
    # No direction that is one of rounding is pulled at.
    assert all(gradient.abs().max() < 1e3 for gradient in gradients)
    if kind in ("identical", "constant", "zero"):
        assert loss.item() == pytest.approx(0.0, abs=2e-2 if dtype == torch.float32 else 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_float32_comes_to_the_same(dtype):
    source, target = batch(64, 32, 0, dtype), batch(48, 32, 1, dtype)
    expected = RSD()(source.double(), target.double()).item()
    assert RSD()(source, target).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("of_source", [True, False])
def test_what_is_not_finite_gives_nan_and_no_exception(value, of_source):
    source, target = batch(6, 4, 0, torch.float32), batch(5, 4, 1, torch.float32)
    (source if of_source else target)[1, 1] = value
    assert RSD()(source, target).isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_descent_brings_the_subspaces_together(dtype):
    source, target = batch(10, 16, 0, dtype).requires_grad_(), batch(12, 16, 1, dtype)
    criterion, losses = RSD(), []
    for step in range(300):
        loss = criterion(source, target)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, source)
        with torch.no_grad():
            source -= 0.2 * 0.99**step * gradient / gradient.norm()
    assert losses[-1] < 0.5 * losses[0]


def test_copies_and_pickles_go_on_also_after_a_look_in_inference_mode():
    criterion = RSD(n_components=2, mismatch_weight=0.5)
    source, target = batch(5, 7, 0).requires_grad_(), batch(6, 7, 1)
    with torch.inference_mode():
        expected = criterion(source, target).item()
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert repr(other) == repr(criterion)
        loss = other(source, target)
        assert loss.item() == expected
        assert torch.autograd.grad(loss, source)[0].abs().max() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components=0 must be an integer of at least 1"),
        ({"n_components": 0.5}, "n_components=0.5 must be an integer of"),
        ({"mismatch_weight": -0.1}, "mismatch_weight=-0.1 must be a finite number of"),
        (
            {"mismatch_weight": math.nan},
            "mismatch_weight=nan must be a finite number of",
        ),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        RSD(**settings)
