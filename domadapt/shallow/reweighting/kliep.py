"""KLIEP: the weighted source is as near to the target as can be in Kullback-Leibler's sense."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.shallow.reweighting._kernels import (
    MULTIPLES,
    kernel_blocks,
    median_distance,
    some_of,
    squared_distances,
)
from domadapt.shallow.reweighting._weighting import Weighting, logs_of

__all__ = ["KLIEPWeighting"]

# Samples of each domain that a bandwidth is chosen on, and folds of those of the target.
FOR_CHOICE, FOLDS = 2000, 5
# Densities below it are rounded, so that their ratios and logarithms stay numbers.
SMALLEST = 1e-200


@estimator
class KLIEPWeighting(Weighting):
    r"""Kullback-Leibler importance estimation: the target is as likely as can be.

    With Gaussian kernels k around target samples :math:`c_l`,
    :math:`w(x) = \sum_l a_l k(x, c_l)` has the greatest :math:`\sum_j \log w(t_j)` for
    :math:`a \ge 0` and :math:`\frac{1}{n_s} \sum_i w(s_i) = 1`. The bandwidth is the one under
    which held-out target samples are likeliest, in five-fold cross-validation.

    Cost: n d for each centre, and as many products of n numbers for each of some hundred
    iterations. Centres are bounded by ``n_centers``; a bandwidth is chosen on 2000 samples of
    each domain at the most.
    It harms where labels depend on x in another way in the target. In many columns no kernel
    is both wide enough to hold samples and narrow enough to tell them apart.

    Parameters
    ----------
    bandwidth : float or None, default=None
        Standard deviation of the kernels. None chooses among multiples of the median distance
        between samples by cross-validation: scale the columns first.
    n_centers : int, default=100
        Kernels at the most, around target samples that are drawn in a fixed way.
    max_iter : int, default=500
        Iterations at the most.
    tol : float, default=1e-2
        What may still be won in mean log-likelihood before it is warned of.
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
    bandwidth_ : float
        The bandwidth that was taken.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Sugiyama, Nakajima, Kashima, von Buenau, Kawanabe (2008). "Direct importance estimation with
    model selection and its application to covariate shift adaptation". NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import KLIEPWeighting
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, (500, 1)), rng.normal(1, 0.5, (500, 1))
    >>> weights = KLIEPWeighting().fit(Xs, X_target=Xt).weights_
    >>> bool(weights[Xs[:, 0] > 0].mean() > 3 * weights[Xs[:, 0] < 0].mean())
    True
    """

    bandwidth: float | None = None
    n_centers: int = 100
    max_iter: int = 500
    tol: float = 1e-2

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Weighting._parameter_constraints,
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "n_centers": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def _weigh(self, domains):
        centers = some_of(domains.target, self.n_centers)
        given = self.bandwidth
        self.bandwidth_ = self._chosen(domains, centers) if given is None else float(given)
        at_source, at_target = (
            np.concatenate(list(kernel_blocks(samples, centers, self.bandwidth_)))
            for samples in (domains.source, domains.target)
        )
        means = np.maximum(at_source.mean(axis=0), SMALLEST)
        shares = _likeliest(at_target / means, self.max_iter)
        left = _left_to_win(at_target / means, shares)
        if left > self.tol:
            warn(
                f"KLIEPWeighting did not converge in max_iter={self.max_iter} iterations: "
                f"{left:.2g} may still be won in mean log-likelihood, and not tol={self.tol:g}. "
                "Raise max_iter or tol.",
                ConvergenceWarning,
            )
        return logs_of(at_source @ (shares / means))

    def _chosen(self, domains, centers):
        """Return the bandwidth under which held-out target samples are likeliest."""
        median = median_distance(domains)
        source, target = (some_of(d, FOR_CHOICE, seed=1) for d in (domains.source, domains.target))
        if target.shape[0] < 2:
            return median
        distances = [squared_distances(X, centers) for X in (source, target)]
        folds = list(_folds(target.shape[0]))
        scores = [self._score(distances, m * median, folds) for m in MULTIPLES]
        return MULTIPLES[int(np.argmax(scores))] * median

    def _score(self, distances, bandwidth, folds):
        """Return the mean log-likelihood of target samples that were held out."""
        at_source, at_target = (np.exp(d * (-0.5 / bandwidth**2)) for d in distances)
        densities = at_target / np.maximum(at_source.mean(axis=0), SMALLEST)
        total = 0.0
        for train, held_out in folds:
            shares = _likeliest(densities[train], self.max_iter // 5)
            total += np.log(np.maximum(densities[held_out] @ shares, SMALLEST)).sum()
        return total

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _folds(n_samples):
    folds = KFold(min(FOLDS, n_samples), shuffle=True, random_state=0)
    return folds.split(np.empty((n_samples, 1)))


def _likeliest(densities, max_iter):
    """Return the shares of a mixture of densities under which its samples are likeliest.

    Without the constraint that shares sum up to 1 their sum is a price that brings it about.
    """

    def loss(shares):
        likelihood = np.maximum(densities @ shares, SMALLEST)
        value = shares.sum() - np.log(likelihood).mean()
        return value, 1 - (1 / likelihood) @ densities / len(densities)

    n = densities.shape[1]
    start = np.full(n, 1 / n)
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * n,
        options={"maxiter": max_iter, "maxfun": 4 * max_iter, "ftol": 1e-10, "gtol": 1e-5},
    )
    shares = found.x if found.x.sum() > 0 else start
    return shares / shares.sum()


def _left_to_win(densities, shares):
    """Return a bound of what other shares would win in mean log-likelihood."""
    likelihood = np.maximum(densities @ shares, SMALLEST)
    return float(((1 / likelihood) @ densities / len(densities)).max() - 1)
