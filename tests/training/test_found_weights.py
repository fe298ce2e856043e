"""Weights of the task and several criteria that are found in fits."""

import numpy as np
import pytest
import torch

from domadapt import AlignmentClassifier, AlignmentRegressor
from domadapt.alignment import MCC, MMD, VirtualAdversarial
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
    Xs, ys = moved_by_class(200, target=False, seed=0)
    Xt, yt = moved_by_class(200, target=True, seed=50)
    settings = {"optimizer": "adam", "learning_rate": 1e-3, "label_smoothing": 0.0}
    settings |= {"batch_norm": "joint", "max_epochs": 15, "random_state": 0}
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
def test_weights_are_resumed_from_a_checkpoint(blobs, weighting, tmp_path, monkeypatch):
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
    match = (
        f"'gradnorm' compares gradients at the features, and that of {name} goes past them: it runs"
    )
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
