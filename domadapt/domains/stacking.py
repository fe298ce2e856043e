"""Both domains stacked into one array, and apart again."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, column_or_1d

from domadapt.domains.labels import NO_CLASS, NO_TEXT
from domadapt.domains.samples import check_same_length, read_sample_domain


def pack(
    X: Any, y: Any, X_target: Any, *, y_test: Any = None
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Stack source and target into the spelling ``fit(X, y, sample_domain=...)``.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_source, n_features)
        Source samples.
    y : array-like of shape (n_source,) or (n_source, n_outputs)
        Source labels.
    X_target : array-like or sparse matrix of shape (n_target, n_features)
        Target samples, of the same kind as ``X``.
    y_test : array-like of shape (n_target,) or (n_target, n_outputs), default=None
        Target labels that are known and kept for scoring; ``fit`` never reads them, where
        it learns those that it is given as ``y_target``. By default target samples get a
        filler that can be no label, as :func:`has_label` tells: the largest int64 among
        whole numbers, NaN among other numbers, the character U+FFFF among texts. It comes
        after all labels in their order. Booleans become the numbers 0 and 1.

    Returns
    -------
    X : ndarray, DataFrame or sparse array of shape (n_source + n_target, n_features)
        Source samples, then target samples.
    y : ndarray of shape (n_source + n_target,) or (n_source + n_target, n_outputs)
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
    >>> from domadapt import has_label, pack
    >>> X, y, sample_domain = pack(np.zeros((2, 3)), [0, 1], np.ones((1, 3)))
    >>> X.shape, y[:2], has_label(y), sample_domain
    ((3, 3), array([0, 1]), array([ True,  True, False]), array([ 1,  1, -1]))
    """
    n_source, n_target = _num_samples(X), _num_samples(X_target)
    check_same_length("y", y, "X", n_source)
    y = _labels(y)
    if y_test is None:
        if y.dtype.kind in "biu":
            y = y.astype(np.int64)
        y_test = np.full((n_target, *y.shape[1:]), _filler(y))
    check_same_length("y_test", y_test, "X_target", n_target)
    sample_domain = np.repeat([1, -1], [n_source, n_target])
    return _stack(X, X_target), np.concatenate([y, _labels(y_test)]), sample_domain


def _labels(y):
    y = np.asarray(y)
    return y if y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y)


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


def _filler(y):
    """Return a value of y's kind that can be no label."""
    if y.dtype.kind == "f":
        # Classes may be written as 1.0 and 2.0, and scikit-learn takes no NaN among classes.
        whole = np.isfinite(y).all() and (y == np.round(y)).all()
        return y.dtype.type(NO_CLASS) if whole else np.nan
    return NO_CLASS if y.dtype.kind in "iu" else NO_TEXT if _are_texts(y) else None


def _are_texts(y):
    return y.dtype.kind == "U" or all(isinstance(label, str) for label in y.flat)


def _stack(X, X_target):
    if sparse.issparse(X):
        return sparse.vstack([X, X_target], format="csr")
    if hasattr(X, "iloc"):
        import pandas as pd

        return pd.concat([X, X_target], ignore_index=True)
    return np.concatenate([np.asarray(X), np.asarray(X_target)])
