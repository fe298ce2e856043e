"""What batch_norm="auto" stands for, and that nothing aligned means nothing of the target."""

import numpy as np
import pytest
from small_fits import SMALL, columns, vectors
from torch import nn

import domadapt
from domadapt import (
    ADDAClassifier,
    AlignmentClassifier,
    AlignmentRegressor,
    DANClassifier,
    DANNClassifier,
    DANRegressor,
    PADAClassifier,
    SHOTClassifier,
)
from domadapt._storage.files import read_tensors, write_tensors

QUICK = {**SMALL, "max_epochs": 2}


def n_layers(estimator, kind=nn.BatchNorm1d):
    return sum(isinstance(layer, kind) for layer in estimator.module_.modules())


@pytest.mark.filterwarnings("ignore:.* was given no target")
@pytest.mark.parametrize(
    ("estimator", "with_target", "alone"),
    [
        (AlignmentClassifier(None), None, None),
        (AlignmentClassifier("mcc"), "per_domain", None),
        (AlignmentClassifier([(1.0, "coral"), (0.5, "mcc")]), "per_domain", None),
        (DANNClassifier(), "per_domain", None),
        # No weight is a weight of a criterion that is there.
        (DANClassifier(alignment_weight=0.0), "per_domain", None),
        # These learn from the source and align later, perhaps in adapt.
        (SHOTClassifier(), "per_domain", "per_domain"),
        (ADDAClassifier(), "per_domain", "per_domain"),
        # What was asked for stays.
        (AlignmentClassifier(None, batch_norm="per_domain"), "per_domain", "per_domain"),
        (AlignmentClassifier(None, batch_norm="joint"), "joint", "joint"),
        (DANNClassifier(batch_norm=None), None, None),
        # A default of its own.
        (PADAClassifier(), "joint", "joint"),
        (DANRegressor(), None, None),
        (DANRegressor(batch_norm="auto"), "per_domain", None),
        (AlignmentRegressor(None, batch_norm="auto"), None, None),
    ],
    ids=repr,
)
def test_layers_are_where_something_is_aligned(estimator, with_target, alone):
    X, y, X_target = vectors()
    estimator.set_params(**QUICK)
    asked_for = estimator.batch_norm
    for expected, given in ((with_target, {"X_target": X_target}), (alone, {})):
        assert estimator.fit(X, y, **given).batch_norm_ == expected
        assert estimator.batch_norm == asked_for
        assert (n_layers(estimator) > 0) == (expected is not None)


OWN = {
    "default network": {},
    "two layers": {"hidden_layer_sizes": (8, 6), "dropout": 0.3},
    "own backbone": {"backbone": columns(), "hidden_layer_sizes": None},
    "layers on a backbone": {"backbone": columns(), "dropout": 0.3},
    "frozen backbone": {"backbone": columns(), "freeze": True},
}


@pytest.mark.parametrize("batch_norm", ["auto", None])
@pytest.mark.parametrize("own", OWN)
def test_a_target_changes_nothing_where_nothing_is_aligned(same, own, batch_norm):
    X, y, X_target = vectors()
    parameters = {**QUICK, **OWN[own], "batch_norm": batch_norm}
    alone = AlignmentClassifier(None, **parameters).fit(X, y)
    for target in (X_target, 100 * X_target[:7], X_target[:1]):
        beside = AlignmentClassifier(None, **parameters).fit(X, y, X_target=target)
        assert same(alone, beside)
        assert alone.history_ == beside.history_
        np.testing.assert_array_equal(beside.transduction_, alone.predict(target))


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint"])
def test_a_target_is_seen_in_statistics_that_are_asked_for(same, batch_norm):
    X, y, X_target = vectors()
    parameters = {**QUICK, "batch_norm": batch_norm}
    alone = AlignmentClassifier(None, **parameters).fit(X, y)
    assert not same(alone, AlignmentClassifier(None, **parameters).fit(X, y, X_target=X_target))


def test_layers_of_a_backbone_have_statistics_of_the_source():
    X, y, X_target = vectors()
    backbone = nn.Sequential(nn.BatchNorm1d(5, momentum=None))
    parameters = {**QUICK, "batch_size": 40, "backbone": backbone}
    clf = AlignmentClassifier(None, **parameters).fit(X, y, X_target=X_target)
    (layer,) = (m for m in clf.module_.modules() if isinstance(m, nn.BatchNorm1d))
    np.testing.assert_allclose(layer.running_mean, X.mean(0), atol=1e-6)


def test_a_larger_target_makes_epochs_longer_and_labelled_samples_count(same):
    X, y, X_target = vectors()
    parameters = {**QUICK, "steps_per_epoch": None, "batch_size": 2}
    clf = AlignmentClassifier(None, **parameters).fit(X[:10], y[:10], X_target=X_target)
    assert clf.n_steps_ == 2 * (len(X_target) // 2)
    # As many updates without the target.
    again = AlignmentClassifier(None, **{**parameters, "steps_per_epoch": len(X_target) // 2})
    assert same(clf, again.fit(X[:10], y[:10]))
    known = np.where(np.arange(len(X_target)) < 5, 1.0, np.nan)
    clf = AlignmentClassifier(None, **QUICK).fit(X, y, X_target=X_target)
    few = AlignmentClassifier(None, **QUICK).fit(X, y, X_target=X_target, y_target=known)
    assert not same(clf, few)
    # Unlabelled ones still do not.
    moved = np.where(np.isnan(known)[:, None], X_target + 9, X_target)
    again = AlignmentClassifier(None, **QUICK).fit(X, y, X_target=moved, y_target=known)
    assert same(few, again)


@pytest.mark.parametrize("alignment", [None, "mcc"])
def test_what_it_stood_for_goes_through_a_file(tmp_path, alignment):
    X, y, X_target = vectors()
    clf = AlignmentClassifier(alignment, **QUICK).fit(X, y, X_target=X_target)
    clf.save(tmp_path / "model")
    again = domadapt.load(tmp_path / "model")
    assert (again.batch_norm, again.batch_norm_) == ("auto", clf.batch_norm_)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    # Whoever names it has to name the same.
    other = "per_domain" if alignment is None else None
    with pytest.raises(ValueError, match="does not fit together"):
        domadapt.load(tmp_path / "model", batch_norm=other)


@pytest.mark.parametrize("batch_norm", ["per_domain", "joint", None])
def test_files_from_before_it_was_there_are_read(tmp_path, batch_norm):
    X, y, X_target = vectors()
    clf = AlignmentClassifier(None, **QUICK, batch_norm=batch_norm).fit(X, y, X_target=X_target)
    clf.save(tmp_path / "model")
    tensors, info = read_tensors(tmp_path / "model", kind="model")
    del info["attributes"]["batch_norm_"]
    write_tensors(tmp_path / "model", tensors, info, kind="model")
    again = domadapt.load(tmp_path / "model")
    assert again.batch_norm == again.batch_norm_ == batch_norm
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    ("alignment", "stands_for", "other"), [("mcc", "per_domain", None), (None, None, "per_domain")]
)
def test_checkpoints_from_before_it_was_there_go_on(
    tmp_path, stop, assert_same_fit, alignment, stands_for, other
):
    X, y, X_target = vectors()
    path = tmp_path / "fit"
    begun = AlignmentClassifier(alignment, **SMALL, batch_norm=stands_for, checkpoint=path)
    begun.set_callbacks(stop(2)).fit(X, y, X_target=X_target)
    elsewhere = AlignmentClassifier(alignment, **SMALL, batch_norm=other, checkpoint=path)
    with pytest.raises(ValueError, match="other parameters or data"):
        elsewhere.fit(X, y, X_target=X_target)
    clf = AlignmentClassifier(alignment, **SMALL, checkpoint=path).fit(X, y, X_target=X_target)
    straight = AlignmentClassifier(alignment, **SMALL).fit(X, y, X_target=X_target)
    assert_same_fit(clf, straight, X)


def test_an_estimator_is_fitted_anew_in_the_other_way(same):
    X, y, X_target = vectors()
    clf = DANClassifier(**QUICK).fit(X, y, X_target=X_target)
    clf.set_params(alignment_weight=0.5)
    with pytest.warns(UserWarning, match="was given no target"):
        clf.fit(X, y)
    assert clf.batch_norm_ is None
    alone = AlignmentClassifier(None, **QUICK).fit(X, y)
    assert same(clf, alone)
    before = alone.predict_proba(X)
    assert not np.array_equal(alone.adapt(X_target).predict_proba(X), before)
