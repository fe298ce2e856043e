"""The focal loss of deep classifiers: what it changes, and files of before it was there."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from small_fits import SMALL, vectors

import domadapt
from domadapt import AlignmentClassifier, DANNClassifier
from domadapt._storage.files import read_tensors, write_tensors
from domadapt.estimators import _predictions, _state


def rare_class():
    """Return two classes that overlap, one of them with a tenth of the samples."""
    X, y = make_blobs([400, 40], centers=[[0.0, 0.0], [2.0, 0.0]], random_state=0)
    return X.astype(np.float32), y


def test_it_learns_the_rare_class_another_way():
    X, y = rare_class()
    settings = {"hidden_layer_sizes": (8,), "max_epochs": 5, "random_state": 0}
    plain, focal, again = (
        AlignmentClassifier(None, **settings, focal_gamma=gamma).fit(X, y)
        for gamma in (0.0, 4.0, 4.0)
    )
    np.testing.assert_array_equal(focal.predict_proba(X), again.predict_proba(X))
    # Samples of the frequent class are right soon, and then pull no longer.
    frequent, rare = (
        [clf.predict_proba(X)[y == label, label].mean() for clf in (plain, focal)]
        for label in (0, 1)
    )
    assert frequent[1] < frequent[0] - 0.1
    assert rare[1] > rare[0] + 0.1
    assert focal.history_["task_loss"][-1] < plain.history_["task_loss"][-1]


@pytest.mark.parametrize("extra", [{}, {"class_weight": "balanced", "label_smoothing": 0.2}])
def test_a_huge_power_leaves_everything_finite(extra):
    X, y, X_target = vectors()
    clf = DANNClassifier(**SMALL, focal_gamma=1e6, **extra).fit(X, y, X_target=X_target)
    assert np.isfinite(clf.history_["task_loss"]).all()
    assert np.isfinite(clf.predict_proba(X_target)).all()


def test_it_goes_with_labelled_samples_of_the_target_and_weights(same):
    X, y, X_target = vectors()
    known = np.full(len(X_target), np.nan)
    known[:4] = y[:4]
    given = {
        "X_target": X_target,
        "y_target": known,
        "sample_weight": np.linspace(0.5, 1.5, len(X)),
    }
    plain, focal = (
        DANNClassifier(**SMALL, focal_gamma=gamma).fit(X, y, **given) for gamma in (0, 2.0)
    )
    assert not same(plain, focal)


@pytest.mark.parametrize("gamma", [-1.0, np.inf, np.nan, "2", None])
def test_other_values_are_refused(gamma):
    X, y, _ = vectors()
    with pytest.raises(ValueError, match="The 'focal_gamma' parameter"):
        AlignmentClassifier(None, focal_gamma=gamma).fit(X, y)


def test_it_goes_through_a_file_and_files_from_before_it_was_there_are_read(tmp_path):
    X, y, X_target = vectors()
    clf = DANNClassifier(**SMALL, focal_gamma=2.0).fit(X, y, X_target=X_target)
    clf.save(tmp_path / "model")
    again = domadapt.load(tmp_path / "model")
    assert again.focal_gamma == 2.0
    tensors, info = read_tensors(tmp_path / "model", kind="model")
    del info["parameters"]["focal_gamma"]
    write_tensors(tmp_path / "model", tensors, info, kind="model")
    older = domadapt.load(tmp_path / "model")
    assert older.focal_gamma == 0.0
    for loaded in (again, older):
        np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


def test_checkpoints_from_before_it_was_there_go_on(tmp_path, stop, assert_same_fit, monkeypatch):
    X, y, X_target = vectors()
    path = tmp_path / "fit"

    def as_before(estimator, domains, batch_norm):
        given = estimator.get_params(deep=False)
        estimator.get_params = lambda deep: {n: v for n, v in given.items() if n != "focal_gamma"}
        found = _state.fingerprint_of_fit(estimator, domains, batch_norm)
        del estimator.get_params
        return found

    with monkeypatch.context() as patch:
        patch.setattr(_predictions, "fingerprint_of_fit", as_before)
        begun = DANNClassifier(**SMALL, checkpoint=path)
        begun.set_callbacks(stop(2)).fit(X, y, X_target=X_target)
    other = DANNClassifier(**SMALL, checkpoint=path, focal_gamma=2.0)
    with pytest.raises(ValueError, match="other parameters or data"):
        other.fit(X, y, X_target=X_target)
    clf = DANNClassifier(**SMALL, checkpoint=path).fit(X, y, X_target=X_target)
    assert_same_fit(clf, DANNClassifier(**SMALL).fit(X, y, X_target=X_target), X)
