"""Both domains stacked into one array, and apart again."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from domadapt import has_label, pack, unpack

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 5, 5])
DOMAIN = np.array([1, 2, 1, 1, -1, -3])


@pytest.mark.parametrize(
    ("y", "filler"),
    [
        ([0, 1, 2], 2**63 - 1),
        ([-1, 1, -1], 2**63 - 1),
        (["a", "b", "a"], "\uffff"),
        (np.array(["a", "b", "a"], dtype=object), "\uffff"),
        ([True, False, True], 2**63 - 1),
        (np.array([1, 2, 3], dtype=np.uint8), 2**63 - 1),
        ([1.0, 2.0, 1.0], 2.0**63),
        (np.array([1, 2, 1], dtype=np.float32), 2.0**63),
    ],
)
def test_pack_fills_target_labels_with_what_is_no_label(y, filler):
    _, packed, sample_domain = pack(X[:3], y, X[3:5])
    assert packed.tolist() == [*np.asarray(y).tolist(), filler, filler]
    assert sample_domain.tolist() == [1, 1, 1, -1, -1]
    assert has_label(packed).tolist() == [True, True, True, False, False]
    # Encoders of scikit-learn number it after all classes.
    assert np.unique(packed).tolist()[-1] == filler


@pytest.mark.parametrize("y", [[0.5, 1.5, 2.0], np.arange(6.0).reshape(3, 2) / 4])
def test_pack_fills_values_with_what_is_no_number(y):
    _, packed, _ = pack(X[:3], y, X[3:5])
    np.testing.assert_array_equal(packed[:3], y)
    assert np.isnan(packed[3:]).all()
    assert has_label(packed).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("y", "known"),
    [
        ([True, False], [True, True]),
        ([0, -1], [True, True]),
        (["", "a"], [True, True]),
        (np.array([1, None, "b", float("nan")], dtype=object), [True, False, True, False]),
        (pd.Series([1, None], dtype="Int64"), [True, False]),
        ([[1.0, float("nan")], [1.0, 2.0]], [False, True]),
    ],
)
def test_labels_that_are_known(y, known):
    assert has_label(y).tolist() == known


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_unpack_undoes_pack(kind):
    packed = pack(kind(X[:4]), Y[:4], kind(X[4:]), y_test=Y[4:])
    Xs, ys, Xt, yt = unpack(*packed)

    def dense(rows):
        return rows.toarray() if sparse.issparse(rows) else np.asarray(rows)

    np.testing.assert_array_equal(dense(Xs), X[:4])
    np.testing.assert_array_equal(dense(Xt), X[4:])
    assert ys.tolist() == Y[:4].tolist()
    assert yt.tolist() == Y[4:].tolist()


def test_pack_and_unpack_name_what_does_not_fit():
    with pytest.raises(ValueError, match="y has length 2, but X has 3 samples"):
        pack(X[:3], Y[:2], X[3:])
    with pytest.raises(ValueError, match="y_test has length 1, but X_target has 3 samples"):
        pack(X[:3], Y[:3], X[3:], y_test=Y[:1])
    # Labels that are kept for scoring are not to be mistaken for those that fit learns.
    with pytest.raises(TypeError, match="y_target"):
        pack(X[:3], Y[:3], X[3:], y_target=Y[3:])
    with pytest.raises(TypeError, match="positional"):
        pack(X[:3], Y[:3], X[3:], Y[3:])
    with pytest.raises(ValueError, match="y has length 2, but X has 6 samples"):
        unpack(X, Y[:2], DOMAIN)
