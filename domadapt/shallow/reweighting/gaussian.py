"""The ratio of two Gaussian densities as weights."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from sklearn.covariance import LedoitWolf
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._moments import blocks
from domadapt.shallow.reweighting._scale import pooled_scale
from domadapt.shallow.reweighting._weighting import Weighting

__all__ = ["GaussianWeighting"]


@estimator
class GaussianWeighting(Weighting):
    r"""The ratio of two Gaussian densities, one fitted to each domain.

    :math:`w(x) = N(x; \mu_t, C_t + \lambda I) / N(x; \mu_s, C_s + \lambda I)`, in logarithms.
    Columns are divided by their standard deviation over both domains, and the covariances
    C are shrunk as Ledoit and Wolf do.

    Cost: n d^2 + d^3.
    It harms where the domains are nothing like Gaussian, where labels depend on x in another
    way in the target, and in many columns, where the ratio goes over many orders of magnitude
    and its logarithm has to be flattened until little of it is left.

    Parameters
    ----------
    regularization : float, default=1e-3
        :math:`\lambda`, where all columns have variance 1.
    flattening : float or "auto", default="auto"
        Exponent of the ratio, from 0, which weighs all alike, to 1. "auto" takes the largest
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
    Shimodaira (2000). "Improving predictive inference under covariate shift by weighting the
    log-likelihood function". Journal of Statistical Planning and Inference 90.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import GaussianWeighting
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, (500, 1)), rng.normal(1, 0.5, (500, 1))
    >>> weights = GaussianWeighting().fit(Xs, X_target=Xt).weights_
    >>> bool(weights[Xs[:, 0] > 0].mean() > 3 * weights[Xs[:, 0] < 0].mean())
    True
    """

    regularization: float = 1e-3

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Weighting._parameter_constraints,
        "regularization": [Interval(Real, 0, None, closed="neither")],
    }

    def _weigh(self, domains):
        center, scale = pooled_scale(domains)
        fitted = [
            _moments_of((d.take(slice(None)) - center) / scale)
            for d in (domains.source, domains.target)
        ]
        # A single sample has no spread: it takes that of the other domain.
        spreads = [covariance for _, covariance in fitted if covariance is not None]
        spreads = spreads or [np.zeros((len(center), len(center)))]
        densities = [
            _Gaussian(mean, spreads[0] if covariance is None else covariance, self.regularization)
            for mean, covariance in fitted
        ]
        of_source, of_target = densities
        scaled = ((block - center) / scale for block in blocks(domains.source))
        return np.concatenate([of_target.logs(X) - of_source.logs(X) for X in scaled])


class _Gaussian:
    """A Gaussian density that answers in logarithms, without the constant of all of them."""

    def __init__(self, mean, covariance, ridge):
        covariance = covariance + ridge * np.eye(len(mean))
        self.mean, self.root = mean, linalg.cholesky(covariance, lower=True)

    def logs(self, X):
        white = linalg.solve_triangular(self.root, (X - self.mean).T, lower=True)
        return -0.5 * np.square(white).sum(axis=0) - np.log(np.diag(self.root)).sum()


def _moments_of(X):
    """Return the mean and the shrunk covariance of samples, None where there is but one."""
    if len(X) < 2:
        return X[0], None
    fitted = LedoitWolf(store_precision=False).fit(X)
    return fitted.location_, fitted.covariance_
