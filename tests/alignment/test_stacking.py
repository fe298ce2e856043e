"""Every criterion for several networks at once, against one network after the other."""

import inspect
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from domadapt import alignment
from domadapt.alignment.protocol import StepTensors
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head

NAMES = [name for name in alignment.__all__ if name not in ("Criterion", "declared_names")]
# Their plans are computed on the CPU.
NOT_STACKABLE = {"DeepJDOT", "DeepJDOTRegression"}
SMALL = {"hidden_layer_sizes": (5,)}
CASES = {
    **{name: getattr(alignment, name) for name in NAMES if name not in NOT_STACKABLE},
    "BSP of several": partial(alignment.BSP, n_singular=2),
    "CDAN by projections": partial(alignment.ConditionalAdversarial, max_product=0, n_random=4),
    "a Laplacian kernel": partial(alignment.KernelMMD, kernel="laplacian", unbiased=False),
    "a linear kernel": partial(alignment.KernelMMD, kernel="linear"),
    "a set bandwidth": partial(alignment.MMD, bandwidth=2.0, unbiased=False),
    "diverse predictions": partial(alignment.EntropyMinimization, diversity=1.0),
    "one direction": partial(alignment.RSD, n_components=1),
    # At the default none of these predictions is sure enough to be learnt from.
    "PseudoLabels": partial(alignment.PseudoLabels, threshold=0.34),
    "MeanTeacher": partial(alignment.MeanTeacher, confidence=0.34),
    "two power iterations": partial(alignment.VirtualAdversarial, n_power_iterations=2),
}
N_NETWORKS, N_INPUTS, N_CLASSES = 3, 4, 3


class Step(nn.Module):
    """A network and a criterion: from mini-batches to the criterion's loss."""

    def __init__(self, criterion, n_features, n_sources):
        super().__init__()
        self.criterion, self.n_sources = criterion, n_sources
        backbone = mlp_backbone(N_INPUTS, (n_features,))
        head = mlp_head(N_CLASSES + criterion.n_extra_logits, in_features=n_features)
        self.network = FeatureClassifier(backbone, head)

    def forward(self, inputs, labels, factor, progress):
        features = self.network.feature_extractor(inputs)
        n_source = len(labels)
        tensors = StepTensors(
            n_source=n_source,
            features=features,
            outputs=self.network.classifier(features),
            labels=labels,
            weight=None,
            source_indices=torch.arange(n_source),
            target_indices=torch.arange(len(inputs) - n_source),
            classifier=self.network.classifier,
            progress=progress,
            feature_extractor=self.network.feature_extractor,
            gather_inputs=lambda: inputs,
            source_domains=F.one_hot(torch.arange(n_source) % self.n_sources, self.n_sources).to(
                inputs.dtype
            ),
        )
        names = alignment.declared_names(self.criterion)
        return self.criterion(**tensors.select(names, factor))


def make_steps(name, inputs, labels, n_features, n_sources):
    """Return steps whose criteria have their sizes, copies and labels of the target."""
    steps = []
    for i in range(N_NETWORKS):
        torch.manual_seed(i)
        takes = inspect.signature(CASES[name]).parameters
        criterion = CASES[name](**({k: v for k, v in SMALL.items() if k in takes}))
        step = Step(criterion, n_features, n_sources).to(inputs.dtype)
        if hasattr(criterion, "begin_epoch"):
            target = step.network.feature_extractor(inputs[i, labels.shape[1] :])
            criterion.begin_epoch(target, step.network.classifier(target))
        step(inputs[i], labels[i], 1.0, 0.0)
        steps.append(step)
    return steps


@pytest.mark.filterwarnings("error:There is a performance drop")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("dtype", "batches", "n_features"),
    [(torch.float64, "own", 2), (torch.float64, "shared", 20), (torch.float32, "own", 5)],
)
def test_stacked_networks_have_the_losses_and_gradients_of_single_ones(
    name, dtype, batches, n_features
):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(N_NETWORKS, 13, N_INPUTS, generator=generator, dtype=dtype)
    labels = torch.randint(N_CLASSES, (N_NETWORKS, 6), generator=generator)
    if batches == "shared":
        inputs, labels = inputs[:1].expand_as(inputs), labels[:1].expand_as(labels)
    n_sources = 2 if n_features == 5 or name == "MomentMatching" else 1
    steps = make_steps(name, inputs, labels, n_features, n_sources)
    factors = torch.tensor([0.3, 1.0, 0.05], dtype=torch.float64)
    progress = torch.tensor(0.7, dtype=torch.float64)

    parameters, buffers = stack_module_state(steps)

    def run(parameters, buffers, inputs, labels, factor):
        torch.manual_seed(9)
        return functional_call(steps[0], (parameters, buffers), (inputs, labels, factor, progress))

    own = 0 if batches == "own" else None
    given = (inputs, labels) if batches == "own" else (inputs[0], labels[0])
    stacked = vmap(run, (0, 0, own, own, 0), randomness="same")(
        parameters, buffers, *given, factors
    )
    stacked.sum().backward()

    tolerance = {"rtol": 0, "atol": 1e-9 if dtype == torch.float64 else 1e-5}
    for i, step in enumerate(steps):
        torch.manual_seed(9)
        loss = step(inputs[i], labels[i], factors[i], progress)
        step.zero_grad()
        loss.backward()
        assert loss.dtype == stacked.dtype == dtype
        torch.testing.assert_close(stacked[i], loss, **tolerance)
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in step.parameters())
        for key, parameter in step.named_parameters():
            torch.testing.assert_close(parameters[key][i], parameter, **tolerance)
            if parameter.grad is None:
                assert parameters[key].grad is None
            else:
                torch.testing.assert_close(parameters[key].grad[i], parameter.grad, **tolerance)
        for key, buffer in step.named_buffers():
            torch.testing.assert_close(buffers[key][i], buffer, **tolerance)


def test_the_others_say_that_they_cannot_be_stacked():
    unable = {name for name in NAMES if not getattr(alignment, name)().stackable}
    assert unable == NOT_STACKABLE
    assert not alignment.MeanTeacher(augmentation=torch.flip).stackable
