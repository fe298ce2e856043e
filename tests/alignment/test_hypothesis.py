"""Heads that disagree on the target: against loops in float64, both sides, edges."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from domadapt.alignment import ClassifierDiscrepancy, MarginDisparity
from domadapt.alignment.protocol import StepTensors
from domadapt.training import WeightedCriteria

SHAPES = [(5, 7, 3), (6, 6, 4), (1, 4, 2), (3, 1, 5), (1, 1, 1)]
N_CLASSES = 3
MAKERS = {
    "discrepancy": ClassifierDiscrepancy,
    "discrepancy, deep": partial(ClassifierDiscrepancy, hidden_layer_sizes=(6,)),
    "disparity": partial(MarginDisparity, hidden_layer_sizes=(6,)),
}
every_criterion = pytest.mark.parametrize("name", MAKERS)
every_shape = pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def linear(d, dtype=torch.float64):
    """Build a network's classifier."""
    layer = torch.nn.Linear(d, N_CLASSES)
    with torch.no_grad():
        layer.weight.copy_(batch(N_CLASSES, d, 2))
        layer.bias.copy_(batch(1, N_CLASSES, 3)[0])
    return layer.to(dtype)


def given_to(name, source, target, classifier):
    """Return what the criterion asks for."""
    if name == "disparity":
        return [source, target, classifier(source), classifier(target)]
    return [source, target, torch.arange(len(source)) % N_CLASSES, classifier]


def make(name, d, dtype=torch.float64, **settings):
    """Build a criterion of few units that has its sizes."""
    torch.manual_seed(0)
    criterion = MAKERS[name](**settings).to(dtype)
    with torch.no_grad():
        criterion(*given_to(name, batch(2, d, 0, dtype), batch(2, d, 1, dtype), linear(d, dtype)))
    return criterion


def head_of(criterion):
    return getattr(criterion, "second_head", None) or criterion.head


def naive_head(layers, row):
    for layer in layers:
        if isinstance(layer, torch.nn.ReLU):
            row = [max(value, 0.0) for value in row]
        else:
            weight, bias = layer.weight.tolist(), layer.bias.tolist()
            row = [
                sum(w * v for w, v in zip(ws, row, strict=True)) + b
                for ws, b in zip(weight, bias, strict=True)
            ]
    return row


def naive_softmax(logits):
    total = sum(math.exp(z) for z in logits)
    return [math.exp(z) / total for z in logits]


def mean(values):
    return sum(values) / len(values)


@every_shape
@pytest.mark.parametrize("name", ["discrepancy", "discrepancy, deep"])
@pytest.mark.parametrize("weighted", [False, True])
def test_discrepancy_matches_the_sums(name, weighted, n_source, n_target, d):
    criterion, classifier = make(name, d), linear(d)
    source, target = batch(n_source, d, 0), batch(n_target, d, 1)
    weights = [1.0 + i for i in range(n_source)] if weighted else [1.0] * n_source
    expected = 0.0
    for i, row in enumerate(source.tolist()):
        probability = naive_softmax(naive_head(criterion.second_head, row))[i % N_CLASSES]
        expected -= weights[i] * math.log(probability) / n_source
    for row in target.tolist():
        first = naive_softmax(naive_head([classifier], row))
        second = naive_softmax(naive_head(criterion.second_head, row))
        expected -= mean([abs(p - q) for p, q in zip(first, second, strict=True)]) / n_target
    given = given_to(name, source, target, classifier)
    extra = {"source_weight": torch.tensor(weights, dtype=torch.float64)} if weighted else {}
    assert criterion(*given, **extra).item() == pytest.approx(expected, rel=1e-10)


@every_shape
@pytest.mark.parametrize("margin", [4.0, 1.5])
def test_disparity_matches_the_sums(margin, n_source, n_target, d):
    criterion, classifier = make("disparity", d, margin=margin), linear(d)
    source, target = batch(n_source, d, 0), batch(n_target, d, 1)
    on_source, on_target = [], []
    for rows, losses in ((source, on_source), (target, on_target)):
        for row in rows.tolist():
            logits = naive_head([classifier], row)
            label = max(range(N_CLASSES), key=logits.__getitem__)
            probability = naive_softmax(naive_head(criterion.head, row))[label]
            losses.append(-math.log(probability if rows is source else 1 - probability))
    expected = margin * mean(on_source) + mean(on_target)
    given = given_to("disparity", source, target, classifier)
    assert criterion(*given).item() == pytest.approx(expected, rel=1e-10)


@every_shape
@pytest.mark.parametrize("name", ["discrepancy", "discrepancy, deep"])
def test_discrepancy_gradient_is_reversed_on_target_features_alone(name, n_source, n_target, d):
    criterion, classifier = make(name, d), linear(d)
    source, target = (
        batch(n_source, d, 0).requires_grad_(),
        batch(n_target, d, 1).requires_grad_(),
    )
    inputs = [source, target, *criterion.parameters(), *classifier.parameters()]
    given = given_to(name, source, target, classifier)
    ours = torch.autograd.grad(criterion(*given), inputs)
    first, second = classifier(target).softmax(1), criterion.second_head(target).softmax(1)
    plain = F.cross_entropy(criterion.second_head(source), given[2]) - F.l1_loss(first, second)
    expected = torch.autograd.grad(plain, inputs)
    torch.testing.assert_close(ours, (expected[0], -expected[1], *expected[2:]))


@every_shape
def test_disparity_gradient_goes_down_in_the_head_and_up_in_the_features(n_source, n_target, d):
    criterion, classifier = make("disparity", d), linear(d)
    source, target = (
        batch(n_source, d, 0).requires_grad_(),
        batch(n_target, d, 1).requires_grad_(),
    )
    inputs = [source, target, *criterion.parameters()]
    given = given_to("disparity", source, target, classifier)
    ours = torch.autograd.grad(criterion(*given), inputs, retain_graph=True)
    on_source, on_target = (
        F.one_hot(logits.argmax(1), N_CLASSES).to(logits) for logits in given[2:]
    )
    agreement = (criterion.head(source).softmax(1) * on_source).sum(1).log().mean()
    disagreement = (1 - (criterion.head(target).softmax(1) * on_target).sum(1)).log().mean()
    expected = torch.autograd.grad(-4.0 * agreement - disagreement, inputs)
    torch.testing.assert_close(ours, (-expected[0], -expected[1], *expected[2:]))
    weights = list(classifier.parameters())
    loss = criterion(*given)
    assert torch.autograd.grad(loss, weights, allow_unused=True) == (None, None)


@pytest.mark.parametrize("name", ["discrepancy", "disparity"])
def test_gradient_of_the_head_is_the_derivative(name):
    criterion, classifier = make(name, 3), linear(3)
    head = head_of(criterion)
    given = given_to(name, batch(5, 3, 0), batch(7, 3, 1), classifier)

    def loss_at(*values):
        pairs = zip(head.named_parameters(), values, strict=True)
        names = {
            f"{'head' if name == 'disparity' else 'second_head'}.{n}": v for (n, _), v in pairs
        }
        return torch.func.functional_call(criterion, names, tuple(given))

    values = [p.detach().clone().requires_grad_() for p in head.parameters()]
    assert torch.autograd.gradcheck(loss_at, values)


@every_criterion
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one row", "far"])
def test_values_and_gradients_are_finite_at_the_edges(name, kind, dtype):
    source, target = batch(1 if kind == "one row" else 6, 3, 0, dtype), batch(6, 3, 1, dtype)
    if kind in ("constant", "zero"):
        source = torch.full_like(source, 0.1 if kind == "constant" else 0.0)
    if kind in ("identical", "constant", "zero"):
        target = source.clone()
    if kind == "far":
        source, target = source * 1e4, target * -1e4
    source.requires_grad_()
    target.requires_grad_()
    criterion = make(name, 3, dtype)
    loss = criterion(*given_to(name, source, target, linear(3, dtype)))
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad.isfinite().all() for x in (source, target, *criterion.parameters()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_head_that_is_sure_costs_what_its_margin_is(dtype):
    criterion = make("disparity", 2, dtype, hidden_layer_sizes=())
    with torch.no_grad():
        criterion.head[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
        criterion.head[0].bias.zero_()
    rows = torch.tensor([[1e4, -1e4]], dtype=dtype, requires_grad=True)
    agreed, opposed = torch.eye(3, dtype=dtype)[[0]], torch.eye(3, dtype=dtype)[[1]]
    # The head is sure of the class that it is to avoid on the target.
    assert criterion(rows, rows, agreed, agreed).item() == pytest.approx(1e4)
    criterion(rows, rows, agreed, agreed).backward()
    torch.testing.assert_close(rows.grad, torch.tensor([[-2.0, -1.0]], dtype=dtype))
    # And of another one.
    assert criterion(rows, rows, agreed, opposed).item() == pytest.approx(0.0, abs=1e-12)


def test_heads_that_are_alike_have_no_discrepancy():
    criterion, classifier = make("discrepancy", 3), linear(3)
    criterion.second_head[0].load_state_dict(classifier.state_dict())
    source, target = batch(5, 3, 0), batch(7, 3, 1).requires_grad_()
    given = given_to("discrepancy", source, target, classifier)
    loss = criterion(*given)
    loss.backward()
    torch.testing.assert_close(loss, F.cross_entropy(classifier(source), given[2]))
    assert target.grad.abs().max() == 0


def two_classes(shift):
    """Return two classes side by side, and the target moved across."""
    labels = torch.arange(40) % 2
    rows = 0.5 * batch(40, 2, 0)
    rows[:, 0] += 4.0 * labels - 2.0
    return rows[:20], rows[20:] + shift, labels[:20]


def far_away():
    return torch.tensor([0.0, 4.0], dtype=torch.float64, requires_grad=True)


def game(name, criterion, classifier, shift):
    source, target, labels = two_classes(shift)
    if name == "disparity":
        return criterion(source, target, classifier(source), classifier(target))
    return criterion(source, target, labels, classifier)


def players(name):
    torch.manual_seed(0)
    criterion = MAKERS[name]().double()
    classifier = torch.nn.Linear(2, 2).double()
    with torch.no_grad():
        game(name, criterion, classifier, torch.zeros(2))
    return criterion, classifier


@every_criterion
def test_the_game_brings_the_domains_together(name):
    (criterion, classifier), shift = players(name), far_away()
    parameters = [shift, *criterion.parameters(), *classifier.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    distances = []
    for _ in range(800):
        source, _, labels = two_classes(shift)
        optimizer.zero_grad()
        task = F.cross_entropy(classifier(source), labels)
        (task + game(name, criterion, classifier, shift)).backward()
        optimizer.step()
        distances.append(shift.norm().item())
    assert mean(distances[-200:]) < 0.5 * distances[0]


@every_criterion
def test_alone_the_head_gets_better_and_the_features_make_it_worse(name):
    (criterion, classifier), shift = players(name), far_away()
    at_first = game(name, criterion, classifier, shift).item()
    optimizer = torch.optim.SGD(criterion.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        game(name, criterion, classifier, shift.detach()).backward()
        optimizer.step()
    learned = game(name, criterion, classifier, shift).item()
    assert learned < at_first - 0.1
    optimizer = torch.optim.SGD([shift], lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        game(name, criterion, classifier, shift).backward()
        optimizer.step()
    assert game(name, criterion, classifier, shift).item() > learned + 0.02


@every_criterion
def test_a_weight_scales_what_flows_into_the_network_and_nothing_else(name):
    criterion = make(name, 4, torch.float32)
    nothing = torch.zeros(0, dtype=torch.int64)

    def gradients_at(weight):
        features, classifier = (
            batch(9, 4, 0, torch.float32).requires_grad_(),
            linear(4, torch.float32),
        )
        at = StepTensors(
            n_source=5,
            features=features,
            outputs=classifier(features),
            labels=torch.tensor([0, 1, 2, 0, 1]),
            weight=None,
            source_indices=nothing,
            target_indices=nothing,
            classifier=classifier,
            progress=0.5,
        )
        criteria = WeightedCriteria(criterion)
        criteria(at, [weight])[0].backward()
        into_network = [features.grad, *(p.grad for p in classifier.parameters())]
        return [g for g in into_network if g is not None], [p.grad for p in criteria.parameters()]

    network, own = gradients_at(0.1)
    tenth_network, same_own = gradients_at(0.01)
    assert len(network) == (1 if name == "disparity" else 3)
    assert all(grad.abs().max() > 0 for grad in network + own)
    torch.testing.assert_close(tenth_network, [0.1 * grad for grad in network])
    torch.testing.assert_close(same_own, own)


@every_criterion
def test_copies_and_saved_states_give_the_same_loss(name):
    fresh = pickle.loads(pickle.dumps(copy.deepcopy(MAKERS[name]()))).double()
    criterion = make(name, 3)
    given = given_to(name, batch(5, 3, 0), batch(7, 3, 1), linear(3))
    expected = criterion(*given)
    fresh.load_state_dict(criterion.state_dict())
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion)), fresh):
        torch.testing.assert_close(other(*given), expected)
        assert head_of(other)[-1].out_features == N_CLASSES


@every_criterion
def test_a_look_in_inference_mode_does_not_spoil_training(name):
    criterion, classifier = make(name, 3), linear(3)
    source, target = batch(9, 3, 0), batch(11, 3, 1)
    with torch.inference_mode():
        seen = criterion(*given_to(name, source, target, classifier)).item()
    loss = criterion(*given_to(name, source.requires_grad_(), target, classifier))
    loss.backward()
    assert loss.item() == pytest.approx(seen)
    assert source.grad.abs().max() > 0


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan])
def test_a_bad_margin_is_named(margin):
    with pytest.raises(ValueError, match=f"margin={margin} must be a finite number above 0"):
        MarginDisparity(margin=margin)


def test_one_class_is_too_few_to_disagree():
    with pytest.raises(ValueError, match=r"source_logits has 1 columns: .* needs 2 classes"):
        MarginDisparity()(batch(2, 3, 0), batch(2, 3, 1), batch(2, 1, 2), batch(2, 1, 3))
