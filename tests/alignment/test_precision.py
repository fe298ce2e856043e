"""Criteria compute in float32 under autocast and on half precision, and say float32."""

import inspect

import pytest
import torch
from torch import nn
from torch.func import vmap

from domadapt import alignment
from domadapt.alignment import MMD, Criterion, JointMMD, MeanTeacher, declared_names
from domadapt.nn import ScaledModule, rbf_pair_sum
from domadapt.nn.layers import extract_features

NAMES = [name for name in alignment.__all__ if name not in ("Criterion", "declared_names")]
every_criterion = pytest.mark.parametrize("name", NAMES)
half = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
# Fewer samples than features: some criteria have a form for that.
N_SOURCE, N_TARGET, N_INPUTS, N_FEATURES, N_CLASSES = 8, 6, 5, 20, 3
# At the default none of these predictions is sure enough to be learnt from.
SETTINGS = {"confidence": 0.34, "threshold": 0.34, "hidden_layer_sizes": (7,)}


def build(name):
    torch.manual_seed(0)
    takes = inspect.signature(getattr(alignment, name)).parameters
    criterion = getattr(alignment, name)(**{k: v for k, v in SETTINGS.items() if k in takes})
    if hasattr(criterion, "begin_epoch"):
        given = on_offer(N_CLASSES)
        criterion.begin_epoch(given["target_features"], given["target_logits"])
    return criterion


def on_offer(n_logits, scale=1.0):
    """Return whatever a criterion may ask for, in float32."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return scale * torch.randn(*shape, generator=generator)

    given = {"progress": 0.5, "source_weight": torch.linspace(0.5, 1.5, N_SOURCE)}
    for domain, n, shift in (("source", N_SOURCE, 0.0), ("target", N_TARGET, 0.3 * scale)):
        given[f"{domain}_features"] = draw(n, N_FEATURES) + shift
        given[f"{domain}_inputs"] = draw(n, N_INPUTS) + shift
        given[f"{domain}_logits"] = draw(n, n_logits)
        given[f"{domain}_indices"] = torch.arange(n)
    given["source_labels"] = torch.arange(N_SOURCE) % N_CLASSES
    given["source_domains"] = torch.eye(2).repeat(N_SOURCE // 2, 1)
    given["source_values"], given["target_predictions"] = draw(N_SOURCE, 2), draw(N_TARGET, 2)
    torch.manual_seed(2)
    given["feature_extractor"] = nn.Sequential(nn.Linear(N_INPUTS, N_FEATURES), nn.Tanh())
    given["classifier"] = nn.Linear(N_FEATURES, n_logits)
    return given


def arguments(criterion, scale=1.0, dtype=None):
    """Return what a criterion asks for, rows in a dtype, and what takes a gradient of it."""
    given = on_offer(N_CLASSES + criterion.n_extra_logits, scale)
    asked = {name: given[name] for name in declared_names(criterion)}
    learning = []
    for name, value in asked.items():
        if isinstance(value, nn.Module):
            learning += value.parameters()
        elif name.endswith(("features", "logits", "predictions")):
            asked[name] = (value if dtype is None else value.to(dtype)).requires_grad_()
            learning.append(asked[name])
        elif name.endswith("inputs") and dtype is not None:
            asked[name] = value.to(dtype)
    return asked, learning


def value_and_gradients(criterion, asked, learning):
    torch.manual_seed(3)
    loss = criterion(**asked)
    return loss, torch.autograd.grad(loss, learning, materialize_grads=True, allow_unused=True)


def check_close(found, expected, tolerance):
    """Compare gradients by the length of what is between them."""
    total = sum(gradient.float().square().sum() for gradient in expected).sqrt()
    assert total > 0
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.isfinite().all()
        assert (one.float() - other.float()).norm() <= tolerance * total


@every_criterion
def test_autocast_changes_nothing(name):
    first = build(name)
    expected, gradients = value_and_gradients(first, *arguments(first))
    criterion = build(name)
    asked, learning = arguments(criterion)
    with torch.autocast("cpu", torch.bfloat16):
        # The backward pass of torch's own matrix products is in bfloat16 in here.
        loss, inside = value_and_gradients(criterion, asked, learning)
        assert torch.is_autocast_enabled("cpu")
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
    check_close(inside, gradients, 0.02)


@every_criterion
def test_the_backward_pass_outside_of_autocast_is_that_of_float32(name):
    first = build(name)
    _, gradients = value_and_gradients(first, *arguments(first))
    criterion = build(name)
    asked, learning = arguments(criterion)
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        loss = criterion(**asked)
    found = torch.autograd.grad(loss, learning, materialize_grads=True, allow_unused=True)
    assert all(torch.equal(one, other) for one, other in zip(found, gradients, strict=True))


@every_criterion
@half
def test_half_precision_counts_as_float32(name, dtype):
    criterion = build(name)
    asked, learning = arguments(criterion, scale=20.0, dtype=dtype)
    loss, found = value_and_gradients(criterion, asked, learning)
    wide = {
        k: v.detach().float().requires_grad_(v.requires_grad)
        if isinstance(v, torch.Tensor) and v.dtype == dtype
        else v
        for k, v in asked.items()
    }
    same = [v for v in wide.values() if isinstance(v, torch.Tensor) and v.requires_grad]
    same += [p for v in wide.values() if isinstance(v, nn.Module) for p in v.parameters()]
    expected, gradients = value_and_gradients(build(name), wide, same)
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert torch.equal(loss, expected)
    places = {id(tensor): gradient for tensor, gradient in zip(learning, found, strict=True)}
    for key, tensor in asked.items():
        if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
            own = gradients[[id(v) for v in same].index(id(wide[key]))]
            assert places[id(tensor)].dtype == dtype
            assert torch.equal(places[id(tensor)], own.to(dtype))


@every_criterion
def test_other_precisions_stay_as_they_are(name):
    criterion = build(name).double()
    asked, learning = arguments(criterion)
    asked = {
        k: v.double() if torch.is_tensor(v) and v.is_floating_point() else v
        for k, v in asked.items()
    }
    for module in asked.values():
        if isinstance(module, nn.Module):
            module.double()
    assert criterion(**asked).dtype == torch.float64
    assert len(learning) > 0


@half
def test_networks_in_half_precision_are_called_in_their_own(dtype):
    for name in ("MeanTeacher", "VirtualAdversarial", "ClassifierDiscrepancy"):
        criterion = build(name)
        asked, _ = arguments(criterion, dtype=dtype)
        modules = [v.to(dtype) for v in asked.values() if isinstance(v, nn.Module)]
        for _ in range(2):  # The teacher moves at the second.
            loss = criterion(**asked)
            loss.backward()
        assert loss.dtype == torch.float32
        weights = [p for module in modules for p in module.parameters()]
        assert all(p.dtype == p.grad.dtype == dtype for p in weights), name
        assert any(p.grad.abs().max() > 0 for p in weights), name


class Shift(Criterion):
    """A criterion of one's own that notes what it computes in."""

    def forward(self, source_features, target_features, feature_extractor=None):
        product = source_features.T @ source_features
        self.dtypes = source_features.dtype, product.dtype, torch.is_autocast_enabled("cpu")
        return product.mean() - target_features.square().mean()


def test_criteria_of_ones_own_are_called_alike():
    criterion, (asked, learning) = Shift(), arguments(Shift())
    with torch.autocast("cpu", torch.bfloat16):
        loss = criterion(**asked)
        assert torch.is_autocast_enabled("cpu")
    assert criterion.dtypes == (torch.float32, torch.float32, False)
    assert loss.dtype == torch.float32
    assert declared_names(criterion) == ("source_features", "target_features", "feature_extractor")
    assert len(learning) > 0
    criterion(asked["source_features"].half(), target_features=asked["target_features"])
    assert criterion.dtypes == (torch.float32, torch.float32, False)


def test_a_feature_extractor_opens_its_own_region_inside():
    seen = []

    class Look(nn.Module):
        def forward(self, rows):
            seen.append((rows @ rows.T).dtype)
            return rows

    class Call(Criterion):
        def forward(self, target_inputs, feature_extractor):
            return feature_extractor(target_inputs).square().mean()

    rows = torch.ones(4, 3)
    scaled = ScaledModule(Look(), 1.0, torch.bfloat16)
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            assert Call()(rows, scaled).dtype == torch.float32
    extract_features(Look(), rows, torch.bfloat16)
    assert seen == [torch.bfloat16] * 3


@half
def test_a_pair_sum_counts_half_precision_as_float32(dtype):
    rows = 20.0 * torch.randn(9, 40, generator=torch.Generator().manual_seed(0))
    rows, weights = rows.to(dtype).requires_grad_(), torch.eye(9) - 0.1
    expected = rbf_pair_sum(rows.float(), weights)
    (gradient,) = torch.autograd.grad(expected, rows)
    with torch.autocast("cpu", torch.bfloat16):
        found = rbf_pair_sum(rows, weights.to(torch.float32))
        (inside,) = torch.autograd.grad(found, rows)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert torch.equal(inside, gradient)
    assert gradient.abs().max() > 0


def test_gradients_of_gradients_are_in_float32_inside_of_autocast():
    asked, learning = arguments(MMD())

    def second():
        first = torch.autograd.grad(MMD()(**asked), learning, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in first), learning)

    expected = second()
    with torch.autocast("cpu", torch.bfloat16):
        found = second()
    check_close(found, expected, 0.02)


def test_stacked_networks_in_half_precision_and_under_autocast():
    criterion = JointMMD()
    asked, _ = arguments(criterion)
    stacked = [torch.stack([value, 2.0 * value]).detach() for value in asked.values()]
    expected = vmap(criterion)(*(value.bfloat16().float() for value in stacked))
    found = vmap(criterion)(*(value.bfloat16() for value in stacked))
    with torch.autocast("cpu", torch.bfloat16):
        inside = vmap(criterion)(*(value.bfloat16() for value in stacked))
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert torch.equal(inside, expected)


def test_labels_and_weights_of_an_epoch_are_found_in_float32():
    given = on_offer(N_CLASSES)
    rows, logits = given["target_features"].half(), given["target_logits"].half()
    for kind, what in (("CentroidLabels", "labels"), ("PartialAdversarial", "class_weight")):
        criterion, expected = build(kind), build(kind)
        with torch.autocast("cpu", torch.bfloat16):
            criterion.begin_epoch(rows, logits)
        expected.begin_epoch(rows.float(), logits.float())
        assert torch.equal(getattr(criterion, what), getattr(expected, what))


def test_a_teacher_made_under_autocast_follows():
    criterion = MeanTeacher(confidence=0.0)
    asked, learning = arguments(criterion)
    with torch.autocast("cpu", torch.bfloat16):
        criterion(**asked)
        loss = criterion(**asked)
    loss.backward()
    assert all(p.dtype == torch.float32 for p in criterion.teacher.parameters())
    assert any(p.grad.abs().max() > 0 for p in learning)


def test_tensors_without_storage_pass():
    rows = torch.empty(4, 3, device="meta")
    assert alignment.CORAL()(rows, rows).is_meta
