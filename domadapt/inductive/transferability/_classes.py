"""H-score and GBC: how far the classes lie apart in the features of a source model."""

from itertools import combinations
from numbers import Integral
from typing import Any, Literal

import numpy as np
from scipy import linalg
from sklearn.covariance import ledoit_wolf_shrinkage

from domadapt.inductive.transferability._labels import read_classes

# The smallest part of a variance that is no rounding, and that of a number.
TINY, ROUNDING = 1e-10, 1e-14


def h_score(features: Any, y: Any, *, shrinkage: bool = True) -> float:
    r"""Score features by the variance between classes in units of the whole (H-score).

    .. math::

        \operatorname{tr}\Bigl( \Sigma_\lambda^{-1}\, (1 - \lambda)\, \Sigma_B \Bigr), \qquad
        \Sigma_\lambda = (1 - \lambda) \Sigma + \lambda \frac{\operatorname{tr} \Sigma}{d} I

    :math:`\Sigma` is the covariance of the features, :math:`\Sigma_B` that of the means of their
    classes, and :math:`\lambda` the shrinkage of Ledoit and Wolf; it is 0 in the first paper,
    which takes the pseudo-inverse.

    Parameters
    ----------
    features : array-like or sparse matrix of shape (n_samples, n_features)
        What the source model makes of the labelled target samples, as its ``transform``
        returns it.
    y : array-like of shape (n_samples,)
        Their labels, of any kind: the classes need not be those of the source.
    shrinkage : bool, default=True
        Whether the covariance is shrunk, as in the second paper. Without it the score is the
        number of the classes less one wherever there are no more rows than features, whatever
        these are.

    Returns
    -------
    score : float
        Between 0 and the number of classes less one; larger is better.

    Raises
    ------
    ValueError
        If the arrays are not as described, or labels are all alike.

    Notes
    -----
    One singular value decomposition, O(n d min(n, d)), and the shrinkage, O(n d^2).

    It fails where classes differ by more than their means, and rates features of few rows
    too high: a class of one row is its own mean. Features that are all constant have score 0.

    References
    ----------
    Bao, Li, Huang, Zhang, Zheng, Zamir, Guibas (2019). "An information-theoretic approach to
    transferability in task transfer learning". ICIP.

    Ibrahim, Ponomareva, Mazumder (2022). "Newer is not always better: rethinking
    transferability metrics, their peculiarities, stability and performance". ECML PKDD.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.inductive import h_score
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 20)
    >>> of_use = rng.normal(size=(40, 5)) + 2 * y[:, None]
    >>> bool(h_score(of_use, y) > h_score(rng.normal(size=(40, 5)), y))
    True
    """
    F, codes = read_classes(features, y)
    F = _centred(F)
    largest = abs(F).max()
    if largest > 0:
        F = F / largest
    _, s, Vt = linalg.svd(F, full_matrices=False)
    kept = s > TINY * np.sqrt(F.shape[1])
    if not kept.any():
        return 0.0
    variances = np.square(s[kept]) / len(F)
    amount = float(ledoit_wolf_shrinkage(F, assume_centered=True)) if shrinkage else 0.0
    shrunk = (1 - amount) * variances + amount * variances.sum() / F.shape[1]
    counts = np.bincount(codes)
    means = (np.eye(len(counts))[codes] / counts[codes, None]).T @ F @ Vt[kept].T
    between = (counts / len(F)) @ np.square(means)
    return float(((1 - amount) * between / shrunk).sum())


def bhattacharyya_separability(
    features: Any,
    y: Any,
    *,
    covariance: Literal["spherical", "diagonal"] = "spherical",
    n_components: int | None = 64,
) -> float:
    r"""Score features by how little Gaussians of every two classes overlap (GBC).

    .. math::

        -\sum_{i \ne j} e^{-D_{ij}}, \qquad D_{ij} =
        \tfrac18 (\mu_i - \mu_j)^\top \Sigma^{-1} (\mu_i - \mu_j) +
        \tfrac12 \log \frac{\lvert\Sigma\rvert}{\sqrt{\lvert\Sigma_i\rvert \lvert\Sigma_j\rvert}},
        \qquad \Sigma = \tfrac12 (\Sigma_i + \Sigma_j)

    Parameters
    ----------
    features : array-like or sparse matrix of shape (n_samples, n_features)
        What the source model makes of the labelled target samples, as its ``transform``
        returns it.
    y : array-like of shape (n_samples,)
        Their labels, of any kind: the classes need not be those of the source.
    covariance : {"spherical", "diagonal"}, default="spherical"
        One variance for each class, or one for each class and component.
    n_components : int or None, default=64
        Principal components that the features are first reduced to; None keeps all columns.

    Returns
    -------
    score : float
        Between minus the number of ordered pairs of classes and 0; larger is better.

    Raises
    ------
    ValueError
        If the arrays or parameters are not as described, or labels are all alike.

    Notes
    -----
    One singular value decomposition, O(n d min(n, d)), and O(n_classes^2 n_components).

    It fails where classes have several clusters. With many components it comes near 0 for
    every source, and differences are small. The variance of a class of one row is not known: it
    has that within the other classes, or if all have one row, that of all rows. Features that
    are constant have the least score.

    References
    ----------
    Pandy, Agostinelli, Uijlings, Ferrari, Mensink (2022). "Transferability estimation using
    Bhattacharyya class separability". CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.inductive import bhattacharyya_separability
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 20)
    >>> of_use, of_none = (rng.normal(size=(40, 5)) + m * y[:, None] for m in (2, 0))
    >>> bhattacharyya_separability(of_use, y) > bhattacharyya_separability(of_none, y)
    True
    """
    if covariance not in ("spherical", "diagonal"):
        raise ValueError(f"covariance={covariance!r} is neither 'spherical' nor 'diagonal'.")
    if n_components is not None and not (isinstance(n_components, Integral) and n_components >= 1):
        raise ValueError(
            f"n_components={n_components!r} must be an integer of at least 1, or None for all "
            "columns."
        )
    F, codes = read_classes(features, y)
    F = _centred(F)
    if n_components is not None and n_components < F.shape[1]:
        F = F @ linalg.svd(F, full_matrices=False)[2][:n_components].T
    means, variances = _gaussians(F, codes, covariance == "spherical")
    if means is None:
        return -float(len(np.unique(codes)) * (codes.max()))
    total = 0.0
    for i, j in combinations(range(len(means)), 2):
        both = (variances[i] + variances[j]) / 2
        distance = (np.square(means[i] - means[j]) / both).sum() / 8
        logarithms = np.log(both) - (np.log(variances[i]) + np.log(variances[j])) / 2
        total += np.exp(-distance - logarithms.sum() / 2)
    return -2 * float(total)


def _centred(F):
    """Return features around 0, and 0 where they are constant but for rounding."""
    centred = F - F.mean(axis=0)
    centred[:, abs(centred).max(axis=0) <= ROUNDING * abs(F).max(axis=0)] = 0.0
    return centred


def _gaussians(F, codes, spherical):
    """Return means and variances of the classes, of shape (n_classes, n_columns), or None twice.

    No variance is less than what rounding leaves of the largest.
    """
    counts = np.bincount(codes)
    of_class = np.eye(len(counts))[codes]
    means = (of_class / counts[codes, None]).T @ F
    squares = of_class.T @ np.square(F - means[codes])
    several = counts > 1
    whole = np.square(F).mean(axis=0)
    within = squares[several].sum(axis=0) / counts[several].sum() if several.any() else whole
    variances = np.where(several[:, None], squares / counts[:, None], within)
    if spherical:
        variances = np.repeat(variances.mean(axis=1, keepdims=True), F.shape[1], axis=1)
    if not whole.max() > 0:
        return None, None
    return means, np.maximum(variances, TINY * whole.max())
