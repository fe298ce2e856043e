"""Transport criteria: against loops in float64, their gradients, their edges."""

import copy
import itertools
import math
import pickle
import sys
from fractions import Fraction
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from domadapt.alignment import declared_names
from domadapt.alignment.optimal_transport import DeepJDOT, DeepJDOTRegression
from domadapt.alignment.sliced_wasserstein import SlicedWasserstein

# Few enough samples to try every plan.
SHAPES = [(3, 3, 3), (5, 5, 2), (2, 3, 4), (4, 2, 1), (1, 5, 3), (4, 1, 2), (1, 1, 3)]
N_CLASSES = 3

MAKERS = {
    "deep jdot": DeepJDOT,
    "deep jdot, spread out": partial(DeepJDOT, alpha=1.0, beta=0.1, regularization=0.5),
    "regression": DeepJDOTRegression,
    "regression, spread out": partial(DeepJDOTRegression, feature_weight=1.0, regularization=0.5),
    "sliced": SlicedWasserstein,
}


def normal(n, d, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


def batch(n_source, n_target, d, *, dtype=torch.float64):
    return {
        "source_features": normal(n_source, d, 0).to(dtype),
        "target_features": normal(n_target, d, 1, shift=1.0).to(dtype),
        "source_labels": torch.arange(n_source) % N_CLASSES,
        "target_logits": normal(n_target, N_CLASSES, 3).to(dtype),
        "source_values": normal(n_source, 2, 4).to(dtype),
        "target_predictions": normal(n_target, 2, 6, shift=0.5).to(dtype),
    }


def loss_of(criterion, at):
    return criterion(**{name: at[name] for name in declared_names(criterion)})


def asked_for(criterion, at):
    names = [name for name in declared_names(criterion) if name != "source_labels"]
    return [at[name].requires_grad_() for name in names]


def naive_cost(at, alpha, beta):
    def entropy(logits, label):
        return math.log(sum(math.exp(x - logits[label]) for x in logits))

    return [
        [
            alpha * sum((x - y) ** 2 for x, y in zip(s, t, strict=True))
            + beta * entropy(logits, label)
            for t, logits in zip(
                at["target_features"].tolist(), at["target_logits"].tolist(), strict=True
            )
        ]
        for s, label in zip(
            at["source_features"].tolist(), at["source_labels"].tolist(), strict=True
        )
    ]


def naive_regression_cost(at, feature_weight, value_weight):
    def squared(x, y):
        return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))

    s, t, y, z = (
        at[name].tolist()
        for name in ("source_features", "target_features", "source_values", "target_predictions")
    )
    return [
        [
            feature_weight * squared(s[i], t[j]) + value_weight * squared(y[i], z[j]) / len(y[i])
            for j in range(len(t))
        ]
        for i in range(len(s))
    ]


def cheapest_plan(cost):
    """Try every assignment, samples repeated until both sides have the same number."""
    n_source, n_target = len(cost), len(cost[0])
    n = math.lcm(n_source, n_target)
    source = [i for i in range(n_source) for _ in range(n // n_source)]
    target = [j for j in range(n_target) for _ in range(n // n_target)]
    return min(
        sum(cost[i][target[k]] for i, k in zip(source, order, strict=True)) / n
        for order in itertools.permutations(range(n))
    )


def naive_sinkhorn(cost, regularization):
    n_source, n_target = len(cost), len(cost[0])
    kernel = [[math.exp(-c / regularization) for c in row] for row in cost]
    v = [1.0] * n_target
    for _ in range(3000):
        u = [1 / n_source / sum(k * y for k, y in zip(row, v, strict=True)) for row in kernel]
        v = [
            1 / n_target / sum(kernel[i][j] * u[i] for i in range(n_source))
            for j in range(n_target)
        ]
    return [[u[i] * kernel[i][j] * v[j] for j in range(n_target)] for i in range(n_source)]


def value_of(plan, cost):
    return sum(
        p * c
        for shares, prices in zip(plan, cost, strict=True)
        for p, c in zip(shares, prices, strict=True)
    )


def naive_sliced(source, target, directions):
    """Integrate the squared difference of the quantile functions piece by piece."""

    def projected(rows, direction):
        return sorted(sum(x * y for x, y in zip(row, direction, strict=True)) for row in rows)

    n, m = len(source), len(target)
    edges = sorted({Fraction(i, n) for i in range(n + 1)} | {Fraction(j, m) for j in range(m + 1)})
    total = 0.0
    for direction in directions:
        u, v = projected(source, direction), projected(target, direction)
        for left, right in itertools.pairwise(edges):
            total += float(right - left) * (u[int(left * n)] - v[int(left * m)]) ** 2
    return total / len(directions)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("alpha", "beta"), [(0.001, 0.0001), (0.5, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_deep_jdot_is_the_cheapest_of_all_plans(shape, alpha, beta):
    at = batch(*shape)
    ours = loss_of(DeepJDOT(alpha=alpha, beta=beta), at).item()
    assert ours == pytest.approx(cheapest_plan(naive_cost(at, alpha, beta)), rel=1e-9)


@pytest.mark.parametrize("shape", [*SHAPES, (7, 5, 3)])
def test_a_spread_out_plan_is_the_one_of_sinkhorn_and_gets_no_gradient(shape):
    at = batch(*shape)
    cost = naive_cost(at, 0.5, 2.0)
    plan = naive_sinkhorn(cost, 0.8)
    expected = value_of(plan, cost)
    criterion = DeepJDOT(alpha=0.5, beta=2.0, regularization=0.8)
    leaves = asked_for(criterion, at)
    loss = loss_of(criterion, at)
    assert loss.item() == pytest.approx(expected, rel=1e-7)

    differences = at["source_features"][:, None] - at["target_features"]
    entropies = -F.log_softmax(at["target_logits"], 1)[:, at["source_labels"]].T
    held_fixed = torch.tensor(plan, dtype=torch.float64)
    plain = (held_fixed * (0.5 * differences.square().sum(2) + 2.0 * entropies)).sum()
    for ours, theirs in zip(*(torch.autograd.grad(x, leaves) for x in (loss, plain)), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("shape", [*SHAPES, (9, 7, 3)])
@pytest.mark.parametrize(
    "criterion",
    [DeepJDOT(alpha=1.0, beta=0.5), DeepJDOTRegression(feature_weight=1.0, value_weight=0.5)],
)
def test_deep_jdot_gradient_is_the_derivative(criterion, shape):
    at = batch(*shape)
    leaves = asked_for(criterion, at)
    assert torch.autograd.gradcheck(lambda *_: loss_of(criterion, at), leaves)


def test_deep_jdot_teaches_target_samples_the_class_of_the_source_samples_nearby():
    source = torch.tensor([[0.0], [10.0]])
    target = torch.tensor([[10.5], [0.5], [9.5], [-0.5]])
    logits = torch.zeros(4, 2, requires_grad=True)
    DeepJDOT()(source, target, torch.tensor([0, 1]), logits).backward()
    # Descent raises the logit of the class that is nearby.
    assert (-logits.grad).argmax(1).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("regularization", [1e-3, 10.0])
def test_a_small_regularization_comes_to_the_exact_plan_and_a_large_one_to_the_even_one(
    regularization,
):
    at = batch(6, 6, 3)
    loss = loss_of(DeepJDOT(alpha=0.01, beta=0.0, regularization=regularization), at).item()
    cost = naive_cost(at, 0.01, 0.0)
    even = sum(map(sum, cost)) / 36
    expected = cheapest_plan(cost) if regularization < 1 else even
    assert loss == pytest.approx(expected, rel=0.02)
    assert cheapest_plan(cost) < 0.8 * even


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", [(0.001, 0.01), (0.5, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_regression_is_the_cheapest_of_all_plans(shape, weights):
    at = batch(*shape)
    criterion = DeepJDOTRegression(feature_weight=weights[0], value_weight=weights[1])
    expected = cheapest_plan(naive_regression_cost(at, *weights))
    assert loss_of(criterion, at).item() == pytest.approx(expected, rel=1e-9)


def test_regression_teaches_target_samples_the_values_of_the_source_samples_nearby():
    source = torch.tensor([[0.0], [10.0]])
    target = torch.tensor([[10.5], [0.5], [9.5], [-0.5]])
    predictions = torch.zeros(4, 1, requires_grad=True)
    values = torch.tensor([[-3.0], [7.0]])
    criterion = DeepJDOTRegression(value_weight=0.01)
    criterion(source, target, values, predictions).backward()
    # Each target sample has a quarter of the mass: 0.01 * 2 * (0 - value) / 4.
    expected = -0.005 * torch.tensor([[7.0], [-3.0], [7.0], [-3.0]])
    torch.testing.assert_close(predictions.grad, expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("regularization", [None, 0.1])
@pytest.mark.parametrize(
    "name", ["source_features", "target_features", "target_logits", "target_predictions"]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_cost_that_is_not_finite_gives_nan_and_no_exception(name, value, regularization):
    make = DeepJDOT if name == "target_logits" else DeepJDOTRegression
    criterion, at = make(regularization=regularization), batch(4, 3, 2, dtype=torch.float32)
    at[name][1, 1] = value
    leaves = asked_for(criterion, at)
    loss = loss_of(criterion, at)
    assert loss.isnan()
    # In training the weights must not stay as they were either, as if nothing had been.
    assert all(g.isnan().any() for g in torch.autograd.grad(loss, leaves))


def test_the_solver_is_imported_where_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    criterion = DeepJDOT()
    with pytest.raises(ImportError):
        loss_of(criterion, batch(3, 3, 2))


SLICED_SHAPES = [*SHAPES, (6, 4, 3), (7, 5, 3), (12, 8, 2)]


@pytest.mark.parametrize("shape", SLICED_SHAPES)
def test_sliced_wasserstein_matches_the_integrals(shape):
    at = batch(*shape)
    directions = F.normalize(normal(11, shape[2], 5), dim=1)
    ours = SlicedWasserstein()(at["source_features"], at["target_features"], directions)
    rows = at["source_features"].tolist(), at["target_features"].tolist()
    assert ours.item() == pytest.approx(naive_sliced(*rows, directions.tolist()), rel=1e-9)


@pytest.mark.parametrize("shape", SLICED_SHAPES)
def test_sliced_wasserstein_gradient_is_the_derivative(shape):
    at = batch(*shape)
    criterion = partial(SlicedWasserstein(), directions=F.normalize(normal(4, shape[2], 5), dim=1))
    pair = at["source_features"].requires_grad_(), at["target_features"].requires_grad_()
    assert torch.autograd.gradcheck(criterion, pair)


@pytest.mark.parametrize(("n_source", "n_target"), [(6, 6), (2, 3), (4, 2), (1, 5)])
def test_in_one_column_the_sliced_distance_is_that_of_the_best_plan(n_source, n_target):
    at = batch(n_source, n_target, 1)
    expected = cheapest_plan(naive_cost(at, 1.0, 0.0))
    assert loss_of(SlicedWasserstein(), at).item() == pytest.approx(expected, rel=1e-9)


def test_a_shift_is_seen_by_its_mean_share_along_a_direction():
    rows = normal(40, 8, 0)
    shift = normal(1, 8, 1)
    criterion = SlicedWasserstein(n_projections=20_000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss = criterion(rows, rows + shift).item()
    assert loss == pytest.approx(shift.square().sum().item() / 8, rel=0.05)


def test_directions_are_of_length_one_and_new_in_each_call():
    criterion, at = SlicedWasserstein(n_projections=5), batch(6, 4, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        directions = criterion.draw_directions(at["source_features"])
        first, second = loss_of(criterion, at), loss_of(criterion, at)
        torch.manual_seed(0)
        criterion.draw_directions(at["source_features"])
        again = loss_of(criterion, at)
    assert directions.shape == (5, 3)
    assert directions.dtype == torch.float64
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(5, dtype=torch.float64))
    assert first != second
    assert first == again


def test_the_sliced_directions_are_no_demand_on_a_training_step():
    assert declared_names(SlicedWasserstein()) == ("source_features", "target_features")


def edge(kind, dtype):
    n_source, n_target = {"one row each": (1, 1), "one source row": (1, 6)}.get(kind, (6, 6))
    at = batch(n_source, n_target, 3, dtype=dtype)
    features = ("source_features", "target_features")
    if kind in ("identical", "one row each"):
        at["target_features"] = at["source_features"].clone()
    elif kind in ("constant", "zero"):
        value = 0.1 if kind == "constant" else 0.0
        at |= {
            name: torch.full_like(at[name], value)
            for name in (*features, "target_logits", "source_values", "target_predictions")
        }
    elif kind == "sure":
        at["target_logits"] = at["target_logits"].sign() * 1e4
    elif kind == "far":
        at |= {name: 1e4 * at[name] for name in features}
    return at


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "kind", ["identical", "constant", "zero", "one row each", "one source row", "sure", "far"]
)
@pytest.mark.parametrize("name", MAKERS)
def test_values_and_gradients_are_finite_at_the_edges(name, kind, dtype):
    criterion, at = MAKERS[name](), edge(kind, dtype)
    leaves = asked_for(criterion, at)
    loss = loss_of(criterion, at)
    gradients = torch.autograd.grad(loss, leaves)
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("criterion", [DeepJDOT(alpha=1.0, beta=0.0), SlicedWasserstein()])
def test_batches_of_the_same_samples_are_at_no_distance_and_others_are(criterion):
    at = batch(8, 8, 3)
    same = at | {"target_features": at["source_features"].flip(0)}
    assert loss_of(criterion, same).item() == pytest.approx(0.0, abs=1e-12)
    # Each sample twice is the same distribution.
    twice = at | {"target_features": at["source_features"].repeat(2, 1)}
    twice["target_logits"] = torch.zeros(16, N_CLASSES, dtype=torch.float64)
    assert loss_of(criterion, twice).item() == pytest.approx(0.0, abs=1e-12)
    assert loss_of(criterion, at).item() > 0.1


@pytest.mark.parametrize("name", MAKERS)
def test_descent_brings_separated_domains_together(name):
    criterion, at = MAKERS[name](), batch(30, 20, 3)
    features = [at[f"{domain}_features"].requires_grad_() for domain in ("source", "target")]

    def gap():
        return (features[0].mean(0) - features[1].mean(0)).norm().item()

    gap_before, losses = gap(), []
    for _ in range(20):
        loss = loss_of(criterion, at)
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, features)
        norm = torch.cat(gradients).norm()
        assert norm > 0
        with torch.no_grad():
            for rows, gradient in zip(features, gradients, strict=True):
                rows -= 0.2 * gradient / norm
    assert losses[-1] < 0.8 * losses[0]
    assert gap() < 0.8 * gap_before


@pytest.mark.parametrize("name", MAKERS)
def test_copies_and_pickles_go_on_also_after_a_look_in_inference_mode(name):
    criterion, at = MAKERS[name](), batch(9, 8, 5, dtype=torch.float32)
    with torch.inference_mode():
        loss_of(criterion, at)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert repr(other) == repr(criterion)
        leaves = asked_for(other, at)
        gradients = torch.autograd.grad(loss_of(other, at), leaves)
        assert all(g.abs().max() > 0 for g in gradients)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepJDOT(alpha=-1.0), "alpha=-1.0 must be a finite number of at least 0"),
        (lambda: DeepJDOT(beta=math.nan), "beta=nan must be a finite number of at least 0"),
        (lambda: DeepJDOT(alpha=0.0, beta=0.0), "alpha=0 and beta=0 leave no cost"),
        (lambda: DeepJDOTRegression(feature_weight=-1.0), "feature_weight=-1.0 must be a finite"),
        (lambda: DeepJDOTRegression(feature_weight=0, value_weight=0), "value_weight=0 leave no"),
        (lambda: DeepJDOT(regularization=0.0), "regularization=0.0 must be a finite number above"),
        (lambda: SlicedWasserstein(n_projections=0), "n_projections=0 must be an integer of at"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
