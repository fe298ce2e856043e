"""Bad input is told before training, by name, and leaves an estimator that can be fitted."""

import re

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from domadapt import AlignmentClassifier, NonFiniteLossError
from domadapt.alignment import DeepJDOT


@pytest.fixture(autouse=True)
def no_training_on_bad_input(request):
    """Fail any test in which training starts, unless it is marked as expecting that."""
    if "trains" not in request.keywords:
        request.getfixturevalue("untrained")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [0, 1]}, "y has length 2, but X has 90 samples"),
        (
            {"X_target": np.zeros((5, 9))},
            "X_target has samples of shape (9,), but X has samples of shape",
        ),
        ({"X": np.full((90, 10), np.nan)}, "Input X contains NaN"),
        ({"X": np.full((90, 10), np.inf)}, "Input X contains infinity"),
        ({"X": np.full((90, 10), 1e300)}, "X holds numbers too large for float32"),
        ({"X_target": np.full((5, 10), np.nan)}, "Input X_target contains NaN"),
        ({"y": np.zeros(90, dtype=int)}, "y has 1 class on the source samples: [0]"),
        ({"X_target": np.zeros((0, 10))}, "X_target has 0 samples"),
        ({"sample_domain": np.ones(90)}, "Both sample_domain and X_target were given"),
        ({"X_target": None, "sample_domain": np.ones(90)}, "sample_domain names no target sample"),
        ({"X_target": None, "sample_domain": -np.ones(90)}, "sample_domain names no source sample"),
        ({"X_target": None, "sample_domain": np.ones(9)}, "sample_domain has shape (9,), expected"),
        ({"X_target": None, "sample_domain": np.arange(90)}, "sample_domain is 0 for 1 samples"),
        ({"X_target": None, "sample_domain": np.full(90, np.nan)}, "sample_domain contains NaN"),
        ({"sample_weight": np.full(90, np.nan)}, "sample_weight contains NaN"),
        ({"sample_weight": np.ones(9)}, "sample_weight.shape == (9,), expected (90,)"),
        (
            {"X": np.zeros((90, 2, 2, 2, 2)), "X_target": None},
            "X has samples of shape (2, 2, 2, 2)",
        ),
    ],
)
def test_data(make, blobs, changes, message):
    Xs, ys, Xt, _ = blobs
    data = {"X": Xs, "y": ys, "X_target": Xt, **changes}
    with pytest.raises(ValueError, match=re.escape(message)):
        make().fit(**data)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alignment_schedule": "cosine"}, "The 'alignment_schedule' parameter of .*'cosine'"),
        ({"learning_rate_schedule": "step"}, "The 'learning_rate_schedule' parameter of .*'step'"),
        ({"optimizer": "lbfgs"}, "The 'optimizer' parameter of .*'lbfgs'"),
        ({"device": "gpu"}, "device='gpu' is unknown"),
        ({"device": "cuda:99"}, "device='cuda:99' was asked for, but torch sees"),
        ({"device": "meta"}, "device='meta' is not supported"),
        ({"batch_size": 0}, "The 'batch_size' parameter"),
        ({"max_epochs": 2.5}, "The 'max_epochs' parameter"),
        ({"learning_rate": -1.0}, "The 'learning_rate' parameter"),
        ({"alignment_weight": -1.0}, "The 'alignment_weight' parameter"),
        ({"batch_norm": "target"}, "The 'batch_norm' parameter"),
        ({"label_smoothing": 1.0}, "The 'label_smoothing' parameter"),
        ({"hidden_layer_sizes": (16, 0)}, r"hidden_layer_sizes=\(16, 0\)"),
        ({"hidden_layer_sizes": ("a",)}, r"hidden_layer_sizes=\('a',\)"),
        ({"backbone": "resnet"}, "The 'backbone' parameter"),
        ({"class_weight": {0: -1.0, 1: 1.0, 2: 1.0}}, "class_weight=.* holds a negative"),
        ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, "class_weight=.* leaves no positive weight"),
    ],
)
def test_parameters(make, blobs, parameters, message):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(Xs, ys, X_target=Xt)


def test_one_sample_has_no_batch_statistics(make, blobs):
    with pytest.raises(ValueError, match="batch_size=1 and 90 samples of the source leave batch"):
        make(batch_size=1, batch_norm="joint").fit(blobs[0], blobs[1])


@pytest.mark.trains
def test_one_sample_will_do_where_there_are_no_batch_statistics(make, blobs):
    Xs, ys, Xt, _ = blobs
    assert (
        make(batch_size=1, batch_norm=None, max_epochs=1, steps_per_epoch=None).fit(Xs, ys).n_steps_
        == 90
    )
    assert (
        make(batch_size=1, max_epochs=1, steps_per_epoch=None).fit(Xs, ys, X_target=Xt).n_steps_
        == 90
    )


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (nn.Linear(9, 4), r"backbone failed on samples of shape \(10,\)"),
        (nn.Unflatten(1, (2, 5)), r"backbone returned shape \(2, 2, 5\) .*expected .*\(2, n_f"),
        (nn.Flatten(0), r"backbone returned shape \(20,\)"),
        (nn.LSTM(10, 4), "backbone returned tuple"),
    ],
)
def test_backbones_of_the_wrong_shape(make, blobs, backbone, message):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(ValueError, match=re.compile(message, re.IGNORECASE)):
        make(backbone=backbone).fit(Xs, ys, X_target=Xt)


@pytest.mark.parametrize(
    ("alignment", "error", "message"),
    [
        ("magic", ValueError, r"alignment='magic' is unknown here.*Use one of adda, afn, "),
        (3, ValueError, "The 'alignment' parameter of AlignmentClassifier"),
        (lambda features: 0, TypeError, "asks for 'features'.*step passes .* source_features"),
        (lambda target_features: target_features, TypeError, r"returned shape \(32, 256\)"),
        ([("mmd", 1.0)], ValueError, "has the weight 'mmd'"),
    ],
)
def test_alignments(blobs, alignment, error, message):
    Xs, ys, Xt, _ = blobs
    with pytest.raises(error, match=message):
        AlignmentClassifier(alignment, batch_size=32).fit(Xs, ys, X_target=Xt)


def test_prediction_before_fit(make, blobs):
    for method in ("predict", "predict_proba", "transform"):
        with pytest.raises(NotFittedError):
            getattr(make(), method)(blobs[0])


@pytest.mark.trains
def test_prediction_on_other_columns_or_bad_numbers(make, blobs):
    Xs, ys, Xt, _ = blobs
    clf = make().fit(Xs, ys, X_target=Xt)
    for method in ("predict", "predict_proba", "transform"):
        with pytest.raises(ValueError, match=r"X has 9 features, but .* is expecting 10"):
            getattr(clf, method)(Xt[:, :9])
        with pytest.raises(ValueError, match="contains NaN"):
            getattr(clf, method)(np.full((2, 10), np.nan))


def test_a_cost_that_is_not_finite_is_told_before_training(blobs):
    Xs, _, Xt, _ = blobs
    clf = AlignmentClassifier(DeepJDOT(alpha=1e38), random_state=0)
    with pytest.raises(NonFiniteLossError, match="did not start: the loss of DeepJDOT is nan"):
        clf.fit(Xs, 1e9 * Xs[:, 0] > 0, X_target=1e9 * Xt)
    assert not hasattr(clf, "module_")


@pytest.mark.trains
def test_after_bad_input_the_estimator_can_be_fitted_again(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    reference = make().fit(Xs, ys, X_target=Xt)
    clf = make()
    with pytest.raises(ValueError, match="X_target"):
        clf.fit(Xs, ys, X_target=Xt[:, :3])
    assert same(clf.fit(Xs, ys, X_target=Xt), reference)
    with pytest.raises(ValueError, match="y has length"):
        clf.fit(Xs, ys[:3], X_target=Xt)
    assert same(clf, reference)


@pytest.mark.trains
def test_a_loss_that_turns_non_finite_stops_the_fit_and_leaves_finite_weights(make, blobs):
    Xs, ys, Xt, _ = blobs
    clf = make(learning_rate=1e30, batch_norm=None)
    with pytest.raises(NonFiniteLossError, match=r"epoch 0, step 1 .*learning_rate=1e\+30"):
        clf.fit(Xs, ys, X_target=Xt)
    assert all(torch.isfinite(value).all() for value in clf.module_.state_dict().values())
    assert clf.predict(Xt).shape == (75,)
    clf.set_params(learning_rate=0.03).fit(Xs, ys, X_target=Xt)
    assert clf.n_steps_ == 6


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_several_processes_need_one_seed(make, blobs, monkeypatch, random_state):
    monkeypatch.setattr("domadapt.estimators._deep.n_processes", lambda: 2)
    Xs, ys, Xt, _ = blobs
    with pytest.raises(ValueError, match="does not go with 2 processes"):
        make(random_state=random_state).fit(Xs, ys, X_target=Xt)


@pytest.mark.trains
def test_a_fit_that_is_refused_leaves_the_one_before(make, blobs, tmp_path):
    Xs, ys, Xt, _ = blobs
    clf = make(checkpoint=tmp_path / "fit").fit(Xs, ys, X_target=Xt)
    before = clf.predict_proba(Xt)
    with pytest.raises(ValueError, match="of a fit with other parameters or data"):
        clf.fit(Xs[:50], ys[:50] % 2, X_target=Xt)
    np.testing.assert_array_equal(clf.predict_proba(Xt), before)
    assert clf.transduction_.shape == (75,)
