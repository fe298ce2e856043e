"""Fits at once that end early, resume, are stopped, or cannot go together."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import nn

from domadapt import (
    ADDAClassifier,
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    NonFiniteLossError,
    fit_together,
    load,
)
from domadapt.shallow import AdaptedClassifier
from domadapt.training import stacked

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 4, "batch_size": 16, "steps_per_epoch": 4}
generator = np.random.default_rng(0)
X = generator.normal(size=(60, 5)).astype(np.float32)
Y = np.array(["left", "right"])[(X[:, 0] > 0).astype(int)]
X_TARGET = X[:50] * 1.2 + 0.4
NEAR = {"rtol": 0, "atol": 2e-5}


def seeds(n=3, **changes):
    return [DANNClassifier(**{**SMALL, "random_state": i, **changes}) for i in range(n)]


def together(estimators, **options):
    return fit_together(estimators, X, Y, X_target=X_TARGET, **options)


def assert_as_alone(estimators):
    for found in estimators:
        alone = clone(found).set_params(checkpoint=None).fit(X, Y, X_target=X_TARGET)
        np.testing.assert_allclose(
            found.predict_proba(X_TARGET), alone.predict_proba(X_TARGET), **NEAR
        )
        assert found.n_steps_ == alone.n_steps_
        assert found.history_.keys() == alone.history_.keys()


def explodes(source_features, target_features, progress):
    """A criterion that goes out of the finite numbers half-way."""
    gap = (source_features.mean(0) - target_features.mean(0)).square().sum()
    return gap / (progress < 0.5)


def test_members_end_at_their_own_last_epoch(as_one):
    estimators = [DANClassifier(**{**SMALL, "max_epochs": n}, random_state=n) for n in (2, 4, 4)]
    together(estimators)
    assert as_one == [3, 3, 2, 2]
    assert_as_alone(estimators)
    assert [len(e.history_["task_loss"]) for e in estimators] == [2, 4, 4]


class StopAfter:
    """Ends a fit after an epoch, and notes what it saw."""

    def __init__(self, n_epochs):
        self.n_epochs, self.seen = n_epochs, []

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.seen.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.seen.append(f"end {context.task_name}")
        return self.seen.count("end epoch") == self.n_epochs


def test_a_callback_ends_its_own_fit_alone(as_one):
    estimators, callback, other = seeds(), StopAfter(1), StopAfter(1)
    estimators[1].set_callbacks(callback)
    together(estimators)
    assert as_one == [3, 2, 2, 2]
    assert [len(e.history_["task_loss"]) for e in estimators] == [4, 1, 4]
    alone = clone(estimators[1]).set_callbacks(other).fit(X, Y, X_target=X_TARGET)
    np.testing.assert_allclose(estimators[1].predict_proba(X), alone.predict_proba(X), **NEAR)
    assert callback.seen == other.seen
    assert callback.seen[-1] == "teardown"
    assert not hasattr(estimators[1], "_callback_fit_ctx")


def test_a_member_that_goes_wrong_leaves_the_others_as_they_would_be(as_one):
    alignments = ["dann", explodes, "coral"]
    estimators = [
        AlignmentClassifier(alignment, random_state=i, **SMALL)
        for i, alignment in enumerate(alignments)
    ]
    with pytest.raises(NonFiniteLossError, match="explodes") as caught:
        together(estimators)
    assert as_one == [3, 3, 3, 2]
    (note,) = caught.value.__notes__
    assert note.startswith("This is estimators[1], AlignmentClassifier.")
    assert_as_alone([estimators[0], estimators[2]])
    # As its own fit leaves it: with the weights of the last epoch that ended well.
    alone = clone(estimators[1])
    with pytest.raises(NonFiniteLossError) as raised:
        alone.fit(X, Y, X_target=X_TARGET)
    assert str(caught.value) == str(raised.value)
    np.testing.assert_allclose(estimators[1].predict_proba(X), alone.predict_proba(X), **NEAR)
    assert estimators[1].n_steps_ == alone.n_steps_ == 8


def fails(source_features, target_features, progress):
    """A criterion with a fault that shows half-way."""
    if progress > 0.5:
        raise LookupError("nothing is known beyond the middle")
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


def test_a_fault_in_a_criterion_ends_those_that_share_its_steps_and_no_others():
    others = seeds(2, hidden_layer_sizes=(6,))
    sharing = [AlignmentClassifier(a, **SMALL, random_state=0) for a in ("dann", fails)]
    with pytest.warns(UserWarning, match="nothing is known beyond the middle") as told:
        together([*others, *sharing], on_error="warn")
    assert len([w for w in told if "LookupError" in str(w.message)]) == 2
    assert_as_alone(others)
    # Each has the weights that it had by then, in tensors of its own.
    assert all(np.isfinite(clf.predict_proba(X)).all() for clf in sharing)
    assert sharing[0].fit(X, Y, X_target=X_TARGET).n_steps_ == 16


def test_an_error_can_be_a_warning():
    estimators = [*seeds(2), AlignmentClassifier(explodes, **SMALL, random_state=0)]
    with pytest.warns(UserWarning, match=r"estimators\[2\], AlignmentClassifier: NonFiniteLossErr"):
        together(estimators, on_error="warn")
    assert_as_alone(estimators[:2])


def test_bad_parameters_of_one_are_told_before_any_is_trained(as_one):
    estimators = [*seeds(2), DANNClassifier(learning_rate=-1.0)]
    with pytest.raises(ValueError, match="learning_rate"):
        together(estimators)
    assert as_one == []
    assert not any(hasattr(estimator, "module_") for estimator in estimators)
    with pytest.warns(UserWarning, match="learning_rate"):
        together(estimators, on_error="warn")
    assert as_one == [2] * 4


def test_bad_samples_are_told_before_any_is_trained(as_one):
    broken = X.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fit_together(seeds(), broken, Y, X_target=X_TARGET)
    assert as_one == []


@pytest.mark.parametrize(
    ("estimators", "error", "message"),
    [
        ([], ValueError, "holds none"),
        ([DANNClassifier], TypeError, r"estimators\[0\]=.* no estimator of domadapt"),
        ([nn.Linear(1, 1)], TypeError, "no estimator of domadapt"),
        ([DANNClassifier()] * 2, ValueError, r"estimators\[1\] is the same object as estim"),
    ],
)
def test_what_is_no_list_of_estimators_is_refused(estimators, error, message):
    with pytest.raises(error, match=message):
        together(estimators)


def test_an_unknown_way_with_errors_is_refused():
    with pytest.raises(ValueError, match="on_error='ignore' is unknown"):
        together(seeds(), on_error="ignore")


def test_what_cannot_go_together_is_fitted_by_itself_and_says_why(as_one, capsys):
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 4)

        def forward(self, x):
            return self.layer(x)

    mine = [DANNClassifier(**SMALL, backbone=Mine(), random_state=i) for i in range(2)]
    alone = [
        ADDAClassifier(**SMALL, random_state=0),
        AdaptedClassifier(LogisticRegression(), "coral"),
        DANNClassifier(**SMALL, precision="bfloat16", random_state=0),
        AlignmentClassifier([(1.0, "dan")], loss_weights="uncertainty", **SMALL, random_state=0),
        DANNClassifier(**{**SMALL, "hidden_layer_sizes": (3,)}, random_state=0),
    ]
    together([*seeds(2), *mine, *alone], verbose=True)
    assert set(as_one) == {2}
    printed = capsys.readouterr().out
    for number, reason in (
        (2, "Mine is no layer that is known"),
        (3, "Mine is no layer that is known"),
        (5, "it trains no network by epochs"),
        (6, "it computes in bfloat16"),
        (7, "its loss weights are found in training"),
    ):
        assert f"estimators[{number}] is fitted by itself: {reason}" in printed
    for estimator in [*mine, *alone[:1], alone[4]]:
        assert_as_alone([estimator])
    np.testing.assert_array_equal(
        alone[1].predict(X), clone(alone[1]).fit(X, Y, X_target=X_TARGET).predict(X)
    )


def test_checkpoints_of_a_stack_are_resumed_alone_and_together(as_one, tmp_path):
    paths = [tmp_path / f"{i}.safetensors" for i in range(2)]
    started = [
        DANNClassifier(**{**SMALL, "max_epochs": 4}, random_state=i, dropout=0.3, checkpoint=path)
        for i, path in enumerate(paths)
    ]

    class Interrupt(StopAfter):
        def on_fit_task_end(self, estimator, context):
            if super().on_fit_task_end(estimator, context):
                raise KeyboardInterrupt

    started[1].set_callbacks(Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        together(started)
    assert as_one == [2] * 3
    assert paths[0].exists()
    # The first was written down after the epoch in which the second was interrupted.
    assert all(estimator.n_steps_ in (8, 12) for estimator in started)
    as_one.clear()
    resumed = [clone(estimator) for estimator in started]
    resumed[0].fit(X, Y, X_target=X_TARGET)
    # Another that is at its first epoch, when this one is at a later.
    resumed.append(clone(started[1]).set_params(random_state=7, checkpoint=None))
    together(resumed[1:])
    assert as_one == []
    assert_as_alone(resumed)


def test_an_interrupt_leaves_estimators_that_can_be_used():
    class Interrupt(StopAfter):
        def on_fit_task_begin(self, estimator, context):
            super().on_fit_task_begin(estimator, context)
            if self.seen.count("begin epoch") == 3:
                raise KeyboardInterrupt

    estimators = seeds()
    estimators[2].set_callbacks(Interrupt(9))
    with pytest.raises(KeyboardInterrupt):
        together(estimators)
    for estimator in estimators:
        assert np.isfinite(estimator.predict_proba(X_TARGET)).all()
        # No weight is a part of those of another.
        size = estimator.module_.classifier[0].weight.untyped_storage().nbytes()
        assert size == 2 * 8 * 4


def test_nothing_is_left_of_the_stack_when_all_is_done(tmp_path):
    estimators = together(seeds(4))
    for estimator in estimators:
        for tensor in [*estimator.module_.parameters(), *estimator.module_.buffers()]:
            assert tensor.untyped_storage().nbytes() == tensor.nbytes
        again = pickle.loads(pickle.dumps(estimator))
        np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
        estimator.save(tmp_path / "saved.safetensors")
        np.testing.assert_array_equal(
            load(tmp_path / "saved.safetensors").predict_proba(X), estimator.predict_proba(X)
        )
    before = estimators[0].predict_proba(X)
    estimators[1].fit(X, Y, X_target=X_TARGET)
    np.testing.assert_array_equal(estimators[0].predict_proba(X), before)


def test_random_numbers_and_arrays_of_the_caller_stay_as_they_are():
    rows, labels = X.copy(), Y.copy()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_together(seeds(dropout=0.2, max_epochs=15), rows, labels, X_target=X_TARGET)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(labels, Y)


def test_converted_samples_are_held_once(monkeypatch):
    held = []
    init = stacked.TrainersTogether.__init__

    def noting(self, trainers):
        init(self, trainers)
        held.extend({part.tensor.data_ptr() for part in t.batches.parts} for t in trainers)

    monkeypatch.setattr(stacked.TrainersTogether, "__init__", noting)
    fit_together(seeds(), X.astype(np.float64), Y, X_target=X_TARGET.astype(np.float64))
    assert len(held) == 3
    assert held[0] == held[1] == held[2]
