"""Weights of several losses: against loops, on losses of unlike scale, at the edges."""

import copy
import math
import pickle

import pytest
import torch

from domadapt.training.loss_weights import GradNormWeights, UncertaintyWeights

CASES = [
    ([4.0, 0.5], [[3.0, 0.4], [2.0, 0.45]], [10.0, 0.3]),
    ([1e3, 1.0, 1e-3], [[900.0, 0.2, 2e-3]], [1e4, 2.0, 0.1]),
    ([2.0], [[1.0]], [5.0]),
    # The second one is negative from the first, the third one falls below zero.
    ([2.0, -1.0, 0.5], [[1.0, -3.0, -0.5]], [1.0, 3.0, 2.0]),
]


def vector(values):
    return torch.tensor(values, dtype=torch.float64)


def naive_step(weights, first, losses, norms, asymmetry, rate):
    """Take one step towards the fixed point, and bring the sum back to what it was."""
    n = len(weights)
    ratios = {i: min(max(losses[i] / first[i], 0.01), 100.0) for i in range(n) if first[i] > 0.0}
    moving = [i for i in range(n) if 0.0 < norms[i] < math.inf]
    mean_pull = sum(weights[i] * norms[i] for i in moving) / len(moving)
    mean_ratio = sum(ratios.values()) / len(ratios) if ratios else 1.0
    moved = list(weights)
    for i in moving:
        goal = mean_pull * (ratios.get(i, mean_ratio) / mean_ratio) ** asymmetry
        moved[i] = weights[i] * (goal / (weights[i] * norms[i])) ** rate
    scale = sum(weights[i] for i in moving) / sum(moved[i] for i in moving)
    return [moved[i] * scale if i in moving else weights[i] for i in range(n)]


@pytest.mark.parametrize(("first", "later", "norms"), CASES)
@pytest.mark.parametrize(("asymmetry", "rate"), [(0.12, 0.1), (1.5, 0.5), (0.0, 1.0)])
def test_a_grad_norm_step_is_the_one_written_out(first, later, norms, asymmetry, rate):
    ours = GradNormWeights(len(first), asymmetry=asymmetry, rate=rate).double()
    expected = [1.0] * len(first)
    for number, losses in enumerate([first, *later]):
        ours.update(vector(losses), vector(norms))
        pace = rate if number > 0 else 1.0
        expected = naive_step(expected, first, losses, norms, asymmetry, pace)
    assert ours.factors().tolist() == pytest.approx(expected, rel=1e-10)
    assert ours.first_losses.tolist() == first


@pytest.mark.parametrize("norms", [[30.0, 10.0, 0.5], [1e-6, 1.0, 1e6]])
def test_the_steps_end_at_the_fixed_point_of_the_paper(norms):
    weights = GradNormWeights(3, asymmetry=0.5, rate=0.2).double()
    weights.update(vector([1.0, 1.0, 1.0]), vector(norms))
    ratios = [0.5, 0.2, 0.8]
    for _ in range(300):
        weights.update(vector(ratios), vector(norms))
    found = weights.factors().tolist()
    pulls = [w * g for w, g in zip(found, norms, strict=True)]
    # Where the powers do not have the mean 1, the pulls are in their ratio all the same.
    expected = [(r / ratios[0]) ** 0.5 for r in ratios]
    assert [pull / pulls[0] for pull in pulls] == pytest.approx(expected, rel=1e-6)
    assert sum(found) == pytest.approx(3.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_weight_without_a_gradient_stays_and_the_others_share_the_rest(bad, dtype):
    weights = GradNormWeights(3, rate=0.5).to(dtype)
    losses = torch.ones(3, dtype=dtype)
    weights.update(losses, torch.tensor([1.0, 2.0, 4.0], dtype=dtype))
    before = weights.factors().tolist()
    for _ in range(40):
        weights.update(losses, torch.tensor([9.0, bad, 1.0], dtype=dtype))
    first, second, third = weights.factors().tolist()
    assert second == before[1]
    assert third / first == pytest.approx(9.0, rel=1e-4)
    assert first + second + third == pytest.approx(3.0, rel=1e-5)
    weights.update(losses, torch.full((3,), bad, dtype=dtype))
    assert weights.factors().tolist() == [first, second, third]


@pytest.mark.parametrize("losses", [[math.nan, 1.0], [0.0, 1.0], [-1.0, -2.0], [1e30, 1e-30]])
def test_losses_that_tell_nothing_leave_the_weights_finite(losses):
    weights = GradNormWeights(2)
    for now in (losses, [1.0, 1.0], losses):
        weights.update(torch.tensor(now), torch.tensor([1e30, 1e-30]))
        assert weights.factors().isfinite().all()
        assert weights.factors().sum().item() == pytest.approx(2.0, rel=1e-5)


def test_a_loss_that_came_down_less_pulls_harder():
    weights = GradNormWeights(2, asymmetry=1.0)
    weights.update(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.0]))
    weights.update(torch.tensor([0.9, 0.1]), torch.tensor([1.0, 1.0]))
    slow, fast = weights.factors().tolist()
    assert slow > 1.0 > fast


@pytest.mark.parametrize("losses", [[3.0, 0.01], [-5.0, 1e4, 0.2], [0.0, 1.0]])
def test_uncertainty_starts_where_every_loss_counts_alike(losses):
    weights = UncertaintyWeights(len(losses)).double()
    assert weights.factors().tolist() == [1.0] * len(losses)
    with torch.no_grad():
        penalty = weights.penalty(vector(losses)).item()
    sizes = [max(abs(loss), 1e-8) for loss in losses]
    assert weights.factors().tolist() == pytest.approx([1 / size for size in sizes], rel=1e-10)
    assert penalty == pytest.approx(sum(1.0 + math.log(size) for size in sizes), rel=1e-10)
    (slope,) = torch.autograd.grad(weights.penalty(vector(losses)), weights.parameters())
    assert slope.tolist() == pytest.approx([0.0] * len(losses), abs=1e-10)


def test_the_penalty_is_the_sum_and_its_gradient_goes_to_the_variances_alone():
    weights, losses = UncertaintyWeights(3).double(), vector([4.0, -0.5, 30.0]).requires_grad_()
    weights.penalty(vector([1.0, 2.0, 10.0]))
    start = [math.log(x) for x in (1.0, 2.0, 10.0)]
    penalty = weights.penalty(losses)
    sizes = [abs(loss) for loss in losses.tolist()]
    expected = sum(math.exp(-s) * x + s for s, x in zip(start, sizes, strict=True))
    assert penalty.item() == pytest.approx(expected, rel=1e-10)
    penalty.backward()
    assert losses.grad is None
    slope = [1.0 - math.exp(-s) * x for s, x in zip(start, sizes, strict=True)]
    assert weights.log_variance.grad.tolist() == pytest.approx(slope, rel=1e-10)
    assert not weights.factors().requires_grad


def test_a_weight_grows_no_further_than_to_ten_times_its_start():
    weights = UncertaintyWeights(2).double()
    weights.penalty(vector([2.0, 3.0]))
    with torch.no_grad():
        weights.log_variance -= vector([math.log(4.0), math.log(1000.0)])
    assert weights.factors().tolist() == pytest.approx([4.0 / 2.0, 10.0 / 3.0], rel=1e-10)


def two_losses(shared):
    """One is a thousand times too large; both are as far from their minimum midway."""
    distances = (shared - vector([[1.0, 0.0], [-1.0, 0.0]])).square().sum(1)
    return vector([1000.0, 1.0]) * (1.0 + 0.5 * distances)


def trained(weights, asks_for_norms):
    shared = vector([0.0, 2.0]).requires_grad_()
    own = [] if asks_for_norms else list(weights.parameters())
    if own:
        with torch.no_grad():
            weights.penalty(two_losses(shared))
    optimizer = torch.optim.SGD([shared, *own], lr=0.05)
    for _ in range(500):
        losses = two_losses(shared)
        if asks_for_norms:
            slopes = [torch.autograd.grad(x, shared, retain_graph=True)[0] for x in losses]
            weights.update(losses, torch.stack([slope.norm() for slope in slopes]))
        loss = torch.dot(weights.factors(), losses)
        optimizer.zero_grad()
        (loss if asks_for_norms else loss + weights.penalty(losses)).backward()
        optimizer.step()
    return shared.tolist()


def test_by_uncertainty_a_loss_of_a_thousand_times_the_scale_counts_like_the_other():
    assert trained(UncertaintyWeights(2).double(), False) == pytest.approx([0, 0], abs=0.02)


def test_by_gradient_norms_a_loss_of_a_thousand_times_the_scale_counts_like_the_other():
    weights = GradNormWeights(2, asymmetry=1.0).double()
    assert trained(weights, True) == pytest.approx([0, 0], abs=0.02)


@pytest.mark.parametrize("make", [UncertaintyWeights, GradNormWeights])
def test_copies_pickles_and_checkpoints_resume_from_the_same_weights(make):
    def step(weights, losses):
        if isinstance(weights, GradNormWeights):
            weights.update(losses, 2.0 * losses)
        else:
            weights.penalty(losses)

    weights = make(2)
    step(weights, torch.tensor([3.0, 0.1]))
    restored = make(2)
    restored.load_state_dict(weights.state_dict())
    for other in (copy.deepcopy(weights), pickle.loads(pickle.dumps(weights)), restored):
        torch.testing.assert_close(other.factors(), weights.factors())
        again = copy.deepcopy(weights)
        step(again, torch.tensor([1.0, 5.0]))
        step(other, torch.tensor([1.0, 5.0]))
        torch.testing.assert_close(other.state_dict(), again.state_dict())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UncertaintyWeights(0), "n_losses=0 must be an integer of at least 1"),
        (lambda: GradNormWeights(0), "n_losses=0 must be an integer of at least 1"),
        (lambda: GradNormWeights(2, asymmetry=-1.0), "asymmetry=-1.0 must be a finite number"),
        (lambda: GradNormWeights(2, rate=0.0), "rate=0.0 must be a number above 0"),
        (lambda: UncertaintyWeights(2).penalty(torch.ones(3)), r"losses has the shape \(3,\)"),
        (
            lambda: GradNormWeights(2).update(torch.ones(2), torch.ones(())),
            r"norms has the shape \(\): one number for each of the 2 losses was expected",
        ),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
