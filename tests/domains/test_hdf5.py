"""Datasets of HDF5 files: rows in any order, few at a time, and files that are closed."""

import sys

import numpy as np
import pytest

from domadapt import DANClassifier, DANNClassifier, DANNRegressor, pack
from domadapt.domains import cautions, mapped
from domadapt.domains.hdf5 import DatasetRows, is_dataset
from domadapt.inputs import reader
from domadapt.shallow import CORALMapping

h5py = pytest.importorskip("h5py")

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 2, "steps_per_epoch": 3, "random_state": 0}


@pytest.fixture
def dataset(tmp_path):
    """Return what writes an array into a file, and opens it."""

    def write(X, name="X", **options):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset(name, data=X, **options)
        return h5py.File(tmp_path / f"{name}.h5")[name]

    return write


@pytest.mark.parametrize("rows", [[3, 0, 3], [5, 6, 7], [2, 4], [], [-0], slice(2, 5), slice(None)])
def test_rows_come_in_the_order_that_is_asked_for(dataset, rows):
    X = np.arange(60.0).reshape(20, 3)
    given = rows if isinstance(rows, slice) else np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(DatasetRows("X", dataset(X))[given], X[given])


@pytest.mark.parametrize(
    ("shape", "dtype", "stacked"),
    [
        ((5,), np.float32, False),
        ((5,), ">f8", True),
        ((5,), np.int16, True),
        ((2, 6, 6), np.float32, False),
        ((6, 6), np.float16, True),
    ],
)
@pytest.mark.parametrize("options", [{}, {"chunks": True, "compression": "gzip"}])
def test_a_dataset_is_learnt_as_an_array(dataset, shape, dtype, stacked, options):
    X = (10 * np.random.default_rng(0).normal(size=(40, *shape))).astype(dtype)
    y, X_target = np.arange(40) % 2, (X[:30] + 5).astype(dtype)
    given = {"X": X, "y": y, "X_target": X_target}
    if stacked:
        X, y, domain = pack(X, y, X_target)
        order = np.random.default_rng(0).permutation(len(X))
        given = {"X": X[order], "y": y[order], "sample_domain": domain[order]}
    names = [name for name in ("X", "X_target") if name in given]
    from_file = given | {name: dataset(given[name], name, **options) for name in names}
    wanted = DANNClassifier(**SMALL).fit(**given)
    found = DANNClassifier(**SMALL).fit(**from_file)
    assert found.history_ == wanted.history_
    assert found.n_features_in_ == wanted.n_features_in_
    np.testing.assert_array_equal(found.transduction_, wanted.transduction_)
    for method in ("predict", "predict_proba", "transform"):
        expected = getattr(wanted, method)(given["X"])
        np.testing.assert_array_equal(getattr(found, method)(from_file["X"]), expected)
    assert found.score(from_file["X"], given["y"]) == wanted.score(given["X"], given["y"])


def test_weights_checkpoints_and_values_go_with_a_dataset(dataset, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    given = {"y": X[:, 0], "sample_weight": np.arange(40.0) % 3}
    settings = SMALL | {"checkpoint": tmp_path / "checkpoint"}
    wanted = DANNRegressor(**settings).fit(X, **given, X_target=X)
    settings["max_epochs"] = 4
    # Another fit altogether, were it not for the digests of the samples.
    with pytest.raises(ValueError, match="checkpoint"):
        DANNRegressor(**settings).fit(dataset(X[::-1]), **given, X_target=dataset(X, "X_target"))
    settings["max_epochs"] = 2
    found = DANNRegressor(**settings).fit(dataset(X), **given, X_target=dataset(X, "X_target"))
    assert found.history_ == wanted.history_


def test_few_rows_are_read_at_a_time(dataset, monkeypatch):
    monkeypatch.setattr(reader, "CHUNK_VALUES", 150)
    monkeypatch.setattr(mapped, "BLOCK", 4 * 150)
    monkeypatch.setattr(cautions, "ROWS", 50)
    X = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    source = dataset(X, compression="gzip")
    read, plain = [], h5py.Dataset.__getitem__

    def counting(self, rows):
        values = plain(self, rows)
        read.append(len(values))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counting)
    monkeypatch.delattr(h5py.Dataset, "__array__")
    clf = DANNClassifier(**SMALL, batch_size=32)
    clf.fit(source, np.arange(1000) % 2, sample_domain=np.resize([1, -1, -1], 1000))
    clf.predict(source)
    assert sum(read) >= 2 * 1000
    assert max(read) <= 100


def test_a_dataset_that_cannot_be_read_is_told_before_training(dataset, monkeypatch):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    good, clf = dataset(X, "good"), DANClassifier(**SMALL)
    closed = dataset(X, "closed")
    closed.file.close()
    wrong = X.copy()
    wrong[13, 1] = np.nan
    monkeypatch.setattr(mapped, "BLOCK", 24)
    for given, message in (
        (closed, "X is a dataset of an HDF5 file that is closed"),
        (dataset(wrong, "wrong"), r"X: Input contains NaN.* row 13, column 1 \(counted"),
        (dataset(X[:, 0], "flat"), "X: Expected 2D array"),
        (dataset(X[:0], "empty"), "X: Found array with 0 sample"),
        (dataset(3.0, "single"), r"X is the HDF5 dataset '/single' of shape \(\)"),
        (dataset(np.array([b"a", b"b"]).reshape(2, 1), "texts"), "X"),
    ):
        with pytest.raises(ValueError, match=message):
            clf.fit(given, y[: len(given)] if given and given.shape else y, X_target=good)
    with pytest.raises(ValueError, match=r"X_target.* row 13, column 1"):
        clf.fit(good, y, X_target=dataset(wrong, "wrong"))
    with pytest.raises(ValueError, match=r"X_target has samples of shape \(2,\)"):
        clf.fit(good, y, X_target=dataset(X[:, :2], "narrow"))
    assert not hasattr(clf, "module_")
    clf.fit(good, y, X_target=good)
    with pytest.raises(ValueError, match="X is a dataset of an HDF5 file that is closed"):
        clf.predict(closed)


def test_without_a_network_a_dataset_is_any_array_like(dataset):
    X = np.random.default_rng(0).normal(size=(40, 3))
    mapping = CORALMapping().fit(dataset(X), X_target=X + 1)
    np.testing.assert_array_equal(
        mapping.transform(dataset(X)), CORALMapping().fit(X, X_target=X + 1).transform(X)
    )


def test_h5py_is_not_imported_to_look_for_datasets(dataset, monkeypatch):
    X = dataset(np.ones((2, 2)))
    assert is_dataset(X)
    assert not is_dataset(X[:])
    monkeypatch.delitem(sys.modules, "h5py")
    assert not is_dataset(X)
    assert "h5py" not in sys.modules
