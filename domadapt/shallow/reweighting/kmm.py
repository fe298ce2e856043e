"""Kernel mean matching: weights with which the mean of the source in a kernel is the target's."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.shallow.reweighting._kernels import (
    gaussian_kernel,
    kernel_blocks,
    median_distance,
    some_of,
)
from domadapt.shallow.reweighting._quadratic import Feasible, minimize_quadratic
from domadapt.shallow.reweighting._weighting import Weighting, logs_of

__all__ = ["KMMWeighting"]

# Source samples up to whose number the kernel is kept whole, as 72 MB.
EXACT = 3000
# Multiple of the tolerance up to which a gap, which is no more than a bound, is not warned of.
LOOSE = 10
# Bytes above which a whole kernel is refused.
LARGEST = 2**31


@estimator
class KMMWeighting(Weighting):
    r"""Kernel mean matching: the weighted mean of the source in a kernel is that of the target.

    The weights b solve :math:`\min_b \frac12 b^T K b - \kappa^T b` for
    :math:`0 \le b_i \le B` and :math:`|\frac{1}{n_s} \sum_i b_i - 1| \le \epsilon`, where
    :math:`K_{ij} = k(s_i, s_j)` and :math:`\kappa_i = \frac{n_s}{n_t} \sum_j k(s_i, t_j)` with
    the Gaussian kernel k. It is solved by accelerated projected gradients until the duality
    gap, which bounds what can still be won, is small.

    Cost: n_s^2 d + n_s n_t d for the kernels, and n_s^2 for each of some hundred iterations.
    Above 3000 source samples the kernel is taken by Nystroem's method from ``n_components``
    of them, with its own diagonal, so that an iteration costs n_s ``n_components``.
    It harms where labels depend on x in another way in the target, and in many columns, where
    all samples are about as far from each other, so that the weights follow chance.

    Parameters
    ----------
    bandwidth : float or None, default=None
        Standard deviation of the kernel. None takes the median distance between samples of
        both domains, of a thousand at most: scale the columns first.
    bound : float, default=1000.0
        B, above which no weight of the solution is.
    slack : float or None, default=None
        :math:`\epsilon`. None stands for :math:`1 - 1 / \sqrt{n_s}`.
    n_components : int or None, default=500
        Source samples from which the kernel is approximated where there are more than 3000.
        None keeps it whole.
    max_iter : int, default=1000
        Iterations at the most.
    tol : float, default=1e-5
        Duality gap at which to end, as a multiple of the objective.
    flattening : float or "auto", default="auto"
        Exponent of the weights, from 0, which weighs all alike, to 1. "auto" takes the largest
        that leaves eight tenths of the source samples effective, and where these are fewer
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
    gap_ : float
        Duality gap of the solution, as a multiple of the objective.
    n_iter_ : int
        Iterations that were made.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Huang, Smola, Gretton, Borgwardt, Schoelkopf (2007). "Correcting sample selection bias by
    unlabeled data". NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import KMMWeighting
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, (500, 1)), rng.normal(1, 0.5, (500, 1))
    >>> weights = KMMWeighting().fit(Xs, X_target=Xt).weights_
    >>> bool(weights[Xs[:, 0] > 0].mean() > 1.5 * weights[Xs[:, 0] < 0].mean())
    True
    """

    bandwidth: float | None = None
    bound: float = 1000.0
    slack: float | None = None
    n_components: int | None = 500
    max_iter: int = 1000
    tol: float = 1e-5

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Weighting._parameter_constraints,
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "bound": [Interval(Real, 1, None, closed="left")],
        "slack": [Interval(Real, 0, None, closed="left"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    _share: ClassVar[float] = 0.8

    def _weigh(self, domains):
        n_source = len(domains.source)
        self._check_memory(n_source)
        given = self.bandwidth
        self.bandwidth_ = median_distance(domains) if given is None else float(given)
        slack = 1 - 1 / np.sqrt(n_source) if self.slack is None else self.slack
        feasible = Feasible(self.bound, n_source * max(0.0, 1 - slack), n_source * (1 + slack))
        b, self.gap_, self.n_iter_ = minimize_quadratic(
            self._kernel_of(domains.source),
            _attraction(domains, self.bandwidth_),
            feasible,
            self.max_iter,
            self.tol,
        )
        if self.gap_ > LOOSE * self.tol:
            warn(
                f"KMMWeighting did not converge in max_iter={self.max_iter} iterations: the "
                f"duality gap is {self.gap_:.2g} of the objective and not tol={self.tol:g}. Raise "
                "max_iter or tol.",
                ConvergenceWarning,
            )
        return logs_of(b)

    def _check_memory(self, n_source):
        size = 8 * n_source**2
        if self.n_components is None and size > LARGEST:
            raise MemoryError(
                f"n_components=None keeps a kernel of {n_source} x {n_source} x 8 bytes, which "
                f"are {size / 1e9:.1f} GB. Set n_components to a number of source samples from "
                "which it is to be approximated, such as 500."
            )

    def _kernel_of(self, source):
        """Return what multiplies vectors with the kernel between source samples."""
        if self.n_components is None or len(source) <= max(EXACT, self.n_components):
            X = source.take(slice(None))
            return gaussian_kernel(X, X, self.bandwidth_).__matmul__
        centers = some_of(source, self.n_components)
        values, vectors = linalg.eigh(gaussian_kernel(centers, centers, self.bandwidth_))
        kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
        root = vectors[:, kept] / np.sqrt(values[kept])
        factor = np.concatenate(
            [rows @ root for rows in kernel_blocks(source, centers, self.bandwidth_)]
        )
        # What the centres do not span acts on each sample alone: the diagonal stays 1.
        rest = np.maximum(1 - np.einsum("ij,ij->i", factor, factor), 0.0)
        return lambda b: factor @ (b @ factor) + rest * b

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _attraction(domains, bandwidth):
    """Return how near the target is to each source sample, kappa."""
    target = domains.target.take(slice(None))
    means = [rows.mean(axis=1) for rows in kernel_blocks(domains.source, target, bandwidth)]
    return np.concatenate(means) * len(domains.source)
