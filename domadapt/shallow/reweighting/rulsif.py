"""RuLSIF and uLSIF: the ratio of densities by least squares, in closed form."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from sklearn.model_selection import KFold
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow.reweighting._kernels import (
    MULTIPLES,
    kernel_blocks,
    median_distance,
    some_of,
    squared_distances,
)
from domadapt.shallow.reweighting._weighting import Weighting, logs_of

__all__ = ["RuLSIFWeighting"]

# Samples of each domain that bandwidth and ridge are chosen on, and their folds.
FOR_CHOICE, FOLDS = 5000, 5
RIDGES = tuple(np.logspace(-3, 1, 9).tolist())
# For domains that are too small to choose a ridge on.
USUAL_RIDGE = 0.1


@estimator
class RuLSIFWeighting(Weighting):
    r"""Relative unconstrained least-squares importance fitting; uLSIF with ``alpha=0``.

    The ratio to a mixture, :math:`r(x) = p_t(x) / (\alpha p_t(x) + (1 - \alpha) p_s(x))`, is
    fitted by :math:`w(x) = \sum_l \theta_l k(x, c_l)` with Gaussian kernels k around target
    samples: :math:`\theta = (H + \lambda I)^{-1} h` with
    :math:`H = \frac{\alpha}{n_t} \Phi_t^T \Phi_t + \frac{1 - \alpha}{n_s} \Phi_s^T \Phi_s` and h
    the mean of the rows of :math:`\Phi_t`; what is below 0 counts as 0. No ratio is above
    :math:`1 / \alpha`.

    Cost: n d for each centre, n times the square of the centres, and their cube. Centres are
    bounded by ``n_centers``; bandwidth and ridge are chosen on 5000 samples of each domain at
    the most.
    It harms where labels depend on x in another way in the target. In many columns no kernel
    is both wide enough to hold samples and narrow enough to tell them apart.

    Parameters
    ----------
    alpha : float, default=0.1
        Share of the target in the mixture, from 0, which is uLSIF, to below 1. The larger, the
        more alike the weights.
    bandwidth : float or None, default=None
        Standard deviation of the kernels. None chooses among multiples of the median distance
        between samples by five-fold cross-validation: scale the columns first.
    regularization : float or None, default=None
        :math:`\lambda`. None chooses by the same cross-validation.
    n_centers : int, default=100
        Kernels at the most, around target samples that are drawn in a fixed way.
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
    bandwidth_, regularization_ : float
        Bandwidth and ridge that were taken.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Yamada, Suzuki, Kanamori, Hachiya, Sugiyama (2013). "Relative density-ratio estimation for
    robust distribution comparison". Neural Computation 25.

    Kanamori, Hido, Sugiyama (2009). "A least-squares approach to direct importance estimation".
    Journal of Machine Learning Research 10.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import RuLSIFWeighting
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, (500, 1)), rng.normal(1, 0.5, (500, 1))
    >>> weights = RuLSIFWeighting().fit(Xs, X_target=Xt).weights_
    >>> bool(weights[Xs[:, 0] > 0].mean() > 3 * weights[Xs[:, 0] < 0].mean())
    True
    """

    alpha: float = 0.1
    bandwidth: float | None = None
    regularization: float | None = None
    n_centers: int = 100

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Weighting._parameter_constraints,
        "alpha": [Interval(Real, 0, 1, closed="left")],
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "regularization": [Interval(Real, 0, None, closed="neither"), None],
        "n_centers": [Interval(Integral, 1, None, closed="left")],
    }

    def _weigh(self, domains):
        centers = some_of(domains.target, self.n_centers)
        self.bandwidth_, self.regularization_ = self._chosen(domains, centers)
        at_source, at_target = (
            np.concatenate(list(kernel_blocks(samples, centers, self.bandwidth_)))
            for samples in (domains.source, domains.target)
        )
        H, h = self._normal_equation(at_source, at_target)
        (theta,) = _solutions(H, h, [self.regularization_])
        return logs_of(np.maximum(at_source @ theta, 0.0))

    def _normal_equation(self, at_source, at_target):
        H = self.alpha / len(at_target) * (at_target.T @ at_target)
        H += (1 - self.alpha) / len(at_source) * (at_source.T @ at_source)
        return H, at_target.mean(axis=0)

    def _chosen(self, domains, centers):
        """Return the bandwidth and the ridge that fit held-out samples best, where not given."""
        given = self.bandwidth
        median = median_distance(domains) if given is None else 1.0
        bandwidths = [m * median for m in MULTIPLES] if given is None else [float(given)]
        ridges = RIDGES if self.regularization is None else [float(self.regularization)]
        n_folds = min(FOLDS, len(domains.source), len(domains.target))
        if n_folds < 2 or len(bandwidths) == len(ridges) == 1:
            only = ridges[0] if len(ridges) == 1 else USUAL_RIDGE
            return (median if given is None else bandwidths[0]), only
        samples = [some_of(d, FOR_CHOICE, seed=1) for d in (domains.source, domains.target)]
        distances = [squared_distances(X, centers) for X in samples]
        losses = [self._losses(distances, b, ridges, n_folds) for b in bandwidths]
        of_bandwidth, of_ridge = np.unravel_index(np.argmin(losses), np.shape(losses))
        return bandwidths[of_bandwidth], ridges[of_ridge]

    def _losses(self, distances, bandwidth, ridges, n_folds):
        """Return for each ridge the squared error of the ratio on held-out samples."""
        kernels = [np.exp(d * (-0.5 / bandwidth**2)) for d in distances]
        folds = KFold(n_folds, shuffle=True, random_state=0)
        losses = np.zeros(len(ridges))
        for parts in zip(*(folds.split(kernel) for kernel in kernels), strict=True):
            train = [k[rows] for k, (rows, _) in zip(kernels, parts, strict=True)]
            held_out = [k[rows] for k, (_, rows) in zip(kernels, parts, strict=True)]
            H, h = self._normal_equation(*train)
            thetas = np.array(_solutions(H, h, ridges)).T
            at_source, at_target = (np.maximum(k @ thetas, 0.0) for k in held_out)
            losses += self.alpha / 2 * np.square(at_target).mean(axis=0)
            losses += (1 - self.alpha) / 2 * np.square(at_source).mean(axis=0)
            losses -= at_target.mean(axis=0)
        return losses

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _solutions(H, h, ridges):
    """Return the coefficients for each ridge, by one eigendecomposition."""
    values, vectors = linalg.eigh(H)
    along = vectors.T @ h
    return [vectors @ (along / (np.maximum(values, 0.0) + ridge)) for ridge in ridges]
