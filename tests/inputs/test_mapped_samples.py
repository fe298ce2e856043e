"""Samples in files that are mapped into memory: read in parts, to the same weights."""

import sys
from pathlib import Path

import numpy as np
import pytest

from domadapt import DANClassifier, DANNClassifier, DeepCORALClassifier, pack
from domadapt.inputs import reader
from domadapt.training.trainer import Trainer

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 2, "steps_per_epoch": 3, "random_state": 0}


def mapped(path, X):
    """Write an array, and return it as a file that is mapped."""
    np.save(path, X)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize(
    ("shape", "dtype", "stacked"),
    [
        ((5,), np.float32, False),
        ((5,), np.float32, True),
        ((5,), np.float64, False),
        ((5,), np.int16, True),
        ((2, 6, 6), np.float32, False),
        ((6, 6), np.float64, True),
    ],
)
def test_mapped_samples_are_learnt_as_those_in_memory(tmp_path, shape, dtype, stacked):
    generator = np.random.default_rng(0)
    X = (10 * generator.normal(size=(40, *shape))).astype(dtype)
    y, X_target = np.arange(40) % 2, (X[:30] + 5).astype(dtype)
    if stacked:
        X, y, domain = pack(X, y, X_target)
        given = {"X": X, "y": y, "sample_domain": domain}
        from_files = given | {"X": mapped(tmp_path / "X.npy", X)}
    else:
        given = {"X": X, "y": y, "X_target": X_target}
        from_files = given | {
            name: mapped(tmp_path / f"{name}.npy", given[name]) for name in ("X", "X_target")
        }
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    wanted = DANNClassifier(**SMALL).fit(**given)
    found = DANNClassifier(**SMALL).fit(**from_files)
    assert found.history_ == wanted.history_
    np.testing.assert_array_equal(found.transduction_, wanted.transduction_)
    proba = found.predict_proba(from_files["X"])
    np.testing.assert_array_equal(proba, wanted.predict_proba(given["X"]))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_mapped_numbers_that_float32_cannot_hold_are_told(tmp_path):
    X = mapped(tmp_path / "X.npy", np.full((40, 3), 1e200))
    with pytest.raises(ValueError, match="too large"):
        DANClassifier(**SMALL).fit(X, np.arange(40) % 2, X_target=X)


def resident():
    """Return the MiB of files that are in the memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile")) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is as Linux tells it")
def test_a_fit_and_predictions_keep_little_of_a_large_file_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MOST_READ", 2**22)
    path = tmp_path / "X.f32"
    with open(path, "wb") as file:
        # Zeros that take no disk.
        file.truncate(4 * 250_000 * 100)
    X = np.memmap(path, dtype=np.float32, mode="r", shape=(250_000, 100))
    y = np.arange(len(X)) % 2
    DeepCORALClassifier(**SMALL).fit(X[:50], y[:50], X_target=X[:50])
    before = resident()
    assert X.sum() == 0
    assert resident() > before + 90
    in_training, end_epoch = [], Trainer.end_epoch

    def noting(self, *ended):
        in_training.append(resident())
        end_epoch(self, *ended)

    monkeypatch.setattr(Trainer, "end_epoch", noting)
    clf = DeepCORALClassifier(**SMALL, batch_size=4000).fit(X, y, X_target=X)
    assert len(in_training) == 2
    assert max(*in_training, resident()) < before + 40
    assert len(clf.predict(X)) == len(X)
    assert resident() < before + 20
