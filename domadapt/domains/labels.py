"""Labels that are there, and what stands where none is known."""

from typing import Any

import numpy as np
from sklearn.utils._missing import is_pandas_na, is_scalar_nan

# What stands for no label: beyond all classes, so that it comes last in their order.
NO_CLASS = np.iinfo(np.int64).max
# A code point that is no character, and never will be.
NO_TEXT = "\uffff"


def has_label(y: Any) -> np.ndarray:
    """Tell samples with a label from those for which :func:`pack` has filled one in.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels or values.

    Returns
    -------
    known : ndarray of shape (n_samples,), bool
        False where the filler, None or NaN stands.

    Examples
    --------
    >>> from domadapt import has_label, pack
    >>> _, y, _ = pack([[0.0], [1.0]], ["cat", "dog"], [[2.0]])
    >>> has_label(y)
    array([ True,  True, False])
    """
    y = np.asarray(y)
    missing = [is_missing(value) for value in y.flat] if y.dtype == object else y != y
    known = ~np.reshape(missing, y.shape).astype(bool) & ~is_filled(y)
    return known.reshape(len(y), -1).all(axis=1) if y.ndim > 1 else known


def is_filled(y):
    """Return where an array of labels holds what :func:`pack` fills in."""
    if y.dtype.kind in "iu":
        return y == NO_CLASS
    if y.dtype.kind == "f":
        return y == y.dtype.type(NO_CLASS)
    if y.dtype.kind == "U":
        return y == NO_TEXT
    fillers = (NO_CLASS, float(NO_CLASS), NO_TEXT) if y.dtype == object else ()
    filled = [isinstance(value, (int, float, str)) and value in fillers for value in y.flat]
    return np.reshape(filled, y.shape).astype(bool)


def is_missing(value):
    """Return whether a value is None, NaN or pandas' own missing value."""
    return value is None or is_scalar_nan(value) or is_pandas_na(value)
