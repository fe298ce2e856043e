"""The ratio of two kernel density estimates as weights."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow.reweighting._kernels import BLOCK, some_positions, squared_distances
from domadapt.shallow.reweighting._scale import pooled_scale
from domadapt.shallow.reweighting._weighting import Weighting

__all__ = ["KernelDensityWeighting"]


@estimator
class KernelDensityWeighting(Weighting):
    r"""The ratio of two kernel density estimates, one of each domain.

    :math:`w(x) = \hat p_t(x) / \hat p_s(x)` with
    :math:`\hat p(x) = \frac{1}{m} \sum_l N(x; c_l, h^2 \operatorname{diag}(\sigma^2))`, in
    logarithms, with the same bandwidth h in both domains and :math:`\sigma` the standard
    deviation of each column over both.

    Cost: n_s d for each of ``max_centers`` samples of either domain.
    It harms where labels depend on x in another way in the target, and in more than a handful
    of columns, where hardly any sample is near another and both densities are chance.

    Parameters
    ----------
    bandwidth : float or None, default=None
        h, as a multiple of each column's standard deviation. None takes Scott's rule,
        :math:`m^{-1 / (d + 4)}` with m the smaller number of centres.
    max_centers : int, default=2000
        Samples of either domain that the densities are made of at the most, drawn in a fixed
        way. A source sample is always one of those of its own density.
    flattening : float or "auto", default="auto"
        Exponent of the ratio, from 0, which weighs all alike, to 1. "auto" takes the largest
        that leaves seven tenths of the source samples effective, and where these are fewer
        than some twenty to a column up to nine tenths.
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
    Sugiyama, Mueller (2005). "Input-dependent estimation of generalization error under covariate
    shift". Statistics and Decisions 23.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import KernelDensityWeighting
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, (500, 1)), rng.normal(1, 0.5, (500, 1))
    >>> weights = KernelDensityWeighting().fit(Xs, X_target=Xt).weights_
    >>> bool(weights[Xs[:, 0] > 0].mean() > 3 * weights[Xs[:, 0] < 0].mean())
    True
    """

    bandwidth: float | None = None
    max_centers: int = 2000

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Weighting._parameter_constraints,
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "max_centers": [Interval(Integral, 1, None, closed="left")],
    }

    _share: ClassVar[float] = 0.7

    def _weigh(self, domains):
        scale = pooled_scale(domains)[1]
        drawn = [some_positions(len(d), self.max_centers) for d in (domains.source, domains.target)]
        smaller = min(map(len, drawn))
        given = self.bandwidth
        self.bandwidth_ = smaller ** (-1 / (len(scale) + 4)) if given is None else float(given)
        units = scale * self.bandwidth_
        centers = [
            d.take(rows) / units
            for d, rows in zip((domains.source, domains.target), drawn, strict=True)
        ]
        is_center = np.zeros(len(domains.source), dtype=bool)
        is_center[drawn[0]] = True
        n_rows = max(1, BLOCK // max(map(len, centers)))
        starts = range(0, len(domains.source), n_rows)
        return np.concatenate(
            [
                _log_ratio(domains.source.take(rows) / units, is_center[rows], *centers)
                for rows in (slice(start, start + n_rows) for start in starts)
            ]
        )


def _log_ratio(X, is_center, of_source, of_target):
    """Return the logarithms of the ratio at source samples, in units of the bandwidth."""
    of_others = logsumexp(-0.5 * squared_distances(X, of_source), axis=1)
    # Sums of kernels: a sample that is no centre adds its own, which is 1.
    sums = np.where(is_center, of_others, np.logaddexp(of_others, 0.0))
    n_centers = len(of_source) + ~is_center
    at_target = logsumexp(-0.5 * squared_distances(X, of_target), axis=1) - np.log(len(of_target))
    return at_target - (sums - np.log(n_centers))
