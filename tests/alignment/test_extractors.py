"""Criteria with extractors of their own: against loops in float64, both sides, edges."""

import copy
import math
import pickle

import pytest
import torch

from domadapt.alignment.domain_separation import DomainSeparation
from domadapt.alignment.untied_adversarial import UntiedAdversarial

# Source samples, target samples, inputs, features.
SHAPES = [(5, 7, 4, 3), (6, 6, 2, 4), (1, 4, 3, 2), (3, 1, 5, 5), (1, 1, 1, 1)]
every_shape = pytest.mark.parametrize(("n_source", "n_target", "p", "d"), SHAPES)
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
every_edge = pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one row", "far"])


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def edge_rows(kind, d, seed, dtype):
    """Return the samples of both domains."""
    source = batch(1 if kind == "one row" else 6, d, seed, dtype)
    target = batch(6, d, seed + 1, dtype)
    if kind in ("constant", "zero"):
        source = torch.full_like(source, 0.1 if kind == "constant" else 0.0)
    if kind in ("identical", "constant", "zero"):
        target = source.clone()
    if kind == "far":
        source, target = source * 1e4, target * -1e4
    return source, target


def extractor_of(p, d, dtype=torch.float64):
    """Build a feature extractor that is not the same in training and evaluation."""
    torch.manual_seed(1)
    extractor = torch.nn.Sequential(torch.nn.Linear(p, d), torch.nn.Dropout(0.5))
    return extractor.to(dtype)


def untied(p, d, dtype=torch.float64, hidden_layer_sizes=(6,)):
    """Build a criterion that has its sizes and its copy, and what it copied."""
    torch.manual_seed(0)
    criterion = UntiedAdversarial(hidden_layer_sizes=hidden_layer_sizes).to(dtype)
    extractor = extractor_of(p, d, dtype)
    with torch.no_grad():
        criterion(batch(2, p, 0, dtype), batch(2, d, 1, dtype), extractor)
    return criterion, extractor


def separation(p, d, dtype=torch.float64, **settings):
    """Build a criterion of few units that has its sizes."""
    torch.manual_seed(0)
    criterion = DomainSeparation(hidden_layer_sizes=(6,), **settings).to(dtype)
    with torch.no_grad():
        criterion(*separated(2, 3, p, d, dtype))
    return criterion


def separated(n_source, n_target, p, d, dtype=torch.float64):
    widths = (n_source, p), (n_target, p), (n_source, d), (n_target, d)
    return [batch(n, width, seed, dtype) for seed, (n, width) in enumerate(widths)]


def mean(values):
    return sum(values) / len(values)


def naive_layers(layers, row):
    for layer in layers:
        if isinstance(layer, torch.nn.ReLU):
            row = [max(value, 0.0) for value in row]
        elif isinstance(layer, torch.nn.Linear):
            weight, bias = layer.weight.tolist(), layer.bias.tolist()
            row = [
                sum(w * v for w, v in zip(ws, row, strict=True)) + b
                for ws, b in zip(weight, bias, strict=True)
            ]
    return row


@every_shape
def test_untied_loss_matches_the_sums(n_source, n_target, p, d):
    criterion, extractor = untied(p, d)
    source, target = batch(n_source, p, 2), batch(n_target, d, 3)
    on_source = [
        naive_layers(criterion.discriminator, naive_layers(extractor, row))[0]
        for row in source.tolist()
    ]
    on_target = [naive_layers(criterion.discriminator, row)[0] for row in target.tolist()]
    expected = mean([math.log1p(math.exp(-z)) for z in on_source]) / 2
    expected += mean([math.log1p(math.exp(z)) for z in on_target]) / 2
    expected += mean([math.log1p(math.exp(-z)) for z in on_target])
    assert criterion(source, target, extractor).item() == pytest.approx(expected, rel=1e-9)


@every_shape
def test_untied_gives_each_side_its_own_loss(n_source, n_target, p, d):
    criterion, extractor = untied(p, d)
    source, target = batch(n_source, p, 2), batch(n_target, d, 3).requires_grad_()
    weights = list(criterion.discriminator.parameters())
    ours = torch.autograd.grad(criterion(source, target, extractor), [target, *weights])
    on_source = criterion.discriminator(extractor.eval()(source)).sigmoid()
    on_target = criterion.discriminator(target).sigmoid()
    told_apart = -(on_source.log().mean() + (1 - on_target).log().mean()) / 2
    of_learner = torch.autograd.grad(told_apart, weights, retain_graph=True)
    of_target = torch.autograd.grad(-on_target.log().mean(), target)
    torch.testing.assert_close(ours, (*of_target, *of_learner))


@every_edge
@both_precisions
def test_untied_is_finite_at_the_edges(kind, dtype):
    criterion, extractor = untied(3, 3, dtype)
    source, inputs = edge_rows(kind, 3, 0, dtype)
    target = extractor(inputs)
    target.retain_grad()
    loss = criterion(source, target, extractor)
    loss.backward()
    own = criterion.discriminator.parameters()
    assert loss.isfinite()
    assert all(x.grad.isfinite().all() for x in (target, *extractor.parameters(), *own))


def test_the_source_extractor_is_a_copy_that_stays_as_it_was():
    criterion, extractor = untied(4, 3)
    source, before = batch(5, 4, 0), copy.deepcopy(extractor).eval()
    parameters = [*extractor.parameters(), *criterion.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        criterion.train()(source, extractor(batch(5, 4, 1)), extractor).backward()
        optimizer.step()
    assert criterion.training
    assert not any(module.training for module in criterion.source_extractor.modules())
    assert extractor.training
    assert torch.equal(criterion.source_extractor(source), before(source))
    assert not torch.equal(extractor[0].weight, before[0].weight)
    assert not any(p.requires_grad for p in criterion.source_extractor.parameters())


def test_a_discriminator_that_cannot_tell_costs_twice_the_logarithm_of_two():
    criterion, extractor = untied(4, 3)
    with torch.no_grad():
        criterion.discriminator[-1].weight.zero_()
        criterion.discriminator[-1].bias.zero_()
    loss = criterion(batch(5, 4, 0), batch(7, 3, 1), extractor)
    assert loss.item() == pytest.approx(2 * math.log(2))


def test_the_pull_does_not_vanish_where_the_discriminator_is_sure():
    criterion, extractor = untied(1, 1, hidden_layer_sizes=())
    with torch.no_grad():
        criterion.discriminator[0].weight.fill_(1.0)
        criterion.discriminator[0].bias.zero_()
    target = torch.full((2, 1), -50.0, dtype=torch.float64, requires_grad=True)
    criterion(batch(3, 1, 0), target, extractor).backward()
    torch.testing.assert_close(target.grad, torch.full_like(target, -0.5))


def test_the_untied_game_brings_the_target_to_the_source():
    criterion, _ = untied(2, 2, hidden_layer_sizes=(16,))
    criterion.source_extractor = torch.nn.Identity()
    rows, shift = batch(40, 2, 0), torch.full((2,), 3.0, dtype=torch.float64, requires_grad=True)
    learner = torch.optim.SGD(criterion.parameters(), lr=0.1)
    mover = torch.optim.SGD([shift], lr=0.02)
    distances = []
    for _ in range(800):
        learner.zero_grad()
        mover.zero_grad()
        criterion(rows[:20], rows[20:] + shift, None).backward()
        learner.step()
        mover.step()
        distances.append((rows[:20].mean(0) - rows[20:].mean(0) - shift).norm().item())
    assert mean(distances[-200:]) < 0.5 * distances[0]


def test_a_look_in_inference_mode_does_not_spoil_training():
    criterion, extractor = UntiedAdversarial(in_features=3).double(), extractor_of(4, 3)
    source, target = batch(5, 4, 0), batch(7, 3, 1)
    with torch.inference_mode():
        seen = criterion(source, target, extractor).item()
    loss = criterion(source, target.requires_grad_(), extractor)
    loss.backward()
    assert loss.item() == pytest.approx(seen)
    assert target.grad.abs().max() > 0


def naive_directions(rows):
    centre = [mean(column) for column in zip(*rows, strict=True)]
    centred = [[v - c for v, c in zip(row, centre, strict=True)] for row in rows]
    return [[v / (math.hypot(*row) or 1.0) for v in row] for row in centred]


def naive_difference(private, shared):
    private, shared = naive_directions(private), naive_directions(shared)
    total = 0.0
    for i in range(len(private[0])):
        for j in range(len(shared[0])):
            pairs = zip(private, shared, strict=True)
            total += sum(e[i] * f[j] for e, f in pairs) ** 2
    return total / len(private) ** 2


def naive_separation(criterion, given):
    total = 0.0
    encoders = criterion.source_encoder, criterion.target_encoder
    for encoder, inputs, shared in zip(encoders, given[:2], given[2:], strict=True):
        inputs, shared = inputs.tolist(), shared.tolist()
        private = [naive_layers(encoder, row) for row in inputs]
        errors = []
        for row, e, f in zip(inputs, private, shared, strict=True):
            both = [a + b for a, b in zip(e, f, strict=True)]
            rebuilt = naive_layers(criterion.decoder, both)
            errors += [(a - b) ** 2 for a, b in zip(row, rebuilt, strict=True)]
        total += criterion.reconstruction_weight * mean(errors)
        total += criterion.difference_weight * naive_difference(private, shared)
    return total


@every_shape
@pytest.mark.parametrize("settings", [{}, {"reconstruction_weight": 0.0}, {"difference_weight": 3}])
def test_separation_matches_the_sums(settings, n_source, n_target, p, d):
    criterion, given = separation(p, d, **settings), separated(n_source, n_target, p, d)
    expected = naive_separation(criterion, given)
    assert criterion(*given).item() == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("n_source", "n_target", "p", "d"), SHAPES[:2])
def test_gradient_of_separation_is_the_derivative(n_source, n_target, p, d):
    criterion = separation(p, d, difference_weight=1.0)
    *inputs, source, target = separated(n_source, n_target, p, d)
    features = source.requires_grad_(), target.requires_grad_()
    assert torch.autograd.gradcheck(lambda *rows: criterion(*inputs, *rows), features)
    criterion(*inputs, *features).backward()
    assert all(x.grad.abs().max() > 0 for x in (*features, *criterion.parameters()))


@every_edge
@both_precisions
def test_separation_is_finite_at_the_edges(kind, dtype):
    criterion = separation(4, 3, dtype)
    inputs, features = edge_rows(kind, 4, 0, dtype), edge_rows(kind, 3, 1, dtype)
    features = [x.requires_grad_() for x in features]
    loss = criterion(*inputs, *features)
    loss.backward()
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert all(x.grad.isfinite().all() for x in (*features, *criterion.parameters()))


@both_precisions
def test_rounding_is_no_direction(dtype):
    criterion = separation(4, 3, dtype, reconstruction_weight=0.0, difference_weight=1.0)
    inputs = [batch(7, 4, seed, dtype) for seed in (0, 1)]
    features = [torch.full((7, 3), 0.1, dtype=dtype, requires_grad=True) for _ in inputs]
    loss = criterion(*inputs, *features)
    loss.backward()
    assert loss.item() < 1e-6
    assert all(x.grad.abs().max() < 1.0 for x in features)


def only_difference(private, shared):
    """Return the difference term of private features that are the inputs themselves."""
    criterion = separation(3, 3, reconstruction_weight=0.0, difference_weight=1.0)
    criterion.source_encoder[-1] = torch.nn.Identity()
    criterion.source_encoder[0] = torch.nn.Identity()
    criterion.source_encoder[1] = torch.nn.Identity()
    nothing = torch.zeros(1, 3, dtype=torch.float64)
    return criterion(private, nothing, shared, nothing).item()


def test_the_difference_is_from_0_to_1_whatever_the_batch_size():
    side = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [1.0, 0, 0], [-1.0, 0, 0]]).double()
    other = torch.tensor([[0, 1.0, 0], [0, 1.0, 0], [0, -1.0, 0], [0, -1.0, 0]]).double()
    assert only_difference(side, other) == pytest.approx(0.0, abs=1e-15)
    assert only_difference(side, 5.0 * side + 1.0) == pytest.approx(1.0)
    private, shared = batch(5, 3, 0), batch(5, 3, 1)
    once = only_difference(private, shared)
    assert 0.0 < once < 1.0
    assert only_difference(private.repeat(4, 1), shared.repeat(4, 1)) == pytest.approx(once)


def test_training_rebuilds_the_inputs_and_parts_the_features():
    criterion = separation(4, 3, reconstruction_weight=1.0, difference_weight=1.0)
    inputs = batch(30, 4, 0), batch(30, 4, 0) + 2.0
    features = [rows[:, :3].clone().requires_grad_() for rows in inputs]
    optimizer = torch.optim.Adam([*features, *criterion.parameters()], lr=0.02)

    def terms():
        criterion.difference_weight = 0.0
        rebuilding = criterion(*inputs, *features).item()
        criterion.difference_weight = 1.0
        return rebuilding, criterion(*inputs, *features).item() - rebuilding

    rebuilding_at_first, difference_at_first = terms()
    for _ in range(300):
        optimizer.zero_grad()
        criterion(*inputs, *features).backward()
        optimizer.step()
    rebuilding, difference = terms()
    assert rebuilding < 0.2 * rebuilding_at_first
    assert difference < 0.5 * difference_at_first


def test_images_are_flattened():
    given = separated(5, 7, 12, 3)
    criterion = separation(12, 3)
    images = [rows.unflatten(1, (3, 2, 2)) for rows in given[:2]]
    torch.testing.assert_close(criterion(*images, *given[2:]), criterion(*given))


def test_copies_and_saved_states_give_the_same_loss():
    given = separated(5, 7, 4, 3)
    criterion = separation(4, 3)
    fresh = pickle.loads(pickle.dumps(copy.deepcopy(DomainSeparation(hidden_layer_sizes=(6,)))))
    fresh.double().load_state_dict(criterion.state_dict())
    for other in (fresh, copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        torch.testing.assert_close(other(*given), criterion(*given))
        assert other.decoder[-1].out_features == 4
    criterion, _ = untied(4, 3)
    fresh = UntiedAdversarial(hidden_layer_sizes=(6,)).double()
    fresh(given[0], given[3], extractor_of(4, 3))
    fresh.load_state_dict(criterion.state_dict())
    given = [given[0], given[3], None]
    for other in (fresh, copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        torch.testing.assert_close(other(*given), criterion(*given))


@pytest.mark.parametrize("name", ["reconstruction_weight", "difference_weight"])
@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, "1"])
def test_bad_weights_are_named(name, weight):
    with pytest.raises(ValueError, match=f"{name}={weight!r} must be a finite number of at least"):
        DomainSeparation(**{name: weight})
