"""The one place that knows how X, y, sample_domain and X_target become source and target."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_array,
    validate_data,
)

from domadapt.domains.labels import check_classes, check_values, read_known


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

    def subset(self, rows):
        """Name some of the rows, without copying them.

        Parameters
        ----------
        rows : ndarray of int
            Which ones, counted among those that are meant.

        Returns
        -------
        subset : Rows
            Of the same array.
        """
        return Rows(self.X, rows if self.index is None else self.index[rows])

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
    source_domain : ndarray of shape (len(source),), int64, or None, default=None
        Which of several sources each row is from, counted from 0; None for one source.
    known : ndarray of shape (n_known,), int64, or None, default=None
        Positions of the target rows whose labels were given.
    y_known : ndarray of shape (n_known,) or None, default=None
        Their labels.
    """

    source: Rows
    y: np.ndarray
    sample_weight: np.ndarray | None
    target: Rows | None
    source_domain: np.ndarray | None = None
    known: np.ndarray | None = None
    y_known: np.ndarray | None = None

    @property
    def n_sources(self):
        """How many domains the source consists of."""
        return 1 if self.source_domain is None else int(self.source_domain.max()) + 1

    def keep(self, source=None, target=None):
        """Leave out rows.

        Parameters
        ----------
        source, target : ndarray of shape (n_rows,), bool, or None, default=None
            Which rows stay; None for all.

        Returns
        -------
        domains : Domains
            Those that stay.
        """
        changes: dict[str, Any] = {}
        if source is not None:
            rows = np.flatnonzero(source)
            changes = {"source": self.source.subset(rows), "y": self.y[rows]}
            for name in ("sample_weight", "source_domain"):
                values = getattr(self, name)
                changes[name] = None if values is None else values[rows]
        if target is not None and self.target is not None:
            changes["target"] = self.target.subset(np.flatnonzero(target))
            if self.known is not None and self.y_known is not None:
                stays = target[self.known]
                changes["known"] = (np.cumsum(target) - 1)[self.known[stays]]
                changes["y_known"] = self.y_known[stays]
        return replace(self, **changes)


def split_domains(
    estimator,
    X,
    y,
    *,
    sample_domain=None,
    X_target=None,
    sample_weight=None,
    y_target=None,
    are_values=False,
):
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
    y_target : array-like of shape (n_target,), default=None
        Labels of target rows that are known, None or NaN for the others; with
        ``sample_domain`` of shape (n_samples,), what stands at source rows being unread.
    are_values : bool, default=False
        Whether labels are numbers to be predicted, not classes.

    Returns
    -------
    domains : Domains
        The rows of each domain with source labels and weights.

    Raises
    ------
    ValueError
        If both spellings come at once, a domain has no rows, lengths or columns differ,
        values are missing or infinite, fewer than two classes have a weight above zero,
        or ``y_target`` comes without a target, knows no label or one that is no class
        of the source.
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
    check_same_length("y", y, "X", n_samples)
    source = target = source_domain = stacked_target = None
    if sample_domain is not None:
        domain, source, stacked_target = read_sample_domain(sample_domain, n_samples)
        target = Rows(X, stacked_target)
    elif X_target is not None:
        target = Rows(_check_X_target(estimator, X, X_target))
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        source = np.arange(n_samples) if source is None else source
        source = source[sample_weight[source] > 0]
        sample_weight = sample_weight[source]
    y = _take(y, source)
    y = check_values(y) if are_values else check_classes(y, weighted=sample_weight is not None)
    if sample_domain is not None:
        source_domain = _number_sources(domain[source])
    domains = Domains(Rows(X, source), y, sample_weight, target, source_domain)
    if y_target is None:
        return domains
    if target is None:
        raise ValueError("y_target was given without a target: pass X_target or sample_domain too.")
    check_same_length("y_target", y_target, *_target_rows(stacked_target, n_samples, target))
    known, y_known = read_known(_take(y_target, stacked_target), y, are_values=are_values)
    return replace(domains, known=known, y_known=y_known)


def _target_rows(stacked_target, n_samples, target):
    """Name the rows that each need an entry of y_target, and count them."""
    return ("X_target", len(target)) if stacked_target is None else ("X", n_samples)


def _number_sources(domain):
    """Number the sources from 0; None for one."""
    names, numbers = np.unique(domain, return_inverse=True)
    return None if len(names) < 2 else numbers


def _take(y, rows):
    """Take the labels of some rows, of all where ``rows`` is None, before any conversion."""
    if rows is None:
        return y
    if not hasattr(y, "iloc") and hasattr(y, "__array__"):
        y = np.asarray(y)
    return _safe_indexing(y, rows)


def check_same_length(name, value, rows_name, n_rows):
    """See that there is one entry for each row.

    Parameters
    ----------
    name, rows_name : str
        What entries and rows are called.
    value : array-like
        The entries.
    n_rows : int
        How many were expected.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
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


def read_sample_domain(sample_domain, n_samples):
    """Tell source rows from target rows by their numbers.

    Parameters
    ----------
    sample_domain : array-like of shape (n_samples,)
        Positive for source rows, negative for target rows.
    n_samples : int
        How many numbers were expected.

    Returns
    -------
    domain : ndarray of shape (n_samples,)
        The numbers.
    source, target : ndarray of shape (n_rows,), int64
        Indices of the rows of each.

    Raises
    ------
    ValueError
        If there are more or fewer, one is 0 or not finite, or a domain has no rows.
    """
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
    return domain, source, target
