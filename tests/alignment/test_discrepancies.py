"""Kernel and moment discrepancies: against loops in float64, their gradients, their edges."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch

from domadapt.alignment import (
    CentralMoments,
    JointMMD,
    KernelMMD,
    LinearTimeMMD,
    LocalMMD,
    declared_names,
)

SHAPES = [(5, 7, 3), (6, 6, 4), (4, 3, 20), (2, 2, 1), (1, 5, 4), (6, 1, 2), (1, 1, 3)]
KERNELS = ["linear", "laplacian", "rational_quadratic"]
N_CLASSES = 3

MAKERS = {
    "joint": JointMMD,
    "joint, biased": partial(JointMMD, unbiased=False),
    "local": LocalMMD,
    "moments": CentralMoments,
    "moments, as they are": partial(CentralMoments, squash=False),
    "linear time": LinearTimeMMD,
    **{kernel: partial(KernelMMD, kernel=kernel) for kernel in KERNELS},
    **{
        f"{kernel}, biased": partial(KernelMMD, kernel=kernel, unbiased=False) for kernel in KERNELS
    },
}
# These are 0 where both domains are the same.
DISTANCES = [n for n in MAKERS if "biased" in n or n.startswith("moments") or n == "linear time"]


def normal(n, d, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


def batch(n_source, n_target, d, *, dtype=torch.float64):
    """Everything that a criterion here may ask for; the last class has no source sample."""
    return {
        "source_features": normal(n_source, d, 0).to(dtype),
        "target_features": normal(n_target, d, 1, shift=1.0).to(dtype),
        "source_logits": normal(n_source, N_CLASSES, 2).to(dtype),
        "target_logits": normal(n_target, N_CLASSES, 3).to(dtype),
        "source_labels": torch.arange(n_source) % (N_CLASSES - 1),
    }


def loss_of(criterion, at):
    return criterion(**{name: at[name] for name in declared_names(criterion)})


def asked_for(criterion, at):
    """Tensors of the batch that a gradient should reach, now leaves that ask for one."""
    names = declared_names(criterion)
    named = [n for n in names if n != "source_labels"]
    if isinstance(criterion, LocalMMD):
        named.remove("target_logits")
    return [at[name].requires_grad_() for name in named]


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def mean_distance(rows):
    """Return the mean over different samples, and whatever is not zero for one sample alone."""
    different = [distance(a, b) for a in rows for b in rows if a is not b]
    return sum(different) / len(different) if different else 1.0


def gaussians(square, bandwidth, n_kernels=5):
    scales = [bandwidth * 2.0 ** (k - n_kernels // 2) for k in range(n_kernels)]
    return sum(math.exp(-square / scale) for scale in scales)


def naive_mmd(source, target, kernel, unbiased):
    """MMD by double loops over samples, for any kernel of two samples."""

    def within(rows):
        pairs = [kernel(a, b) for a in rows for b in rows if not (unbiased and a is b)]
        return sum(pairs) / max(len(pairs), 1)

    between = [kernel(a, b) for a in source for b in target]
    return within(source) + within(target) - 2 * sum(between) / len(between)


def naive_softmax(rows):
    exponentials = [[math.exp(x - max(row)) for x in row] for row in rows]
    return [[x / sum(row) for x in row] for row in exponentials]


def naive_joint(at, unbiased, bandwidth=None, n_kernels=5, softmax_bandwidth=0.3):
    source, target = at["source_features"].tolist(), at["target_features"].tolist()
    central = bandwidth or mean_distance(source + target)
    source, target = (
        list(zip(rows, naive_softmax(at[f"{domain}_logits"].tolist()), strict=True))
        for domain, rows in (("source", source), ("target", target))
    )

    def kernel(a, b):
        of_predictions = math.exp(-distance(a[1], b[1]) / softmax_bandwidth)
        return gaussians(distance(a[0], b[0]), central, n_kernels) * of_predictions

    return naive_mmd(source, target, kernel, unbiased)


def naive_local(at, bandwidth=None, n_kernels=5):
    source, target = at["source_features"].tolist(), at["target_features"].tolist()
    labels, probabilities = (
        at["source_labels"].tolist(),
        naive_softmax(at["target_logits"].tolist()),
    )
    central = bandwidth or mean_distance(source + target)
    total = 0.0
    for c in set(labels):
        weights = [(label == c) / labels.count(c) for label in labels]
        mass = sum(p[c] for p in probabilities)
        weights += [-p[c] / mass for p in probabilities]
        rows = list(zip(source + target, weights, strict=True))
        total += sum(
            v * w * gaussians(distance(a, b), central, n_kernels) for a, v in rows for b, w in rows
        )
    return total / len(set(labels))


def naive_kernel(at, kernel, unbiased, bandwidth=None):
    source, target = at["source_features"].tolist(), at["target_features"].tolist()
    both = source + target
    central = bandwidth or mean_distance(both)
    middle = [sum(column) / len(both) for column in zip(*both, strict=True)]
    formula = {
        "linear": lambda a, b: sum((x - m) * (y - m) for x, y, m in zip(a, b, middle, strict=True)),
        "laplacian": lambda a, b: math.exp(-math.sqrt(distance(a, b) / central)),
        "rational_quadratic": lambda a, b: 1.0 / (1.0 + distance(a, b) / central),
    }[kernel]
    return naive_mmd(source, target, formula, unbiased)


def naive_linear_time(at, bandwidth=None, n_kernels=5):
    source, target = at["source_features"].tolist(), at["target_features"].tolist()
    central = bandwidth or mean_distance(source + target)
    n_pairs, total = min(len(source), len(target)) // 2, 0.0
    for i in range(0, 2 * n_pairs, 2):
        (s, s_next), (t, t_next) = source[i : i + 2], target[i : i + 2]
        for a, b, sign in [(s, s_next, 1), (t, t_next, 1), (s, t_next, -1), (s_next, t, -1)]:
            total += sign * gaussians(distance(a, b), central, n_kernels)
    return total / n_pairs if n_pairs else 0.0


def naive_moments(at, n_moments, squash, length, epsilon):
    def moment(rows, column, order):
        values = [row[column] for row in rows]
        if squash:
            values = [x / (1 + abs(x)) for x in values]
        mean = sum(values) / len(values)
        return mean if order == 1 else sum((x - mean) ** order for x in values) / len(values)

    source, target = at["source_features"].tolist(), at["target_features"].tolist()
    total = 0.0
    for order in range(1, n_moments + 1):
        differences = [
            moment(source, j, order) - moment(target, j, order) for j in range(len(source[0]))
        ]
        square = sum(x**2 for x in differences)
        total += (math.sqrt(square + epsilon**2) - epsilon) / length**order
    return total


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(
    "settings",
    [{}, {"bandwidth": 2.5}, {"bandwidth": 2.5, "n_kernels": 2, "softmax_bandwidth": 1.7}],
)
def test_joint_mmd_matches_the_sums(shape, unbiased, settings):
    at = batch(*shape)
    ours = loss_of(JointMMD(unbiased=unbiased, **settings), at).item()
    assert ours == pytest.approx(naive_joint(at, unbiased, **settings), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("settings", [{}, {"bandwidth": 2.5}, {"bandwidth": 2.5, "n_kernels": 2}])
def test_local_mmd_matches_the_sums(shape, settings):
    at = batch(*shape)
    ours = loss_of(LocalMMD(**settings), at).item()
    assert ours == pytest.approx(naive_local(at, **settings), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_with_other_kernels_matches_the_sums(shape, unbiased, kernel):
    at = batch(*shape)
    ours = loss_of(KernelMMD(kernel=kernel, unbiased=unbiased), at).item()
    assert ours == pytest.approx(naive_kernel(at, kernel, unbiased), rel=1e-9, abs=1e-11)
    if kernel != "linear":
        ours = loss_of(KernelMMD(kernel=kernel, unbiased=unbiased, bandwidth=2.5), at).item()
        expected = naive_kernel(at, kernel, unbiased, bandwidth=2.5)
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("settings", [{}, {"bandwidth": 2.5}, {"bandwidth": 2.5, "n_kernels": 2}])
def test_linear_time_mmd_matches_the_sums(shape, settings):
    at = batch(*shape)
    ours = loss_of(LinearTimeMMD(**settings), at).item()
    assert ours == pytest.approx(naive_linear_time(at, **settings), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize(("n_moments", "interval"), [(1, (0, 1)), (3, (-1.0, 1.0)), (5, (0, 0.5))])
def test_central_moments_match_the_sums(shape, squash, n_moments, interval):
    at, length = batch(*shape), interval[1] - interval[0]
    criterion = CentralMoments(n_moments=n_moments, squash=squash, interval=interval)
    ours = loss_of(criterion, at).item()
    rounded = naive_moments(at, n_moments, squash, length, epsilon=1e-6)
    of_the_paper = naive_moments(at, n_moments, squash, length, epsilon=0.0)
    assert ours == pytest.approx(rounded, rel=1e-9)
    # Each norm loses up to epsilon, divided as the norm is.
    loss_at_most = sum(1e-6 / length**order for order in range(1, n_moments + 1))
    assert of_the_paper - loss_at_most < ours < of_the_paper


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "make",
    [
        partial(JointMMD, bandwidth=2.0, unbiased=False),
        partial(JointMMD, bandwidth=2.0, n_kernels=3, softmax_bandwidth=0.5),
        partial(LocalMMD, bandwidth=2.0),
        CentralMoments,
        partial(CentralMoments, squash=False, n_moments=3, interval=(-2.0, 2.0)),
        partial(LinearTimeMMD, bandwidth=2.0),
        partial(KernelMMD, kernel="linear", unbiased=False),
        partial(KernelMMD, kernel="linear"),
        partial(KernelMMD, kernel="laplacian", bandwidth=2.0, unbiased=False),
        partial(KernelMMD, kernel="rational_quadratic", bandwidth=2.0),
    ],
)
def test_gradient_is_the_derivative(make, shape):
    criterion, at = make(), batch(*shape)
    leaves = asked_for(criterion, at)
    assert torch.autograd.gradcheck(lambda *_: loss_of(criterion, at), leaves)


@pytest.mark.parametrize(
    "make", [JointMMD, LocalMMD, LinearTimeMMD, KernelMMD, partial(KernelMMD, kernel="laplacian")]
)
def test_gradient_with_a_bandwidth_from_the_data_takes_it_as_given(make):
    at = batch(5, 7, 3)
    both = torch.cat([at["source_features"], at["target_features"]])
    given = make(bandwidth=torch.pdist(both).square().mean().item())
    leaves = asked_for(given, at)
    expected = torch.autograd.grad(loss_of(given, at), leaves)
    torch.testing.assert_close(torch.autograd.grad(loss_of(make(), at), leaves), expected)


def test_local_mmd_leaves_the_predictions_alone():
    at = batch(5, 7, 3)
    at["target_logits"].requires_grad_()
    at["source_features"].requires_grad_()
    loss_of(LocalMMD(), at).backward()
    assert at["target_logits"].grad is None
    assert at["source_features"].grad.abs().max() > 0


EDGES = ["identical", "constant", "zero", "one row each", "one source row", "sure", "far"]


def edge(kind, dtype):
    n_source, n_target = {"one row each": (1, 1), "one source row": (1, 6)}.get(kind, (6, 6))
    at = batch(n_source, n_target, 3, dtype=dtype)
    features = ("source_features", "target_features")
    if kind in ("identical", "one row each"):
        at["target_features"] = at["source_features"].clone()
        at["target_logits"] = at["source_logits"].clone()
    elif kind in ("constant", "zero"):
        value, floats = 0.1 if kind == "constant" else 0.0, set(at) - {"source_labels"}
        at |= {name: torch.full_like(at[name], value) for name in floats}
    elif kind == "sure":
        at["source_logits"] = at["source_logits"].sign() * 1e4
        at["target_logits"] = torch.tensor([[1e4, -1e4, -1e4]], dtype=dtype).repeat(n_target, 1)
    elif kind == "far":
        at |= {name: 1e4 * at[name] for name in features}
    return at


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", EDGES)
@pytest.mark.parametrize("name", MAKERS)
def test_values_and_gradients_are_finite_at_the_edges(name, kind, dtype):
    if kind == "far" and name == "moments, as they are":
        pytest.skip("says itself that it takes bounded features")
    criterion, at = MAKERS[name](), edge(kind, dtype)
    leaves = asked_for(criterion, at)
    loss = loss_of(criterion, at)
    gradients = torch.autograd.grad(loss, leaves)
    assert loss.isfinite()
    assert loss.dtype == dtype
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", DISTANCES)
def test_identical_batches_are_at_no_distance_and_others_are(name):
    criterion = MAKERS[name]()
    # The root in the Laplacian kernel makes 1e-8 of a rounding of 1e-16.
    assert loss_of(criterion, edge("identical", torch.float64)).item() == pytest.approx(0, abs=1e-7)
    assert loss_of(criterion, batch(60, 50, 3)).item() > 0.01


def test_local_mmd_is_zero_where_each_class_agrees_and_not_where_classes_are_swapped():
    rows, labels = normal(8, 3, 0), torch.arange(8) % 2
    sure = torch.full((8, 2), -1e4, dtype=torch.float64)
    sure[torch.arange(8), labels] = 1e4
    assert LocalMMD()(rows, rows, labels, sure).item() == pytest.approx(0.0, abs=1e-12)
    assert LocalMMD()(rows, rows, labels, -sure).item() > 0.1


def test_joint_mmd_sees_a_change_of_the_predictions_alone():
    rows, logits = normal(8, 3, 0), 3.0 * normal(8, 2, 1)
    criterion = JointMMD(unbiased=False)
    assert criterion(rows, rows, logits, logits).item() == pytest.approx(0.0, abs=1e-12)
    assert criterion(rows, rows, logits, -logits).item() > 0.1


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "local"])
def test_order_of_the_domains_does_not_matter(name):
    at = batch(5, 7, 3)
    swapped = {
        f"{one}_{what}": at[f"{other}_{what}"]
        for one, other in (("source", "target"), ("target", "source"))
        for what in ("features", "logits")
    }
    torch.testing.assert_close(loss_of(MAKERS[name](), swapped), loss_of(MAKERS[name](), at))


@pytest.mark.parametrize("name", MAKERS)
def test_descent_brings_separated_domains_together(name):
    criterion, at = MAKERS[name](), batch(30, 20, 3)
    features = [at[f"{domain}_features"].requires_grad_() for domain in ("source", "target")]

    def gap():
        return (features[0].mean(0) - features[1].mean(0)).norm().item()

    loss, gap_before = loss_of(criterion, at), gap()
    before = loss.item()
    for _ in range(20):
        gradients = torch.autograd.grad(loss_of(criterion, at), features)
        norm = torch.cat(gradients).norm()
        assert norm > 0
        with torch.no_grad():
            for rows, gradient in zip(features, gradients, strict=True):
                rows -= 0.2 * gradient / norm
    assert loss_of(criterion, at).item() < before
    assert gap() < gap_before


@pytest.mark.parametrize("name", MAKERS)
def test_copies_and_pickles_give_the_same_also_after_a_look_in_inference_mode(name):
    criterion, at = MAKERS[name](), batch(9, 8, 5, dtype=torch.float32)
    with torch.inference_mode():
        seen = loss_of(criterion, at).item()
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert repr(other) == repr(criterion)
        leaves = asked_for(other, at)
        loss = loss_of(other, at)
        assert loss.item() == pytest.approx(seen)
        assert all(g.abs().max() > 0 for g in torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JointMMD(bandwidth=0.0), "bandwidth=0.0 must be a number above 0, or None"),
        (lambda: JointMMD(n_kernels=0), "n_kernels=0 must be an integer of at least 1"),
        (lambda: JointMMD(softmax_bandwidth=-1.0), "softmax_bandwidth=-1.0 must be a finite"),
        (lambda: LocalMMD(bandwidth=-1.0), "bandwidth=-1.0 must be a number above 0, or None"),
        (lambda: LinearTimeMMD(n_kernels=0), "n_kernels=0 must be an integer of at least 1"),
        (
            lambda: KernelMMD(kernel="rbf"),
            r"kernel='rbf' is unknown: use one of \['laplacian'.*MMD",
        ),
        (lambda: KernelMMD(bandwidth=0.0), "bandwidth=0.0 must be a number above 0, or None"),
        (
            lambda: KernelMMD(kernel="linear", bandwidth=1.0),
            "bandwidth=1.0 came with kernel='linear'",
        ),
        (lambda: CentralMoments(n_moments=0), "n_moments=0 must be an integer of at least 1"),
        (lambda: CentralMoments(interval=(1.0, 0.0)), r"interval=\(1.0, 0.0\) must be two finite"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
