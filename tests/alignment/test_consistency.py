"""Predictions that are to stay: under worst-case steps, and under the teacher's eyes."""

import copy
import itertools
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from domadapt.alignment.mean_teacher import MeanTeacher
from domadapt.alignment.virtual_adversarial import VirtualAdversarial

N_CLASSES, N_HIDDEN = 3, 4
every_shape = pytest.mark.parametrize(("n", "d"), [(7, 3), (4, 5), (2, 2), (1, 3)])
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
CRITERIA = {"adversarial": VirtualAdversarial, "teacher": lambda: MeanTeacher(confidence=0.0)}
every_criterion = pytest.mark.parametrize("name", CRITERIA)


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def network(d, dtype=torch.float64, *, batch_norm=False, seed=10):
    """Build a feature extractor and a classifier whose weights come from a seed."""
    norm = [nn.BatchNorm1d(N_HIDDEN)] if batch_norm else []
    extractor = nn.Sequential(nn.Linear(d, N_HIDDEN), *norm, nn.Tanh())
    classifier = nn.Linear(N_HIDDEN, N_CLASSES)
    with torch.no_grad():
        for module in (extractor[0], classifier):
            seed += 1
            module.weight.copy_(batch(*module.weight.shape, seed) - seed)
            module.bias.copy_(batch(1, len(module.bias), seed)[0] - seed)
    return extractor.to(dtype), classifier.to(dtype)


def pickled(module):
    return pickle.loads(pickle.dumps(module))


def loss_of(name, criterion, inputs, extractor, classifier):
    if name == "teacher":
        return criterion(inputs, extractor, classifier)
    return criterion(inputs, classifier(extractor(inputs)), extractor, classifier)


def weights_of(extractor, classifier):
    return [*extractor.parameters(), *classifier.parameters()]


def check_gradients(naive, classifier, weights):
    """Hold gradients against those of a function of the classifier's, and this to account."""
    own = list(classifier.parameters())
    expected = torch.autograd.grad(naive(*own), weights)
    torch.testing.assert_close([weight.grad for weight in weights], list(expected))
    assert all(grad.abs().max() > 0 for grad in expected)
    assert torch.autograd.gradcheck(naive, [p.detach().clone().requires_grad_() for p in own])


class Recorder(nn.Module):
    """A feature extractor that keeps what it is given."""

    def __init__(self, module):
        super().__init__()
        self.module, self.given = module, []

    def forward(self, inputs):
        self.given.append(inputs.detach())
        return self.module(inputs)


def check_lengths(steps, inputs, radius):
    distance = (inputs - inputs.mean(0)).flatten(1).square().sum(1).mean().sqrt()
    torch.testing.assert_close(steps.flatten(1).norm(dim=1), (radius * distance).expand(len(steps)))


def affine(layer, row):
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    products = [sum(w * x for w, x in zip(ws, row, strict=True)) for ws in weight]
    return [value + b for value, b in zip(products, bias, strict=True)]


def naive_softmax(logits):
    exps = [math.exp(z - max(logits)) for z in logits]
    return [e / sum(exps) for e in exps]


def naive_predict(extractor, classifier, row):
    hidden = [math.tanh(h) for h in affine(extractor[0], row)]
    return hidden, naive_softmax(affine(classifier, hidden))


def naive_slope(extractor, classifier, p, row):
    """Return the derivative of the divergence from p with respect to the input."""
    hidden, q = naive_predict(extractor, classifier, row)
    first, second = extractor[0].weight.tolist(), classifier.weight.tolist()
    at_hidden = [
        (1 - h * h) * sum((q[k] - p[k]) * second[k][u] for k in range(N_CLASSES))
        for u, h in enumerate(hidden)
    ]
    return [sum(at_hidden[u] * first[u][c] for u in range(N_HIDDEN)) for c in range(len(row))]


def naive_step(row, length, direction):
    norm = math.sqrt(sum(x * x for x in direction)) or 1.0
    return [x + length * u / norm for x, u in zip(row, direction, strict=True)]


def naive_virtual_adversarial(rows, logits, directions, extractor, classifier, settings):
    radius, probe, n_iterations = settings
    n, d = len(rows), len(rows[0])
    means = [sum(row[c] for row in rows) / n for c in range(d)]
    scale = math.sqrt(sum((row[c] - means[c]) ** 2 for row in rows for c in range(d)) / n)
    total = 0.0
    for row, z, direction in zip(rows, logits, directions, strict=True):
        p = naive_softmax(z)
        for _ in range(n_iterations):
            near = naive_step(row, scale * probe, direction)
            direction = naive_slope(extractor, classifier, p, near)
        _, q = naive_predict(extractor, classifier, naive_step(row, scale * radius, direction))
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / n


@every_shape
@pytest.mark.parametrize("settings", [(0.5, 0.01, 1), (1.5, 0.2, 3)])
@pytest.mark.parametrize("own_logits", [True, False])
def test_virtual_adversarial_matches_the_sums(own_logits, settings, n, d):
    extractor, classifier = network(d)
    inputs = batch(n, d, 1)
    logits = classifier(extractor(inputs)) if own_logits else batch(n, N_CLASSES, 2)
    names = ("radius", "probe_length", "n_power_iterations")
    criterion = VirtualAdversarial(**dict(zip(names, settings, strict=True)))
    torch.manual_seed(3)
    directions = torch.randn(n, d, dtype=torch.float64).tolist()
    given = (inputs.tolist(), logits.tolist(), directions)
    expected = naive_virtual_adversarial(*given, extractor, classifier, settings)
    torch.manual_seed(3)
    ours = criterion(inputs, logits, extractor, classifier)
    assert ours.item() == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_virtual_adversarial_gradient_flows_through_the_perturbed_pass_alone():
    extractor, classifier = network(3)
    recorder, weights = Recorder(extractor), weights_of(extractor, classifier)
    inputs, logits = batch(7, 3, 1), batch(7, N_CLASSES, 2).requires_grad_()
    VirtualAdversarial()(inputs, logits, recorder, classifier)
    assert all(weight.grad is None for weight in weights)  # The search leaves them alone.
    VirtualAdversarial()(inputs, logits, recorder, classifier).backward()
    p, perturbed = logits.detach().softmax(1), recorder.given[-1]

    def divergence(weight, bias):
        q = F.linear(extractor(perturbed), weight, bias).softmax(1)
        return (p * (p / q).log()).sum(1).mean()

    check_gradients(divergence, classifier, weights)
    assert logits.grad is None


def test_steps_are_as_long_as_said_and_go_along_the_steepest_direction():
    classifier = nn.Linear(3, 2).double()
    recorder, inputs = Recorder(nn.Identity()), batch(9, 3, 1)
    VirtualAdversarial(radius=0.7)(inputs, classifier(inputs), recorder, classifier)
    steps = recorder.given[-1] - inputs
    check_lengths(steps, inputs, 0.7)
    # Two classes of a linear network: only the difference of the logits matters.
    slope = (classifier.weight[0] - classifier.weight[1]).detach().expand(9, 3)
    cosine = F.cosine_similarity(steps, slope)
    torch.testing.assert_close(cosine.abs(), torch.ones(9, dtype=torch.float64))


@pytest.mark.parametrize("unit", [1e-3, 1e5])
def test_the_unit_and_the_origin_of_the_data_do_not_matter(unit):
    inputs, weight, losses = batch(9, 4, 1), batch(N_CLASSES, 4, 2) - 2, []
    for scale, offset in ((1.0, 0.0), (unit, 5 * unit)):
        classifier = nn.Linear(4, N_CLASSES).double()
        with torch.no_grad():
            classifier.weight.copy_(weight / scale)
            classifier.bias.copy_(-offset * classifier.weight.sum(1))
        rows = scale * inputs + offset
        torch.manual_seed(0)
        loss = VirtualAdversarial(radius=1.0)(rows, classifier(rows), nn.Identity(), classifier)
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-8)
    assert losses[0] > 1e-3


@pytest.mark.parametrize("kind", ["constant", "one row", "flat network"])
def test_nothing_changes_where_no_step_can_be_taken_or_felt(kind):
    extractor, classifier = network(3)
    inputs = batch(1 if kind == "one row" else 6, 3, 1)
    if kind == "constant":
        inputs[:] = 0.3
    if kind == "flat network":
        nn.init.zeros_(classifier.weight)
    loss = VirtualAdversarial()(inputs, classifier(extractor(inputs)), extractor, classifier)
    assert loss.item() == pytest.approx(0.0, abs=1e-14)


def test_images_are_perturbed_as_a_whole():
    images = batch(5, 2 * 4 * 4, 1).reshape(5, 2, 4, 4)
    extractor = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten()).double()
    classifier, recorder = nn.Linear(12, N_CLASSES).double(), Recorder(extractor)
    logits = classifier(extractor(images))
    VirtualAdversarial(radius=0.4)(images, logits, recorder, classifier).backward()
    check_lengths(recorder.given[-1] - images, images, 0.4)
    assert extractor[0].weight.grad.abs().max() > 0
    assert MeanTeacher()(images, extractor, classifier).isfinite()


def scaled(factor):
    """Return an augmentation that scales for the network and not for its teacher."""
    factors = itertools.cycle((factor, 1.0))
    return lambda rows: next(factors) * rows


@every_shape
@pytest.mark.parametrize("confidence", [0.0, 0.5])
def test_mean_teacher_matches_the_sums_over_several_steps(confidence, n, d):
    (extractor, classifier), inputs = network(d), batch(n, d, 1)
    criterion = MeanTeacher(augmentation=scaled(1.3), momentum=0.8, confidence=confidence)
    expected_teacher = None
    for step in range(4):
        ours = criterion(inputs, extractor, classifier)
        now = [weight.detach().clone() for weight in weights_of(extractor, classifier)]
        expected_teacher = [
            0.8 * old + 0.2 * new for old, new in zip(expected_teacher or now, now, strict=True)
        ]
        taught = network(d)
        with torch.no_grad():
            for weight, value in zip(weights_of(*taught), expected_teacher, strict=True):
                weight.copy_(value)
        expected = 0.0
        for row in inputs.tolist():
            _, p = naive_predict(extractor, classifier, [1.3 * x for x in row])
            _, q = naive_predict(*taught, row)
            if max(q) >= confidence:
                expected += sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
        assert ours.item() == pytest.approx(expected / (n * N_CLASSES), rel=1e-9)
        with torch.no_grad():
            for number, weight in enumerate(weights_of(extractor, classifier)):
                weight += 0.1 * (batch(1, weight.numel(), number + step) - number).view_as(weight)


def test_mean_teacher_gradient_flows_into_the_network_alone():
    (extractor, classifier), inputs = network(3), batch(6, 3, 1)
    criterion = MeanTeacher(augmentation=scaled(1.5), confidence=0.0).eval()
    criterion(inputs, extractor, classifier).backward()
    weights = weights_of(extractor, classifier)
    taught = classifier(extractor(inputs)).softmax(1).detach()

    def distance(weight, bias):
        p = F.linear(extractor(1.5 * inputs), weight, bias).softmax(1)
        return (p - taught).square().mean()

    check_gradients(distance, classifier, weights)
    assert all(not p.requires_grad and p.grad is None for p in criterion.teacher.parameters())


def test_the_teacher_follows_in_training_alone():
    (extractor, classifier), inputs = network(3, batch_norm=True), batch(6, 3, 1)
    criterion = MeanTeacher(momentum=0.9)
    extractor[1].eval()
    with torch.no_grad():
        criterion(inputs, extractor, classifier)
        modes = [module.training for module in criterion.teacher.feature_extractor]
        assert modes == [True, False, True]  # As the network's.
        extractor[0].weight.add_(1.0)
        extractor[1].running_mean.add_(1.0)
        before = copy.deepcopy(criterion.teacher.state_dict())
        criterion(inputs, extractor, classifier)
    criterion.eval()(inputs, extractor, classifier)
    torch.testing.assert_close(criterion.teacher.state_dict(), before, rtol=0, atol=0)
    criterion.train()(inputs, extractor, classifier)
    after = criterion.teacher.state_dict()
    for name, value in before.items():
        moved = 0.1 if name.endswith(("extractor.0.weight", "running_mean")) else 0.0
        torch.testing.assert_close(after[name], value + moved if moved else value)


def test_noise_is_half_of_each_columns_deviation():
    extractor, classifier = network(2)
    inputs = batch(4000, 2, 1) * torch.tensor([1.0, 50.0], dtype=torch.float64)
    recorder = Recorder(extractor)
    torch.manual_seed(0)
    MeanTeacher()(inputs, recorder, classifier)
    noise = recorder.given[0] - inputs
    share = noise.std(0) / inputs.std(0)
    torch.testing.assert_close(share, torch.full_like(share, 0.5), rtol=0.05, atol=0)


def test_a_teacher_of_layers_that_take_their_size_at_the_first_batch():
    extractor, classifier = nn.LazyLinear(4), nn.LazyLinear(N_CLASSES)
    criterion = MeanTeacher()
    criterion(torch.ones(2, 3), extractor, classifier)
    assert criterion.teacher.feature_extractor.in_features == 3


@every_criterion
@both_dtypes
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("kind", ["constant", "zero", "one row", "far", "sure"])
def test_values_and_gradients_are_finite_at_the_edges(name, kind, batch_norm, dtype):
    extractor, classifier = network(3, dtype, batch_norm=batch_norm)
    inputs = batch(1 if kind == "one row" else 6, 3, 1, dtype)
    if kind == "one row":
        extractor.eval()  # One row has no statistics.
    if kind in ("constant", "zero"):
        inputs = torch.full_like(inputs, 0.1 if kind == "constant" else 0.0)
    if kind == "far":
        inputs = inputs * 1e4
    if kind == "sure":
        classifier.weight.data *= 1e4
    criterion = CRITERIA[name]()
    for _ in range(2):  # The teacher moves at the second.
        loss = loss_of(name, criterion, inputs, extractor, classifier)
        loss.backward()
        assert loss.isfinite()
        assert loss.dtype == dtype
    assert all(w.grad.isfinite().all() for w in weights_of(extractor, classifier))


@both_dtypes
def test_a_prediction_that_is_almost_sure_still_has_a_direction(dtype):
    classifier, recorder = nn.Linear(3, 2).to(dtype), Recorder(nn.Identity())
    inputs = batch(6, 3, 1, dtype)
    logits = torch.tensor([[30.0, -30.0]], dtype=dtype).expand(6, 2)
    classifier.bias.data = logits[0]
    VirtualAdversarial(radius=0.5)(inputs, logits, recorder, classifier)
    check_lengths(recorder.given[-1] - inputs, inputs, 0.5)


@every_criterion
def test_a_rehearsal_leaves_the_network_as_it_was_and_does_not_spoil_training(name):
    (extractor, classifier), inputs = network(3, batch_norm=True), batch(6, 3, 1)
    state = extractor.state_dict() | classifier.state_dict()
    before = copy.deepcopy(state)
    extractor.eval()
    criterion = CRITERIA[name]()
    for mode in (torch.inference_mode, torch.no_grad):  # A teacher made in either can follow.
        with mode():
            assert loss_of(name, criterion, inputs, extractor, classifier).isfinite()
    torch.testing.assert_close(state, before, rtol=0, atol=0)
    assert all(w.grad is None for w in weights_of(extractor, classifier))
    extractor.train()
    for _ in range(2):
        loss_of(name, criterion, inputs, extractor, classifier).backward()
    assert extractor[0].weight.grad.abs().max() > 0


@every_criterion
def test_copies_and_saved_states_give_the_same_loss(name):
    (extractor, classifier), inputs, losses = network(3), batch(6, 3, 1), []
    criterion = pickled(copy.deepcopy(CRITERIA[name]()))
    loss_of(name, criterion, inputs, extractor, classifier)
    extractor[0].weight.data += 1.0
    fresh = CRITERIA[name]()
    loss_of(name, fresh, inputs, *network(3, seed=20))
    fresh.load_state_dict(criterion.state_dict())
    for other in (criterion, copy.deepcopy(criterion), pickled(criterion), fresh):
        torch.manual_seed(0)
        losses.append(loss_of(name, other.eval(), inputs, extractor, classifier).item())
    assert losses[0] > 0
    assert losses == [losses[0]] * 4
    assert len(criterion.state_dict()) == (4 if name == "teacher" else 0)


@pytest.mark.parametrize(
    ("made", "settings", "message"),
    [
        (VirtualAdversarial, {"radius": 0.0}, "radius=0.0 must be a finite number above 0"),
        (VirtualAdversarial, {"probe_length": math.inf}, "probe_length=inf must be a finite"),
        (VirtualAdversarial, {"n_power_iterations": 0}, "=0 must be an integer of at least 1"),
        (VirtualAdversarial, {"n_power_iterations": 1.5}, "n_power_iterations=1.5 must be"),
        (MeanTeacher, {"momentum": 1.0}, "momentum=1.0 must be a number of at least 0 and below"),
        (MeanTeacher, {"confidence": math.nan}, "confidence=nan must be a probability"),
        (MeanTeacher, {"augmentation": "flip"}, "augmentation='flip' must be None or a callable"),
    ],
)
def test_bad_settings_are_named(made, settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        made(**settings)


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        (torch.Tensor.tolist, r"augmentation returned list: a tensor of the shape"),
        (lambda rows: rows[:2], r"augmentation returned shape \(2, 3\): .* \(6, 3\), was expected"),
    ],
)
def test_an_augmentation_of_another_shape_is_named_at_the_rehearsal(augmentation, message):
    criterion = MeanTeacher(augmentation=augmentation)
    with torch.no_grad(), pytest.raises((TypeError, ValueError), match=message):
        criterion(batch(6, 3, 1), *network(3))
