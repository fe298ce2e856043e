"""Arrays mapped into memory from files: checked in blocks, given back, never changed."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB

from domadapt import DANClassifier
from domadapt.domains import mapped
from domadapt.domains.mapped import check_finite, give_back, is_mapped
from domadapt.shallow import AdaptedClassifier, CORALMapping


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.arange(60.0).reshape(20, 3))
    return path


def test_views_of_files_are_told_from_arrays(path):
    X = np.load(path, mmap_mode="r")
    assert all(map(is_mapped, (X, np.asarray(X), X[3:], np.asarray(X)[3:].T)))
    assert not any(map(is_mapped, (np.ones((2, 2)), X + 1, np.array(X), [[1.0]])))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_what_is_given_back_is_not_lost(path, mode):
    X = np.load(path, mmap_mode=mode)
    if mode != "r":
        X[0, 0] = 7.0
    before = np.array(X)
    give_back(np.asarray(X))
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["X", "X_target"])
def test_a_number_that_is_not_finite_is_found_in_any_block(path, name, value, monkeypatch):
    monkeypatch.setattr(mapped, "BLOCK", 24)
    good, X = np.load(path, mmap_mode="r"), np.load(path, mmap_mode="r+")
    assert check_finite(good, allow_nan=False) is None
    X = X.copy() * 1.0
    X[13, 1] = value
    np.save(path.with_name("bad.npy"), X)
    bad = np.load(path.with_name("bad.npy"), mmap_mode="r")
    given = {"X": (bad, good), "X_target": (good, bad)}[name]
    with pytest.raises(ValueError, match=rf"{name}\b.*row 13"):
        CORALMapping().fit(given[0], X_target=given[1])


def resident():
    """Return the MiB of files that are in the memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile")) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is as Linux tells it")
def test_a_fit_leaves_nothing_of_a_large_file_in_memory(tmp_path):
    path = tmp_path / "X.f32"
    with open(path, "wb") as file:
        # Zeros that take no disk.
        file.truncate(4 * 250_000 * 100)
    X = np.memmap(path, dtype=np.float32, mode="r", shape=(250_000, 100))
    before = resident()
    assert X.sum() == 0
    assert resident() > before + 90
    CORALMapping().fit(X, sample_domain=np.resize([1, -1], len(X)))
    assert resident() < before + 20


@pytest.mark.skipif(sys.platform == "win32", reason="there, a mapped file cannot be cut")
@pytest.mark.parametrize("name", ["X", "X_target", "y", "sample_domain", "sample_weight"])
@pytest.mark.parametrize("estimator", [AdaptedClassifier(GaussianNB()), DANClassifier()])
def test_a_file_that_was_cut_short_is_told_before_it_is_read(tmp_path, name, estimator):
    rows = np.random.default_rng(0).normal(size=(4000, 3))
    given = {"X": rows, "y": np.arange(4000) % 2, "sample_weight": np.ones(4000)}
    given["X_target" if name == "X_target" else "sample_domain"] = (
        rows if name == "X_target" else np.resize([1, -1], 4000)
    )
    path = tmp_path / "cut.npy"
    np.save(path, given[name])
    size = path.stat().st_size
    given[name] = np.load(path, mmap_mode="r")
    os.truncate(path, size - 8000)
    message = rf"{name} is mapped from the file '.*cut.npy', .* has {size - 8000} bytes, and {size}"
    estimator = clone(estimator)
    with pytest.raises(ValueError, match=message):
        estimator.fit(**given)
    assert not hasattr(estimator, "n_features_in_")


@pytest.mark.skipif(sys.platform == "win32", reason="there, a mapped file cannot be cut")
def test_a_view_of_a_file_that_was_cut_short_is_told_in_predict(path):
    X = np.load(path, mmap_mode="r")
    clf = DANClassifier(max_epochs=1).fit(X, np.arange(20) % 2, X_target=X)
    os.truncate(path, 200)
    with pytest.raises(ValueError, match="X is mapped from the file"):
        clf.predict(X[2:])


@pytest.mark.skipif(sys.platform == "win32", reason="there, a mapped file cannot be removed")
def test_a_mapped_file_that_is_gone_or_replaced_is_still_there_to_read(path):
    X = np.load(path, mmap_mode="r")
    expected = np.array(X)
    path.unlink()
    path.write_bytes(b"another")
    found = CORALMapping().fit(X, X_target=X + 1)
    np.testing.assert_array_equal(
        found.transform(X), CORALMapping().fit(expected, X_target=expected + 1).transform(expected)
    )
