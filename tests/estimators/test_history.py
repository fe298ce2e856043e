"""What a fit leaves: ``history_`` of every criterion, and the criteria in ``criterion_``."""

import copy
import pickle

import numpy as np
import pytest
import torch

from domadapt import (
    AlignmentClassifier,
    AlignmentRegressor,
    DANNClassifier,
    VADAClassifier,
    estimators,
)
from domadapt.alignment import CORAL, MCC, MMD, DomainAdversarial
from domadapt.methods import METHODS
from domadapt.training.trainer import Trainer

QUICK = {"hidden_layer_sizes": (8,), "max_epochs": 3, "batch_size": 32, "random_state": 0}
ALWAYS = ["task_loss", "alignment_loss", "alignment_weight", "learning_rate"]
OF_TWO_STAGES = [m for m in METHODS.values() if m.stages == 2]


def fit(alignment, blobs, **parameters):
    Xs, ys, Xt, _ = blobs
    clf = AlignmentClassifier(alignment, **{**QUICK, **parameters})
    return clf.fit(Xs, ys, X_target=Xt)


def mean_distance(source_features, target_features):
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


def assert_history(history, *names, n_epochs=3):
    """Check which lists there are, in their order, and that each has a number for each epoch."""
    assert list(history) == [*ALWAYS, *names]
    for values in history.values():
        assert len(values) == n_epochs
        assert all(type(value) is float and np.isfinite(value) for value in values)


@pytest.mark.parametrize(
    ("alignment", "name"),
    [("mmd", "MMD"), ("dann", "DomainAdversarial"), (mean_distance, "mean_distance")],
)
def test_one_criterion_has_its_losses_by_its_name(blobs, alignment, name):
    clf = fit(alignment, blobs)
    assert_history(clf.history_, name)
    assert clf.history_[name] == clf.history_["alignment_loss"]
    assert len(set(clf.history_[name])) == 3


def test_several_criteria_have_theirs_in_the_order_of_the_list(blobs):
    clf = fit([(1.0, "dann"), (0.1, CORAL()), (0.5, mean_distance)], blobs)
    names = ["DomainAdversarial", "CORAL", "mean_distance"]
    assert_history(clf.history_, *names)
    total = np.sum([clf.history_[name] for name in names], axis=0)
    np.testing.assert_allclose(clf.history_["alignment_loss"], total, rtol=1e-5)
    assert len({tuple(clf.history_[name]) for name in names}) == 3


def test_the_same_criterion_twice_is_numbered(blobs):
    clf = fit([(1.0, MCC()), (0.5, MMD()), (1.0, MCC(temperature=5.0))], blobs)
    assert_history(clf.history_, "MCC_1", "MMD", "MCC_2")
    assert clf.history_["MCC_1"] != clf.history_["MCC_2"]
    assert [c.get_params().get("temperature") for c in clf.criterion_] == [2.5, None, 5.0]


def test_the_losses_are_those_of_the_criteria(blobs):
    Xs, _, Xt, _ = blobs
    # One mini-batch of all samples, and a network that does not move.
    whole = {"batch_size": 1000, "learning_rate": 1e-12, "batch_norm": None, "max_epochs": 1}
    clf = fit([(1.0, MMD()), (0.3, CORAL())], blobs, **whole)
    features = [torch.from_numpy(clf.transform(X)) for X in (Xs, Xt)]
    for criterion in (MMD(), CORAL()):
        expected = criterion(*features).item()
        (found,) = clf.history_[type(criterion).__name__]
        # The source is larger, and all of the target is drawn as well.
        assert found == pytest.approx(expected, rel=1e-3)


def test_a_function_may_be_called_as_the_sum_is(blobs):
    def alignment_loss(source_features, target_features):
        return mean_distance(source_features, target_features)

    clf = fit([(1.0, alignment_loss), (1.0, "mmd")], blobs)
    assert_history(clf.history_, "MMD")
    plain = fit([(1.0, mean_distance), (1.0, "mmd")], blobs)
    assert clf.history_["alignment_loss"] == plain.history_["alignment_loss"]


def test_values_have_histories_too(blobs):
    Xs, _, Xt, _ = blobs
    reg = AlignmentRegressor([(1.0, "rsd"), (1.0, "deepjdot")], **QUICK)
    reg.fit(Xs, Xs[:, 0], X_target=Xt)
    assert_history(reg.history_, "RSD", "DeepJDOTRegression")
    assert [type(c).__name__ for c in reg.criterion_] == ["RSD", "DeepJDOTRegression"]


@pytest.mark.parametrize("method", OF_TWO_STAGES, ids=lambda method: method.name)
def test_of_two_stages_the_second_has_the_criteria(method, blobs):
    Xs, ys, Xt, _ = blobs
    clf = getattr(estimators, method.classifier)(**QUICK).fit(Xs, ys, X_target=Xt)
    criteria = method.classes()
    kinds = [type(c) for _, c in criteria] if isinstance(criteria, list) else [type(criteria)]
    assert_history(clf.history_)
    assert set(clf.history_["alignment_loss"]) == {0.0}
    assert_history(clf.adaptation_history_, *(kind.__name__ for kind in kinds))
    fitted = clf.criterion_ if isinstance(criteria, list) else [clf.criterion_]
    assert [type(criterion) for criterion in fitted] == kinds
    clf.fit(Xs, ys)
    assert not hasattr(clf, "criterion_")
    assert_history(clf.history_)


def test_adapt_leaves_its_criteria(blobs):
    clf = fit("mmd", blobs).adapt(blobs[2], alignment=MCC(temperature=3.0))
    assert clf.criterion_.temperature == 3.0
    assert_history(clf.adaptation_history_, "MCC")
    assert_history(clf.history_, "MMD")


# The criterion as training has left it.


def test_the_criterion_is_a_copy_that_has_been_trained(blobs):
    given = DomainAdversarial(hidden_layer_sizes=(4,))
    clf = fit(given, blobs)
    assert type(clf.criterion_) is DomainAdversarial
    assert clf.criterion_ is not given
    # The one that was given has no weights yet: it never saw a mini-batch.
    lazy = torch.nn.parameter.UninitializedParameter
    assert any(isinstance(parameter, lazy) for parameter in given.parameters())
    one, three = (fit(given, blobs, max_epochs=n).criterion_ for n in (1, 3))
    for before, after in zip(one.parameters(), three.parameters(), strict=True):
        assert not torch.equal(before, after)


def test_the_criterion_knows_what_training_has_taught_it(blobs):
    Xs, ys, Xt, yt = blobs
    Xt = Xt + 5.0
    idle = {"alignment_weight": 0.0, "max_epochs": 30, "optimizer": "adam", "batch_norm": None}
    clf = fit(DomainAdversarial(), (Xs, ys, Xt, yt), **idle, learning_rate=0.01)
    features = [torch.from_numpy(clf.transform(X)) for X in (Xs, Xt)]
    torch.manual_seed(0)
    guessed = DomainAdversarial()(*features).item()
    assert clf.criterion_(*features).item() < 0.5 * guessed
    assert guessed == pytest.approx(np.log(2), abs=0.3)


def test_a_function_is_its_own_criterion(blobs):
    assert fit(mean_distance, blobs).criterion_ is mean_distance
    assert fit([(1.0, mean_distance)], blobs).criterion_ is mean_distance


@pytest.mark.parametrize("alignment", ["mmd", [(1.0, "mmd"), (1.0, "mcc")]])
def test_without_a_target_or_alignment_there_is_none(blobs, alignment):
    Xs, ys, Xt, _ = blobs
    clf = fit(alignment, blobs)
    assert hasattr(clf, "criterion_")
    clf.fit(Xs, ys)
    assert not hasattr(clf, "criterion_")
    assert_history(clf.history_)
    assert set(clf.history_["alignment_loss"]) == {0.0}
    clf.fit(Xs, ys, X_target=Xt)
    assert hasattr(clf, "criterion_")
    clf.set_params(alignment=None).fit(Xs, ys, X_target=Xt)
    assert not hasattr(clf, "criterion_")
    assert_history(clf.history_)


def test_a_fit_that_is_refused_leaves_that_of_the_one_before(blobs):
    Xs, ys, Xt, _ = blobs
    clf = fit("dann", blobs)
    before = clf.criterion_
    with pytest.raises(ValueError, match="X_target"):
        clf.fit(Xs, ys, X_target=Xt[:, :3])
    assert clf.criterion_ is before


def test_an_interrupt_leaves_the_criterion_and_the_epochs_that_were_ended(blobs, monkeypatch):
    run_epoch, calls = Trainer.run_epoch, []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        run_epoch(self)

    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    Xs, ys, Xt, _ = blobs
    clf = VADAClassifier(**QUICK)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(Xs, ys, X_target=Xt)
    names = ["DomainAdversarial", "VirtualAdversarial", "EntropyMinimization"]
    assert_history(clf.history_, *names, n_epochs=1)
    assert [type(criterion).__name__ for criterion in clf.criterion_] == names


def test_copies_have_the_criterion_as_well(blobs):
    clf = DANNClassifier(**QUICK).fit(blobs[0], blobs[1], X_target=blobs[2])
    for twin in (copy.deepcopy(clf), pickle.loads(pickle.dumps(clf))):
        state = twin.criterion_.state_dict()
        for name, value in clf.criterion_.state_dict().items():
            assert torch.equal(value, state[name]), name
        assert twin.history_ == clf.history_
