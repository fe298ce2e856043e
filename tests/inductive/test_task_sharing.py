"""What tasks share: the networks, the penalties and the weights, against plain computations."""

import numpy as np
import pytest
import torch
from torch import nn

from domadapt.inductive import MultiTaskClassifier, MultiTaskRegressor
from domadapt.inductive._sharing import (
    SHARINGS,
    CrossStitch,
    Levels,
    Outputs,
    SideBySide,
    Stitch,
    build_sharing,
    columns_of,
    set_apart,
)
from domadapt.inductive._task_weights import (
    GivenWeights,
    Penalised,
    distance_from_mean,
    joint_column_norms,
    penalty_of,
)
from domadapt.training import GradNormWeights, UncertaintyWeights
from domadapt.training.tasks import Task

SHORT = {"max_epochs": 3, "steps_per_epoch": 5, "random_state": 0, "batch_size": 32}
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(120, 4)).astype(np.float32)
LABELS = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)
TASKS = {"a": (ROWS[:60], LABELS[:60]), "b": (ROWS[60:], 1 - LABELS[60:])}


def build(sharing, sizes=(3, 2), hidden=(6, 5), **changes):
    torch.manual_seed(0)
    given = {"backbone": None, "batch_norm": False, "dropout": 0.0} | changes
    sample = torch.randn(7, 4)
    network, backbones = build_sharing(
        sharing, sample, Outputs(sizes), hidden_layer_sizes=hidden, **given
    )
    return network.double(), sample.double(), backbones


def linear(layer, x):
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def relu(x):
    return np.maximum(x, 0)


def outputs_of(network, x):
    with torch.no_grad():
        return network(x).numpy()


def test_hard_sharing_is_one_extractor_and_a_linear_head_for_each():
    network, x, _ = build("hard")
    first, second = (m for m in network.feature_extractor if isinstance(m, nn.Linear))
    features = relu(linear(second, relu(linear(first, x.numpy()))))
    expected = [linear(head[0], features) for head in network.classifier.heads]
    np.testing.assert_allclose(outputs_of(network, x), np.hstack(expected), rtol=1e-12)


def test_cross_stitch_mixes_the_columns_after_every_layer():
    network, x, _ = build("cross_stitch")
    extractor = network.feature_extractor
    assert isinstance(extractor, CrossStitch)
    with torch.no_grad():
        for stitch in extractor.stitches:
            stitch.mixing.copy_(torch.randn(2, 2))
    values = [x.numpy()] * 2
    for depth, stitch in enumerate(extractor.stitches):
        own = [relu(linear(extractor.columns[k][depth][0], values[k])) for k in range(2)]
        mixing = stitch.mixing.detach().numpy()
        values = [sum(mixing[k, j] * own[j] for j in range(2)) for k in range(2)]
    expected = [linear(network.classifier.heads[k][0], values[k]) for k in range(2)]
    np.testing.assert_allclose(outputs_of(network, x), np.hstack(expected), rtol=1e-12)


@pytest.mark.parametrize("n_tasks", [2, 3, 5])
def test_columns_are_mixed_near_the_identity_at_first(n_tasks):
    mixing = Stitch(n_tasks).mixing.detach()
    torch.testing.assert_close(mixing.sum(1), torch.ones(n_tasks))
    torch.testing.assert_close(mixing.diagonal(), torch.full((n_tasks,), 0.9))


def test_a_hierarchy_reads_the_last_task_from_the_top():
    network, x, _ = build("hierarchical", hidden=(7, 6, 5))
    levels = network.feature_extractor
    assert isinstance(levels, Levels)
    values = [x.numpy()]
    for layer in levels.layers:
        values.append(relu(linear(layer[0], values[-1])))
    expected = [linear(network.classifier.heads[k][0], values[2 + k]) for k in range(2)]
    np.testing.assert_allclose(outputs_of(network, x), np.hstack(expected), rtol=1e-12)


def test_a_hierarchy_has_a_layer_for_each_task_where_none_are_asked_for():
    network, _, _ = build("hierarchical", sizes=(2, 2, 2), hidden=None)
    assert [head[0].in_features for head in network.classifier.heads] == [256] * 3
    backbone = nn.Sequential(nn.Linear(4, 9), nn.Tanh())
    network, _, backbones = build("hierarchical", sizes=(2, 2), hidden=None, backbone=backbone)
    assert [head[0].in_features for head in network.classifier.heads] == [9, 256]
    assert len(backbones) == 1


def test_shared_and_private_features_stand_side_by_side():
    network, x, _ = build("shared_private", hidden=(6,))
    shared, *private = (
        relu(linear(one[0], x.numpy())) for one in network.feature_extractor.extractors
    )
    heads = network.classifier.heads
    expected = [linear(heads[k][0], np.hstack([shared, private[k]])) for k in range(2)]
    np.testing.assert_allclose(outputs_of(network, x), np.hstack(expected), rtol=1e-12)
    assert not np.allclose(shared, private[0])


def test_networks_that_are_drawn_together_start_from_the_same_weights():
    network, x, _ = build("mean_regularised")
    assert isinstance(network.feature_extractor, SideBySide)
    one, other = network.feature_extractor.extractors
    assert one is not other
    assert torch.equal(one(x), other(x))


@pytest.mark.parametrize("sharing", ["hard", "mean_regularised", "shared_private"])
def test_heads_of_tasks_that_are_alike_start_from_the_same_weights(sharing):
    heads = []
    for alike in (True, False):
        network, backbones = build_sharing(
            sharing,
            torch.randn(7, 4),
            Outputs((3, 3), alike),
            backbone=None,
            hidden_layer_sizes=(6,),
            batch_norm=False,
            dropout=0.0,
        )
        assert backbones is None
        heads.append([head[0].weight for head in network.classifier.heads])
    assert torch.equal(*heads[0])
    assert heads[0][0] is not heads[0][1]
    assert not torch.equal(*heads[1])


@pytest.mark.parametrize("sharing", SHARINGS)
def test_tasks_that_are_set_apart_have_nothing_in_common(sharing):
    network, x, _ = build(sharing)
    before = outputs_of(network, x)
    apart, _ = set_apart(network, None)
    np.testing.assert_array_equal(outputs_of(apart, x), before)
    apart(x)[:, :3].square().sum().backward()
    first, second = apart.feature_extractor.extractors
    assert any(p.grad is not None and p.grad.any() for p in first.parameters())
    assert not any(p.grad is not None and p.grad.any() for p in second.parameters())
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize(
    "sharing",
    ["hard", "cross_stitch", "hierarchical", "shared_private", "mean_regularised"],
)
def test_the_gradient_of_each_task_reaches_what_it_reads_and_nothing_of_others(sharing):
    network, x, _ = build(sharing)
    outputs = network(x)
    outputs[:, :3].square().sum().backward()
    touched = [p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters()]
    assert any(touched)
    assert not network.classifier.heads[1][0].weight.grad.any()
    if sharing == "mean_regularised":
        first, second = network.feature_extractor.extractors
        assert first[0].weight.grad.any()
        assert not second[0].weight.grad.any()
    if sharing == "hard":
        assert network.feature_extractor[0].weight.grad.any()


def test_the_distance_from_the_mean_is_that_of_all_weights():
    modules = [nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double() for _ in range(3)]
    flat = np.array(
        [np.concatenate([p.detach().numpy().ravel() for p in m.parameters()]) for m in modules]
    )
    expected = ((flat - flat.mean(0)) ** 2).sum() / 2
    distance = distance_from_mean(modules)
    assert distance.item() == pytest.approx(expected, rel=1e-12)
    distance.backward()
    gradient = modules[1][0].weight.grad.numpy().ravel()
    np.testing.assert_allclose(gradient, (flat[1] - flat.mean(0))[:6], rtol=1e-10, atol=1e-14)


def test_joint_columns_are_the_norms_over_the_layers_of_all_tasks():
    layers = [nn.Linear(4, 3).double() for _ in range(2)]
    with torch.no_grad():
        for layer in layers:
            layer.weight[:, 2] = 0.0
    expected = 0.0
    for column in range(4):
        squares = sum((layer.weight[:, column].detach().numpy() ** 2).sum() for layer in layers)
        expected += squares**0.5
    norm = joint_column_norms(layers)
    assert norm.item() == pytest.approx(expected, rel=1e-12)
    norm.backward()
    assert all(layer.weight.grad.isfinite().all() for layer in layers)
    assert not layers[0].weight.grad[:, 2].any()


def test_no_strength_is_no_penalty():
    network, _, _ = build("mean_regularised")
    assert penalty_of("mean_regularised", network, 0.0) is None
    assert penalty_of("hard", network, None) is None


def distance_after(weight, **changes):
    clf = MultiTaskClassifier(sharing="mean_regularised", sharing_weight=weight, **SHORT | changes)
    network = clf.fit(TASKS).module_
    pairs = zip(network.feature_extractor.extractors, network.classifier.heads, strict=True)
    return distance_from_mean([nn.ModuleList(pair) for pair in pairs]).item(), clf


def test_the_stronger_the_penalty_the_closer_the_networks():
    distances = [distance_after(weight)[0] for weight in (0.0, 1.0, 10.0)]
    assert distances[0] > distances[1] > distances[2] > 0
    # The labels are opposite: one network for both could not be right about either.
    loose, tied = (distance_after(weight, max_epochs=10)[1].score(TASKS) for weight in (0.0, 10.0))
    assert min(loose.values()) > 0.9
    assert max(tied.values()) < min(loose.values())


def test_linear_networks_drawn_to_their_mean_solve_the_papers_equations():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 3))
    y = X @ np.array([1.0, -2.0, 0.5])
    tasks = {"a": (X[:40], y[:40]), "b": (X[40:], y[40:] + 2.0 * X[40:, 0])}
    strength = 0.7
    reg = MultiTaskRegressor(
        sharing="mean_regularised",
        sharing_weight=strength,
        hidden_layer_sizes=(),
        weight_decay=0.0,
        optimizer="sgd",
        learning_rate=0.05,
        learning_rate_schedule="constant",
        batch_size=40,
        max_epochs=40,
        random_state=0,
    ).fit(tasks)
    # mean_i (w_k x_i + b_k - y_i)^2 + strength / 2 * sum_k |w_k - mean|^2, in standard units.
    system, right = np.zeros((8, 8)), np.zeros(8)
    for k, (rows, values) in enumerate(tasks.values()):
        Z = np.column_stack([rows, np.ones(40)])
        own = slice(4 * k, 4 * k + 4)
        system[own, own] += 2 * Z.T @ Z / 40
        right[own] = 2 * Z.T @ ((values - values.mean()) / values.std()) / 40
        for j in range(2):
            other = slice(4 * j, 4 * j + 4)
            system[own, other] += strength * ((k == j) - 0.5) * np.eye(4)
    expected = np.linalg.solve(system, right).reshape(2, 4)
    for head, solution in zip(reg.module_.classifier.heads, expected, strict=True):
        found = torch.cat([head[0].weight[0], head[0].bias]).detach().numpy()
        np.testing.assert_allclose(found, solution, atol=2e-3)


def test_joint_features_leave_out_columns_of_noise():
    rng = np.random.default_rng(0)
    X = np.hstack([ROWS, rng.normal(size=(120, 6))]).astype(np.float32)
    tasks = {"a": (X[:60], LABELS[:60]), "b": (X[60:], 1 - LABELS[60:])}
    settings = SHORT | {"sharing": "joint_features", "max_epochs": 30, "hidden_layer_sizes": 16}
    shares = []
    for weight in (0.0, 0.1):
        network = MultiTaskClassifier(sharing_weight=weight, **settings).fit(tasks).module_
        layers = [extractor[0] for extractor in network.feature_extractor.extractors]
        norms = torch.cat([layer.weight for layer in layers]).norm(dim=0)
        shares.append((norms[:2].sum() / norms.sum()).item())
    assert shares[1] > shares[0] + 0.3


def test_stitches_and_sharing_are_learnt():
    clf = MultiTaskClassifier(sharing="cross_stitch", **SHORT).fit(TASKS)
    (stitch,) = clf.module_.feature_extractor.stitches
    assert not torch.equal(stitch.mixing, Stitch(2).mixing)


def test_given_weights_scale_the_gradient_and_leave_the_sum():
    losses = torch.tensor([2.0, 3.0], requires_grad=True)
    weights = GivenWeights([0.5, 4.0])
    total = weights.weigh(list(losses), None)
    assert total.item() == 5.0
    total.backward()
    torch.testing.assert_close(losses.grad, torch.tensor([0.5, 4.0]))


def test_a_penalty_is_added_whatever_the_weights():
    value = torch.tensor(1.5, requires_grad=True)
    for weights in (GivenWeights([0.0, 1.0]), UncertaintyWeights(2), GradNormWeights(2)):
        features = torch.ones(2, requires_grad=True)
        losses = [features[0].square(), 1000 * features[1].square()]
        value.grad = None
        penalised = Penalised(weights, lambda: 2 * value)
        assert penalised.weigh(losses, features).item() == pytest.approx(1004.0)
        penalised.weigh(losses, features).backward()
        assert value.grad.item() == 2.0
        torch.testing.assert_close(penalised.factors(), weights.factors())


def test_task_weights_change_what_is_learnt():
    # Two tasks that one small layer cannot serve at once.
    tiny = SHORT | {"hidden_layer_sizes": 1, "max_epochs": 20}
    scores = [
        MultiTaskClassifier(task_weights={"a": a, "b": b}, **tiny).fit(TASKS)
        for a, b in ((1.0, 0.0), (0.0, 1.0))
    ]
    for clf, learnt in zip(scores, ("a", "b"), strict=True):
        assert clf.history_[learnt][-1] == min(clf.history_[name][-1] for name in TASKS)
        assert clf.loss_weights_.tolist() == [float(name == learnt) for name in TASKS]


class Times(Task):
    """A task whose loss is another's times a factor."""

    def __init__(self, task, factor):
        self.task, self.factor = task, factor

    def loss(self, outputs, index):
        return self.factor * self.task.loss(outputs, index)


class OfUnequalScale(MultiTaskClassifier):
    """The loss of the second task is a thousand times as large."""

    def _make_task(self, learnt, reader):
        task = super()._make_task(learnt, reader)
        if len(learnt["learners"]) > 1:
            task.tasks[1] = Times(task.tasks[1], 1000.0)
        return task


@pytest.mark.parametrize("loss_weights", ["uncertainty", "gradnorm"])
def test_losses_of_scale_1_to_1000_are_learnt_as_well_as_alone(loss_weights):
    settings = SHORT | {"max_epochs": 12}
    tasks = {"a": TASKS["a"], "b": (TASKS["b"][0], (ROWS[60:, 2] > 0).astype(int))}
    clf = OfUnequalScale(loss_weights=loss_weights, **settings).fit(tasks)
    scores = clf.score(tasks)
    for name, task in tasks.items():
        alone = MultiTaskClassifier(**settings).fit({name: task}).score({name: task})
        assert scores[name] > alone[name] - 0.04
    first, second = clf.loss_weights_
    assert 300 < first / second < 3000


def test_columns_of_several_slices_are_joined():
    features = np.arange(12).reshape(2, 6)
    read = [slice(0, 2), slice(4, 6)]
    expected = [[0, 1, 4, 5], [6, 7, 10, 11]]
    assert columns_of(features, read, np.concatenate).tolist() == expected
    assert columns_of(torch.from_numpy(features), read).tolist() == expected
