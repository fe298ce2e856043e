"""The one place that knows how X, y, sample_domain and X_target become source and target."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_array,
    column_or_1d,
    validate_data,
)


@dataclass(frozen=True)
class Rows:
    """Some rows of an array, named but not copied.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, ...)
        The whole array, the caller's own where it needed no conversion; or paths of
        images, of shape (n_samples,) and of str.
    index : ndarray of shape (n_rows,), int64, or None, default=None
        The rows of ``X`` that are meant, in order; None for all.
    """

    X: Any
    index: np.ndarray | None = None

    def __len__(self):
        return self.X.shape[0] if self.index is None else len(self.index)

    def take(self, rows):
        """Give some of the rows.

        Parameters
        ----------
        rows : slice or ndarray of int
            Which ones, counted among those that are meant.

        Returns
        -------
        X : ndarray or sparse matrix
            The rows; a view of ``X`` where all are meant and ``rows`` is a slice.
        """
        return self.X[rows if self.index is None else self.index[rows]]

    @property
    def are_paths(self):
        """Whether the rows are paths of images."""
        return self.X.dtype.kind == "U"


@dataclass(frozen=True)
class Domains:
    """What ``fit`` was given, sorted into source and target.

    Parameters
    ----------
    source : Rows
        The labelled rows that count: rows of weight zero are left out.
    y : ndarray of shape (len(source),)
        Their labels, as the caller spelled them.
    sample_weight : ndarray of shape (len(source),), float64, or None
        Their weights.
    target : Rows or None
        The unlabelled rows; None where ``fit`` was given a source alone.
    """

    source: Rows
    y: np.ndarray
    sample_weight: np.ndarray | None
    target: Rows | None


def split_domains(estimator, X, y, *, sample_domain=None, X_target=None, sample_weight=None):
    """Validate what ``fit`` was given and tell source from target.

    Both spellings end here: stacked rows with ``sample_domain``, or two arrays with
    ``X_target``. With neither, all rows are source. Labels of target rows are dropped
    unread, before anything is computed from ``y``.

    Parameters
    ----------
    estimator : estimator
        Receives ``n_features_in_`` and, from a DataFrame, ``feature_names_in_``.
    X : array-like or sparse matrix of shape (n_samples, n_features) or (n_samples, ...)
        Source rows, or source and target rows stacked; or paths of images, of shape
        (n_samples,).
    y : array-like of shape (n_samples,)
        Labels. What stands at target rows is never read.
    sample_domain : array-like of shape (n_samples,), default=None
        Positive for source rows, negative for target rows.
    X_target : array-like or sparse matrix of shape (n_target, n_features), default=None
        Target rows.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows of ``X``, not negative. Those of target rows are ignored.

    Returns
    -------
    domains : Domains
        The rows of each domain with source labels and weights.

    Raises
    ------
    ValueError
        If both spellings come at once, a domain has no rows, lengths or columns differ,
        values are missing or infinite, or fewer than two classes have a weight above
        zero.
    """
    if sample_domain is not None and X_target is not None:
        raise ValueError(
            "Both sample_domain and X_target were given. Pass sample_domain with source "
            "and target rows stacked in X, or X_target with source rows alone in X."
        )
    X = _check_X(estimator, X)
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    n_samples = X.shape[0]
    _check_same_length("y", y, "X", n_samples)
    source = target = None
    if sample_domain is not None:
        source, stacked_target = _read_sample_domain(sample_domain, n_samples)
        target = Rows(X, stacked_target)
    elif X_target is not None:
        target = Rows(_check_X_target(estimator, X, X_target))
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        source = np.arange(n_samples) if source is None else source
        source = source[sample_weight[source] > 0]
        sample_weight = sample_weight[source]
    y = _check_labels(_take(y, source), weighted=sample_weight is not None)
    return Domains(Rows(X, source), y, sample_weight, target)


def _take(y, rows):
    """Take the labels of some rows, of all where ``rows`` is None, before any conversion."""
    if rows is None:
        return y
    if not hasattr(y, "iloc") and hasattr(y, "__array__"):
        y = np.asarray(y)
    return _safe_indexing(y, rows)


def _check_same_length(name, value, rows_name, n_rows):
    length = _num_samples(value)
    if length != n_rows:
        raise ValueError(
            f"{name} has length {length}, but {rows_name} has {n_rows} rows: one entry is "
            "needed for each row."
        )


CHECKS = {"accept_sparse": "csr", "allow_nd": True, "dtype": "numeric"}


def _check_X(estimator, X, *, reset=True):
    """Check an array or paths of images."""
    paths = _as_paths(X)
    if paths is None:
        return validate_data(estimator, X, reset=reset, **CHECKS)
    _check_files("X", paths)
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):
            vars(estimator).pop(name, None)
    return paths


def _as_paths(X):
    """Give paths as an array of str, and None where X is anything else."""
    if not (isinstance(X, (list, tuple, np.ndarray)) or hasattr(X, "iloc")):
        return None
    if getattr(X, "ndim", 1) != 1 or len(X) == 0:
        return None
    values = X.tolist() if hasattr(X, "tolist") else X
    if not all(isinstance(value, (str, os.PathLike)) for value in values):
        return None
    return np.array([os.fspath(value) for value in values], dtype=str)


def _check_files(name, paths):
    missing = [path for path in paths.tolist() if not os.path.isfile(path)]
    if missing:
        raise ValueError(
            f"{name} names {len(missing)} files that are not there, such as {missing[0]!r}. "
            "Paths of images were expected."
        )


def _check_X_target(estimator, X, X_target):
    """Check the target by its own name, and against the source."""
    paths = _as_paths(X_target)
    if (paths is None) != (X.dtype.kind != "U"):
        raise ValueError(
            "One of X and X_target holds paths of images and the other does not. Both domains "
            "need rows of the same kind."
        )
    if paths is not None:
        _check_files("X_target", paths)
        return paths
    try:
        checked = check_array(X_target, input_name="X_target", ensure_min_samples=0, **CHECKS)
    except (TypeError, ValueError) as error:
        # Not all of scikit-learn's messages name the array that they are about.
        raise ValueError(f"X_target must hold rows like those of X. {error}") from error
    if checked.shape[0] == 0:
        raise ValueError(
            "X_target has 0 rows: the target domain is empty. Pass its unlabelled rows, or "
            "leave X_target out to train on the source alone."
        )
    if checked.shape[1:] != X.shape[1:]:
        raise ValueError(
            f"X_target has rows of shape {checked.shape[1:]}, but X has rows of shape "
            f"{X.shape[1:]}. Both domains need the same columns."
        )
    # Compares the column names of a DataFrame.
    validate_data(estimator, X_target, reset=False, skip_check_array=True)
    return checked


def check_rows(estimator, X, sample_shape):
    """Validate rows that come after ``fit``, for ``predict`` and its kin.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator.
    X : array-like or sparse matrix of shape (n_samples, ...)
        Rows to be treated as target.
    sample_shape : tuple of int
        The shape of one row in ``fit``.

    Returns
    -------
    rows : Rows
        All rows of ``X``.

    Raises
    ------
    ValueError
        If the columns are not those of ``fit``, or values are missing or infinite.
    """
    X = _check_X(estimator, X, reset=False)
    if X.shape[1:] != sample_shape:
        raise ValueError(
            f"X has {_kind_of_rows(X.shape[1:])}, but {type(estimator).__name__} was fitted "
            f"on {_kind_of_rows(sample_shape)}."
        )
    return Rows(X)


def _kind_of_rows(shape):
    return f"rows of shape {shape}" if shape else "paths of images"


def _read_sample_domain(sample_domain, n_samples):
    """Give the indices of source and target rows."""
    try:
        domain = check_array(sample_domain, ensure_2d=False, input_name="sample_domain")
    except (TypeError, ValueError) as error:
        raise ValueError(
            "sample_domain must hold a number for each row of X, positive for source and "
            f"negative for target: {error}"
        ) from error
    if domain.shape != (n_samples,):
        raise ValueError(
            f"sample_domain has shape {domain.shape}, expected ({n_samples},): one number "
            "for each row of X, positive for source and negative for target."
        )
    if (domain == 0).any():
        raise ValueError(
            f"sample_domain is 0 for {(domain == 0).sum()} rows. A row is source (positive, "
            "such as 1) or target (negative, such as -1)."
        )
    source, target = np.flatnonzero(domain > 0), np.flatnonzero(domain < 0)
    for name, sign, rows in [("source", "positive", source), ("target", "negative", target)]:
        if len(rows) == 0:
            raise ValueError(
                f"sample_domain names no {name} row: none of its {n_samples} numbers is "
                f"{sign}, so the {name} domain is empty."
            )
    return source, target


def _check_labels(y, *, weighted):
    """Check the labels of source rows alone."""
    y = column_or_1d(y, warn=True)
    if y.dtype == object and (numbers := np.array(y.tolist())).dtype.kind in "biuf":
        # Numbers were held as objects only because of what stood at target rows.
        y = numbers
    y = check_array(y, ensure_2d=False, ensure_min_samples=0, dtype=None, input_name="y")
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y has {len(classes)} class on the source rows"
            f"{' of non-zero sample_weight' if weighted else ''}: {classes.tolist()}. "
            "A classifier needs at least 2 classes."
        )
    return y


def pack(X, y, X_target, y_target=None):
    """Stack source and target into the spelling ``fit(X, y, sample_domain=...)``.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_source, n_features)
        Source rows.
    y : array-like of shape (n_source,)
        Source labels.
    X_target : array-like or sparse matrix of shape (n_target, n_features)
        Target rows, of the same kind as ``X``.
    y_target : array-like of shape (n_target,), default=None
        Target labels, where they are known and wanted for judging; ``fit`` never reads
        them. By default target rows get a value that is no label: -1 or the number one
        below the smallest label, ``""`` among strings, False among booleans.

    Returns
    -------
    X : ndarray, DataFrame or sparse array of shape (n_source + n_target, n_features)
        Source rows, then target rows.
    y : ndarray of shape (n_source + n_target,)
        Source labels, then target labels or the filler.
    sample_domain : ndarray of shape (n_source + n_target,), int64
        1 for source rows and -1 for target rows.

    Raises
    ------
    ValueError
        If ``X`` and ``y``, or ``X_target`` and ``y_target``, differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import pack
    >>> X, y, sample_domain = pack(np.zeros((2, 3)), [0, 1], np.ones((1, 3)))
    >>> X.shape, y, sample_domain
    ((3, 3), array([ 0,  1, -1]), array([ 1,  1, -1]))
    """
    n_source, n_target = _num_samples(X), _num_samples(X_target)
    _check_same_length("y", y, "X", n_source)
    y = column_or_1d(y)
    if y_target is None:
        y_target = np.full(n_target, _no_label(y))
    _check_same_length("y_target", y_target, "X_target", n_target)
    sample_domain = np.repeat([1, -1], [n_source, n_target])
    return _stack(X, X_target), np.concatenate([y, column_or_1d(y_target)]), sample_domain


def unpack(X, y, sample_domain):
    """Split stacked rows into source and target.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows of both domains.
    y : array-like of shape (n_samples,)
        Their labels; what stands at target rows is handed back as it is.
    sample_domain : array-like of shape (n_samples,)
        Positive for source rows, negative for target rows.

    Returns
    -------
    X, y : array-likes of shape (n_source, n_features) and (n_source,)
        The source.
    X_target, y_target : array-likes of shape (n_target, n_features) and (n_target,)
        The target.

    Raises
    ------
    ValueError
        If the lengths differ, a number in ``sample_domain`` is 0 or not finite, or a
        domain has no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import unpack
    >>> Xs, ys, Xt, yt = unpack(np.arange(6).reshape(3, 2), np.array([0, -1, 1]), [1, -1, 1])
    >>> Xs.tolist(), ys.tolist(), Xt.tolist(), yt.tolist()
    ([[0, 1], [4, 5]], [0, 1], [[2, 3]], [-1])
    """
    n_samples = _num_samples(X)
    _check_same_length("y", y, "X", n_samples)
    source, target = _read_sample_domain(sample_domain, n_samples)
    return tuple(_safe_indexing(a, rows) for rows in (source, target) for a in (X, y))


def _no_label(y):
    """Give a value of y's kind that stands for no label, where the kind has one."""
    if y.dtype == bool:
        return False
    if np.issubdtype(y.dtype, np.number):
        return min(y.min().item(), 0) - 1
    return ""


def _stack(X, X_target):
    if sparse.issparse(X):
        return sparse.vstack([X, X_target], format="csr")
    if hasattr(X, "iloc"):
        import pandas as pd

        return pd.concat([X, X_target], ignore_index=True)
    return np.concatenate([np.asarray(X), np.asarray(X_target)])
