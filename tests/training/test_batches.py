"""Rows on their way to the network."""

import numpy as np
import pytest
import torch
from scipy import sparse

from domadapt.domains import Rows
from domadapt.training.batches import EndlessPermutations, load_rows, pieces

CPU = torch.device("cpu")


def gathered(rows, index, dtype=np.float32):
    loaded = load_rows(rows, CPU, dtype)
    out = torch.empty(
        len(index), *loaded.shape[1:], dtype=torch.from_numpy(np.empty(0, dtype)).dtype
    )
    loaded.gather(torch.tensor(index), out=out)
    return out.numpy()


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
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_gathered_in_any_kind(make, dtype):
    X = np.arange(12).reshape(4, 3)
    np.testing.assert_array_equal(gathered(Rows(make(X)), [3, 0, 3], dtype), X[[3, 0, 3]])
    some = Rows(make(X), np.array([2, 1]))
    np.testing.assert_array_equal(gathered(some, [1, 0], dtype), X[[1, 2]])
    assert np.concatenate(list(pieces(some, dtype))).tolist() == X[[2, 1]].tolist()


def test_a_float32_array_is_taken_as_it_stands():
    X = np.ones((4, 3), dtype=np.float32)
    assert load_rows(Rows(X), CPU).tensor.data_ptr() == X.ctypes.data


def test_a_read_only_array_is_copied_without_a_word(recwarn):
    X = np.ones((4, 3), dtype=np.float32)
    X.flags.writeable = False
    assert load_rows(Rows(X), CPU).tensor.data_ptr() != X.ctypes.data
    assert not recwarn.list


def test_conversion_goes_piece_by_piece(monkeypatch):
    monkeypatch.setattr("domadapt.training.batches.PIECE_VALUES", 6)
    X = np.arange(21.0).reshape(7, 3)
    lengths = [len(piece) for piece in pieces(Rows(X))]
    assert lengths == [2, 2, 2, 1]
    assert load_rows(Rows(X), CPU).tensor.tolist() == X.tolist()


def test_numbers_too_large_for_float32_are_told():
    with pytest.raises(ValueError, match="too large for float32"):
        load_rows(Rows(np.array([[1e300]])), CPU)
    assert load_rows(Rows(np.array([[1e300]])), CPU, np.float64).tensor.item() == 1e300


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10])
def test_every_row_comes_up_equally_often(batch_size):
    order = EndlessPermutations(10, seed=0)
    index = torch.cat([order.take(3, batch_size).flatten() for _ in range(10)])
    counts = index.bincount(minlength=10)
    assert counts.max() - counts.min() <= 1
    assert len(index) == 30 * batch_size


def test_permutations_differ_and_follow_the_seed():
    first, again, other = (EndlessPermutations(50, seed=s).take(2, 50).tolist() for s in (0, 0, 1))
    assert first == again
    assert first != other
    assert first[0] != first[1]
    assert sorted(first[0]) == list(range(50))
