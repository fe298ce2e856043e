"""Three steps with three alignment weights, stacked by vmap, are three separate steps."""

import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from domadapt.methods import METHODS
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head, split_batch_norm
from domadapt.training import WeightedCriteria
from domadapt.training.optimizers import Optimizer
from domadapt.training.step import EagerRunner, TrainingStep
from domadapt.training.tasks import Classification

N_SOURCE, N_TARGET, N_COLUMNS, N_CLASSES = 12, 10, 6, 3
WEIGHTS = (0.0, 0.3, 2.0)
RATE = 0.05


def mean_distance(source_features, target_features, progress):
    """Return a criterion of a person's own, which looks at the progress too."""
    gap = source_features.mean(0) - target_features.mean(0)
    return (1.0 + progress) * gap.square().sum()


def make_step(alignment, *, batch_norm):
    """Build a step whose weights and sizes are drawn."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(N_SOURCE + N_TARGET, N_COLUMNS, generator=generator)
    inputs[N_SOURCE:] += 0.5
    labels = torch.randint(0, N_CLASSES, (N_SOURCE,), generator=generator)
    torch.manual_seed(0)
    extractor = mlp_backbone(N_COLUMNS, (8,), batch_norm=batch_norm)
    network = FeatureClassifier(extractor, mlp_head(N_CLASSES, in_features=8))
    if batch_norm:
        split_batch_norm(network, N_SOURCE)
    sizes = {"source": N_SOURCE, "target": N_TARGET}
    task = Classification(labels, label_smoothing=0.1)
    criteria = WeightedCriteria(alignment)
    step = TrainingStep(network, criteria, task, sizes, torch.float32)
    index = {"source": torch.arange(N_SOURCE), "target": torch.arange(N_TARGET)}
    with torch.no_grad():
        # Layers that take their sizes from the first mini-batch do so here.
        step.eval()
        step(inputs, index, torch.ones(1 + len(criteria.terms), dtype=torch.float64))
    return step.train(), inputs, index


def scalars_of(weights, n_criteria):
    """Return the progress and the factor of each criterion, one row for each weight."""
    rows = [[0.25, *(weight for _ in range(n_criteria))] for weight in weights]
    return torch.tensor(rows, dtype=torch.float64)


def separate(step, inputs, index, scalars, optimizer):
    """Run the step twice on its own and return losses, weights and statistics."""
    step = copy.deepcopy(step)
    runner = EagerRunner(step, Optimizer(optimizer, [list(step.parameters())], 1e-3))
    rates = torch.tensor([RATE], dtype=torch.float64)
    losses = [runner(inputs, index, scalars, rates) for _ in range(2)]
    return torch.stack(losses), step.state_dict()


def stacked(steps, inputs, index, scalars, optimizer):
    """Run stacked steps twice: losses under vmap, one backward pass, one update for all."""
    parameters, buffers = stack_module_state(steps)
    # Its own weights are not read; those that layers share are replaced together.
    template = copy.deepcopy(steps[0])

    def losses_of(parameters, buffers, scalars):
        return torch.stack(
            functional_call(template, (parameters, buffers), (inputs, index, scalars))
        )

    updater = Optimizer(optimizer, [list(parameters.values())], 1e-3)
    losses = []
    for _ in range(2):
        each = vmap(losses_of)(parameters, buffers, scalars)
        # Of the losses, that of the task and that of the alignment are trained on.
        each[:, :2].sum().backward()
        updater.step([RATE])
        losses.append(each.detach())
    return torch.stack(losses), parameters | buffers


NAMED = {name: METHODS[name].classes for name in ("dann", "coral", "dan", "mcc", "cdan", "jan")}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("alignment", [*NAMED, "function"])
def test_three_stacked_steps_are_three_separate_ones(alignment, batch_norm, optimizer):
    criterion = mean_distance if alignment == "function" else NAMED[alignment]()
    step, inputs, index = make_step(criterion, batch_norm=batch_norm)
    scalars = scalars_of(WEIGHTS, 1)
    losses, state = stacked(
        [copy.deepcopy(step) for _ in WEIGHTS], inputs, index, scalars, optimizer
    )
    ends = []
    for number in range(len(WEIGHTS)):
        expected, after = separate(step, inputs, index, scalars[number], optimizer)
        torch.testing.assert_close(losses[:, number], expected, rtol=0, atol=1e-5)
        assert state.keys() <= after.keys()
        for name, values in state.items():
            torch.testing.assert_close(values[number], after[name], rtol=0, atol=1e-5)
        ends.append(after["network.feature_extractor.0.weight"])
    # The weights of alignment make a difference that is far above rounding.
    assert (ends[0] - ends[2]).abs().max() > 1e-4
    assert (ends[0] - step.state_dict()["network.feature_extractor.0.weight"]).abs().max() > 1e-4


def test_a_gradient_is_limited_for_each_stacked_member_alone():
    """A criterion that runs away in one member must not shorten the gradient of the others."""

    def runaway(source_features, target_features):
        return 1e6 * (source_features.mean(0) - target_features.mean(0)).square().sum()

    step, inputs, index = make_step(runaway, batch_norm=False)
    scalars = scalars_of((1e-9, 1e9), 1)
    _, state = stacked([copy.deepcopy(step) for _ in range(2)], inputs, index, scalars, "sgd")
    for number in range(2):
        _, after = separate(step, inputs, index, scalars[number], "sgd")
        for name, value in after.items():
            torch.testing.assert_close(state[name][number], value, rtol=0, atol=1e-5)
