"""A fitted classifier moves to a target without its source, and fits of two stages."""

import copy

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

import domadapt
from domadapt import (
    ADDAClassifier,
    AlignmentClassifier,
    DANClassifier,
    SHOTClassifier,
)
from domadapt._storage.files import read_tensors
from domadapt.nn import SplitBatchNorm
from domadapt.training.trainer import Trainer

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "batch_size": 32, "random_state": 0}


def moved_by_class(n_rows, *, target, seed):
    """Draw five classes; in the target each has moved in a direction of its own."""
    y = np.arange(n_rows) % 5
    centres = 2.0 * np.random.default_rng(0).normal(size=(5, 8))
    moves = 1.3 * np.random.default_rng(1).normal(size=(5, 8))
    noise = np.random.default_rng(seed).normal(scale=0.5, size=(n_rows, 8))
    return (centres[y] + target * moves[y] + noise).astype(np.float32), y


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(first, second):
    """Say whether two states are the same to the last bit."""
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def draw_weights(module):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return module


# Source hypothesis transfer.


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
def test_adapt_after_a_fit_is_the_fit_with_a_target(blobs, same, batch_norm):
    Xs, ys, Xt, _ = blobs
    settings = {**SMALL, "batch_norm": batch_norm, "dropout": 0.3}
    at_once = SHOTClassifier(**settings).fit(Xs, ys, X_target=Xt)
    apart = SHOTClassifier(**settings).fit(Xs, ys)
    before = apart.predict_proba(Xt)
    assert apart.adapt(Xt) is apart
    assert same(at_once, apart)
    np.testing.assert_array_equal(at_once.transduction_, apart.transduction_)
    np.testing.assert_array_equal(apart.transduction_, apart.predict(Xt))
    assert at_once.adaptation_history_ == apart.adaptation_history_
    assert at_once.history_ == apart.history_
    assert at_once.n_steps_ == apart.n_steps_
    assert not np.array_equal(apart.predict_proba(Xt), before)


def test_adapt_finds_classes_that_moved():
    Xs, ys = moved_by_class(400, target=False, seed=0)
    Xt, yt = moved_by_class(400, target=True, seed=1)
    clf = SHOTClassifier(random_state=0, max_epochs=20).fit(Xs, ys)
    alone = clf.score(Xt, yt)
    assert clf.adapt(Xt).score(Xt, yt) >= alone + 0.1


def test_adapt_leaves_the_last_layer_and_the_history_of_the_fit(blobs):
    Xs, ys, Xt, _ = blobs
    clf = SHOTClassifier(**SMALL).fit(Xs, ys)
    last, rest = state_of(clf.module_.classifier), state_of(clf.module_.feature_extractor)
    history = copy.deepcopy(clf.history_)
    trained = [parameter.requires_grad for parameter in clf.module_.parameters()]
    clf.adapt(Xt)
    assert equal(state_of(clf.module_.classifier), last)
    assert not equal(state_of(clf.module_.feature_extractor), rest)
    assert [parameter.requires_grad for parameter in clf.module_.parameters()] == trained
    assert clf.history_ == history
    assert set(clf.adaptation_history_["task_loss"]) == {0.0}
    assert len(clf.adaptation_history_["alignment_loss"]) == 3
    assert clf.n_steps_ == 3 * (90 // 32) + 3 * (75 // 32)
    assert not clf.module_.training


def test_a_second_adapt_goes_on_from_the_first(blobs):
    Xs, ys, Xt, _ = blobs
    clf = SHOTClassifier(**SMALL).fit(Xs, ys).adapt(Xt)
    once = state_of(clf.module_)
    assert not equal(state_of(clf.adapt(Xt).module_), once)
    assert clf.adapt(Xt[:40]).transduction_.shape == (40,)


def test_adapt_goes_on_after_a_file_as_before_it(blobs, same, tmp_path):
    Xs, ys, Xt, _ = blobs
    clf = SHOTClassifier(**SMALL).fit(Xs, ys)
    clf.save(tmp_path / "model")
    again = domadapt.load(tmp_path / "model").adapt(Xt)
    assert same(clf.adapt(Xt), again)
    again.save(tmp_path / "adapted")
    loaded = domadapt.load(tmp_path / "adapted")
    assert same(clf, loaded)
    assert loaded.adaptation_history_ == clf.adaptation_history_
    np.testing.assert_array_equal(loaded.transduction_, clf.transduction_)


def test_adapt_draws_by_random_state_and_leaves_global_state(blobs, same):
    Xs, ys, Xt, _ = blobs
    source = SHOTClassifier(**SMALL, dropout=0.3).fit(Xs, ys)
    first, again, other = (copy.deepcopy(source) for _ in range(3))
    before = torch.get_rng_state()
    given = Xt.copy()
    first.adapt(Xt)
    again.adapt(Xt)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first, again)
    assert not same(first, other.set_params(random_state=1).adapt(Xt))
    np.testing.assert_array_equal(Xt, given)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("alignment", ["shot", "mcc", [(1.0, "bnm"), (0.5, "entropy")]])
@pytest.mark.parametrize("with_target", [False, True])
def test_any_classifier_can_be_adapted(blobs, alignment, with_target):
    Xs, ys, Xt, yt = blobs
    kind = DANClassifier if with_target else AlignmentClassifier
    settings = {**SMALL, "max_epochs": 10, **({} if with_target else {"alignment": None})}
    clf = kind(**settings).fit(Xs, ys, X_target=Xt if with_target else None)
    other = Xt - 3.0
    last = state_of(clf.module_.classifier)
    before = clf.predict_proba(other)
    clf.adapt(other, alignment=alignment)
    assert equal(state_of(clf.module_.classifier), last)
    assert not np.array_equal(clf.predict_proba(other), before)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(other))
    # Predictions have become surer.
    assert clf.predict_proba(other).max(1).mean() > before.max(1).mean()
    assert clf.score(other, yt) > 0.5


def test_after_a_fit_with_a_target_all_rows_are_normalised_as_target(blobs):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**SMALL).fit(Xs, ys, X_target=Xt)
    (layer,) = (m for m in clf.module_.modules() if isinstance(m, SplitBatchNorm))
    sizes, of_source = layer.n_first, state_of(layer.first)
    of_target = state_of(layer.second)
    clf.adapt(Xt - 3.0)
    # The source's statistics stay; scale and shift are shared.
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(layer.first.state_dict()[name], of_source[name])
        assert not torch.equal(layer.second.state_dict()[name], of_target[name])
    assert layer.n_first == sizes


@pytest.mark.parametrize("hidden_layer_sizes", [None, (8,)])
def test_a_frozen_backbone_stays_and_what_is_on_top_adapts(blobs, hidden_layer_sizes):
    Xs, ys, Xt, _ = blobs
    backbone = draw_weights(nn.Sequential(nn.Linear(10, 12), nn.BatchNorm1d(12), nn.ReLU()))
    settings = {**SMALL, "hidden_layer_sizes": hidden_layer_sizes or (8,)}
    clf = AlignmentClassifier(None, backbone=backbone, freeze=True, **settings).fit(Xs, ys)
    frozen = state_of(clf.module_.feature_extractor.backbone)
    layers = state_of(clf.module_.feature_extractor.layers)
    clf.adapt(Xt)
    assert equal(state_of(clf.module_.feature_extractor.backbone), frozen)
    assert not equal(state_of(clf.module_.feature_extractor.layers), layers)
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    clf.adapt(Xt, alignment="batch_norm")
    assert equal(state_of(clf.module_.feature_extractor.backbone), frozen)


@pytest.mark.parametrize(
    ("alignment", "name"),
    [
        ("mmd", "MMD"),
        ("dann", "DomainAdversarial"),
        ("adda", "UntiedAdversarial"),
        ([(1.0, "mcc"), (0.1, "coral")], "DeepCORAL"),
    ],
)
def test_what_asks_for_the_source_is_refused(blobs, monkeypatch, alignment, name):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(None, **SMALL).fit(Xs, ys)
    before = state_of(clf.module_)

    def must_not_train(self):
        raise AssertionError("training started")

    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)
    with pytest.raises(
        ValueError, match=rf"asks for source samples \({name}\), which adapt does not"
    ):
        clf.adapt(Xt, alignment=alignment)
    assert equal(state_of(clf.module_), before)
    assert not hasattr(clf, "transduction_")


def test_adapt_on_what_is_no_target_is_refused(blobs):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(NotFittedError):
        SHOTClassifier().adapt(Xt)
    clf = SHOTClassifier(**SMALL).fit(Xs, ys)
    with pytest.raises(ValueError, match="X has 9 features, but SHOTClassifier is expecting 10"):
        clf.adapt(Xt[:, :9])
    with pytest.raises(ValueError, match="contains NaN"):
        clf.adapt(np.full((5, 10), np.nan))
    with pytest.raises(ValueError, match="0 sample"):
        clf.adapt(Xt[:0])
    with pytest.raises(ValueError, match="'magic' is unknown"):
        clf.adapt(Xt, alignment="magic")
    with pytest.raises(TypeError, match="is no criterion"):
        clf.adapt(Xt, alignment=3)


# Statistics of batch normalisation.


def adapted_statistics(X, Xs, ys, **settings):
    """Adapt a network of one linear layer and batch normalisation; give what went in and out."""
    clf = AlignmentClassifier(None, **{**SMALL, **settings}).fit(Xs, ys)
    (layer,) = (m for m in clf.module_.modules() if isinstance(m, nn.BatchNorm1d))
    linear = next(m for m in clf.module_.modules() if isinstance(m, nn.Linear))
    weights = {n: p.detach().clone() for n, p in clf.module_.named_parameters()}
    clf.adapt(X, alignment="batch_norm")
    return clf, layer, linear, weights


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_statistics_are_those_of_the_target(blobs, dropout):
    Xs, ys, Xt, _ = blobs
    clf, layer, linear, weights = adapted_statistics(Xt, Xs, ys, dropout=dropout)
    rows = Xt.astype(np.float64) @ linear.weight.detach().double().numpy().T
    if linear.bias is not None:
        rows += linear.bias.detach().double().numpy()
    np.testing.assert_allclose(layer.running_mean, rows.mean(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.running_var, rows.var(0, ddof=1), rtol=1e-5)
    assert all(torch.equal(p, weights[n]) for n, p in clf.module_.named_parameters())
    assert layer.momentum == 0.1
    assert not clf.module_.training
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    assert not hasattr(clf, "adaptation_history_")


def test_dropout_has_no_part_in_statistics(blobs):
    Xs, ys, Xt, _ = blobs
    settings = {**SMALL, "hidden_layer_sizes": (16, 8), "dropout": 0.5}
    clf = AlignmentClassifier(None, **settings).fit(Xs, ys)
    layers = [m for m in clf.module_.modules() if isinstance(m, (nn.Linear, nn.BatchNorm1d))]
    first, first_norm, second, second_norm, _ = layers
    clf.adapt(Xt, alignment="batch_norm")
    with torch.no_grad():
        rows = first(torch.from_numpy(Xt))
        rows = (rows - rows.mean(0)) / (rows.var(0, correction=0) + first_norm.eps).sqrt()
        rows = second((rows * first_norm.weight + first_norm.bias).relu())
    torch.testing.assert_close(second_norm.running_mean, rows.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second_norm.running_var, rows.var(0), rtol=1e-4, atol=1e-5)
    assert any(isinstance(m, nn.Dropout) for m in clf.module_.modules())


def test_statistics_of_the_target_undo_a_change_of_scale(blobs):
    Xs, ys, _, _ = blobs
    clf = AlignmentClassifier(None, **{**SMALL, "max_epochs": 20}).fit(Xs, ys)
    moved = 3.0 * Xs + np.random.default_rng(0).normal(scale=20.0, size=10).astype(np.float32)
    on_source, before = clf.predict(Xs), clf.score(moved, ys)
    assert clf.adapt(moved, alignment="batch_norm").score(moved, ys) >= before + 0.1
    assert (clf.predict(moved) == on_source).mean() > 0.95


def test_statistics_of_the_target_side_are_replaced(blobs):
    Xs, ys, Xt, _ = blobs
    clf = DANClassifier(**SMALL).fit(Xs, ys, X_target=Xt)
    (layer,) = (m for m in clf.module_.modules() if isinstance(m, SplitBatchNorm))
    of_source, n_first = state_of(layer.first), layer.n_first
    rows = Xt - 3.0
    linear = next(m for m in clf.module_.modules() if isinstance(m, nn.Linear))
    clf.adapt(rows, alignment="batch_norm")
    with torch.no_grad():
        expected = linear(torch.from_numpy(rows)).double().mean(0)
    np.testing.assert_allclose(layer.second.running_mean, expected, rtol=1e-5, atol=1e-5)
    assert equal(state_of(layer.first), of_source)
    assert layer.n_first == n_first


def test_statistics_that_cannot_be_taken_are_refused(blobs):
    Xs, ys, Xt, _ = blobs
    without = AlignmentClassifier(None, batch_norm=None, **SMALL).fit(Xs, ys)
    with pytest.raises(ValueError, match="needs batch normalisation, and the network has none"):
        without.adapt(Xt, alignment="batch_norm")
    clf = AlignmentClassifier(None, **SMALL).fit(Xs, ys)
    before = state_of(clf.module_)
    with pytest.raises(ValueError, match="X_target has 1 sample, which has no variance"):
        clf.adapt(Xt[:1], alignment="batch_norm")
    assert equal(state_of(clf.module_), before)


# Two stages in one fit.


def test_adda_finds_classes_that_moved():
    Xs, ys = moved_by_class(400, target=False, seed=0)
    Xt, yt = moved_by_class(400, target=True, seed=1)
    settings = {"random_state": 0, "max_epochs": 60}
    clf = ADDAClassifier(**settings).fit(Xs, ys, X_target=Xt)
    alone = ADDAClassifier(**settings).fit(Xs, ys)
    assert clf.score(Xt, yt) >= alone.score(Xt, yt) + 0.1
    assert len(clf.history_["task_loss"]) == len(clf.adaptation_history_["task_loss"]) == 60
    assert set(clf.history_["alignment_loss"]) == {0.0}
    assert min(clf.adaptation_history_["alignment_loss"]) > 0.0
    assert not hasattr(alone, "adaptation_history_")


@pytest.fixture
def trainers(monkeypatch):
    """Collect the trainers that are made."""
    made, init = [], Trainer.__init__

    def noted(self, *args, **kwargs):
        init(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(Trainer, "__init__", noted)
    return made


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
def test_the_extractor_of_the_source_stays_in_the_criterion(blobs, trainers, batch_norm):
    Xs, ys, Xt, _ = blobs
    settings = {**SMALL, "batch_norm": batch_norm}
    alone = ADDAClassifier(**settings).fit(Xs, ys)
    clf = ADDAClassifier(**settings).fit(Xs, ys, X_target=Xt)
    ((_, criterion, _),) = trainers[-1].criteria.terms
    with torch.no_grad():
        features = criterion.source_extractor(torch.from_numpy(Xs))
    np.testing.assert_allclose(features, alone.transform(Xs), rtol=1e-5, atol=1e-6)
    assert np.abs(clf.transform(Xs) - alone.transform(Xs)).max() > 1e-3
    assert equal(state_of(clf.module_.classifier), state_of(alone.module_.classifier))
    assert all(parameter.requires_grad for parameter in clf.module_.parameters())


@pytest.mark.parametrize("estimator", [ADDAClassifier, SHOTClassifier])
def test_a_fit_without_a_target_forgets_the_adaptation_of_the_last(blobs, estimator):
    Xs, ys, Xt, _ = blobs
    clf = estimator(**SMALL).fit(Xs, ys, X_target=Xt)
    assert len(clf.adaptation_history_["alignment_loss"]) == 3
    clf.fit(Xs, ys)
    assert not hasattr(clf, "adaptation_history_")
    assert not hasattr(clf, "transduction_")
    clf.fit(Xs, ys, X_target=Xt).set_params(alignment_weight=0.0).fit(Xs, ys, X_target=Xt)
    assert not hasattr(clf, "adaptation_history_")


# Checkpoints of two stages.

EPOCHS = 4
LONGER = {**SMALL, "max_epochs": EPOCHS, "dropout": 0.3}


class KilledError(RuntimeError):
    """Ends a fit."""


def kill_in_epoch(monkeypatch, number):
    """Let the fit end at the beginning of an epoch, counted from 1 over both stages."""
    run_epoch, calls = Trainer.run_epoch, []

    def deadly(self):
        calls.append(1)
        if len(calls) == number:
            raise KilledError
        run_epoch(self)

    monkeypatch.setattr(Trainer, "run_epoch", deadly)


def n_epochs_in(path):
    if not path.exists():
        return 0
    return len(read_tensors(path, kind="checkpoint")[1]["history"]["task_loss"])


@pytest.mark.parametrize("estimator", [ADDAClassifier, SHOTClassifier])
@pytest.mark.parametrize("epoch", [1, 3, EPOCHS + 1, EPOCHS + 3])
def test_a_killed_fit_goes_on_in_the_stage_where_it_was(
    blobs, same, monkeypatch, tmp_path, estimator, epoch
):
    Xs, ys, Xt, _ = blobs
    straight = estimator(**LONGER).fit(Xs, ys, X_target=Xt)
    first, second = tmp_path / "fit", tmp_path / "fit.2"
    settings = {**LONGER, "checkpoint": first}
    with monkeypatch.context() as then:
        kill_in_epoch(then, epoch)
        with pytest.raises(KilledError):
            estimator(**settings).fit(Xs, ys, X_target=Xt)
    assert n_epochs_in(first) == min(epoch - 1, EPOCHS)
    assert n_epochs_in(second) == max(epoch - 1 - EPOCHS, 0)
    resumed = estimator(**settings).fit(Xs, ys, X_target=Xt)
    assert n_epochs_in(first) == n_epochs_in(second) == EPOCHS
    for ended in (resumed, estimator(**settings).fit(Xs, ys, X_target=Xt)):
        assert same(ended, straight)
        assert ended.history_ == straight.history_
        assert ended.adaptation_history_ == straight.adaptation_history_
        assert ended.n_steps_ == straight.n_steps_
        np.testing.assert_array_equal(ended.transduction_, straight.transduction_)


@pytest.mark.parametrize("estimator", [ADDAClassifier, SHOTClassifier])
def test_a_second_stage_of_other_parameters_is_refused(blobs, tmp_path, estimator):
    Xs, ys, Xt, _ = blobs
    settings = {**LONGER, "checkpoint": tmp_path / "fit"}
    estimator(**settings).fit(Xs, ys, X_target=Xt)
    (tmp_path / "fit").unlink()
    with pytest.raises(ValueError, match=r"fit\.2' is of a fit with other parameters or data"):
        estimator(**settings, weight_decay=0.0).fit(Xs, ys, X_target=Xt)


class Stop:
    """Ends a fit after some epochs, and counts them."""

    def __init__(self, after):
        self.after, self.n_epochs, self.n_expected = after, 0, None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "fit":
            self.n_expected = context.max_subtasks

    def on_fit_task_end(self, estimator, context):
        if context.task_name != "epoch":
            return False
        self.n_epochs += 1
        return self.n_epochs == self.after


@pytest.mark.parametrize("estimator", [ADDAClassifier, SHOTClassifier])
@pytest.mark.parametrize("after", [2, EPOCHS])
def test_a_callback_that_stops_the_first_stage_ends_the_fit(blobs, same, estimator, after):
    Xs, ys, Xt, _ = blobs
    stop = Stop(after)
    clf = estimator(**LONGER).set_callbacks(stop).fit(Xs, ys, X_target=Xt)
    assert stop.n_epochs == after
    assert len(clf.history_["task_loss"]) == after
    assert not hasattr(clf, "adaptation_history_")
    np.testing.assert_array_equal(clf.transduction_, clf.predict(Xt))
    assert same(clf, estimator(**LONGER).set_callbacks(Stop(after)).fit(Xs, ys))


@pytest.mark.parametrize("estimator", [ADDAClassifier, SHOTClassifier])
def test_a_callback_sees_the_epochs_of_both_stages(blobs, estimator):
    Xs, ys, Xt, _ = blobs
    watching, stop = Stop(None), Stop(EPOCHS + 1)
    estimator(**LONGER).set_callbacks(watching).fit(Xs, ys, X_target=Xt)
    assert watching.n_epochs == watching.n_expected == 2 * EPOCHS
    clf = estimator(**LONGER).set_callbacks(stop).fit(Xs, ys, X_target=Xt)
    assert len(clf.adaptation_history_["task_loss"]) == 1
