"""Weights that count the target samples whose nearest source sample one is."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._moments import blocks
from domadapt.shallow.reweighting._weighting import Weighting

__all__ = ["NearestNeighborsWeighting"]


@estimator
class NearestNeighborsWeighting(Weighting):
    r"""Weights by how many target samples have a source sample as their nearest.

    :math:`w(s_i) = |\{j : s_i \text{ is nearest to } t_j\}| + \lambda`, where :math:`\lambda` is
    Laplace's smoothing. There is no bandwidth to choose.

    Cost: n_s n_t d, less by a tree in few columns.
    It harms where labels depend on x in another way in the target. Counts are noisy: without
    any shift they leave about three in four source samples effective, and in many columns few
    source samples are the nearest to many.

    Parameters
    ----------
    smoothing : float, default=1.0
        :math:`\lambda`, what each count starts from. The larger, the more alike the weights.
    flattening : float or "auto", default="auto"
        Exponent of the weights, from 0, which weighs all alike, to 1. "auto" takes the largest
        that leaves half of the source samples effective, and where these are fewer than thirty
        to a column up to nine tenths.
    max_weight : float or None, default=20.0
        Weights above this multiple of their mean are clipped to it.

    Attributes
    ----------
    weights_ : ndarray of shape (n_source,), float64
        Weights of mean 1.
    effective_sample_size_ : float
        Squared sum of the weights over the sum of their squares.
    flattening_ : float
        The exponent that was taken.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Loog (2012). "Nearest neighbor-based importance weighting". IEEE International Workshop on
    Machine Learning for Signal Processing.

    Examples
    --------
    >>> from domadapt.shallow import NearestNeighborsWeighting
    >>> Xs, Xt = [[0.0], [1.0], [5.0]], [[0.9], [1.1], [1.2]]
    >>> NearestNeighborsWeighting(flattening=1.0).fit(Xs, X_target=Xt).weights_
    array([0.5, 2. , 0.5])
    """

    smoothing: float = 1.0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Weighting._parameter_constraints,
        "smoothing": [Interval(Real, 0, None, closed="neither")],
    }

    def _weigh(self, domains):
        X = domains.source.take(slice(None))
        # Trees, of dense source samples, cannot be asked for sparse ones.
        algorithm = "brute" if sparse.issparse(domains.target.X) else "auto"
        neighbors = NearestNeighbors(n_neighbors=1, algorithm=algorithm).fit(X)
        counts = np.zeros(len(domains.source))
        for block in blocks(domains.target):
            nearest = neighbors.kneighbors(block, return_distance=False).ravel()
            counts += np.bincount(nearest, minlength=len(counts))
        # Samples that are the same share what but one of them was found for.
        same = _numbered(X)
        shared = np.bincount(same, counts) / np.bincount(same)
        return np.log(shared[same] + self.smoothing)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _numbered(X):
    """Return a number for each row, the same for rows that are the same."""
    if sparse.issparse(X):
        X = X.copy()
        X.sum_duplicates()
        ends = zip(X.indptr[:-1], X.indptr[1:], strict=True)
        rows = [X.indices[a:b].tobytes() + X.data[a:b].tobytes() for a, b in ends]
    else:
        rows = [row.tobytes() for row in X]
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(row, len(numbers)) for row in rows])
