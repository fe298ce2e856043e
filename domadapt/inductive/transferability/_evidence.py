"""LogME: the evidence of a Bayesian linear model from features to labels."""

from typing import Any

import numpy as np
from scipy import linalg, optimize

from domadapt.domains.arrays import read_values
from domadapt.inductive.transferability._labels import read_class_codes, read_dense

# Part of the squared labels below which a residual is rounding.
TINY = 1e-12
# How far the ratio of the precisions may go from the eigenvalues: the evidence is flat beyond.
FARTHEST = 1e8
# Between ratios that are tried, in logarithms: the evidence changes little over it.
STEP = 0.25


def log_me(features: Any, y: Any, *, values: bool = False) -> float:
    r"""Score features by how probable a linear model of them makes the labels (LogME).

    Of each column :math:`y` of the labels, one-hot for classes, the logarithm of the evidence
    of a linear model with Gaussian weights and noise is maximised over their precisions:

    .. math::

        \max_{\alpha, \beta} \frac1n \log \int
        \mathcal N(y;\, F w,\, \beta^{-1} I)\, \mathcal N(w;\, 0,\, \alpha^{-1} I)\, dw

    The score is the mean over the columns. All weights are averaged over, so that features
    with many columns do not fit the labels by chance alone, as a trained model would.

    Parameters
    ----------
    features : array-like or sparse matrix of shape (n_samples, n_features)
        What the source model makes of the labelled target samples, as its ``transform``
        returns it.
    y : array-like of shape (n_samples,), or (n_samples, n_outputs) with ``values``
        Their labels: classes of any kind, which need not be those of the source.
    values : bool, default=False
        Whether ``y`` holds numbers to predict. They are standardised: their unit would
        change the scores of all sources by the same number, and their mean is nothing to
        be learnt.

    Returns
    -------
    score : float
        In nats a label; larger is better. It is below 0 or above: only differences between
        sources on the same labels mean anything.

    Raises
    ------
    ValueError
        If the arrays are not as described, or labels are all alike.

    Notes
    -----
    One singular value decomposition, O(n d min(n, d)), and O(min(n, d)) for each column and
    each ratio of the precisions that is tried. The papers find the precisions by a fixed point,
    which stops at one of several maxima where columns are of very different scale; here it is
    the largest of all.

    It fails where features are on other scales for reasons that do not matter: the prior on
    the weights is the same for all columns, and there is no intercept. Labels that features
    explain without any error have an evidence without bound; the residual counts as at least
    1e-12 of the labels there. One row of a class, more features than rows and constant
    features are no special cases.

    References
    ----------
    You, Liu, Wang, Long (2021). "LogME: practical assessment of pre-trained models for
    transfer learning". ICML.

    You, Liu, Zhang, Wang, Jordan, Long (2022). "Ranking and tuning pre-trained models: a new
    paradigm for exploiting model hubs". JMLR 23.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.inductive import log_me
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 20)
    >>> of_use = rng.normal(size=(40, 5)) + 2 * (y == "dog")[:, None]
    >>> bool(log_me(of_use, y) > log_me(rng.normal(size=(40, 5)), y))
    True
    """
    F = read_dense(features)
    Y = _standardised(y, len(F)) if values else _one_hot(read_class_codes(y, len(F)))
    U, s, _ = linalg.svd(F, full_matrices=False)
    kept = s > np.finfo(np.float64).eps * max(F.shape) * max(s.max(initial=0.0), TINY)
    U, eigenvalues = U[:, kept], np.square(s[kept])
    projected = U.T @ Y
    left = np.square(Y - U @ projected).sum(axis=0)
    return float(
        np.mean(
            [
                _evidence(eigenvalues, z, rest, len(F)) / len(F)
                for z, rest in zip(np.square(projected).T, left, strict=True)
            ]
        )
    )


def _one_hot(codes):
    return np.eye(codes.max() + 1)[codes]


def _standardised(y, n_samples):
    Y = read_values("y", y, n_samples)
    if not np.ptp(Y, axis=0).all():
        raise ValueError(
            "y holds the same number in every row, and nothing can be told of how well it is "
            "predicted. Labels that differ were expected."
        )
    return (Y - Y.mean(axis=0)) / Y.std(axis=0)


def _evidence(eigenvalues, z, left, n_samples):
    """Return the largest log evidence of a column of labels.

    ``eigenvalues`` are those above 0 of F'F, ``z`` the squared labels along the left singular
    vectors, ``left`` what is along none of them.
    """

    def at(log_ratio):
        """Return the evidence at ratios of the precisions, with the noise of the largest."""
        ratio = np.exp(np.asarray(log_ratio))[..., None]
        shrunk = ratio / (eigenvalues + ratio)
        # Of the residual and of the weights, in units of the noise.
        squares = (z * shrunk).sum(axis=-1) + left
        squares = np.maximum(squares, TINY * (z.sum() + left))
        logarithms = np.log1p(eigenvalues / ratio).sum(axis=-1)
        return n_samples / 2 * (np.log(n_samples / (2 * np.pi * squares)) - 1) - logarithms / 2

    if not len(eigenvalues):
        return float(at(0.0))
    # There may be several maxima, where columns are of very different scale.
    lowest, highest = np.log([eigenvalues.min() / FARTHEST, eigenvalues.max() * FARTHEST])
    grid = np.arange(lowest, highest, STEP)
    found = at(grid)
    best = grid[found.argmax()]
    refined = optimize.minimize_scalar(
        lambda log_ratio: -at(log_ratio), bounds=(best - STEP, best + STEP), method="bounded"
    )
    return float(max(found.max(), -refined.fun))
