"""The step with several losses: against gradients written out, and weights of progress."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from domadapt import AlignmentClassifier, AlignmentRegressor
from domadapt.alignment.protocol import StepTensors
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.training import GradNormWeights, Trainer, UncertaintyWeights, WeightedCriteria

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 4, "batch_size": 32, "random_state": 0}


def same(first, second):
    """Return whether two estimators have the same weights to the last bit."""
    one, other = first.module_.state_dict(), second.module_.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.items())


# The step against gradients written out.


def mean_distance(source_features, target_features):
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


def spread(target_logits):
    return -0.2 * target_logits.square().mean()


def small_step():
    """Build a network in float64 and what a step of it has at hand."""
    torch.manual_seed(0)
    backbone = mlp_backbone(4, (6,), batch_norm=False)
    network = FeatureClassifier(backbone, mlp_head(3, in_features=6)).double()
    inputs = torch.randn(14, 4, dtype=torch.float64)
    labels = torch.arange(8) % 3
    features = network.feature_extractor(inputs)
    outputs = network.classifier(features)
    at = StepTensors(
        n_source=8,
        features=features,
        outputs=outputs,
        labels=labels,
        weight=None,
        source_indices=torch.arange(8),
        target_indices=torch.arange(6),
        classifier=network.classifier,
        progress=torch.tensor(0.5),
    )
    return network, at, F.cross_entropy(outputs[:8], labels)


def expected_gradients(factors):
    """Compute the gradients of the network for a weighted sum of the losses."""
    network, at, task_loss = small_step()
    source, target = at.features[:8], at.features[8:]
    losses = [task_loss, mean_distance(source, target), spread(at.outputs[8:])]
    total = sum(factor * loss for factor, loss in zip(factors, losses, strict=True))
    parameters = list(network.parameters())
    return [loss.item() for loss in losses], torch.autograd.grad(total, parameters)


LIST = [(0.7, mean_distance), (lambda progress: 2.0 * progress, spread)]
# What the list asks for in the middle of training, and what it is with half the weight.
OWN = [0.7, 1.0]
FACTORS = torch.tensor([0.35, 0.5], dtype=torch.float64)


def weighed(balance, task_loss, at):
    """Return the losses of the task, of the alignment and of both criteria."""
    criteria = WeightedCriteria(LIST)
    assert criteria.own_weights(0.5) == OWN
    return balance(task_loss, criteria, at, list(FACTORS))


def test_the_first_step_by_uncertainty_has_the_gradient_of_losses_as_they_are():
    network, at, task_loss = small_step()
    balance = UncertaintyWeights(3).double()
    both = weighed(balance, task_loss, at)
    sum(both[:2]).backward()
    # Weights are one until the first losses have been seen, which set them for the next.
    losses, gradients = expected_gradients([1.0, *(0.5 * own for own in OWN)])
    assert both[0].item() == pytest.approx(losses[0])
    assert both[1].item() == pytest.approx(losses[1] + losses[2])
    assert [loss.item() for loss in both[2:]] == pytest.approx(losses[1:])
    for parameter, expected in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    assert balance.factors().tolist() == pytest.approx([1 / abs(loss) for loss in losses])


def test_later_steps_by_uncertainty_have_weighted_gradients():
    network, at, task_loss = small_step()
    balance = UncertaintyWeights(3).double()
    with torch.no_grad():
        balance.log_variance.copy_(torch.tensor([0.5, -1.0, 0.2]))
        balance.lowest.fill_(-2.0)
        balance.started.fill_(True)
    sum(weighed(balance, task_loss, at)[:2]).backward()
    found = [math.exp(-s) for s in (0.5, -1.0, 0.2)]
    factors = [found[0], 0.5 * OWN[0] * found[1], 0.5 * OWN[1] * found[2]]
    losses, gradients = expected_gradients(factors)
    for parameter, expected in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    pull = [1.0 - weight * abs(loss) for weight, loss in zip(found, losses, strict=True)]
    assert balance.log_variance.grad.tolist() == pytest.approx(pull)


def test_a_step_by_gradient_norms_weighs_by_norms_at_the_features():
    network, at, task_loss = small_step()
    balance = GradNormWeights(3, rate=0.5).double()
    sum(weighed(balance, task_loss, at)[:2]).backward()
    naive_network, naive, naive_loss = small_step()
    source, target = naive.features[:8], naive.features[8:]
    losses = [naive_loss, mean_distance(source, target), spread(naive.outputs[8:])]
    norms = [
        torch.autograd.grad(loss, naive.features, retain_graph=True)[0].norm().item()
        for loss in losses
    ]
    # At first no loss has come down, so that all are to pull alike, at once.
    moved = [sum(norms) / 3 / norm for norm in norms]
    found = [3.0 * weight / sum(moved) for weight in moved]
    assert balance.factors().tolist() == pytest.approx(found)
    _, gradients = expected_gradients([found[0], 0.35 * found[1], 0.5 * found[2]])
    for parameter, expected in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    assert len(list(naive_network.parameters())) == len(gradients)


def test_the_rehearsal_of_a_step_starts_uncertainty_and_leaves_gradient_norms():
    uncertainty, norms = UncertaintyWeights(3).double(), GradNormWeights(3).double()
    with torch.no_grad():
        _, at, task_loss = small_step()
        for balance in (uncertainty, norms):
            assert not any(loss.requires_grad for loss in weighed(balance, task_loss, at))
    losses, _ = expected_gradients([1.0, 1.0, 1.0])
    assert uncertainty.factors().tolist() == pytest.approx([1 / abs(loss) for loss in losses])
    assert norms.factors().tolist() == [1.0, 1.0, 1.0]
    assert not norms.started


def must_not_train(self):
    raise AssertionError("training started on bad input")


# Weights that change in the course of training.


def late(progress):
    return 0.0 if progress < 0.5 else 1.0


class AfterEpoch:
    """Ends a fit after some epochs."""

    def __init__(self, number):
        self.number, self.n_epochs = number, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name != "epoch":
            return False
        self.n_epochs += 1
        return self.n_epochs == self.number


def test_a_weight_that_is_zero_until_half_of_training_acts_from_then_on(blobs):
    Xs, ys, Xt, _ = blobs

    def fit(alignment, n_epochs):
        clf = AlignmentClassifier(alignment, batch_norm="per_domain", **SMALL)
        clf.set_callbacks(AfterEpoch(n_epochs))
        return clf.fit(Xs, ys, X_target=Xt)

    for criterion in ("mmd", "dann"):
        assert same(fit([(late, criterion)], 2), fit(None, 2))
        assert not same(fit([(late, criterion)], 3), fit(None, 3))


def test_a_weight_that_is_a_callable_is_one_that_is_a_number_where_it_is_constant(blobs):
    Xs, ys, Xt, _ = blobs
    first, second, third = (
        AlignmentClassifier([(weight, "mmd"), (0.1, "deepcoral")], **SMALL).fit(Xs, ys, X_target=Xt)
        for weight in (0.4, lambda progress: 0.4, lambda progress: 0.4 * progress)
    )
    assert same(first, second)
    assert not same(first, third)


def test_a_weight_is_asked_for_the_progress_of_every_step(blobs):
    Xs, ys, Xt, _ = blobs
    seen = []

    def weight(progress):
        seen.append(progress)
        return progress

    clf = AlignmentClassifier([(weight, "mmd")], **SMALL).fit(Xs, ys, X_target=Xt)
    steps = [step / clf.n_steps_ for step in range(clf.n_steps_)]
    # Before training three are tried.
    assert seen == pytest.approx([0.0, 0.5, 1.0, *steps])


@pytest.mark.parametrize(
    ("weight", "error", "match"),
    [
        (lambda progress: -progress, ValueError, "has the weight -0.5 in its list"),
        (lambda progress: math.nan, ValueError, "has the weight nan in its list"),
        (lambda progress: math.inf, ValueError, "has the weight inf in its list"),
        (lambda progress: "much", ValueError, "has the weight 'much' in its list"),
        (lambda: 1.0, ValueError, "failed on a progress between 0 and 1"),
        (lambda progress: progress["now"], ValueError, "failed on a progress between 0 and 1"),
        (lambda progress: 1 / progress, ValueError, "failed on a progress between 0 and 1"),
        (-1.0, ValueError, "has the weight -1.0 in its list"),
    ],
)
@pytest.mark.parametrize("kind", [AlignmentClassifier, AlignmentRegressor])
def test_bad_weights_are_refused_before_training(blobs, monkeypatch, kind, weight, error, match):
    Xs, ys, Xt, _ = blobs
    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=match):
            kind([(1.0, "dann"), (weight, "mmd")]).fit(Xs, ys, X_target=Xt)
