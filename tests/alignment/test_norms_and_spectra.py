"""Norms of samples and singular values of batches: against loops in float64, and their edges."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch

from domadapt.alignment.feature_norm import AFN
from domadapt.alignment.nuclear_norm import BNM
from domadapt.alignment.spectral_penalty import BSP


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def spectrum(n, d, values, seed=0):
    """Return a matrix of these singular values, in float64."""
    left = torch.linalg.qr(batch(n, n, seed)).Q[:, : len(values)]
    right = torch.linalg.qr(batch(d, d, seed + 1)).Q[:, : len(values)]
    return left @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ right.T


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def naive_singular_values(rows):
    """Turn the columns, two at a time, until all are at right angles: one-sided Jacobi."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for _ in range(30):
        for j in range(len(columns)):
            for i in range(j):
                a, b = columns[i], columns[j]
                angle = 0.5 * math.atan2(2 * dot(a, b), dot(a, a) - dot(b, b))
                c, s = math.cos(angle), math.sin(angle)
                columns[i] = [c * x + s * y for x, y in zip(a, b, strict=True)]
                columns[j] = [c * y - s * x for x, y in zip(a, b, strict=True)]
    return sorted((math.sqrt(dot(a, a)) for a in columns), reverse=True)


def naive_softmax(row):
    exps = [math.exp(value - max(row)) for value in row]
    return [value / sum(exps) for value in exps]


def naive_bnm(logits):
    p = [naive_softmax(row) for row in logits.tolist()]
    return -sum(naive_singular_values(p)) / len(p)


def naive_bsp(source, target, n_singular):
    tops = [naive_singular_values(x.tolist())[:n_singular] for x in (source, target)]
    return sum(value**2 for top in tops for value in top)


def naive_afn(source, target, step_size, given):
    norms = [math.sqrt(dot(row, row)) for row in source.tolist() + target.tolist()]
    terms = [(g + step_size - n) ** 2 for g, n in zip(given, norms, strict=True)]
    return sum(terms) / len(terms)


SHAPES = [(5, 7, 3), (6, 6, 4), (4, 3, 9), (1, 5, 4), (1, 1, 3), (2, 2, 1)]
PAIRWISE = [AFN, BSP, partial(BSP, n_singular=3)]


@pytest.mark.parametrize(("n", "n_classes"), [(7, 3), (4, 4), (3, 6), (1, 4), (5, 1), (1, 1)])
def test_nuclear_norm_matches_the_rotations(n, n_classes):
    logits = 2.0 * batch(n, n_classes, 0)
    assert BNM()(logits).item() == pytest.approx(naive_bnm(logits), rel=1e-9)
    assert torch.autograd.gradcheck(BNM(), (logits.requires_grad_(),))


@pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
@pytest.mark.parametrize("n_singular", [1, 2, 20])
def test_spectral_penalty_matches_the_rotations(n_source, n_target, d, n_singular):
    pair = batch(n_source, d, 0), batch(n_target, d, 1)
    ours = BSP(n_singular=n_singular)(*pair).item()
    assert ours == pytest.approx(naive_bsp(*pair, n_singular), rel=1e-9)


@pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
@pytest.mark.parametrize("n_singular", [1, 2, 20])
def test_gradient_of_the_spectral_penalty_is_the_derivative(n_source, n_target, d, n_singular):
    pair = batch(n_source, d, 0).requires_grad_(), batch(n_target, d, 1).requires_grad_()
    assert torch.autograd.gradcheck(BSP(n_singular=n_singular), pair)


@pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
@pytest.mark.parametrize("step_size", [1.0, 0.3])
def test_feature_norm_is_the_step_and_its_gradient_that_of_the_sums(
    n_source, n_target, d, step_size
):
    pair = [batch(n_source, d, 0).requires_grad_(), batch(n_target, d, 1).requires_grad_()]
    loss = AFN(step_size=step_size)(*pair)
    assert loss.item() == pytest.approx(step_size**2, rel=1e-12)
    loss.backward()
    given = [math.sqrt(dot(row, row)) for rows in pair for row in rows.tolist()]
    for domain, rows in enumerate(pair):
        for index in ((0, 0), (len(rows) - 1, d - 1)):
            around = []
            for sign in (1, -1):
                moved = [x.detach().clone() for x in pair]
                moved[domain][index] += sign * 1e-5
                around.append(naive_afn(*moved, step_size, given))
            slope = (around[0] - around[1]) / 2e-5
            assert rows.grad[index].item() == pytest.approx(slope, abs=1e-8)


def test_each_sample_is_pulled_outwards_alike():
    source, target = batch(4, 3, 0).requires_grad_(), (50.0 * batch(2, 3, 1)).requires_grad_()
    AFN(step_size=2.0)(source, target).backward()
    for rows in (source, target):
        outwards = rows.detach() / rows.detach().norm(dim=1, keepdim=True)
        torch.testing.assert_close(rows.grad, -2 * 2.0 / 6 * outwards)


def test_a_short_step_is_not_lost_in_a_long_norm():
    far = torch.full((4, 3), 1e9, requires_grad=True)
    loss = AFN(step_size=0.5)(far, far)
    loss.backward()
    assert loss.item() == pytest.approx(0.25)
    assert far.grad.norm(dim=1).tolist() == pytest.approx([2 * 0.5 / 4] * 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one row", "far", "tied"])
@pytest.mark.parametrize("make", PAIRWISE)
def test_values_and_gradients_are_finite_at_the_edges(make, kind, dtype):
    source = {
        "identical": batch(6, 3, 0),
        "constant": torch.full((6, 3), 0.1),
        "zero": torch.zeros(6, 3),
        "one row": batch(1, 3, 0),
        "far": batch(6, 3, 0) * 1e4,
        "tied": torch.eye(6)[:, :3],
    }[kind]
    source = source.to(dtype).requires_grad_()
    target = source.detach().clone().requires_grad_()
    loss = make()(source, target)
    loss.backward()
    assert loss.dtype == dtype
    assert loss.isfinite()
    for rows in (source, target):
        assert rows.grad.isfinite().all()
        assert (rows.grad.abs().max() > 0) == (kind != "zero")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["constant", "zero", "one row", "extreme", "one class", "tied"])
def test_nuclear_norm_is_finite_at_the_edges(kind, dtype):
    logits = {
        "constant": batch(1, 4, 0).expand(6, 4),
        "zero": torch.zeros(6, 4),
        "one row": batch(1, 4, 0),
        "extreme": batch(6, 4, 0).sign() * 1e4,
        "one class": torch.tensor([[1e4, -1e4, -1e4, 0.0]]).expand(6, 4),
        "tied": 3.0 * torch.eye(4),
    }[kind]
    logits = logits.to(dtype).contiguous().requires_grad_()
    loss = BNM()(logits)
    loss.backward()
    assert loss.dtype == dtype
    assert -1.0 - 1e-6 <= loss.item() < 0.0
    assert logits.grad.isfinite().all()
    assert logits.grad.norm() <= 1.0


def test_gradient_of_the_nuclear_norm_leaves_out_directions_without_singular_value():
    # All samples alike: one singular value, and only one direction in the gradient.
    logits = batch(1, 4, 0).expand(6, 4).contiguous().requires_grad_()
    BNM()(logits).backward()
    p = logits.detach().softmax(1).requires_grad_()
    (-p.square().sum().sqrt() / 6).backward()
    (expected,) = torch.autograd.grad(logits.softmax(1), logits, p.grad)
    torch.testing.assert_close(logits.grad, expected)


def nuclear_gradient(p, rank):
    """Return the gradient with respect to logits, from a decomposition in float64."""
    logits = p.double().log().requires_grad_()
    p = logits.softmax(1)
    u, _, vt = torch.linalg.svd(p.detach(), full_matrices=False)
    (grad,) = torch.autograd.grad(p, logits, -u[:, :rank] @ vt[:rank] / len(p))
    return grad


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4])
def test_nuclear_norm_keeps_small_singular_values_in_float32(spread):
    # Squared, the smaller of these would be lost in the rounding of a float32.
    p = (spread * batch(12, 5, 0)).softmax(1).float()
    logits = p.log().requires_grad_()
    BNM()(logits).backward()
    expected = nuclear_gradient(p, rank=5)
    assert (logits.grad - expected).norm() < 0.01 * expected.norm()


def test_nuclear_norm_takes_no_direction_from_rounding():
    # Mixtures of two predictions: what float32 has of a third direction is rounding.
    share, ends = torch.linspace(0.0, 1.0, 12)[:, None], batch(2, 5, 0, torch.float32).softmax(1)
    p = share * ends[:1] + (1.0 - share) * ends[1:]
    logits = p.log().requires_grad_()
    BNM()(logits).backward()
    expected = nuclear_gradient(p, rank=2)
    assert (logits.grad - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize("values", [[3.0, 3.0, 1.0], [3.0, 3.0 - 1e-6, 1.0], [3.0, 3.0 - 1e-3]])
@pytest.mark.parametrize("shape", [(8, 5), (5, 8)])
def test_spectral_penalty_of_singular_values_that_nearly_coincide(values, shape):
    rows, nothing = spectrum(*shape, values), torch.zeros(1, shape[1], dtype=torch.float64)
    assert BSP()(rows, nothing).item() == pytest.approx(9.0, rel=1e-4)
    both = sum(value**2 for value in values[:2])
    assert BSP(n_singular=2)(rows, nothing).item() == pytest.approx(both, rel=1e-4)


def test_spectral_penalty_finds_a_direction_along_an_axis():
    source, target = torch.diag(torch.tensor([0.0, 3.0, 2.0])), torch.eye(3)[:2]
    assert BSP()(source, target).item() == pytest.approx(9.0 + 1.0)
    assert BSP(n_singular=2)(source, target).item() == pytest.approx(9.0 + 4.0 + 2.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spectral_penalty_counts_no_singular_value_twice(dtype):
    # One direction only: what is left after it is rounding, and no second direction.
    rows, nothing = spectrum(8, 5, [4.0]).to(dtype), torch.zeros(1, 5, dtype=dtype)
    assert BSP(n_singular=4)(rows, nothing).item() == pytest.approx(16.0, rel=1e-5)


def test_spectral_penalty_of_all_singular_values_is_the_sum_of_squares():
    source, target = batch(4, 9, 0), batch(7, 9, 1)
    total = (source.square().sum() + target.square().sum()).item()
    assert BSP(n_singular=99)(source, target).item() == pytest.approx(total, rel=1e-9)


def test_spectral_penalty_shrinks_the_top_and_leaves_the_rest():
    moving = spectrum(9, 6, [5.0, 3.0, 2.0, 1.0]).requires_grad_()
    other = spectrum(4, 6, [0.5, 0.25], seed=3)
    for _ in range(4):
        (grad,) = torch.autograd.grad(BSP()(moving, other), moving)
        moving.data -= 0.05 * grad
    values = torch.linalg.svdvals(moving.detach())[:4].tolist()
    assert values == pytest.approx([5.0 * 0.9**4, 3.0, 2.0, 1.0])


def test_feature_norm_lengthens_samples_of_both_domains():
    source, target = batch(5, 3, 0).requires_grad_(), (0.01 * batch(7, 3, 1)).requires_grad_()
    before = [rows.detach().norm(dim=1) for rows in (source, target)]
    for _ in range(10):
        grads = torch.autograd.grad(AFN()(source, target), (source, target))
        for rows, grad in zip((source, target), grads, strict=True):
            rows.data -= 0.6 * grad
    for rows, norms in zip((source, target), before, strict=True):
        torch.testing.assert_close(rows.detach().norm(dim=1), norms + 10 * 0.6 * 2 / 12)


def test_nuclear_norm_wants_certain_predictions_of_many_classes():
    certain = 1e4 * torch.eye(4, dtype=torch.float64)
    assert BNM()(certain).item() == pytest.approx(-1.0)
    assert BNM()(certain[[0, 0, 1, 1]]).item() == pytest.approx(-2 * math.sqrt(2) / 4)
    assert BNM()(certain[[0, 0, 0, 0]]).item() == pytest.approx(-2 / 4)
    assert BNM()(0 * certain).item() == pytest.approx(-1 / 4)
    start = 0.3 * batch(12, 3, 6) % 1.0
    start[:, 0] += 1.0
    moving = start.clone().requires_grad_()
    for _ in range(300):
        moving.data -= 5.0 * torch.autograd.grad(BNM()(moving), moving)[0]
    assert start.argmax(1).unique().tolist() == [0]
    assert moving.argmax(1).unique().tolist() == [0, 1, 2]
    assert moving.softmax(1).amax(1).mean() > 0.9


def test_what_is_not_finite_shows_in_the_loss_and_raises_nothing():
    broken = torch.full((4, 3), math.nan)
    assert not BNM()(broken).isfinite()
    assert not BSP()(broken, torch.zeros(4, 3)).isfinite()
    assert not AFN()(broken, torch.zeros(4, 3)).isfinite()


@pytest.mark.parametrize("make", [*PAIRWISE, BNM])
def test_copies_and_pickles_do_the_same(make):
    criterion = make()
    inputs = (batch(5, 3, 0), batch(4, 3, 1))[: 1 if make is BNM else 2]
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(other(*inputs), criterion(*inputs))
        assert repr(other) == repr(criterion)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AFN(step_size=0.0), "step_size=0.0 must be a finite number above 0"),
        (lambda: AFN(step_size=math.inf), "step_size=inf must be a finite number above 0"),
        (lambda: BSP(n_singular=0), "n_singular=0 must be an integer of at least 1"),
        (lambda: BSP(n_singular=1.5), "n_singular=1.5 must be an integer of at least 1"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
