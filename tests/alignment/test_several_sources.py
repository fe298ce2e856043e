"""Criteria that know several sources apart: against loops in float64, both sides, edges."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch

from domadapt.alignment.adversarial import DomainAdversarial
from domadapt.alignment.conditional_adversarial import ConditionalAdversarial
from domadapt.alignment.moment_matching import MomentMatching

N_CLASSES = 3
# The source of each source sample, how many sources there are, target samples, features.
CASES = {
    "three": ([0, 2, 1, 1, 0, 2, 2], 3, 5, 3),
    "one is absent": ([3, 0, 3, 3, 1], 4, 4, 2),
    "one is present": ([1, 1, 1], 2, 4, 2),
    "one row each": ([1, 0], 2, 1, 4),
    "one source row": ([2], 3, 3, 3),
    "one column": ([1, 0, 1, 0, 0], 2, 6, 1),
}
MAKERS = {
    "dann": DomainAdversarial,
    "cdan": partial(ConditionalAdversarial, entropy=False),
    "cdan, entropy": ConditionalAdversarial,
    "cdan, random": partial(ConditionalAdversarial, max_product=0, n_random=7),
}
every_case = pytest.mark.parametrize("case", CASES)
every_discriminator = pytest.mark.parametrize("name", MAKERS)
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def one_hot(numbers, n_sources, dtype=torch.float32):
    return torch.eye(n_sources, dtype=dtype)[torch.tensor(numbers)]


def rows_for(name, n_source, n_target, d, dtype=torch.float64):
    """Return what the criterion asks for beside the sources."""
    features = [batch(n_source, d, 0, dtype), batch(n_target, d, 1, dtype)]
    if name == "dann":
        return features
    return features + [batch(n, N_CLASSES, 2 + n, dtype) for n in (n_source, n_target)]


def given_in(name, case, dtype=torch.float64):
    numbers, n_sources, n_target, d = CASES[case]
    return [*rows_for(name, len(numbers), n_target, d, dtype), one_hot(numbers, n_sources)]


def make(name, given, dtype=torch.float64):
    """Build a criterion of few units that has its sizes."""
    torch.manual_seed(0)
    criterion = MAKERS[name](hidden_layer_sizes=(6,)).to(dtype)
    with torch.no_grad():
        criterion(*given)
    return criterion


def mean(values):
    return sum(values) / len(values)


def naive_head(head, row):
    for layer in head:
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


def naive_product(product, features, classes):
    if len(product.feature_projection) == 0:
        return [f * p for f in features for p in classes]
    by_hand = [
        [sum(v * w for v, w in zip(values, column, strict=True)) for column in zip(*m, strict=True)]
        for values, m in (
            (features, product.feature_projection.tolist()),
            (classes, product.class_projection.tolist()),
        )
    ]
    return [f * p / math.sqrt(len(by_hand[0])) for f, p in zip(*by_hand, strict=True)]


def naive_adversarial(name, criterion, given, case):
    numbers, n_sources, n_target, _ = CASES[case]
    rows = torch.cat(given[:2]).tolist()
    trust = [1.0] * len(rows)
    if name != "dann":
        classes = [naive_softmax(logits) for logits in torch.cat(given[2:4]).tolist()]
        rows = [naive_product(criterion.product, *pair) for pair in zip(rows, classes, strict=True)]
    if name in ("cdan, entropy", "cdan, random"):
        trust = [1 + math.exp(sum(p * math.log(p) for p in ps)) for ps in classes]
    domains = numbers + [n_sources] * n_target
    loss = 0.0
    for domain in set(domains):
        members = [i for i, number in enumerate(domains) if number == domain]
        share = 1 / (n_sources + 1) / sum(trust[i] for i in members)
        for i in members:
            probability = naive_softmax(naive_head(criterion.discriminator, rows[i]))[domain]
            loss -= trust[i] * share * math.log(probability)
    return loss


@every_case
@every_discriminator
def test_adversarial_loss_matches_the_sums(name, case):
    given = given_in(name, case)
    criterion = make(name, given)
    expected = naive_adversarial(name, criterion, given, case)
    assert criterion(*given).item() == pytest.approx(expected, rel=1e-9)


@every_case
@every_discriminator
def test_gradient_goes_down_in_the_discriminator_and_up_in_the_features(name, case):
    given = given_in(name, case)
    numbers, n_sources, n_target, _ = CASES[case]
    criterion = make(name, given)
    features = [x.requires_grad_() for x in given[:2]]
    parameters = list(criterion.discriminator.parameters())
    ours = torch.autograd.grad(criterion(*given), [*features, *parameters])
    rows, trust = torch.cat(features), torch.ones(len(numbers) + n_target)
    if name != "dann":
        classes = torch.cat(given[2:4]).softmax(1)
        rows = criterion.product(rows, classes)
        if criterion.entropy:
            trust = 1 + torch.exp((classes * classes.log()).sum(1))
    labels = torch.tensor(numbers + [n_sources] * n_target)
    chosen = criterion.discriminator(rows).softmax(1)[range(len(labels)), labels].log()
    parts = [(trust * chosen)[labels == n].sum() / trust[labels == n].sum() for n in set(numbers)]
    parts.append((trust * chosen)[len(numbers) :].sum() / trust[len(numbers) :].sum())
    plain = -sum(parts) / (n_sources + 1)
    expected = torch.autograd.grad(plain, [*features, *parameters])
    torch.testing.assert_close(ours, (-expected[0], -expected[1], *expected[2:]))
    assert expected[1].abs().max() > 0


@every_discriminator
def test_one_column_changes_no_bit(name):
    given = rows_for(name, 5, 7, 3)
    criterion = make(name, given)

    def loss_and_gradients(*source_domains):
        features = [x.clone().requires_grad_() for x in given[:2]]
        loss = criterion(*features, *given[2:], *source_domains)
        return [loss, *torch.autograd.grad(loss, [*features, *criterion.parameters()])]

    alone = loss_and_gradients()
    for values in (loss_and_gradients(None), loss_and_gradients(torch.ones(5, 1))):
        assert all(torch.equal(*pair) for pair in zip(values, alone, strict=True))
    assert criterion.discriminator[-1].out_features == 1


@every_discriminator
@both_precisions
@pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one row", "far"])
def test_adversarial_is_finite_at_the_edges(name, dtype, kind):
    check_finite_at_the_edge(name, partial(make, name), dtype, kind)


@both_precisions
@pytest.mark.parametrize("n_moments", [1, 2, 3])
@pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one row", "far"])
def test_moments_are_finite_at_the_edges(n_moments, dtype, kind):
    check_finite_at_the_edge("dann", lambda *_: MomentMatching(n_moments=n_moments), dtype, kind)


def check_finite_at_the_edge(name, build, dtype, kind):
    n_source = 1 if kind == "one row" else 6
    source, target, *logits = rows_for(name, n_source, 6, 3, dtype)
    if kind in ("constant", "zero"):
        source = torch.full_like(source, 0.1 if kind == "constant" else 0.0)
    if kind in ("identical", "constant", "zero"):
        target = source.clone()
    if kind == "far":
        source, target, logits = source * 1e4, target * -1e4, [1e4 * z for z in logits]
    given = [source.requires_grad_(), target.requires_grad_(), *logits]
    given.append(one_hot([0, 1, 1, 0, 0, 1][:n_source], 3))
    criterion = build(given, dtype)
    loss = criterion(*given)
    loss.backward()
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert all(x.grad.isfinite().all() for x in (source, target, *criterion.parameters()))


@every_discriminator
def test_what_cannot_be_told_apart_costs_the_logarithm_of_the_domains(name):
    given = given_in(name, "three")
    criterion = make(name, given)
    with torch.no_grad():
        criterion.discriminator[-1].weight.zero_()
        criterion.discriminator[-1].bias.zero_()
    assert criterion(*given).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("name", ["dann", "cdan", "moments"])
def test_the_game_brings_all_domains_together(name):
    numbers = [0, 1] * 10
    shifts = torch.tensor([[2.0, 0.0], [0.0, 2.0], [-2.0, -2.0]], dtype=torch.float64)
    shifts.requires_grad_()
    noise = batch(40, 2, 0)

    def given():
        features = noise + torch.cat([shifts[numbers], shifts[[2]].expand(20, -1)])
        logits = [torch.zeros(20, N_CLASSES)] * 2 if name == "cdan" else []
        return [features[:20], features[20:], *logits, one_hot(numbers, 2)]

    criterion = MomentMatching() if name == "moments" else make(name, given())
    optimizer = torch.optim.SGD([shifts, *criterion.parameters()], lr=0.05)
    spreads = []
    for _ in range(800):
        optimizer.zero_grad()
        criterion(*given()).backward()
        optimizer.step()
        spreads.append(torch.pdist(shifts).max().item())
    assert mean(spreads[-200:]) < 0.5 * spreads[0]


@every_discriminator
def test_another_number_of_sources_is_named(name):
    given = given_in(name, "three")
    criterion = make(name, given)
    with pytest.raises(ValueError, match=r"came for 2 source\(s\), .* 4 output\(s\) where 3 "):
        criterion(*given[:-1], given[-1][:, :2])
    with pytest.raises(ValueError, match=r"came for 1 source\(s\), .* n_sources=1 too"):
        criterion(*given[:-1])


def test_layers_of_a_given_width_take_the_number_of_sources():
    given = given_in("dann", "three")
    criterion = DomainAdversarial(hidden_layer_sizes=(4,), in_features=3, n_sources=3).double()
    expected = naive_adversarial("dann", criterion, given, "three")
    assert criterion(*given).item() == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match=r"came for 3 source\(s\), .* it takes n_sources=3 too"):
        DomainAdversarial(in_features=3).double()(*given)


@every_discriminator
def test_copies_and_saved_states_give_the_same_loss(name):
    given = given_in(name, "three")
    criterion = make(name, given)
    fresh = pickle.loads(pickle.dumps(copy.deepcopy(MAKERS[name](hidden_layer_sizes=(6,)))))
    fresh.double().load_state_dict(criterion.state_dict())
    for other in (fresh, copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        torch.testing.assert_close(other(*given), criterion(*given))
        assert other.discriminator[-1].out_features == 4


def naive_moments(given, case, n_moments):
    numbers, _, _, d = CASES[case]
    groups = [
        [row for row, number in zip(given[0].tolist(), numbers, strict=True) if number == source]
        for source in sorted(set(numbers))
    ]
    groups.append(given[1].tolist())
    total = 0.0
    for k in range(1, n_moments + 1):
        *of_sources, of_target = (
            [mean([row[column] ** k for row in rows]) for column in range(d)] for rows in groups
        )
        total += mean([math.dist(moment, of_target) for moment in of_sources])
        pairs = [(a, b) for i, a in enumerate(of_sources) for b in of_sources[:i]]
        total += mean([math.dist(*pair) for pair in pairs]) if pairs else 0.0
    return total


@every_case
@pytest.mark.parametrize("n_moments", [1, 2, 4])
def test_moments_match_the_sums(n_moments, case):
    given = given_in("dann", case)
    expected = naive_moments(given, case, n_moments)
    assert MomentMatching(n_moments=n_moments)(*given).item() == pytest.approx(expected, rel=1e-9)


@every_case
def test_gradient_of_moments_is_the_derivative(case):
    source, target, source_domains = given_in("dann", case)
    features = source.requires_grad_(), target.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *given: MomentMatching(n_moments=3)(*given, source_domains), features
    )
    assert (
        torch.autograd.grad(MomentMatching()(*features, source_domains), features)[1].abs().max()
        > 0
    )


def test_domains_that_are_alike_have_no_distance_and_no_pull():
    rows = batch(4, 3, 0)
    source = torch.cat([rows, rows.flip(0)]).requires_grad_()
    loss = MomentMatching(n_moments=4)(source, rows, one_hot([0] * 4 + [1] * 4, 2))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert source.grad.isfinite().all()
    moved = MomentMatching(n_moments=4)(source + 0.1, rows, one_hot([0] * 4 + [1] * 4, 2))
    assert moved.item() > 0.1


def test_moments_need_several_sources():
    assert MomentMatching.needs_several_sources
    with pytest.raises(ValueError, match=r"1 source; .* Name them 1, 2, ... in sample_domain, or"):
        MomentMatching()(batch(3, 2, 0), batch(3, 2, 1), torch.ones(3, 1))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MomentMatching(n_moments=0), "n_moments=0 must be an integer of at least 1"),
        (lambda: MomentMatching(n_moments=1.5), "n_moments=1.5 must be an integer"),
        (lambda: DomainAdversarial(in_features=3, n_sources=0), "n_sources=0 must be an integer"),
        (lambda: DomainAdversarial(n_sources=2), "n_sources=2 came without in_features"),
    ],
)
def test_bad_settings_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
