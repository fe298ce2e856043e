"""Confusion and entropy of target predictions: against loops in float64, and their edges."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch

from domadapt.alignment.class_confusion import MCC
from domadapt.alignment.entropy import EntropyMinimization


def logits(n, n_classes, seed, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)


def naive_softmax(row):
    exps = [math.exp(value - max(row)) for value in row]
    return [value / sum(exps) for value in exps]


def naive_entropy(distribution):
    return -sum(p * math.log(p) for p in distribution)


def naive_weights(rows, temperature):
    raw = [
        1 + math.exp(-naive_entropy(naive_softmax([z / temperature for z in row]))) for row in rows
    ]
    return [len(rows) * w / sum(raw) for w in raw]


def naive_mcc(rows, temperature, weights):
    p = [naive_softmax([z / temperature for z in row]) for row in rows]
    classes = range(len(rows[0]))
    correlation = [
        [sum(w * row[j] * row[k] for w, row in zip(weights, p, strict=True)) for k in classes]
        for j in classes
    ]
    normalised = [[value / sum(row) for value in row] for row in correlation]
    total = sum(map(sum, normalised))
    return (total - sum(normalised[k][k] for k in classes)) / len(classes)


def naive_information(rows, diversity):
    p = [naive_softmax(row) for row in rows]
    mean = [sum(column) / len(p) for column in zip(*p, strict=True)]
    return sum(map(naive_entropy, p)) / len(p) - diversity * naive_entropy(mean)


def descend(criterion, start, steps=100, rate=1.0):
    moving = start.clone().requires_grad_()
    for _ in range(steps):
        (grad,) = torch.autograd.grad(criterion(moving), moving)
        moving.data -= rate * grad
    return moving.detach()


SHAPES = [(5, 3), (7, 2), (3, 6), (1, 4), (4, 1), (1, 1)]
EVERY_CRITERION = [MCC, EntropyMinimization, partial(EntropyMinimization, diversity=1.0)]


@pytest.mark.parametrize(("n", "n_classes"), SHAPES)
@pytest.mark.parametrize("temperature", [2.5, 1.0, 0.3])
def test_confusion_matches_the_matrix(n, n_classes, temperature):
    z = logits(n, n_classes, 0)
    rows = z.tolist()
    expected = naive_mcc(rows, temperature, naive_weights(rows, temperature))
    ours = MCC(temperature=temperature)(z).item()
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(("n", "n_classes"), SHAPES)
def test_gradient_of_confusion_takes_the_weights_as_given(n, n_classes):
    z = logits(n, n_classes, 1).requires_grad_()
    MCC()(z).backward()
    rows = z.tolist()
    weights, step = naive_weights(rows, 2.5), 1e-5
    for i in range(n):
        for k in range(n_classes):
            around = []
            for sign in (1, -1):
                moved = copy.deepcopy(rows)
                moved[i][k] += sign * step
                around.append(naive_mcc(moved, 2.5, weights))
            slope = (around[0] - around[1]) / (2 * step)
            assert z.grad[i, k].item() == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize(("n", "n_classes"), SHAPES)
@pytest.mark.parametrize("diversity", [0.0, 0.3, 1.0])
def test_entropy_matches_the_sums(n, n_classes, diversity):
    z = logits(n, n_classes, 2)
    expected = naive_information(z.tolist(), diversity)
    ours = EntropyMinimization(diversity=diversity)(z).item()
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(("n", "n_classes"), SHAPES)
@pytest.mark.parametrize("diversity", [0.0, 0.3, 1.0])
def test_gradient_of_entropy_is_the_derivative(n, n_classes, diversity):
    z = logits(n, n_classes, 3).requires_grad_()
    assert torch.autograd.gradcheck(EntropyMinimization(diversity=diversity), (z,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["constant", "zero", "one row", "extreme", "one class", "ties"])
@pytest.mark.parametrize("make", EVERY_CRITERION)
def test_values_and_gradients_are_finite_at_the_edges(make, kind, dtype):
    z = {
        "constant": logits(1, 4, 0).expand(6, 4),
        "zero": torch.zeros(6, 4),
        "one row": logits(1, 4, 0),
        "extreme": logits(6, 4, 0).sign() * 1e4,
        "one class": torch.tensor([[1e4, -1e4, -1e4, 0.0]]).expand(6, 4),
        "ties": torch.tensor([[1e4, 1e4, -1e4, -1e4]]).expand(6, 4),
    }[kind]
    z = z.to(dtype).contiguous().requires_grad_()
    loss = make()(z)
    loss.backward()
    assert loss.dtype == dtype
    assert loss.isfinite()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [30.0, 60.0, 90.0, 200.0, 300.0, 1000.0])
@pytest.mark.parametrize("make", [partial(MCC, temperature=1.0), *EVERY_CRITERION])
def test_classes_of_hardly_any_mass_do_no_harm(make, scale, dtype):
    # Between these logits the mass of a class passes through every size down to none.
    z = scale * torch.tensor([[0.0, -1.0, -1.1], [0.0, -1.2, -0.9]], dtype=dtype)
    z.requires_grad_()
    loss = make()(z)
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()
    assert z.grad.abs().max() <= 1.0


def test_a_class_without_mass_counts_as_not_confused():
    z = torch.tensor([[0.0, 0.0, -1e4], [0.0, 0.0, -1e4]], dtype=torch.float64)
    # The two other classes are mixed up half the time, each.
    assert MCC()(z).item() == pytest.approx((0.5 + 0.5) / 3, rel=1e-12)


def test_certain_predictions_are_the_least_and_uniform_ones_the_most():
    certain, uniform = 1e4 * torch.eye(4, dtype=torch.float64), torch.zeros(4, 4)
    assert MCC()(certain).item() == 0.0
    assert MCC()(uniform).item() == pytest.approx(1 - 1 / 4)
    assert EntropyMinimization()(certain).item() == 0.0
    assert EntropyMinimization()(uniform).item() == pytest.approx(math.log(4))
    assert EntropyMinimization(diversity=0.5)(certain).item() == pytest.approx(-0.5 * math.log(4))
    assert EntropyMinimization(diversity=1.0)(uniform).item() == pytest.approx(0.0, abs=1e-6)


def test_a_certain_sample_weighs_more_in_the_confusion():
    z = torch.tensor([[8.0, 0.0], [0.2, 0.0]], dtype=torch.float64)
    p = (z / 2.5).softmax(1)
    alike = (1 - p.square().sum(0) / p.sum(0)).mean().item()
    assert MCC()(z).item() < alike


def test_a_higher_temperature_sees_more_confusion():
    z = logits(6, 4, 4, scale=4.0)
    seen = [MCC(temperature=t)(z).item() for t in (0.5, 1.0, 2.5, 10.0)]
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]


@pytest.mark.parametrize("make", EVERY_CRITERION)
def test_descent_makes_predictions_certain(make):
    start = logits(12, 4, 5, scale=0.5)
    end = descend(make(), start, rate=20.0)
    assert make()(end) < make()(start) - 0.1
    before, after = (z.softmax(1).amax(1).mean() for z in (start, end))
    assert after > before + 0.2


def test_only_diversity_keeps_samples_from_one_class():
    start = logits(12, 3, 6, scale=0.3)
    start[:, 0] += 1.5
    assert start.argmax(1).unique().tolist() == [0]
    plain, diverse = (descend(EntropyMinimization(diversity=g), start, 300) for g in (0.0, 1.0))
    assert plain.argmax(1).unique().tolist() == [0]
    assert diverse.argmax(1).unique().tolist() == [0, 1, 2]


@pytest.mark.parametrize("make", EVERY_CRITERION)
def test_copies_and_pickles_do_the_same(make):
    criterion, z = make(), logits(5, 3, 7)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(other(z), criterion(z))
        assert repr(other) == repr(criterion)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MCC(temperature=0.0), "temperature=0.0 must be a finite number above 0"),
        (lambda: MCC(temperature=math.inf), "temperature=inf must be a finite number above 0"),
        (lambda: MCC(temperature=math.nan), "temperature=nan must be"),
        (lambda: EntropyMinimization(diversity=-1.0), "diversity=-1.0 must be .* at least 0"),
        (lambda: EntropyMinimization(diversity=math.inf), "diversity=inf must be"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
