"""Entropic optimal transport: plans that are spread out, by Sinkhorn's iterations."""

import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from domadapt.domains.base import estimator
from domadapt.shallow._moments import mean_and_covariance
from domadapt.shallow._transport import entropic_plan, marginal_error, shares_of, warn_of_error
from domadapt.shallow.mapping._plan import POSITIVE_INTEGER, TransportMapping

__all__ = ["SinkhornMapping"]

POSITIVE = Interval(Real, 0, None, closed="neither")
# Steps of the projection within each step of the low-rank plan.
PROJECTIONS = 100
# Those that POT always makes.
STEPS = 100


@estimator
class SinkhornMapping(TransportMapping):
    r"""Entropic transport: source samples move to means of the target samples around a partner.

    The plan is :math:`\min_P \sum_{ij} P_{ij} C_{ij} + \epsilon \sum_{ij} P_{ij} (\log P_{ij} - 1)`
    with the marginals of :class:`OTMapping`. C are squared distances divided by their mean, so
    that :math:`\epsilon` does not depend on the scale of the columns. The iterations start from
    the potentials of the exact plan, where no row underflows however small :math:`\epsilon` is.

    Cost: that of :class:`OTMapping`, and n^2 for each iteration. A plan of low rank r between all
    samples costs n (d + r) r for each of its steps, and n (d + r) numbers of memory. It harms
    where proportions of classes differ, and where ``regularization`` is so large that all samples
    move to the mean of the target.

    Parameters
    ----------
    regularization : float, default=0.01
        :math:`\epsilon`, as a share of the mean squared distance between the domains.
    approximation : {"auto", "subset", "lowrank", "nystroem"} or None, default="auto"
        What is done where a domain has more than ``max_samples`` samples. ``"subset"`` computes
        the plan of that many at random, whom the others follow. ``"lowrank"`` takes a plan of low
        rank between all samples, which moves them to few places. ``"nystroem"`` takes a kernel of
        low rank between all samples, which is refused where it fails, below a
        regularization of about 0.3. None approximates nothing. ``"auto"`` is ``"subset"``.
    rank : int, default=20
        Of the plan, or number of points that the kernel is approximated from.
    max_samples : int or None, default=2000
        Largest number of samples of a domain for which nothing is approximated. None
        approximates nothing.
    max_iter : int, default=1000
        Most iterations.
    tolerance : float, default=1e-3
        Share of the mass that may lie where it does not belong.
    random_state : int, RandomState instance or None, default=None
        Draws the subset, or what an approximation starts from. None draws the same each time.

    Attributes
    ----------
    source_indices_ : ndarray of shape (n_fitted,), int64
        Positions of the source samples that are in the plan.
    source_samples_ : ndarray of shape (n_fitted, n_features)
        Those samples.
    shifts_ : ndarray of shape (n_fitted, n_features)
        How far they moved.
    n_iter_ : int
        Iterations that were made; 1 where there was no target.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Cuturi (2013). "Sinkhorn distances: lightspeed computation of optimal transport". NeurIPS.
    Scetbon, Cuturi, Peyre (2021). "Low-rank Sinkhorn factorization". ICML. Altschuler, Bach, Rudi,
    Niles-Weed (2019). "Massively scalable Sinkhorn distances via the Nystroem method". NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import SinkhornMapping
    >>> Xs, Xt = np.array([[0.0], [1.0]]), np.array([[12.0], [10.0]])
    >>> SinkhornMapping(regularization=1e-4).fit_transform(Xs, X_target=Xt).round(1)
    array([[10.],
           [12.]])
    >>> SinkhornMapping(regularization=1e4).fit_transform(Xs, X_target=Xt).round(3)
    array([[11.],
           [11.]])
    """

    regularization: float = 0.01
    approximation: str | None = "auto"
    rank: int = 20
    max_iter: int = 1000
    tolerance: float = 1e-3

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TransportMapping._parameter_constraints,
        "regularization": [POSITIVE],
        "approximation": [StrOptions({"auto", "subset", "lowrank", "nystroem"}), None],
        "rank": [POSITIVE_INTEGER],
        "max_iter": [POSITIVE_INTEGER],
        "tolerance": [POSITIVE],
    }

    def _fit_domains(self, domains):
        n_largest = max(len(domains.source), len(domains.target))
        is_large = self.max_samples is not None and n_largest > self.max_samples
        if is_large and self.approximation in ("lowrank", "nystroem"):
            self._fit_approximately(domains)
        else:
            super()._fit_domains(domains)

    def _largest(self):
        return None if self.approximation is None else self.max_samples

    def _fit_source(self, domains):
        self.n_iter_ = 1

    def _shares(self, cost, a, b, y):
        limits = {"max_iter": self.max_iter, "tolerance": self.tolerance}
        plan, _, self.n_iter_ = entropic_plan(cost, a, b, self.regularization, **limits)
        warn_of_error(type(self).__name__, marginal_error(plan, a, b), **limits)
        return plan / plan.sum(axis=1, keepdims=True)

    def _fit_approximately(self, domains):
        X, Y = domains.source.take(slice(None)), domains.target.take(slice(None))
        centre, scale = _centre_and_scale(domains)
        near, far = ((Z.astype(np.float64) - centre) / scale for Z in (X, Y))
        a = shares_of(domains.sample_weight, len(X))
        seed = 0 if self.random_state is None else self.random_state
        seed = int(check_random_state(seed).randint(np.iinfo(np.int32).max))
        find = self._by_kernel if self.approximation == "nystroem" else self._by_low_rank
        self._keep(np.arange(len(X)), X, find(near, far, a, seed) * scale + centre)

    def _by_low_rank(self, near, far, a, seed):
        """Return mapped samples by a plan Q diag(1 / g) R' between all samples."""
        # Slow to import, and needed by no other adapters.
        import ot  # type: ignore[import-untyped]

        rank = min(self.rank, len(near), len(far))
        # Its own warnings are about projections in between.
        self.n_iter_ = STEPS
        Q, R, g = ot.lowrank.lowrank_sinkhorn(
            *(near, far, a, shares_of(None, len(far))),
            reg=self.regularization,
            rank=rank,
            rescale_cost=False,
            seed_init=seed,
            numItermax=min(self.max_iter, PROJECTIONS),
            warn=False,
        )
        middle = (R.T @ far) / g[:, None]
        error = max(abs(Q.sum(axis=1) - a).sum(), abs(R.sum(axis=1) - 1 / len(far)).sum())
        # The steps of the plan end at small errors and not at a tolerance.
        warn_of_error(type(self).__name__, error, max_iter=PROJECTIONS, tolerance=0.1)
        return Q @ middle / (Q @ (R.sum(axis=0) / g))[:, None]

    def _by_kernel(self, near, far, a, seed):
        """Return mapped samples by a plan whose kernel is of low rank."""
        # Slow to import, and needed by no other adapters.
        import ot

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Warning: numerical errors")
            _, log = ot.bregman.empirical_sinkhorn_nystroem(
                *(near, far, self.regularization, 2 * ((self.rank + 1) // 2)),
                a=a,
                numItermax=self.max_iter,
                stopThr=self.tolerance / np.sqrt(len(far)),
                random_state=seed,
                log=True,
                warn=False,
            )
        self.n_iter_ = 10 * len(log["err"])
        right = log["right_factor"] * log["v"][:, None]
        sums = log["left_factor"] @ right.sum(axis=0)
        with np.errstate(all="ignore"):
            mapped = log["left_factor"] @ (right.T @ far) / sums[:, None]
        self._check_within(mapped, far)
        return mapped

    def _check_within(self, mapped, far):
        """Raise an error where means of samples are none: the kernel has lost its sign."""
        low, high = far.min(axis=0), far.max(axis=0)
        margin = 0.1 * (high - low) + 1e-6
        if not ((mapped >= low - margin) & (mapped <= high + margin)).all():
            raise ValueError(
                f"approximation='nystroem' cannot represent the kernel with rank={self.rank} at "
                f"regularization={self.regularization:g}. Raise either, or pass "
                "approximation='subset'."
            )


def _centre_and_scale(domains):
    """Return the mean of the target, and the root of the mean squared distance of the domains."""
    source_mean, source = mean_and_covariance(domains.source)
    target_mean, target = mean_and_covariance(domains.target)
    n_source, n_target = len(domains.source), len(domains.target)
    spread = np.trace(source) * (1 - 1 / n_source) + np.trace(target) * (1 - 1 / n_target)
    mean = spread + np.square(source_mean - target_mean).sum()
    return target_mean, np.sqrt(mean) if mean > 0 else 1.0
