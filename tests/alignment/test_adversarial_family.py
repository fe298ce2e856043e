"""Discriminators and critics: against loops in float64, both sides of the game, edges."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from domadapt.alignment import ConditionalAdversarial, DomainConfusion, WassersteinCritic
from domadapt.alignment.protocol import StepTensors
from domadapt.training import WeightedCriteria

SHAPES = [(5, 7, 3), (6, 6, 4), (1, 4, 2), (3, 1, 5), (1, 1, 1)]
N_CLASSES = 3
MAKERS = {
    "outer": ConditionalAdversarial,
    "random": partial(ConditionalAdversarial, max_product=0, n_random=7),
    "wasserstein": WassersteinCritic,
    "confusion": DomainConfusion,
}
CONDITIONAL = ("outer", "random")
every_shape = pytest.mark.parametrize(("n_source", "n_target", "d"), SHAPES)
every_criterion = pytest.mark.parametrize("name", MAKERS)


def batch(n, d, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype) + seed


def inputs(name, n_source, n_target, d, dtype=torch.float64):
    features = [batch(n_source, d, 0, dtype), batch(n_target, d, 1, dtype)]
    if name not in CONDITIONAL:
        return features
    logits = [batch(n_source, N_CLASSES, 2, dtype), batch(n_target, N_CLASSES, 3, dtype)]
    return features + logits


def make(name, d, dtype=torch.float64, hidden_layer_sizes=(6, 4), **settings):
    """Build a criterion of few units that has its sizes and draws nothing any more."""
    torch.manual_seed(0)
    criterion = MAKERS[name](hidden_layer_sizes=hidden_layer_sizes, **settings).to(dtype).eval()
    with torch.no_grad():
        criterion(*inputs(name, 2, 2, d, dtype))
    return criterion


def learner(criterion):
    return getattr(criterion, "critic", None) or criterion.discriminator


def naive_head(head, row):
    """Return the output for a sample, and its gradient with respect to the sample."""
    values, jacobian = row, [[float(i == j) for j in range(len(row))] for i in range(len(row))]
    for layer in head:
        if isinstance(layer, torch.nn.ReLU):
            pairs = zip(jacobian, values, strict=True)
            jacobian = [[g * (value > 0) for g in grads] for grads, value in pairs]
            values = [max(value, 0.0) for value in values]
        else:
            weight, bias = layer.weight.tolist(), layer.bias.tolist()
            jacobian = [
                [sum(w * jacobian[k][j] for k, w in enumerate(ws)) for j in range(len(row))]
                for ws in weight
            ]
            values = [
                sum(w * v for w, v in zip(ws, values, strict=True)) + b
                for ws, b in zip(weight, bias, strict=True)
            ]
    return values[0], jacobian[0]


def mean(values):
    return sum(values) / len(values)


def naive_cross_entropy(logit, is_source):
    return math.log1p(math.exp(-logit if is_source else logit))


def naive_projection(matrix, row):
    return [sum(a * b for a, b in zip(row, column, strict=True)) for column in matrix.T.tolist()]


def naive_conditional(criterion, rows, logits, is_source):
    """Return one domain's mean cross-entropy."""
    losses, weights = [], []
    for row, own_logits in zip(rows.tolist(), logits.tolist(), strict=True):
        total = sum(math.exp(z) for z in own_logits)
        classes = [math.exp(z) / total for z in own_logits]
        if len(row) * len(classes) <= criterion.product.max_product:
            product = [f * p for f in row for p in classes]
        else:
            on_features = naive_projection(criterion.product.feature_projection, row)
            on_classes = naive_projection(criterion.product.class_projection, classes)
            root = math.sqrt(len(on_features))
            product = [f * p / root for f, p in zip(on_features, on_classes, strict=True)]
        logit, _ = naive_head(criterion.discriminator, product)
        losses.append(naive_cross_entropy(logit, is_source))
        entropy = -sum(p * math.log(p) for p in classes)
        weights.append(1 + math.exp(-entropy) if criterion.entropy else 1.0)
    return sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)


@every_shape
@pytest.mark.parametrize("name", CONDITIONAL)
@pytest.mark.parametrize("entropy", [False, True])
def test_conditional_loss_matches_the_sums(name, entropy, n_source, n_target, d):
    criterion = make(name, d, entropy=entropy)
    given = inputs(name, n_source, n_target, d)
    on_source = naive_conditional(criterion, given[0], given[2], True)
    on_target = naive_conditional(criterion, given[1], given[3], False)
    assert criterion(*given).item() == pytest.approx((on_source + on_target) / 2, rel=1e-10)


@every_shape
def test_critic_loss_matches_the_sums(n_source, n_target, d):
    criterion = make("wasserstein", d, gradient_penalty=3.0)
    given = inputs("wasserstein", n_source, n_target, d)
    source, target = (rows.tolist() for rows in given)
    between = [
        [(a + b) / 2 for a, b in zip(source[i % n_source], target[i % n_target], strict=True)]
        for i in range(max(n_source, n_target))
    ]
    slopes = [naive_head(criterion.critic, row)[1] for row in source + target + between]
    penalty = mean([(math.hypot(*slope) - 1) ** 2 for slope in slopes])
    scores = [[naive_head(criterion.critic, row)[0] for row in rows] for rows in (source, target)]
    expected = 3.0 * penalty - (mean(scores[0]) - mean(scores[1]))
    assert criterion(*given).item() == pytest.approx(expected, rel=1e-10)


@every_shape
def test_confusion_loss_matches_the_sums(n_source, n_target, d):
    criterion = make("confusion", d)
    given = inputs("confusion", n_source, n_target, d)
    expected = 0.0
    for rows, is_source in zip(given, (True, False), strict=True):
        logits = [naive_head(criterion.discriminator, row)[0] for row in rows.tolist()]
        undecided = [naive_cross_entropy(z, True) + naive_cross_entropy(z, False) for z in logits]
        expected += mean([naive_cross_entropy(z, is_source) for z in logits]) / 2
        expected += mean(undecided) / 4
    assert criterion(*given).item() == pytest.approx(expected, rel=1e-10)


def gradients(loss, features, criterion):
    return torch.autograd.grad(loss, [*features, *learner(criterion).parameters()])


def plain_cross_entropy(criterion, source, target):
    logits = criterion.discriminator(torch.cat([source, target])).squeeze(1)
    on_source, on_target = logits[: len(source)], logits[len(source) :]
    return (F.softplus(-on_source).mean() + F.softplus(on_target).mean()) / 2, logits


@every_shape
@pytest.mark.parametrize("name", CONDITIONAL)
def test_conditional_gradient_goes_down_in_the_discriminator_and_up_in_the_features(
    name, n_source, n_target, d
):
    criterion = make(name, d, entropy=False)
    given = [x.requires_grad_() for x in inputs(name, n_source, n_target, d)]
    ours = gradients(criterion(*given), given[:2], criterion)
    products = [
        criterion.product(rows, logits.softmax(1).detach())
        for rows, logits in zip(given[:2], given[2:], strict=True)
    ]
    plain, _ = plain_cross_entropy(criterion, *products)
    expected = gradients(plain, given[:2], criterion)
    torch.testing.assert_close(ours, (-expected[0], -expected[1], *expected[2:]))
    assert torch.autograd.grad(criterion(*given), given[2], allow_unused=True) == (None,)


@every_shape
def test_critic_gradient_is_that_of_differentiating_twice(n_source, n_target, d):
    criterion = make("wasserstein", d)
    features = [x.requires_grad_() for x in inputs("wasserstein", n_source, n_target, d)]
    ours = gradients(criterion(*features), features, criterion)
    n_rows = max(n_source, n_target)
    source, target = (x.detach()[torch.arange(n_rows) % len(x)] for x in features)
    rows = torch.cat([*(x.detach() for x in features), (source + target) / 2]).requires_grad_()
    (slopes,) = torch.autograd.grad(criterion.critic(rows).sum(), rows, create_graph=True)
    penalty = 10.0 * (slopes.norm(dim=1) - 1).square().mean()
    distance = criterion.critic(features[0]).mean() - criterion.critic(features[1]).mean()
    expected = gradients(penalty - distance, features, criterion)
    torch.testing.assert_close(ours, (-expected[0], -expected[1], *expected[2:]))


@every_shape
def test_confusion_gives_each_side_its_own_loss(n_source, n_target, d):
    criterion = make("confusion", d)
    features = [x.requires_grad_() for x in inputs("confusion", n_source, n_target, d)]
    ours = gradients(criterion(*features), features, criterion)
    plain, logits = plain_cross_entropy(criterion, *features)
    weights = list(criterion.discriminator.parameters())
    of_learner = torch.autograd.grad(plain, weights, retain_graph=True)
    undecided = (F.softplus(logits) + F.softplus(-logits)) / 2
    confusion = (undecided[:n_source].mean() + undecided[n_source:].mean()) / 2
    torch.testing.assert_close(ours, (*torch.autograd.grad(confusion, features), *of_learner))


def test_the_random_product_has_the_inner_products_of_the_outer_product():
    rows, classes = batch(4, 5, 0), batch(4, N_CLASSES, 1).softmax(1)
    torch.manual_seed(0)
    product = ConditionalAdversarial(max_product=14, n_random=200_000).double().product
    approximate = product(rows, classes)
    exact = ConditionalAdversarial(max_product=15).product(rows, classes)
    assert exact.shape == (4, 15)
    assert approximate.shape == (4, 200_000)
    torch.testing.assert_close(approximate @ approximate.T, exact @ exact.T, atol=0.1, rtol=0.02)


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
    given = [x.requires_grad_() for x in (source, target)]
    if name in CONDITIONAL:
        scale = 1e4 if kind == "far" else 1.0
        given += [scale * x for x in (source.detach(), target.detach())]
    criterion = make(name, 3, dtype).train()
    loss = criterion(*given)
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad.isfinite().all() for x in (source, target, *criterion.parameters()))


def test_a_critic_without_slope_has_a_finite_gradient():
    criterion = make("wasserstein", 3)
    for parameter in criterion.parameters():
        parameter.data.zero_()
    loss = criterion(*inputs("wasserstein", 4, 5, 3))
    loss.backward()
    assert loss.item() == pytest.approx(10.0)
    assert all(p.grad.isfinite().all() for p in criterion.parameters())


def test_what_cannot_be_told_apart_costs_the_logarithm_of_two():
    rows, logits = batch(8, 3, 0), batch(8, N_CLASSES, 1)
    for name, expected in [("outer", math.log(2)), ("confusion", 2 * math.log(2))]:
        criterion = make(name, 3)
        with torch.no_grad():
            criterion.discriminator[-1].weight.zero_()
            criterion.discriminator[-1].bias.zero_()
        given = (rows, rows.flip(0), logits, logits.flip(0))[: 2 if name == "confusion" else 4]
        assert criterion(*given).item() == pytest.approx(expected)
    same = make("wasserstein", 3, gradient_penalty=0.0)(rows, rows.flip(0))
    assert same.item() == pytest.approx(0.0, abs=1e-12)


def moved(name, shift):
    """Return two domains, the target moved, and logits that tell classes apart in both."""
    rows = batch(40, 3, 0)
    source, target = rows[:20], rows[20:] + shift
    return [source, target, source, target.detach()] if name in CONDITIONAL else [source, target]


def far_away():
    return torch.full((3,), 2.0, dtype=torch.float64, requires_grad=True)


@every_criterion
def test_the_game_brings_the_domains_together(name):
    criterion, shift = make(name, 3, hidden_layer_sizes=(16,)).train(), far_away()
    # The steep penalty of the critic asks for a lower rate.
    rate = 0.02 if name == "wasserstein" else 0.1
    optimizer = torch.optim.SGD([shift, *criterion.parameters()], lr=rate)
    distances = []
    for _ in range(800):
        source, target, *logits = moved(name, shift)
        optimizer.zero_grad()
        criterion(source, target, *logits).backward()
        optimizer.step()
        distances.append((source.mean(0) - target.mean(0)).norm().item())
    assert mean(distances[-200:]) < 0.5 * distances[0]


def own_task(name, criterion, shift):
    """Return what the discriminator or the critic is there to make small."""
    given = moved(name, shift)
    confusion = name == "confusion"
    return (plain_cross_entropy(criterion, *given)[0] if confusion else criterion(*given)).item()


@every_criterion
def test_alone_the_learner_gets_better_and_the_features_make_it_worse(name):
    criterion, shift = make(name, 3, hidden_layer_sizes=(16,)), far_away()
    at_first = own_task(name, criterion, shift)
    optimizer = torch.optim.SGD(criterion.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        criterion(*moved(name, shift.detach())).backward()
        optimizer.step()
    learned = own_task(name, criterion, shift)
    assert learned < at_first - 0.1
    optimizer = torch.optim.SGD([shift], lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        criterion(*moved(name, shift)).backward()
        optimizer.step()
    assert own_task(name, criterion, shift) > learned + 0.05


def step_tensors():
    features = batch(9, 4, 0, torch.float32).requires_grad_()
    index = torch.arange(5)
    return StepTensors(
        n_source=5,
        features=features,
        outputs=features[:, :N_CLASSES],
        labels=index,
        weight=None,
        source_indices=index,
        target_indices=index,
        classifier=None,
        progress=0.5,
    )


@every_criterion
def test_a_weight_scales_what_flows_into_the_network_and_nothing_else(name):
    criterion = make(name, 4, torch.float32)

    def gradients_at(weight):
        at, criteria = step_tensors(), WeightedCriteria(criterion)
        criteria(at, [weight])[0].backward()
        return at.features.grad, [p.grad for p in criteria.parameters()]

    features, learned = gradients_at(0.5)
    tenth_features, same_learned = gradients_at(0.05)
    assert features.abs().max() > 0
    assert all(grad.abs().max() > 0 for grad in learned if grad.ndim == 2)
    torch.testing.assert_close(tenth_features, 0.1 * features)
    torch.testing.assert_close(same_learned, learned)


@every_criterion
def test_copies_and_saved_states_give_the_same_loss(name):
    fresh = MAKERS[name](hidden_layer_sizes=(6, 4)).eval()
    fresh = pickle.loads(pickle.dumps(copy.deepcopy(fresh))).double()
    criterion = make(name, 3)
    given = inputs(name, 5, 7, 3)
    expected = criterion(*given)
    fresh.load_state_dict(criterion.state_dict())
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion)), fresh):
        torch.testing.assert_close(other(*given), expected)
    assert criterion.float()(*(x.float() for x in given)).dtype == torch.float32
    sizes = [len(value) for key, value in criterion.state_dict().items() if "projection" in key]
    assert sizes == {"random": [3, 3], "outer": [0, 0]}.get(name, [])


@every_criterion
def test_a_look_in_inference_mode_does_not_spoil_training(name):
    criterion, given = make(name, 3), inputs(name, 9, 11, 3)
    if name == "random":
        criterion.product.feature_projection = torch.empty(0, 7, dtype=torch.float64)
    with torch.inference_mode():
        seen = criterion(*given).item()
    loss = criterion(given[0].requires_grad_(), *given[1:])
    loss.backward()
    assert loss.item() == pytest.approx(seen)
    assert given[0].grad.abs().max() > 0


def test_points_between_the_domains_are_drawn_in_training_alone():
    criterion, given = make("wasserstein", 3), inputs("wasserstein", 5, 7, 3)
    state = torch.get_rng_state()
    in_evaluation = criterion(*given)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(0)
    one, other = criterion.train()(*given), criterion(*given)
    torch.manual_seed(0)
    assert criterion(*given).item() == one.item()
    assert len({one.item(), other.item(), in_evaluation.item()}) == 3


@pytest.mark.parametrize(
    ("make_criterion", "message"),
    [
        (lambda: ConditionalAdversarial(max_product=-1), "max_product=-1 must be an integer"),
        (lambda: ConditionalAdversarial(n_random=0), "n_random=0 must be an integer of at least 1"),
        (lambda: WassersteinCritic(gradient_penalty=-1.0), "gradient_penalty=-1.0 must be"),
        (lambda: WassersteinCritic(gradient_penalty=math.nan), "gradient_penalty=nan must be"),
    ],
)
def test_bad_settings_are_named(make_criterion, message):
    with pytest.raises(ValueError, match=message):
        make_criterion()
