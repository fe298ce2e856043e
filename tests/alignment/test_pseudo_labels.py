"""Self-training: which samples it learns from, how they count, and its edges."""

import copy
import itertools
import math
import pickle

import pytest
import torch

from domadapt.alignment.pseudo_labels import PseudoLabels


def logits(n, n_classes, seed, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)


def naive_pseudo_labels(rows, threshold, balanced):
    confident = []
    for row in rows:
        exps = [math.exp(value - max(row)) for value in row]
        best = max(range(len(row)), key=lambda k: row[k])
        if exps[best] / sum(exps) >= threshold:
            confident.append((best, -math.log(exps[best] / sum(exps))))
    if not confident:
        return 0.0
    if not balanced:
        return sum(loss for _, loss in confident) / len(confident)
    means = []
    for label in {label for label, _ in confident}:
        of_label = [loss for other, loss in confident if other == label]
        means.append(sum(of_label) / len(of_label))
    return sum(means) / len(means)


def gradient(criterion, z, progress=1.0):
    z = z.clone().requires_grad_()
    (grad,) = torch.autograd.grad(criterion(z, progress), z)
    return grad


SHAPES = [(9, 3), (20, 2), (4, 7), (1, 4), (5, 1)]
SETTINGS = list(itertools.product([0.0, 0.5, 0.9, 0.999999], [True, False]))


@pytest.mark.parametrize(("n", "n_classes"), SHAPES)
@pytest.mark.parametrize(("threshold", "balanced"), SETTINGS)
def test_matches_the_sums(n, n_classes, threshold, balanced):
    z = logits(n, n_classes, 0)
    ours = PseudoLabels(threshold=threshold, balanced=balanced)(z, 1.0).item()
    expected = naive_pseudo_labels(z.tolist(), threshold, balanced)
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("n", "n_classes"), SHAPES)
@pytest.mark.parametrize(("threshold", "balanced"), SETTINGS)
def test_gradient_is_the_derivative(n, n_classes, threshold, balanced):
    z = logits(n, n_classes, 1).requires_grad_()
    criterion = PseudoLabels(threshold=threshold, balanced=balanced)
    assert torch.autograd.gradcheck(criterion, (z, 0.7))


def test_samples_below_the_threshold_feel_nothing_and_the_others_their_own_prediction():
    p = torch.tensor([[0.95, 0.03, 0.02], [0.6, 0.3, 0.1], [0.04, 0.05, 0.91]])
    grad = gradient(PseudoLabels(threshold=0.9, balanced=False), p.log())
    assert torch.equal(grad[1], torch.zeros(3))
    own_class = torch.eye(3)[[0, 2]]
    torch.testing.assert_close(grad[[0, 2]], (p[[0, 2]] - own_class) / 2)


def test_the_threshold_itself_is_enough():
    z = torch.zeros(3, 2, dtype=torch.float64)
    assert PseudoLabels(threshold=0.5)(z, 1.0).item() == pytest.approx(math.log(2))
    assert PseudoLabels(threshold=0.5 + 1e-9)(z, 1.0).item() == 0.0
    sure = torch.tensor([[1e4, 0.0]], requires_grad=True)
    assert PseudoLabels(threshold=1.0)(sure, 1.0).item() == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_progress_may_be_a_tensor(dtype):
    z = logits(9, 3, 0).to(dtype)
    progress = torch.tensor(0.3, dtype=torch.float64)
    loss = PseudoLabels(threshold=0.4)(z, progress)
    assert loss.dtype == dtype
    assert loss.item() == PseudoLabels(threshold=0.4)(z, 0.3).item() > 0


@pytest.mark.parametrize("balanced", [True, False])
def test_no_sample_above_the_threshold_gives_exactly_zero(balanced):
    z = logits(6, 3, 2, scale=0.1).requires_grad_()
    loss = PseudoLabels(threshold=0.9, balanced=balanced)(z, 1.0)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(z.grad, torch.zeros(6, 3, dtype=torch.float64))


def test_balanced_lets_each_class_that_occurs_count_alike():
    # Eight samples of class 0, two of class 1, none of class 2, and one that is not sure.
    p = torch.tensor([[0.92, 0.05, 0.03]] * 8 + [[0.01, 0.98, 0.01]] * 2 + [[0.5, 0.2, 0.3]])
    pull = gradient(PseudoLabels(), p.log()).abs().sum(1)
    torch.testing.assert_close(pull[:8].sum() / 0.16, pull[8:10].sum() / 0.04)
    alike = gradient(PseudoLabels(balanced=False), p.log()).abs().sum(1)
    torch.testing.assert_close(alike[:8].sum() / 0.16, 4 * alike[8:10].sum() / 0.04)
    assert pull[10] == alike[10] == 0.0


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_the_ramp_multiplies_by_progress(progress):
    z = logits(9, 3, 3)
    full = PseudoLabels(ramp_up=False)
    assert full(z, 0.0).item() > 0.0
    torch.testing.assert_close(PseudoLabels()(z, progress), progress * full(z, progress))
    torch.testing.assert_close(
        gradient(PseudoLabels(), z, progress), progress * gradient(full, z, progress)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["constant", "zero", "one row", "extreme", "ties"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_values_and_gradients_are_finite_at_the_edges(threshold, kind, dtype):
    z = {
        "constant": logits(1, 4, 0).expand(6, 4),
        "zero": torch.zeros(6, 4),
        "one row": logits(1, 4, 0),
        "extreme": logits(6, 4, 0).sign() * 1e4,
        "ties": torch.tensor([[1e4, 1e4, -1e4, -1e4]]).expand(6, 4),
    }[kind]
    z = z.to(dtype).contiguous().requires_grad_()
    loss = PseudoLabels(threshold=threshold)(z, 1.0)
    loss.backward()
    assert loss.dtype == dtype
    assert loss.isfinite()
    assert z.grad.isfinite().all()


def test_descent_strengthens_what_is_believed_already_right_or_wrong():
    criterion, start = PseudoLabels(threshold=0.5), logits(30, 3, 4, scale=1.0)
    moving = start.clone().requires_grad_()
    for _ in range(50):
        moving.data -= 5.0 * torch.autograd.grad(criterion(moving, 1.0), moving)[0]
    assert criterion(moving, 1.0) < 0.5 * criterion(start, 1.0)
    confident = start.softmax(1).amax(1) >= 0.5
    assert confident.any()
    assert not confident.all()
    assert torch.equal(moving.argmax(1), start.argmax(1))
    assert torch.equal(moving[~confident], start[~confident])
    grown = moving.softmax(1).amax(1) > start.softmax(1).amax(1)
    assert torch.equal(grown, confident)


def test_copies_and_pickles_do_the_same():
    criterion, z = PseudoLabels(threshold=0.7, balanced=False, ramp_up=False), logits(5, 3, 5)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(other(z, 0.5), criterion(z, 0.5))
        assert repr(other) == "PseudoLabels(threshold=0.7, balanced=False, ramp_up=False)"


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, 90])
def test_a_threshold_that_is_no_probability_is_named(threshold):
    with pytest.raises(ValueError, match=f"threshold={threshold} must be a probability"):
        PseudoLabels(threshold=threshold)
