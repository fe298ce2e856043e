"""Gradients of gradients: what a gradient penalty is made of."""

import inspect

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import vmap

from domadapt.alignment import (
    BNM,
    BSP,
    CORAL,
    MMD,
    RSD,
    DeepCORAL,
    DeepJDOT,
    EnergyDistance,
    JointMMD,
    KernelMMD,
    LinearTimeMMD,
    LocalMMD,
)
from domadapt.nn import rbf_pair_sum, scale_gradient

# A set bandwidth each: one that is taken from the data counts as constant.
OF_FEATURES = {
    "MMD": MMD(bandwidth=4.0),
    "biased MMD": MMD(bandwidth=4.0, n_kernels=2, unbiased=False),
    "rational quadratic": KernelMMD(bandwidth=4.0),
    "laplacian": KernelMMD(kernel="laplacian", bandwidth=4.0),
    "linear": KernelMMD(kernel="linear"),
    "linear time": LinearTimeMMD(bandwidth=4.0),
    "energy": EnergyDistance(),
    "CORAL": CORAL(scaling="coral"),
    "DeepCORAL": lambda source, target: DeepCORAL()(source, target),
    "joint": lambda s, t: JointMMD(bandwidth=4.0)(s, t, s[:, :3], t[:, :3]),
    "local": lambda s, t: LocalMMD(bandwidth=4.0)(s, t, torch.arange(6) % 3, torch.eye(5)[:, :3]),
    "BNM": lambda source, target: BNM()(target),
    "BSP": BSP(n_singular=2),
    "transport": lambda s, t: DeepJDOT(alpha=1.0)(s, t, torch.arange(6) % 3, t[:, :3]),
}
every_loss = pytest.mark.parametrize("name", OF_FEATURES)


def features(n_columns, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(11, n_columns, generator=generator, dtype=torch.float64)
    return rows[:6].clone().requires_grad_(), (rows[6:] + 0.5).requires_grad_()


def penalty(loss, rows):
    """Return the squared gradient of a loss, which can be differentiated."""
    gradients = torch.autograd.grad(loss, rows, create_graph=True)
    return sum(gradient.square().sum() for gradient in gradients)


# More samples than columns, and fewer: many functions have a form for each.
@every_loss
@pytest.mark.parametrize("n_columns", [3, 12])
def test_the_gradient_has_a_gradient(name, n_columns):
    rows = features(n_columns)
    loss = OF_FEATURES[name]
    used = rows[1:] if name == "BNM" else rows

    def of_used(*used):
        return loss(rows[0], *used) if name == "BNM" else loss(*used)

    assert gradcheck(of_used, used)
    assert gradgradcheck(of_used, used, fast_mode=n_columns > 3)
    second = torch.autograd.grad(penalty(of_used(*used), used), used)
    assert all(gradient.abs().max() > 1e-6 for gradient in second)


@every_loss
def test_the_gradient_is_the_same_where_it_is_differentiated(name):
    rows = features(4)
    loss = OF_FEATURES[name](*rows)
    once = torch.autograd.grad(loss, rows, retain_graph=True, materialize_grads=True)
    twice = torch.autograd.grad(loss, rows, create_graph=True, materialize_grads=True)
    assert not any(gradient.requires_grad for gradient in once)
    assert any(gradient.requires_grad for gradient in twice)
    torch.testing.assert_close(twice, once, rtol=1e-12, atol=1e-14)


def test_a_bandwidth_of_the_data_is_constant_in_the_first_derivative_and_the_second():
    rows = features(3)
    both = torch.cat(rows).detach()
    bandwidth = 2.0 * both.var(0).sum().item()
    for kind in (MMD, KernelMMD, LinearTimeMMD):
        found = penalty(kind()(*rows), rows)
        expected = penalty(kind(bandwidth=bandwidth)(*rows), rows)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(
            torch.autograd.grad(found, rows), torch.autograd.grad(expected, rows)
        )


LOGITS = torch.linspace(-1.0, 1.0, 33, dtype=torch.float64).sin().reshape(11, 3)
WITH_A_BANDWIDTH = {
    MMD: (),
    KernelMMD: (),
    LinearTimeMMD: (),
    JointMMD: LOGITS.split([6, 5]),
    LocalMMD: (torch.arange(6) % 3, LOGITS[6:]),
}


@pytest.mark.parametrize("kind", WITH_A_BANDWIDTH)
def test_gradcheck_wants_a_set_bandwidth_and_the_docstring_says_so(kind):
    rows, others = features(3), WITH_A_BANDWIDTH[kind]
    assert gradcheck(lambda s, t: kind(bandwidth=3.0)(s, t, *others), rows)
    assert not gradcheck(lambda s, t: kind()(s, t, *others), rows, raise_exception=False)
    assert "gradcheck" in inspect.getdoc(kind)


def test_gradcheck_of_a_pair_sum_wants_a_set_bandwidth():
    source, target = features(3)
    rows, weights = torch.cat([source, target]).detach().requires_grad_(), torch.ones(11, 11)
    weights = weights.double()
    assert gradcheck(lambda f: rbf_pair_sum(f, weights, bandwidth=3.0), (rows,))
    assert not gradcheck(lambda f: rbf_pair_sum(f, weights), (rows,), raise_exception=False)
    assert "gradcheck" in inspect.getdoc(rbf_pair_sum)


@pytest.mark.parametrize("name", ["MMD", "laplacian", "CORAL", "BNM", "BSP"])
def test_stacked_networks_have_the_penalties_of_single_ones(name):
    loss = OF_FEATURES[name]
    pairs = [features(4, seed) for seed in range(3)]
    stacked = [torch.stack(rows).detach().requires_grad_() for rows in zip(*pairs, strict=True)]
    used = slice(1, None) if name == "BNM" else slice(None)
    total = penalty(vmap(loss)(*stacked).sum(), stacked[used])
    found = torch.autograd.grad(total, stacked[used])
    for i, rows in enumerate(pairs):
        expected = torch.autograd.grad(penalty(loss(*rows), rows[used]), rows[used])
        torch.testing.assert_close([gradient[i] for gradient in found], list(expected))


def test_the_derivatives_of_torch_func_are_those_of_autograd():
    source, target = (rows.detach() for rows in features(3))
    for loss in (MMD(bandwidth=4.0), CORAL()):
        gradient = torch.func.grad(lambda s, loss=loss: loss(s, target))
        found = torch.func.jacrev(gradient)(source)
        expected = torch.autograd.functional.hessian(lambda s, loss=loss: loss(s, target), source)
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(found, expected)


def test_subspaces_say_that_they_have_no_second_derivative():
    rows = features(4)
    loss = RSD()(*rows)
    with pytest.raises(RuntimeError, match="RSD can be differentiated only once, and create_graph"):
        torch.autograd.grad(loss, rows, create_graph=True)
    first = torch.autograd.grad(RSD()(*rows), rows)
    by_func = torch.func.grad(RSD(), argnums=(0, 1))(*(row.detach() for row in rows))
    torch.testing.assert_close(by_func, first)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
def test_a_limited_gradient_has_a_finite_second_one(scale):
    x = torch.full((3,), 2.0, dtype=torch.float64, requires_grad=True)
    loss = scale * scale_gradient(x, 0.5, max_norm=1.0).pow(3).sum()
    total = penalty(loss, [x])
    (second,) = torch.autograd.grad(total, x)
    assert second.isfinite().all()
    assert total.item() <= 1.0 + 1e-12


@pytest.mark.parametrize("value", [0.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_second_derivatives_of_constant_samples_are_finite(value, dtype):
    for name in ("MMD", "rational quadratic", "laplacian", "linear time", "energy", "CORAL"):
        rows = [torch.full((n, 4), value, dtype=dtype, requires_grad=True) for n in (6, 5)]
        second = torch.autograd.grad(penalty(OF_FEATURES[name](*rows), rows), rows)
        assert all(gradient.isfinite().all() for gradient in second), name
