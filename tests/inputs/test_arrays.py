"""Samples of arrays on their way to the network."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from domadapt import DANClassifier
from domadapt.domains.samples import Samples
from domadapt.inputs.reader import ArrayBatches, DenseArray, Reader

CPU = torch.device("cpu")


def gather(samples, index, dtype=torch.float32):
    return ArrayBatches({"source": samples}, CPU, dtype).gather([torch.tensor(index)]).numpy()


def stream(samples):
    return list(Reader(None, CPU, torch.float32).stream(samples))


@pytest.mark.parametrize(
    "make",
    [
        lambda X: X.astype(np.float32),
        lambda X: X.astype(np.float64),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(np.int64),
        lambda X: np.asfortranarray(X.astype(np.float32)),
        lambda X: sparse.csr_array(X),
        lambda X: sparse.csr_matrix(X),
    ],
    ids=["float32", "float64", "float16", "int64", "fortran", "csr_array", "csr_matrix"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_of_any_kind_of_array_are_gathered(make, dtype):
    X = np.arange(12).reshape(4, 3)
    np.testing.assert_array_equal(gather(Samples(make(X)), [3, 0, 3], dtype), X[[3, 0, 3]])
    some = Samples(make(X), np.array([2, 1]))
    np.testing.assert_array_equal(gather(some, [1, 0], dtype), X[[1, 2]])
    assert torch.cat(stream(some)).tolist() == X[[2, 1]].tolist()


def test_a_float32_array_is_not_copied():
    X = np.ones((4, 3), dtype=np.float32)
    assert DenseArray(Samples(X), CPU, np.float32).tensor.data_ptr() == X.ctypes.data


def test_a_read_only_array_is_not_copied_either(recwarn):
    X = np.ones((4, 3), dtype=np.float32)
    X.flags.writeable = False
    assert DenseArray(Samples(X), CPU, np.float32).tensor.data_ptr() == X.ctypes.data
    assert not recwarn.list
    assert not X.flags.writeable


def test_a_memory_map_is_read_where_it_lies(tmp_path, blobs, recwarn):
    X, y, X_target, _ = blobs
    for name, array in (("source", X), ("target", X_target)):
        np.save(tmp_path / f"{name}.npy", array)
    source, target = (
        np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("source", "target")
    )
    tensor = DenseArray(Samples(source), CPU, np.float32).tensor
    assert tensor.data_ptr() == source.ctypes.data
    settings = {"max_epochs": 7, "random_state": 0}
    expected = DANClassifier(**settings).fit(X, y, X_target=X_target).predict_proba(X_target)
    mapped = DANClassifier(**settings).fit(source, y, X_target=target)
    assert np.array_equal(mapped.predict_proba(target), expected)
    assert not recwarn.list


@pytest.mark.parametrize("writeable", [True, False])
def test_a_backbone_that_writes_into_its_input_does_not_reach_the_caller_s(blobs, writeable):
    X, y, X_target, _ = blobs
    before = X.copy(), X_target.copy()
    X.flags.writeable = X_target.flags.writeable = writeable
    backbone = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(10, 4))
    clf = DANClassifier(backbone=backbone, max_epochs=2, random_state=0)
    clf.fit(X, y, X_target=X_target).predict(X)
    assert np.array_equal(X, before[0])
    assert np.array_equal(X_target, before[1])


def test_images_are_laid_out_with_their_channels_last():
    X = np.arange(120, dtype=np.float64).reshape(5, 2, 3, 4)
    batches = ArrayBatches(
        {"source": Samples(X), "target": Samples(X + 1, np.array([4, 0]))}, CPU, torch.float32
    )
    inputs = batches.gather([torch.tensor([3, 0]), torch.tensor([0])])
    np.testing.assert_array_equal(inputs.numpy(), np.stack([X[3], X[0], X[4] + 1]))
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_yields_the_batches_of_its_index_in_order():
    X = np.arange(6, dtype=np.float32).reshape(6, 1)
    batches = ArrayBatches({"source": Samples(X), "target": Samples(X + 10)}, CPU, torch.float32)
    index = [torch.tensor([[0, 1], [2, 3]]), torch.tensor([[5], [4]])]
    epoch = [inputs.flatten().tolist() for inputs in batches.epoch(index, 0)]
    assert epoch == [[0, 1, 15], [2, 3, 14]]


def test_conversion_is_done_in_chunks(monkeypatch):
    monkeypatch.setattr("domadapt.inputs.reader.CHUNK_VALUES", 6)
    X = np.arange(21.0).reshape(7, 3)
    assert [len(chunk) for chunk in stream(Samples(X))] == [2, 2, 2, 1]
    # Layers behind narrow rows may be wide.
    monkeypatch.setattr("domadapt.inputs.reader.CHUNK_VALUES", 600)
    monkeypatch.setattr("domadapt.inputs.reader.CHUNK_ROWS", 4)
    assert [len(chunk) for chunk in stream(Samples(X))] == [4, 3]
    monkeypatch.setattr("domadapt.inputs.reader.CHUNK_VALUES", 6)
    assert DenseArray(Samples(X), CPU, np.float32).tensor.tolist() == X.tolist()


def test_numbers_too_large_for_float32_are_refused():
    with pytest.raises(ValueError, match="too large for float32"):
        DenseArray(Samples(np.array([[1e300]])), CPU, np.float32)
    assert DenseArray(Samples(np.array([[1e300]])), CPU, np.float64).tensor.item() == 1e300
