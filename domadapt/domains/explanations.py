"""What a person would have to know to mend samples that were refused."""

import numbers
import re

import numpy as np
from scipy import sparse
from sklearn.utils import get_tags

from domadapt.domains.mapped import is_mapped
from domadapt.domains.samples import LARGEST_VALUE

COMPLEX = "Complex data not supported"
# Of grey, colour, and colour with transparency.
CHANNELS = (1, 3, 4)


def explained(name, X, error):
    """Return an error with what is wrong with samples, where that can be told."""
    message, hint = str(error), _hint(name, X)
    if message.startswith(COMPLEX):
        # What follows is the array itself.
        message = f"{COMPLEX}."
    if not re.search(rf"\b{name}\b", f"{message} {hint}"):
        message = f"{name}: {message}"
    if hint is not None:
        message = f"{message.rstrip('.')}. {hint}"
    return (TypeError if isinstance(error, TypeError) else ValueError)(message)


def _hint(name, X):
    if isinstance(X, (list, tuple)) and any(np.ndim(row) > 1 for row in X if hasattr(row, "ndim")):
        return f"{name} is a {type(X).__name__} of {len(X)} arrays: pass one, by np.concatenate."
    # To look through a file would take long, and what is wrong in one is told with its place.
    if sparse.issparse(X) or is_mapped(X):
        return None
    if hasattr(X, "columns") and not len(X.columns):
        return f"{name} is a table without columns."
    columns = list(X.columns) if hasattr(X, "columns") else None
    values = np.asarray(X) if hasattr(X, "__array__") or isinstance(X, (list, tuple)) else None
    if values is None or values.ndim != 2:
        return None
    for number in range(values.shape[1]):
        column = values[:, number]
        which = f"Column {number if columns is None else columns[number]!r} of {name}"
        if column.dtype.kind in "OSU" and (text := _first_text(column)) is not None:
            return f"{which} holds texts such as {text!r}: encode it, for example by OneHotEncoder."
        bad = _first_missing(column)
        if bad is not None:
            return f"{which} holds {column[bad]} in row {bad} (counted from 0)."
    return None


def _first_text(column):
    for value in column:
        if isinstance(value, (str, bytes)):
            try:
                float(value)
            except ValueError:
                return value
    return None


def _first_missing(column):
    """Return the first row that holds no finite number, or None."""
    if column.dtype == object:
        wrong = [not isinstance(v, numbers.Number) or v != v for v in column]
    elif column.dtype.kind == "f":
        wrong = ~np.isfinite(column)
    else:
        return None
    return int(np.argmax(wrong)) if np.any(wrong) else None


def check_numbers(name, X, checked):
    """Raise an error for dates and other objects that scikit-learn lets pass."""
    if checked.dtype.kind not in "biuf":
        error = ValueError(f"{name} holds {checked.dtype}, where numbers were expected.")
        raise explained(name, X, error)


def check_channels(name, X):
    """Raise an error for images whose channels seem to stand last."""
    if X.ndim == 4 and X.shape[-1] in CHANNELS and X.shape[1] not in CHANNELS:
        raise ValueError(
            f"{name} has the shape {X.shape}, where channels seem to stand last. Images of shape "
            f"(n_samples, channels, height, width) were expected: np.moveaxis({name}, -1, 1)."
        )


def check_density(name, X, estimator):
    """Raise an error for sparse samples where all numbers are needed, with what they would take."""
    if not sparse.issparse(X) or get_tags(estimator).input_tags.sparse:
        return
    n_rows, n_columns = X.shape
    size = max(X.dtype.itemsize, 4)
    instead = getattr(estimator, "_instead_of_sparse", None) or (
        "Put sklearn.decomposition.TruncatedSVD before it, fitted on both domains."
    )
    raise TypeError(
        f"{name} is sparse, and {type(estimator).__name__} computes with dense data: {n_rows} rows "
        f"x {n_columns} columns x {size} bytes are {n_rows * n_columns * size / 1e6:,.1f} MB. "
        f"{instead} Or pass {name}.toarray() if that fits into memory."
    )


def check_table(name, X):
    """Raise an error for a table without rows or columns, or with columns that nothing reads."""
    if not len(X.columns):
        raise ValueError(f"{name} is a table without columns.")
    if not len(X) and name == "X":
        raise ValueError(f"{name} is a table with 0 samples. At least 1 was expected.")
    for number, column in enumerate(X.columns):
        _check_column(f"Column {column!r} of {name}", X.iloc[:, number])


def _check_column(which, values):
    """Raise an error for a column of dates or complex numbers, and for infinite ones."""
    kind = getattr(values.dtype, "kind", "O")
    if kind in "cmM":
        raise ValueError(
            f"{which} holds {values.dtype}. Numbers, categories or texts were expected: turn it "
            "into numbers first."
        )
    if kind not in "fO" or hasattr(values, "cat"):
        return
    too_large = [isinstance(v, float) and abs(v) > LARGEST_VALUE for v in values.tolist()]
    if any(too_large):
        row = int(np.argmax(too_large))
        raise ValueError(
            f"{which} holds {values.iloc[row]} in row {row} (counted from 0). Numbers up to "
            f"{LARGEST_VALUE:g} were expected."
        )
