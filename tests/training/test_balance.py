"""Weights of several losses in training: found by the step, given, and given as a schedule."""

import math
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from domadapt import AlignmentClassifier, AlignmentRegressor
from domadapt.alignment import MCC, MMD, VirtualAdversarial
from domadapt.alignment.protocol import StepTensors
from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
from domadapt.training import GradNormWeights, UncertaintyWeights, WeightedCriteria
from domadapt.training.trainer import Trainer

FOUND = ["uncertainty", "gradnorm"]
SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 4, "batch_size": 32, "random_state": 0}


def same(first, second):
    """Return whether two estimators have the same weights to the last bit."""
    one, other = first.module_.state_dict(), second.module_.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.items())


def moved_by_class(n_rows, *, target, seed):
    """Draw five classes; in the target each has moved in a direction of its own."""
    y = np.arange(n_rows) % 5
    centres = 2.0 * np.random.default_rng(0).normal(size=(5, 8))
    moves = 1.3 * np.random.default_rng(1).normal(size=(5, 8))
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(n_rows, 8))
    return (centres[y] + target * moves[y] + noise).astype(np.float32), y


class Confusion(MCC):
    """Class confusion times a scale, which pulls at the classifier too, without a limit."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, target_features, classifier):
        return self.scale * super().forward(classifier(target_features))


class ScaledMMD(MMD):
    """MMD times a scale."""

    def __init__(self, scale):
        super().__init__(unbiased=True)
        self.scale = scale

    def forward(self, source_features, target_features):
        return self.scale * super().forward(source_features, target_features)


def accuracy(scale, weighting):
    Xs, ys = moved_by_class(400, target=False, seed=0)
    Xt, yt = moved_by_class(400, target=True, seed=50)
    settings = {"optimizer": "adam", "learning_rate": 1e-3, "label_smoothing": 0.0}
    settings |= {"batch_norm": "joint", "max_epochs": 40, "random_state": 0}
    alignment = [(1.0, "mmd"), (1.0, Confusion(scale))]
    clf = AlignmentClassifier(alignment, loss_weights=weighting, **settings)
    return clf.fit(Xs, ys, X_target=Xt).score(Xt, yt)


def test_a_loss_a_thousand_times_too_large_does_no_harm_where_weights_are_found():
    right = accuracy(1.0, "fixed")
    assert accuracy(1000.0, "fixed") < right - 0.2
    for weighting in FOUND:
        assert accuracy(1000.0, weighting) > right - 0.05


@pytest.mark.parametrize("weighting", FOUND)
def test_weights_make_up_for_scales_of_a_classifier(blobs, weighting):
    Xs, ys, Xt, _ = blobs
    alignment = [(1.0, ScaledMMD(1.0)), (1.0, ScaledMMD(1000.0))]
    clf = AlignmentClassifier(alignment, loss_weights=weighting, **{**SMALL, "max_epochs": 50}).fit(
        Xs, ys, X_target=Xt
    )
    task, small, large = clf.loss_weights_
    assert clf.loss_weights_.shape == (3,)
    assert task > 0
    assert 1000 / 3 < small / large < 3 * 1000
    if weighting == "gradnorm":
        assert clf.loss_weights_.sum() == pytest.approx(3.0, rel=1e-4)


@pytest.mark.parametrize("weighting", FOUND)
def test_weights_make_up_for_scales_of_a_regressor(blobs, weighting):
    Xs, _, Xt, _ = blobs
    y = Xs @ np.linspace(-1.0, 1.0, 10)
    alignment = [(1.0, ScaledMMD(1.0)), (1.0, ScaledMMD(1000.0))]
    settings = {**SMALL, "max_epochs": 50, "learning_rate": 0.01}
    reg = AlignmentRegressor(alignment, loss_weights=weighting, **settings)
    reg.fit(Xs, y, X_target=Xt)
    task, small, large = reg.loss_weights_
    assert task > 0
    assert 1000 / 3 < small / large < 3 * 1000
    # It still learns from the source.
    assert reg.score(Xs, y) > 0.9


@pytest.mark.parametrize("weighting", FOUND)
def test_weights_are_found_alike_with_one_seed_and_forgotten_by_the_next_fit(blobs, weighting):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier("mmd", loss_weights=weighting, **SMALL)
    clf.fit(Xs, ys, X_target=Xt)
    first = clf.loss_weights_
    assert first.shape == (2,)
    np.testing.assert_array_equal(first, clf.fit(Xs, ys, X_target=Xt).loss_weights_)
    assert not same(clf, AlignmentClassifier("mmd", **SMALL).fit(Xs, ys, X_target=Xt))
    assert not hasattr(clf.fit(Xs, ys), "loss_weights_")
    clf.fit(Xs, ys, X_target=Xt).set_params(loss_weights="fixed").fit(Xs, ys, X_target=Xt)
    assert not hasattr(clf, "loss_weights_")


@pytest.mark.parametrize("weighting", FOUND)
def test_weights_go_on_from_a_checkpoint(blobs, weighting, tmp_path, monkeypatch):
    Xs, ys, Xt, _ = blobs
    settings = {**SMALL, "loss_weights": weighting}
    straight = AlignmentClassifier("dann", **settings).fit(Xs, ys, X_target=Xt)
    run_epoch, calls = Trainer.run_epoch, []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        run_epoch(self)

    with monkeypatch.context() as then:
        then.setattr(Trainer, "run_epoch", interrupted)
        clf = AlignmentClassifier("dann", checkpoint=tmp_path / "fit", **settings)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(Xs, ys, X_target=Xt)
        assert clf.loss_weights_.shape == (2,)
    resumed = AlignmentClassifier("dann", checkpoint=tmp_path / "fit", **settings)
    assert same(resumed.fit(Xs, ys, X_target=Xt), straight)
    np.testing.assert_array_equal(resumed.loss_weights_, straight.loss_weights_)
    other = AlignmentClassifier("dann", checkpoint=tmp_path / "fit", **SMALL)
    with pytest.raises(ValueError, match="other parameters or data"):
        other.fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize("weighting", FOUND)
def test_adapting_without_a_task_leaves_the_weights_that_were_found(blobs, weighting):
    Xs, ys, Xt, _ = blobs
    found = AlignmentClassifier("mmd", loss_weights=weighting, **SMALL)
    found.fit(Xs, ys, X_target=Xt)
    weights = found.loss_weights_
    found.adapt(Xt - 3.0)
    np.testing.assert_array_equal(found.loss_weights_, weights)
    assert len(found.adaptation_history_["alignment_loss"]) == 4


def must_not_train(self):
    raise AssertionError("training started on bad input")


def past_the_features(target_inputs, feature_extractor):
    return feature_extractor(target_inputs).square().mean()


@pytest.mark.parametrize(
    ("alignment", "name"),
    [
        ("vat", "VirtualAdversarial"),
        ([(0.3, "dann"), (0.1, VirtualAdversarial()), (0.1, "entropy")], "VirtualAdversarial"),
        ("mean_teacher", "MeanTeacher"),
        (past_the_features, "past_the_features"),
    ],
)
def test_gradients_past_the_features_cannot_be_compared(blobs, monkeypatch, alignment, name):
    Xs, ys, Xt, _ = blobs
    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)
    clf = AlignmentClassifier(alignment, loss_weights="gradnorm")
    match = f"'gradnorm' compares gradients at the features, and that of {name} goes past them"
    with pytest.raises(ValueError, match=match):
        clf.fit(Xs, ys, X_target=Xt)


def test_losses_past_the_features_can_be_compared(blobs):
    Xs, ys, Xt, _ = blobs
    alignment = [(0.3, "dann"), (0.1, "vat"), (0.1, "entropy")]
    clf = AlignmentClassifier(alignment, loss_weights="uncertainty", **SMALL)
    assert clf.fit(Xs, ys, X_target=Xt).loss_weights_.shape == (4,)


@pytest.mark.parametrize("weighting", ["uncertain", None, 1])
def test_other_ways_to_weigh_are_refused(blobs, monkeypatch, weighting):
    Xs, ys, Xt, _ = blobs
    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)
    with pytest.raises(ValueError, match="The 'loss_weights' parameter"):
        AlignmentClassifier(loss_weights=weighting).fit(Xs, ys, X_target=Xt)


# The step against gradients written out.


def mean_distance(source_features, target_features):
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


def spread(target_logits):
    return -0.2 * target_logits.square().mean()


def small_step(progress=0.5):
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
        progress=progress,
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
# What the list asks for in the middle of training.
OWN = [0.7, 1.0]


def test_the_first_step_by_uncertainty_has_the_gradient_of_losses_as_they_are():
    network, at, task_loss = small_step()
    balance = UncertaintyWeights(3).double()
    both = balance(task_loss, WeightedCriteria(LIST), at, 0.5)
    sum(both).backward()
    # Weights are one until the first losses have been seen, which set them for the next.
    losses, gradients = expected_gradients([1.0, *(0.5 * own for own in OWN)])
    assert both[0].item() == pytest.approx(losses[0])
    assert both[1].item() == pytest.approx(losses[1] + losses[2])
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
    both = balance(task_loss, WeightedCriteria(LIST), at, 0.5)
    sum(both).backward()
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
    both = balance(task_loss, WeightedCriteria(LIST), at, 0.5)
    sum(both).backward()
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
            both = balance(task_loss, WeightedCriteria(LIST), at, 0.5)
            assert not any(loss.requires_grad for loss in both)
    losses, _ = expected_gradients([1.0, 1.0, 1.0])
    assert uncertainty.factors().tolist() == pytest.approx([1 / abs(loss) for loss in losses])
    assert norms.factors().tolist() == [1.0, 1.0, 1.0]
    assert not norms.started


# Weights that change as training goes on.


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
        clf = AlignmentClassifier(alignment, **SMALL).set_callbacks(AfterEpoch(n_epochs))
        return clf.fit(Xs, ys, X_target=Xt)

    for criterion in ("mmd", "dann"):
        assert same(fit([(late, criterion)], 2), fit(None, 2))
        assert not same(fit([(late, criterion)], 3), fit(None, 3))


def test_a_weight_that_is_a_callable_is_one_that_is_a_number_where_it_is_constant(blobs):
    Xs, ys, Xt, _ = blobs
    first, second, third = (
        AlignmentClassifier([(weight, "mmd"), (0.1, "coral")], **SMALL).fit(Xs, ys, X_target=Xt)
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
    # Before training three are tried, and one step is rehearsed.
    assert seen[-clf.n_steps_ :] == pytest.approx(steps)
    assert seen[:4] == [0.0, 0.5, 1.0, 0.0]


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
