"""A target with fewer or more classes than the source: against loops in float64, edges."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F

from domadapt.alignment.open_set import OpenSetBackpropagation
from domadapt.alignment.partial_adversarial import PartialAdversarial

SHAPES = [(5, 7, 3), (6, 6, 4), (1, 4, 2), (3, 1, 5), (1, 1, 1)]
N_CLASSES = 3
every_shape = pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def linear(d, n_outputs=N_CLASSES, dtype=torch.float64):
    """Build a network's classifier."""
    layer = torch.nn.Linear(d, n_outputs)
    with torch.no_grad():
        layer.weight.copy_(batch(n_outputs, d, 2))
        layer.bias.copy_(batch(1, n_outputs, 3)[0])
    return layer.to(dtype)


def mean(values):
    return sum(values) / len(values)


def naive_softmax(logits):
    exps = [math.exp(z - max(logits)) for z in logits]
    return [e / sum(exps) for e in exps]


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


def naive_class_weights(rows):
    p = [naive_softmax(row) for row in rows]
    share = [mean([row[k] for row in p]) for k in range(len(p[0]))]
    return [s / max(share) for s in share]


# A target with fewer classes.


def partial_inputs(n_source, n_target, d, dtype=torch.float64):
    return [
        batch(n_source, d, 0, dtype),
        batch(n_target, d, 1, dtype),
        batch(n_source, N_CLASSES, 2, dtype),
        torch.arange(n_source) % N_CLASSES,
    ]


def make_partial(d, dtype=torch.float64, n_rows=11):
    """Build a criterion of few units that is in its first epoch."""
    torch.manual_seed(0)
    criterion = PartialAdversarial(
        adversarial_weight=1.0, hidden_layer_sizes=(6,), in_features=d
    ).to(dtype)
    if n_rows:
        criterion.begin_epoch(batch(n_rows, d, 4, dtype), batch(n_rows, N_CLASSES, 5, dtype))
    return criterion


@pytest.mark.parametrize(("n_rows", "n_classes"), [(1, 2), (6, 3), (9, 5), (4, 1)])
def test_class_weights_match_the_sums(n_rows, n_classes):
    criterion, logits = PartialAdversarial(), 3.0 * batch(n_rows, n_classes, 0)
    criterion.begin_epoch(batch(n_rows, 2, 1), logits)
    expected = naive_class_weights(logits.tolist())
    assert criterion.class_weight.tolist() == pytest.approx(expected, rel=1e-12)
    assert criterion.class_weight.max() == 1.0


@every_shape
@pytest.mark.parametrize("n_rows", [0, 1, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_partial_matches_the_sums(weighted, n_rows, n_source, n_target, d):
    criterion = make_partial(d, n_rows=n_rows)
    source, target, logits, labels = given = partial_inputs(n_source, n_target, d)
    gamma = [1.0] * N_CLASSES
    if n_rows:
        gamma = naive_class_weights(batch(n_rows, N_CLASSES, 5).tolist())
    weights = [0.5 + i for i in range(n_source)] if weighted else [1.0] * n_source
    of_rows = [gamma[label] for label in labels.tolist()]
    expected = 0.0
    for i, row in enumerate(source.tolist()):
        odds = math.exp(naive_head(criterion.discriminator, row)[0])
        expected -= 0.5 * of_rows[i] / sum(of_rows) * math.log(odds / (1 + odds))
        task = -math.log(naive_softmax(logits[i].tolist())[labels[i]])
        expected += (of_rows[i] - 1) * weights[i] * task / n_source
    for row in target.tolist():
        odds = math.exp(naive_head(criterion.discriminator, row)[0])
        expected += 0.5 * math.log(1 + odds) / n_target
    extra = {"source_weight": torch.tensor(weights, dtype=torch.float64)} if weighted else {}
    assert criterion(*given, **extra).item() == pytest.approx(expected, rel=1e-9)


@every_shape
def test_partial_gradient_is_reversed_on_features_alone(n_source, n_target, d):
    criterion = make_partial(d)
    source, target, logits, labels = partial_inputs(n_source, n_target, d)
    rows = [x.requires_grad_() for x in (source, target, logits)]
    inputs = [*rows, *criterion.parameters()]
    ours = torch.autograd.grad(criterion(*rows, labels), inputs)
    gamma = criterion.class_weight[labels]
    likely_source = torch.sigmoid(criterion.discriminator(source))[:, 0]
    likely_target = torch.sigmoid(-criterion.discriminator(target))[:, 0]
    plain = (
        -(gamma * likely_source.log()).sum() / (2 * gamma.sum()) - likely_target.log().mean() / 2
    )
    task = -logits.log_softmax(1)[torch.arange(n_source), labels]
    plain = plain + ((gamma - 1) * task).mean()
    expected = torch.autograd.grad(plain, inputs)
    torch.testing.assert_close(ours, (-expected[0], -expected[1], *expected[2:]))
    assert ours[1].abs().max() > 0


def test_partial_gradient_of_logits_and_discriminator_is_the_derivative():
    criterion = make_partial(3)
    source, target, logits, labels = partial_inputs(5, 7, 3)
    names = [name for name, _ in criterion.named_parameters()]

    def loss_at(logits, *values):
        given = (source, target, logits, labels)
        return torch.func.functional_call(criterion, dict(zip(names, values, strict=True)), given)

    values = [x.detach().clone().requires_grad_() for x in (logits, *criterion.parameters())]
    assert torch.autograd.gradcheck(loss_at, values)


@pytest.mark.parametrize("weighted", [False, True])
def test_with_the_task_loss_it_is_the_class_weighted_task_loss(weighted):
    criterion = make_partial(3)
    source, target, logits, labels = partial_inputs(7, 4, 3)
    logits.requires_grad_()
    weight = torch.linspace(0.5, 1.5, 7, dtype=torch.float64) if weighted else torch.ones(7)
    losses = F.cross_entropy(logits, labels, reduction="none")
    both = (weight * losses).mean() + criterion(source, target, logits, labels, weight)
    (ours,) = torch.autograd.grad(both, logits, retain_graph=True)
    weighed = (criterion.class_weight[labels] * weight * losses).mean()
    torch.testing.assert_close(ours, torch.autograd.grad(weighed, logits)[0])


@every_dtype
@pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one row", "far", "absent"])
def test_partial_is_finite_at_the_edges(kind, dtype):
    n_source = 1 if kind == "one row" else 6
    source, target, logits, labels = partial_inputs(n_source, 6, 3, dtype)
    if kind in ("constant", "zero"):
        source = torch.full_like(source, 0.1 if kind == "constant" else 0.0)
        logits = torch.zeros_like(logits)
    if kind in ("identical", "constant", "zero"):
        target = source.clone()
    if kind == "far":
        source, target, logits = source * 1e4, target * -1e4, logits.sign() * 1e4
        logits[::2] *= -1.0
    criterion = make_partial(3, dtype)
    if kind == "absent":
        # The target is of one class beyond all doubt, and the batch has no sample of it.
        sure = torch.tensor([[-1e4, -1e4, 1e4]], dtype=dtype)
        criterion.begin_epoch(target, sure.expand(6, 3))
        assert criterion.class_weight.tolist() == [0.0, 0.0, 1.0]
        labels = labels.clamp_max(1)
    rows = [x.requires_grad_() for x in (source, target, logits)]
    loss = criterion(*rows, labels)
    loss.backward()
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert all(x.grad.isfinite().all() for x in (*rows, *criterion.parameters()))


def test_source_samples_of_a_class_that_the_target_lacks_feel_nothing():
    criterion = make_partial(3)
    criterion.begin_epoch(batch(4, 3, 1), torch.tensor([[1e4, 1e4, -1e4]]).double().expand(4, 3))
    source, target, logits, labels = partial_inputs(6, 6, 3)
    weight = torch.ones(6, dtype=torch.float64)
    rows = [x.requires_grad_() for x in (source, target, logits)]
    task = F.cross_entropy(logits, labels)
    (task + criterion(*rows, labels, weight)).backward()
    outside = labels == 2
    assert source.grad[outside].abs().max() == 0
    assert logits.grad[outside].abs().max() < 1e-15
    assert (source.grad[~outside].abs().amax(1) > 0).all()
    assert (logits.grad[~outside].abs().amax(1) > 0).all()


def test_class_weights_keep_the_target_from_classes_that_it_lacks():
    noise = 0.5 * batch(60, 2, 0)
    labels = torch.arange(40) % 2
    source = noise[:40].clone()
    source[:, 0] += 4.0 * labels  # One class at 0 and one at 4; the target has the first alone.

    def distance_after_the_game(likely):
        torch.manual_seed(0)
        criterion = PartialAdversarial(
            adversarial_weight=1.0, hidden_layer_sizes=(32,), in_features=2
        ).double()
        criterion.begin_epoch(noise, torch.tensor(likely).double().log().expand(20, 2))
        shift = torch.tensor([2.0, 2.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([shift, *criterion.parameters()], lr=0.1)
        seen = []
        for _ in range(600):
            optimizer.zero_grad()
            criterion(source, noise[40:] + shift, torch.zeros(40, 2).double(), labels).backward()
            optimizer.step()
            seen.append(shift.detach().norm().item())
        return mean(seen[-200:])

    weighted = distance_after_the_game([0.99, 0.01])
    assert weighted < 1.0
    assert weighted < 0.5 * distance_after_the_game([0.5, 0.5])


def test_partial_copies_give_the_same_loss_and_a_state_can_be_loaded_before_an_epoch():
    criterion, given = make_partial(3), partial_inputs(5, 7, 3)
    expected = criterion(*given)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        torch.testing.assert_close(other(*given), expected)
    fresh = PartialAdversarial(hidden_layer_sizes=(6,)).double()
    fresh.load_state_dict(criterion.state_dict())
    fresh.begin_epoch(batch(11, 3, 4), batch(11, N_CLASSES, 5))
    torch.testing.assert_close(fresh(*given), expected)


def test_partial_can_be_looked_at_in_inference_mode():
    criterion, given = make_partial(3, n_rows=0), partial_inputs(5, 7, 3)
    with torch.inference_mode():
        criterion.begin_epoch(batch(11, 3, 4), batch(11, N_CLASSES, 5))
        seen = criterion(*given).item()
    given[0].requires_grad_()
    loss = criterion(*given)
    loss.backward()
    assert loss.item() == pytest.approx(seen)
    assert given[0].grad.abs().max() > 0


def test_later_epochs_write_the_class_weights_in_place():
    criterion = make_partial(3)
    before, values = criterion.class_weight, criterion.class_weight.clone()
    criterion.begin_epoch(batch(8, 3, 0), batch(8, N_CLASSES, 7).requires_grad_())
    assert criterion.class_weight is before
    assert not criterion.class_weight.requires_grad
    assert not torch.equal(criterion.class_weight, values)


# A target with more classes.


@pytest.mark.parametrize(("n", "d", "n_outputs"), [(5, 3, 4), (7, 2, 2), (1, 4, 3), (1, 1, 2)])
@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.95])
def test_open_set_matches_the_sums(threshold, n, d, n_outputs):
    classifier, rows = linear(d, n_outputs), batch(n, d, 0)
    expected = 0.0
    for row in rows.tolist():
        u = naive_softmax(naive_head([classifier], row))[-1]
        expected -= (threshold * math.log(u) + (1 - threshold) * math.log(1 - u)) / n
    loss = OpenSetBackpropagation(threshold=threshold)(rows, classifier)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_open_set_gradient_is_reversed_on_features_alone(threshold):
    classifier, rows = linear(3, 4), batch(6, 3, 0).requires_grad_()
    inputs = [rows, *classifier.parameters()]
    criterion = OpenSetBackpropagation(threshold=threshold)
    ours = torch.autograd.grad(criterion(rows, classifier), inputs)
    u = classifier(rows).softmax(1)[:, -1]
    plain = -(threshold * u.log() + (1 - threshold) * (1 - u).log()).mean()
    expected = torch.autograd.grad(plain, inputs)
    torch.testing.assert_close(ours, (-expected[0], *expected[1:]))
    assert all(grad.abs().max() > 0 for grad in ours)


def test_open_set_gradient_of_the_classifier_is_the_derivative():
    rows, criterion = batch(5, 3, 0), OpenSetBackpropagation(threshold=0.3)

    def loss_at(weight, bias):
        return criterion(rows, lambda x: F.linear(x, weight, bias))

    values = [p.detach().clone().requires_grad_() for p in linear(3, 4).parameters()]
    assert torch.autograd.gradcheck(loss_at, values)


@every_dtype
@pytest.mark.parametrize("kind", ["constant", "zero", "one row", "far", "sure"])
def test_open_set_is_finite_at_the_edges(kind, dtype):
    rows = batch(1 if kind == "one row" else 6, 3, 0, dtype)
    if kind in ("constant", "zero"):
        rows = torch.full_like(rows, 0.1 if kind == "constant" else 0.0)
    if kind == "far":
        rows = rows * 1e4
    classifier = linear(3, 4, dtype)
    if kind == "sure":
        rows = 1e4 * torch.tensor([[1, -1, -1], [-1, -1, 1], [1, 1, 1]], dtype=dtype)
        classifier = torch.nn.Identity()
    rows.requires_grad_()
    loss = OpenSetBackpropagation()(rows, classifier)
    loss.backward()
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert all(x.grad.isfinite().all() for x in (rows, *classifier.parameters()))
    if kind == "sure":
        # Known at odds of 2 e^20000, unknown at half such odds, and the last sample by one third.
        expected = (2e4 - 0.5 * math.log(2) + 0.5 * math.log(3) + 0.5 * math.log(1.5)) / 3
        assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("threshold", [0.5, 0.1])
def test_open_set_loss_is_least_at_the_threshold(threshold):
    criterion = OpenSetBackpropagation(threshold=threshold)

    def loss_at(u):
        logits = torch.tensor([[(1 - u) / 2, (1 - u) / 2, u]], dtype=torch.float64).log()
        logits.requires_grad_()
        loss = criterion(logits, torch.nn.Identity())
        loss.backward()
        return loss.item(), logits.grad

    least, grad = loss_at(threshold)
    entropy = -threshold * math.log(threshold) - (1 - threshold) * math.log(1 - threshold)
    assert least == pytest.approx(entropy, rel=1e-12)
    assert grad.abs().max() < 1e-12
    for u in (0.5 * threshold, threshold + 0.04):
        value, grad = loss_at(u)
        assert value > least
        # Descending, the features go on in the direction in which they are.
        assert (-grad[0, -1] > 0) == (u > threshold)


def test_open_set_sorts_out_a_class_that_the_source_lacks():
    noise = 0.4 * batch(90, 2, 0)
    labels, target_labels = torch.arange(30) % 2, torch.arange(60) % 3
    centres = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    source, target = noise[:30] + centres[labels], noise[30:] + centres[target_labels]
    torch.manual_seed(0)
    extractor = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU()).double()
    classifier = torch.nn.Linear(32, 3).double()
    criterion = OpenSetBackpropagation()
    optimizer = torch.optim.SGD([*extractor.parameters(), *classifier.parameters()], lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        task = F.cross_entropy(classifier(extractor(source)), labels)
        (task + criterion(extractor(target), classifier)).backward()
        optimizer.step()
    predicted = classifier(extractor(target)).argmax(1)
    assert (predicted == target_labels).double().mean() > 0.9


@pytest.mark.parametrize("threshold", [None, 0.0, 1.0, -0.5, math.nan, "half"])
def test_a_bad_threshold_is_told_what_to_use(threshold):
    with pytest.raises(ValueError, match=r"needs a threshold such as 0\.5"):
        OpenSetBackpropagation(threshold=threshold)


def test_a_classifier_without_a_column_for_unknown_is_named():
    with pytest.raises(ValueError, match=r"classifier returned 1 columns: .* for unknown"):
        OpenSetBackpropagation()(batch(2, 3, 0), linear(3, 1))


def test_open_set_says_how_wide_the_classifier_is_and_can_be_copied():
    criterion = OpenSetBackpropagation(threshold=0.3)
    assert criterion.n_extra_logits == 1
    given = batch(4, 3, 0), linear(3, 4)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(other(*given), criterion(*given))
