"""Unbalanced transport: samples without a partner in the other domain need not move."""

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._transport import unbalanced_plan, warn_of_error
from domadapt.shallow.mapping._plan import POSITIVE_INTEGER, TransportMapping

__all__ = ["UnbalancedOTMapping"]


@estimator
class UnbalancedOTMapping(TransportMapping):
    r"""Transport between domains whose proportions of classes differ.

    The marginals of the plan may differ from :math:`a_i = 1/n_s` and :math:`b_j = 1/n_t`, at a
    price:

    .. math::
        \min_P \sum_{ij} P_{ij} C_{ij} + \epsilon KL(P | a b^\top)
        + \rho KL(P 1 | a) + \rho KL(P^\top 1 | b)

    C are squared distances divided by their mean. Each source sample moves to the mean of the
    target samples that its mass goes to, however little that is: no sample is left out, and
    none counts less in training. How much each sends is kept in ``masses_``.

    Cost: that of :class:`SinkhornMapping` without approximation. It harms where the classes of
    the target lie further from their own than from other classes of the source: mass is then
    taken from the right ones.

    Parameters
    ----------
    regularization : float, default=0.01
        :math:`\epsilon`, as a share of the mean squared distance between the domains.
    marginal_penalty : float, default=0.1
        :math:`\rho`, in the same unit. The larger it is, the more of the mass must move.
    max_iter : int, default=1000
        Most iterations.
    tolerance : float, default=0.01
        Ends when no mass changes by more than this share of itself.
    max_samples : int or None, default=2000
        Domains with more samples than this are represented in the plan by that many at random,
        whom the others follow. None takes all.
    random_state : int, RandomState instance or None, default=None
        Draws those samples. None draws the same each time.

    Attributes
    ----------
    masses_ : ndarray of shape (n_fitted,), float64
        The mass that each sample of ``source_samples_`` sends, as a multiple of what it has, and
        of the mean of those.
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
    Chizat, Peyre, Schmitzer, Vialard (2018). "Scaling algorithms for unbalanced optimal transport
    problems". Mathematics of Computation 87. Iterations: Sejourne, Vialard, Peyre (2022). "Faster
    unbalanced optimal transport". AISTATS.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import UnbalancedOTMapping
    >>> Xs, Xt = np.array([[0.0], [1.0], [50.0]]), np.array([[3.0], [4.0]])
    >>> mapping = UnbalancedOTMapping().fit(Xs, X_target=Xt)
    >>> mapping.masses_.round(1)
    array([1.4, 1.6, 0. ])
    """

    regularization: float = 0.01
    marginal_penalty: float = 0.1
    max_iter: int = 1000
    tolerance: float = 0.01

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TransportMapping._parameter_constraints,
        "regularization": [Interval(Real, 0, None, closed="neither")],
        "marginal_penalty": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [POSITIVE_INTEGER],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
    }

    def _fit_source(self, domains):
        self.n_iter_ = 1

    def _shares(self, cost, a, b, y):
        limits = {"max_iter": self.max_iter, "tolerance": self.tolerance}
        shares, mass, error, self.n_iter_ = unbalanced_plan(
            *(cost, a, b, self.regularization, self.marginal_penalty), **limits
        )
        warn_of_error(type(self).__name__, error, **limits)
        masses = mass / a
        self.masses_ = masses / masses.mean()
        return shares
