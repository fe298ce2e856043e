"""Tasks without labels: against loops in float64, what is drawn, gradients, and edges."""

import copy
import itertools
import math
import pickle
from statistics import mean, pstdev

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from domadapt.alignment import SelfSupervised
from domadapt.alignment.self_supervised import _places_of_pixels
from domadapt.nn.random_numbers import RandomNumbers

CPU = torch.device("cpu")
N_SOURCE, N_TARGET = 5, 7
TASKS = ("rotation", "jigsaw", "masked_columns")
every_task = pytest.mark.parametrize("task", TASKS)


def samples(*shape, dtype=torch.float64):
    """Draw both domains."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(N_SOURCE + N_TARGET, *shape, generator=generator, dtype=torch.float64)
    source, target = rows.to(dtype).split([N_SOURCE, N_TARGET])
    return source, target + 0.5


def extractor_for(*shape, dtype=torch.float64, n_features=3):
    torch.manual_seed(1)
    linear = nn.Linear(math.prod(shape), n_features)
    return nn.Sequential(nn.Flatten(), linear, nn.Tanh()).to(dtype)


def sized(task, inputs, extractor, **settings):
    """Return a criterion whose head has its size, with weights that are drawn."""
    torch.manual_seed(2)
    criterion = SelfSupervised(task, **settings).to(inputs[0].dtype)
    criterion(*inputs, extractor)
    return criterion


def applied(layers, row):
    """Run linear layers and their tangent on one sample, in plain numbers."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            weight, bias = layer.weight.tolist(), layer.bias.tolist()
            products = [sum(w * x for w, x in zip(ws, row, strict=True)) for ws in weight]
            row = [value + b for value, b in zip(products, bias, strict=True)]
        elif isinstance(layer, nn.Tanh):
            row = [math.tanh(value) for value in row]
        elif isinstance(layer, nn.ReLU):
            row = [max(value, 0.0) for value in row]
    return row


def turned(image, way):
    """Turn one channel to the left, a quarter at a time."""
    for _ in range(way):
        image = [list(row) for row in zip(*image, strict=True)][::-1]
    return image


def puzzled(image, way):
    """Put the quarters of one channel in the order of a way; the middle stays."""
    order = list(itertools.permutations(range(4)))[way]
    height, width = len(image), len(image[0])
    h, w = height // 2, width // 2
    corners = [(0, 0), (0, width - w), (height - h, 0), (height - h, width - w)]
    changed = [list(row) for row in image]
    for to, come_from in enumerate(order):
        for i, j in itertools.product(range(h), range(w)):
            (top, left), (from_top, from_left) = corners[to], corners[come_from]
            changed[top + i][left + j] = image[from_top + i][from_left + j]
    return changed


def naive_images(criterion, inputs, extractor, change, n_ways):
    of_domains = []
    for domain in inputs:
        ways = torch.randint(n_ways, (len(domain),)).tolist()
        losses = []
        for image, way in zip(domain, ways, strict=True):
            channels = image[None] if image.ndim == 2 else image
            made = [change(channel.tolist(), way) for channel in channels]
            row = [value for channel in made for line in channel for value in line]
            logits = applied(criterion.head, applied(extractor, row))
            losses.append(math.log(sum(map(math.exp, logits))) - logits[way])
        of_domains.append(mean(losses))
    return mean(of_domains)


def naive_columns(criterion, inputs, extractor):
    of_domains = []
    for domain in inputs:
        rows = domain.flatten(1).tolist()
        mask = torch.empty(len(rows), len(rows[0])).double().bernoulli_(criterion.share).tolist()
        others = torch.randint(len(rows), (len(rows), len(rows[0]))).tolist()
        columns = list(zip(*rows, strict=True))
        errors = []
        for i, row in enumerate(rows):
            made = [rows[others[i][c]][c] if mask[i][c] else x for c, x in enumerate(row)]
            predicted = applied(criterion.head, applied(extractor, made))
            for c, column in enumerate(columns):
                if mask[i][c]:
                    standard = (row[c] - mean(column)) / pstdev(column)
                    errors.append((predicted[c] - standard) ** 2)
        of_domains.append(mean(errors))
    return mean(of_domains)


@pytest.mark.parametrize("settings", [{}, {"hidden_layer_sizes": (4,)}])
@pytest.mark.parametrize("shape", [(4, 4), (1, 5, 5), (3, 4, 4), (2, 3, 4), (3, 2)])
@pytest.mark.parametrize("task", ["rotation", "jigsaw"])
def test_tasks_on_images_match_the_loops(task, shape, settings):
    inputs, extractor = samples(*shape), extractor_for(*shape)
    criterion = sized(task, inputs, extractor, **settings)
    square = shape[-1] == shape[-2]

    def half_turn(image, way):
        return turned(image, 2 * way)

    change, n_ways = (
        (puzzled, 24) if task == "jigsaw" else (turned, 4) if square else (half_turn, 2)
    )
    torch.manual_seed(3)
    ours = criterion(*inputs, extractor)
    torch.manual_seed(3)
    expected = naive_images(criterion, inputs, extractor, change, n_ways)
    assert ours.item() == pytest.approx(expected, rel=1e-10)
    assert criterion.head[-1].out_features == n_ways


@pytest.mark.parametrize("settings", [{}, {"share": 0.7, "hidden_layer_sizes": (4,)}])
@pytest.mark.parametrize("shape", [(6,), (2, 3, 2)])
def test_masked_columns_match_the_loops(shape, settings):
    inputs, extractor = samples(*shape), extractor_for(*shape)
    criterion = sized("masked_columns", inputs, extractor, **settings)
    torch.manual_seed(3)
    ours = criterion(*inputs, extractor)
    torch.manual_seed(3)
    assert ours.item() == pytest.approx(naive_columns(criterion, inputs, extractor), rel=1e-10)


@every_task
def test_gradient_is_the_derivative_and_reaches_head_and_extractor(task):
    inputs, extractor = samples(4, 4), extractor_for(4, 4)
    criterion = sized(task, inputs, extractor)

    def loss(weight, bias):
        torch.manual_seed(3)
        return criterion(*inputs, lambda x: F.linear(x.flatten(1), weight, bias).tanh())

    weights = [p.detach().clone().requires_grad_() for p in extractor[1].parameters()]
    assert torch.autograd.gradcheck(loss, weights)
    criterion(*inputs, extractor).backward()
    learning = [*criterion.parameters(), *extractor.parameters()]
    assert len(learning) == 4
    assert all(p.grad.abs().max() > 0 for p in learning)


@every_task
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["identical", "constant", "zero", "one sample", "far", "tiny"])
def test_values_and_gradients_are_finite_at_the_edges(task, kind, dtype):
    source, target = samples(4, 4, dtype=dtype)
    source, target = {
        "identical": (source, source.clone()),
        "constant": (torch.full_like(source, 0.1), torch.full_like(target, 0.1)),
        "zero": (torch.zeros_like(source), torch.zeros_like(target)),
        "one sample": (source[:1], target[:1]),
        "far": (1e4 * source, -1e4 * source),
        "tiny": (1e-20 * source, 1e-20 * target),
    }[kind]
    extractor = extractor_for(4, 4, dtype=dtype)
    criterion = SelfSupervised(task).to(dtype)
    for _ in range(3):
        loss = criterion(source, target, extractor)
        loss.backward()
        assert loss.dtype == dtype
        assert loss.isfinite()
    weights = [*criterion.parameters(), *extractor.parameters()]
    assert all(weight.grad.isfinite().all() for weight in weights)


def test_auto_is_rotation_of_images_and_masked_columns_of_vectors():
    for shape, task in (((4, 4), "rotation"), ((3, 4, 4), "rotation"), ((6,), "masked_columns")):
        inputs, extractor = samples(*shape), extractor_for(*shape)
        losses = []
        for name in ("auto", task):
            criterion = sized(name, inputs, extractor)
            torch.manual_seed(3)
            losses.append(criterion(*inputs, extractor).item())
        assert losses[0] == losses[1]
    assert SelfSupervised().task == "auto"


@pytest.mark.parametrize(("height", "width"), [(4, 4), (5, 4), (5, 7), (2, 2), (2, 3)])
def test_a_jigsaw_has_24_ways_which_keep_all_pixels_and_the_middle(height, width):
    ways = _places_of_pixels("jigsaw", height, width, CPU).view(24, height, width)
    assert len({tuple(way.flatten().tolist()) for way in ways}) == 24
    places = torch.arange(height * width).view(height, width)
    assert torch.equal(ways[0], places)
    for way in ways:
        assert torch.equal(way.flatten().sort().values, places.flatten())
        if height % 2:
            assert torch.equal(way[height // 2], places[height // 2])
        if width % 2:
            assert torch.equal(way[:, width // 2], places[:, width // 2])


@pytest.mark.parametrize(("shape", "n_ways"), [((4, 4), 4), ((4, 6), 2)])
def test_images_that_are_not_square_are_turned_by_half_alone(shape, n_ways):
    ways = _places_of_pixels("rotation", *shape, CPU)
    image = torch.arange(24.0)[: math.prod(shape)]
    found = [image[way].view(shape) for way in ways]
    expected = [image.view(shape).rot90(turn * (4 // n_ways)) for turn in range(n_ways)]
    assert len(found) == n_ways
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


class Recorder(nn.Module):
    """A feature extractor that keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, inputs):
        self.given.append(inputs)
        return inputs.flatten(1)


def test_masked_values_come_from_the_same_column_of_the_same_domain():
    rows = torch.arange(200.0).view(40, 5)
    source, target, recorder = rows, rows + 1000.0, Recorder()
    SelfSupervised("masked_columns", share=0.4)(source, target, recorder)
    for domain, made in zip((source, target), recorder.given, strict=True):
        assert torch.equal(made % 5, domain % 5)
        assert made.min() >= domain.min()
        assert made.max() <= domain.max()
        # One in forty is replaced by itself.
        assert 0.25 < (made != domain).double().mean() < 0.55


def test_domains_run_one_after_the_other_and_count_alike():
    source, target = samples(4, 4)
    recorder = Recorder()
    criterion = SelfSupervised("rotation").double()
    criterion(source, target, recorder)
    assert [len(given) for given in recorder.given] == [N_SOURCE, N_TARGET]
    # A linear head at zero knows nothing: each domain has the entropy of four turns.
    nn.init.zeros_(criterion.head[0].weight)
    nn.init.zeros_(criterion.head[0].bias)
    assert criterion(source, target, recorder).item() == pytest.approx(math.log(4))


@every_task
def test_draws_are_those_of_the_fit(task):
    inputs, extractor = samples(4, 4), extractor_for(4, 4)
    criterion = sized(task, inputs, extractor)
    before = torch.get_rng_state()
    losses = []
    for seed in (0, 0, 1):
        with RandomNumbers(seed, CPU).drawn():
            losses.append(criterion(*inputs, extractor).item())
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), before)


@every_task
def test_the_unit_of_the_columns_does_not_matter_to_what_is_predicted(task):
    # Features that do not see the unit: only the loss could.
    inputs = samples(4, 4)
    losses = []
    for factor in (1.0, 1e6):
        criterion = sized(task, inputs, lambda x: x.flatten(1).sign())
        torch.manual_seed(3)
        scaled = [factor * domain for domain in inputs]
        losses.append(criterion(*scaled, lambda x: x.flatten(1).sign()).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_copies_and_saved_states_give_the_same_loss():
    inputs, extractor = samples(4, 4), extractor_for(4, 4)
    criterion = sized("jigsaw", inputs, extractor, hidden_layer_sizes=(6,))
    fresh = SelfSupervised("jigsaw", hidden_layer_sizes=(6,)).double()
    fresh.load_state_dict(criterion.state_dict())
    for other in (fresh, copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        losses = []
        for one in (criterion, other):
            torch.manual_seed(3)
            losses.append(one(*inputs, extractor).item())
        assert losses[0] == losses[1]
    assert criterion.get_params()["task"] == "jigsaw"
    assert repr(SelfSupervised("jigsaw")).startswith("SelfSupervised(\n  task='jigsaw', share=0.3")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SelfSupervised("colour"), ValueError, "task='colour' is unknown. Use one of"),
        (lambda: SelfSupervised(share=0.0), ValueError, "share=0.0 must be a number above 0"),
        (lambda: SelfSupervised(share=1), ValueError, "share=1 must be a number above 0"),
        (lambda: SelfSupervised(share=math.nan), ValueError, "share=nan must be a number"),
        (lambda: SelfSupervised(share="half"), TypeError, "share='half' must be a number"),
    ],
)
def test_bad_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("task", "shape", "message"),
    [
        ("rotation", (6,), r"task='rotation' needs images.*shape \(6,\) came.*'masked_columns'"),
        ("jigsaw", (6,), r"task='jigsaw' needs images.*shape \(6,\) came.*'masked_columns'"),
        ("jigsaw", (3, 1, 4), r"at least 2 x 2 pixels, and samples of shape \(3, 1, 4\) came"),
    ],
)
def test_samples_that_do_not_suit_the_task_are_told(task, shape, message):
    with pytest.raises(ValueError, match=message):
        SelfSupervised(task)(*samples(*shape), nn.Flatten())


@pytest.mark.parametrize("task", ["rotation", "jigsaw"])
def test_images_of_several_networks_at_once_have_the_losses_of_single_ones(task):
    inputs, extractor = samples(3, 4, 4), extractor_for(3, 4, 4)
    criterion = sized(task, inputs, extractor)
    stacked = [torch.stack([domain, 0.3 * domain]) for domain in inputs]

    def loss(source, target):
        torch.manual_seed(3)
        return criterion(source, target, extractor)

    found = torch.func.vmap(loss, randomness="same")(*stacked)
    expected = torch.stack([loss(*pair) for pair in zip(*stacked, strict=True)])
    torch.testing.assert_close(found, expected)
