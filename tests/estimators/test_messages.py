"""Bad input whose message names the parameter, and what to do."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from domadapt import (
    AlignmentClassifier,
    DANClassifier,
    DANRegressor,
    MeanTeacherClassifier,
    NonFiniteLossError,
    SHOTClassifier,
    VADAClassifier,
)
from domadapt.alignment import MMD, KernelMMD

SMALL = {"max_epochs": 2, "batch_size": 16, "random_state": 0}


def refused(estimator, message, X, y, kind=ValueError, **target):
    """Check that a fit is refused with a message, and that an earlier fit is kept."""
    with pytest.raises(kind, match=message):
        estimator.fit(X, y, **target)
    assert not hasattr(estimator, "module_")


def table(X):
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    return frame


@pytest.mark.parametrize("where", ["X", "X_target"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda X: table(X).assign(c2=np.where(X[:, 0] > 0, "low", "high")),
            "Column 'c2' of {} holds texts such as '(low|high)': encode it",
        ),
        (
            lambda X: table(X).assign(c3=np.where(np.arange(len(X)) == 7, np.nan, 1.0)),
            "Column 'c3' of {} holds nan in row 7",
        ),
        (
            lambda X: np.where(np.arange(X.size).reshape(X.shape) == 34, np.inf, X),
            "Column 4 of {} holds inf in row 3",
        ),
        (lambda X: [X[:3], X[3:]], "{} is a list of 2 arrays: pass one, by np.concatenate"),
        (lambda X: pd.DataFrame(index=range(len(X))), "{} is a table without columns"),
    ],
    ids=["text", "NaN", "infinite", "list of arrays", "no columns"],
)
def test_samples_that_cannot_be_learnt(blobs, untrained, where, change, message):
    X, y, X_target, _ = blobs
    data = {"X": X, "X_target": X_target}
    if isinstance(change(X), pd.DataFrame) and change(X).shape[1]:
        data = {name: table(values) for name, values in data.items()}
    data[where] = change(np.asarray(data[where]))
    if where == "X" and isinstance(data["X"], list):
        y = [y[:3], y[3:]]
    refused(DANClassifier(**SMALL), message.format(where), data["X"], y, X_target=data["X_target"])


def test_images_whose_channels_stand_last(blobs, untrained):
    images = np.zeros((90, 8, 8, 3), dtype=np.float32)
    message = r"X has the shape \(90, 8, 8, 3\), where channels .* np.moveaxis\(X, -1, 1\)"
    refused(DANClassifier(**SMALL), message, images, blobs[1], X_target=images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([(0, 1), (1, 0), (2, 2)], r"y holds labels of the kind tuple, such as \(0, 1\)"),
        (["a", None, "c"], "y holds no label for 30 source samples: None stands at the first"),
        (["a", 1, 2], "y holds labels of different kinds, number and str"),
        ([{"a": 1}, {"b": 1}, {"c": 2}], "y holds labels of the kind dict"),
    ],
)
def test_labels_that_are_none(blobs, untrained, labels, message):
    X, y, X_target, _ = blobs
    own = np.empty(len(y), dtype=object)
    own[:] = [labels[i] for i in y]
    refused(AlignmentClassifier(**SMALL), message, X, own, X_target=X_target)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["low", "high", "low"], "y must hold numbers to predict. could not convert string"),
        ([1e300, -1e300, 0.0], "y holds numbers as large as 1e\\+300, of which no variance"),
        ([1.0, np.nan, 0.0], "Input y contains NaN"),
        ([[[1.0]], [[2.0]], [[3.0]]], "y must hold numbers to predict. Found array with dim 3"),
        ([None, [1.0], [2.0]], "y holds samples with different numbers of values"),
    ],
)
def test_values_that_are_none(blobs, untrained, values, message):
    X, y, X_target, _ = blobs
    refused(DANRegressor(**SMALL), message, X, [values[i] for i in y], X_target=X_target)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alignment_schedule": lambda progress: None}, "alignment_schedule=.* returned None"),
        ({"learning_rate_schedule": lambda: 1.0}, "learning_rate_schedule=.* failed on progress=0"),
        ({"learning_rate_schedule": lambda p: 1 - 2 * p}, "learning_rate_schedule=.* returned -1"),
        ({"alignment_schedule": lambda p: 1 / p}, "alignment_schedule=.* failed on .*division"),
        ({"alignment": "mmdd"}, "alignment='mmdd' is unknown here. Nearest: mmd, "),
        ({"alignment": "discriminator"}, "'discriminator' is unknown here.* Use one of adda, afn"),
    ],
)
def test_parameters(blobs, untrained, parameters, message):
    X, y, X_target, _ = blobs
    refused(AlignmentClassifier(**SMALL, **parameters), message, X, y, X_target=X_target)


def test_a_folder_for_a_checkpoint(blobs, untrained):
    X, y, X_target, _ = blobs
    clf = DANClassifier(**SMALL, checkpoint="/")
    refused(clf, "checkpoint='/' is a folder", X, y, OSError, X_target=X_target)


def test_names_of_criteria_in_any_case(blobs, same):
    X, y, X_target, _ = blobs
    lower, upper = (
        AlignmentClassifier(name, **SMALL).fit(X, y, X_target=X_target) for name in ("mmd", "MMD")
    )
    assert same(lower, upper)
    many = AlignmentClassifier([(1.0, "MMD"), (0.1, "Coral")], **SMALL).fit(X, y, X_target=X_target)
    assert {"MMD", "CORAL"} <= many.history_.keys()


@pytest.mark.parametrize("make", [MMD, KernelMMD])
@pytest.mark.parametrize("bandwidth", ["median", "1.0", [1.0], -1.0, float("nan")])
def test_bandwidths(make, bandwidth):
    with pytest.raises(ValueError, match=r"bandwidth=.* must be a number above 0, or None"):
        make(bandwidth=bandwidth)


@pytest.mark.parametrize("kind", [VADAClassifier, MeanTeacherClassifier, SHOTClassifier])
@pytest.mark.parametrize("alone", ["one target sample", "batch_size=1"])
def test_a_batch_of_one_is_refused_before_training_and_the_old_fit_kept(
    blobs, kind, alone, monkeypatch
):
    X, y, X_target, _ = blobs
    clf = kind(**SMALL, hidden_layer_sizes=8).fit(X, y, X_target=X_target)
    before = clf.predict_proba(X_target), clf.transduction_, clf.history_
    monkeypatch.setattr("domadapt.training.trainer.Trainer.run_epoch", None)
    few = X_target[:1] if alone == "one target sample" else X_target
    clf.set_params(batch_size=16 if alone == "one target sample" else 1)
    with pytest.raises(
        ValueError, match=r"batch_size=1.*X_target|batch_size.* and (1|75) samples of the target"
    ):
        clf.fit(X, y, X_target=few)
    clf.set_params(batch_size=16)
    assert np.array_equal(clf.predict_proba(X_target), before[0])
    assert clf.transduction_ is before[1]
    assert clf.history_ is before[2]


@pytest.mark.parametrize("kind", [VADAClassifier, MeanTeacherClassifier, SHOTClassifier])
def test_without_batch_normalisation_one_target_sample_will_do(blobs, kind):
    X, y, X_target, _ = blobs
    clf = kind(**SMALL, batch_norm=None).fit(X, y, X_target=X_target[:1])
    assert clf.transduction_.shape == (1,)


def test_a_last_step_that_went_too_far_is_told(blobs):
    X, y, X_target, _ = blobs
    wild = {"batch_norm": None, "optimizer": "sgd", "batch_size": 4, "max_epochs": 1}
    reg = DANRegressor(**wild, learning_rate=100, steps_per_epoch=2, random_state=0)
    with pytest.raises(NonFiniteLossError, match="learning_rate=100 is too high"):
        reg.fit(X, y.astype(float), X_target=X_target)
    assert np.isfinite(reg.predict(X)).all()
    # A single step, after which no loss is computed any more.
    clf = AlignmentClassifier(alignment=None, **wild, learning_rate=1e20, steps_per_epoch=1)
    with pytest.raises(NonFiniteLossError, match="what the network predicts is not finite"):
        clf.set_params(hidden_layer_sizes=(8, 8), random_state=0).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.history_["task_loss"] == []


def test_predictions_of_the_target_that_are_not_finite_are_told(blobs, monkeypatch):
    X, y, X_target, _ = blobs
    clf = AlignmentClassifier(alignment=None, random_state=0, max_epochs=1)
    one_wild = np.where(np.arange(75)[:, None] == 5, np.nan, np.ones((75, 3)))
    monkeypatch.setattr(AlignmentClassifier, "_outputs", lambda *args, **kwargs: one_wild)
    with pytest.raises(NonFiniteLossError, match="1 of 75 target samples, such as 5, is not"):
        clf.fit(X, y, X_target=X_target)


def test_sparse_samples_keep_scikit_learns_own_message(blobs, untrained):
    X, y, _, _ = blobs
    bad = sparse.csr_array(np.where(X > 0, X, 0)).astype(np.float64)
    bad.data[3] = np.nan
    refused(DANClassifier(**SMALL), "Input X contains NaN", bad, y, X_target=sparse.csr_array(X))


def test_torch_tensors_are_arrays(blobs):
    X, y, X_target, _ = blobs
    clf = DANClassifier(**SMALL).fit(torch.from_numpy(X), y, X_target=torch.from_numpy(X_target))
    assert clf.transduction_.shape == (75,)
