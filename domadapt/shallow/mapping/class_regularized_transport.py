"""Class-regularised transport: no target sample takes mass from several classes of the source."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._transport import class_shares, entropic_plan, marginal_error, warn_of_error
from domadapt.shallow.mapping._plan import POSITIVE_INTEGER, TransportMapping

__all__ = ["ClassRegularizedOTMapping"]

# Keeps the slope of the square root finite where a class gives nothing.
SMALL = 1e-3
# Most iterations of Sinkhorn's for each tangent, and the error at which they end before.
STEPS, STEP_TOLERANCE = 1000, 1e-3


@estimator
class ClassRegularizedOTMapping(TransportMapping):
    r"""Transport in which each target sample takes its mass from as few classes as possible.

    With :math:`q_{cj}` the share of the mass of target sample j that comes from class c,

    .. math::
        \min_P \sum_{ij} P_{ij} C_{ij} + \epsilon \sum_{ij} P_{ij} (\log P_{ij} - 1)
        + \frac{\eta}{n_t} \sum_{cj} \sqrt{q_{cj} + 0.001}

    C are squared distances divided by their mean. The square roots are replaced by their tangents
    in turn (majorization and minimization), each time with an entropic plan. The mapping is that
    of :class:`SinkhornMapping`.

    Cost: ``max_iter`` times that of :class:`SinkhornMapping`. It harms where proportions of
    classes differ, and where classes of the source lie in each other, since labels then lead
    samples apart that belong together.

    Parameters
    ----------
    regularization : float, default=0.01
        :math:`\epsilon`, as a share of the mean squared distance between the domains.
    class_regularization : float, default=0.1
        :math:`\eta`, in the same unit.
    max_iter : int, default=10
        Most tangents, each with a plan of its own.
    tolerance : float, default=0.01
        Ends when less than this share of the mass moves otherwise than before.
    max_samples : int or None, default=2000
        Domains with more samples than this are represented in the plan by that many at random,
        whom the others follow. None takes all.
    random_state : int, RandomState instance or None, default=None
        Draws those samples. None draws the same each time.

    Attributes
    ----------
    source_indices_ : ndarray of shape (n_fitted,), int64
        Positions of the source samples that are in the plan.
    source_samples_ : ndarray of shape (n_fitted, n_features)
        Those samples.
    shifts_ : ndarray of shape (n_fitted, n_features)
        How far they moved.
    n_iter_ : int
        Plans that were computed; 1 where there was no target.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Courty, Flamary, Tuia, Rakotomamonjy (2017). "Optimal transport for domain adaptation". IEEE
    Transactions on Pattern Analysis and Machine Intelligence 39.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import ClassRegularizedOTMapping
    >>> Xs, ys = np.array([[0.0], [1.0], [5.0], [6.0]]), [0, 0, 1, 1]
    >>> mapping = ClassRegularizedOTMapping().fit(Xs, ys, X_target=Xs + 2)
    >>> bool(np.abs(mapping.shifts_ - 2).max() < 0.6)
    True
    """

    regularization: float = 0.01
    class_regularization: float = 0.1
    max_iter: int = 10
    tolerance: float = 0.01

    _learns: ClassVar[Any] = "classes"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TransportMapping._parameter_constraints,
        "regularization": [Interval(Real, 0, None, closed="neither")],
        "class_regularization": [Interval(Real, 0, None, closed="left")],
        "max_iter": [POSITIVE_INTEGER],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
    }

    def _fit_source(self, domains):
        self.n_iter_ = 1

    def _shares(self, cost, a, b, y):
        _, codes = np.unique(y, return_inverse=True)
        plan, self.n_iter_ = class_regularized_plan(
            *(cost, a, b, codes, self.regularization, self.class_regularization),
            max_iter=self.max_iter,
            tolerance=self.tolerance,
        )
        limits = {"max_iter": STEPS, "tolerance": max(self.tolerance, STEP_TOLERANCE)}
        warn_of_error(type(self).__name__, marginal_error(plan, a, b), **limits)
        return plan / plan.sum(axis=1, keepdims=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def class_regularized_plan(
    cost, a, b, codes, regularization, weight, *, max_iter, tolerance, small=SMALL
):
    """Return the plan, and how many were computed on the way.

    It solves what :func:`ot.da.sinkhorn_lpl1_mm` does, without its array of n_t x n_s x n_classes,
    and on logarithms.
    """
    penalty, plan, start, n_plans = np.zeros((codes.max() + 1, len(b))), None, None, 0
    limits = {"max_iter": STEPS, "tolerance": min(tolerance, STEP_TOLERANCE)}
    while n_plans < max_iter:
        before, n_plans = plan, n_plans + 1
        full = cost + weight * penalty[codes]
        plan, start, _ = entropic_plan(full, a, b, regularization, start=start, **limits)
        if before is not None and abs(plan - before).sum() <= tolerance:
            break
        penalty = 0.5 / np.sqrt(class_shares(plan, codes, len(penalty)).T + small)
    return plan, n_plans
