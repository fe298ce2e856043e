"""Both domains stacked into one array, and apart again."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, column_or_1d

from domadapt.domains.base import read_sample_domain
from domadapt.domains.samples import check_same_length


def pack(
    X: Any, y: Any, X_target: Any, *, y_test: Any = None
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Stack source and target into the spelling ``fit(X, y, sample_domain=...)``.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_source, n_features)
        Source samples.
    y : array-like of shape (n_source,)
        Source labels.
    X_target : array-like or sparse matrix of shape (n_target, n_features)
        Target samples, of the same kind as ``X``.
    y_test : array-like of shape (n_target,), default=None
        Target labels that are known and kept for scoring; ``fit`` never reads them, where
        it learns those that it is given as ``y_target``. By default target samples get a
        value that is no label: -1 or the number one below the smallest label, ``""`` among
        strings, False among booleans.

    Returns
    -------
    X : ndarray, DataFrame or sparse array of shape (n_source + n_target, n_features)
        Source samples, then target samples.
    y : ndarray of shape (n_source + n_target,)
        Source labels, then target labels or the filler.
    sample_domain : ndarray of shape (n_source + n_target,), int64
        1 for source samples and -1 for target samples.

    Raises
    ------
    ValueError
        If ``X`` and ``y``, or ``X_target`` and ``y_test``, differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import pack
    >>> X, y, sample_domain = pack(np.zeros((2, 3)), [0, 1], np.ones((1, 3)))
    >>> X.shape, y, sample_domain
    ((3, 3), array([ 0,  1, -1]), array([ 1,  1, -1]))
    """
    n_source, n_target = _num_samples(X), _num_samples(X_target)
    check_same_length("y", y, "X", n_source)
    y = column_or_1d(y)
    if y_test is None:
        y_test = np.full(n_target, _no_label(y))
    check_same_length("y_test", y_test, "X_target", n_target)
    sample_domain = np.repeat([1, -1], [n_source, n_target])
    return _stack(X, X_target), np.concatenate([y, column_or_1d(y_test)]), sample_domain


def unpack(X: Any, y: Any, sample_domain: Any) -> tuple[Any, Any, Any, Any]:
    """Split stacked samples into source and target.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Samples of both domains.
    y : array-like of shape (n_samples,)
        Their labels; what stands at target samples is returned as it is.
    sample_domain : array-like of shape (n_samples,)
        Positive for source samples, negative for target samples.

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
        domain has no samples.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt import unpack
    >>> Xs, ys, Xt, yt = unpack(np.arange(6).reshape(3, 2), np.array([0, -1, 1]), [1, -1, 1])
    >>> Xs.tolist(), ys.tolist(), Xt.tolist(), yt.tolist()
    ([[0, 1], [4, 5]], [0, 1], [[2, 3]], [-1])
    """
    n_samples = _num_samples(X)
    check_same_length("y", y, "X", n_samples)
    _, source, target = read_sample_domain(sample_domain, n_samples)
    Xs, ys, Xt, yt = (_safe_indexing(a, rows) for rows in (source, target) for a in (X, y))
    return Xs, ys, Xt, yt


def _no_label(y):
    """Return a value of y's kind that stands for no label, where the kind has one."""
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
