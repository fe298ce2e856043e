"""JDOT: transport of samples and labels jointly, in turn with training on the target."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.shallow._scores import class_scores, has_scores
from domadapt.shallow._training import fit_weighted
from domadapt.shallow._transport import class_shares, exact_plan
from domadapt.shallow.self_labelling._transported import (
    POSITIVE_INTEGER,
    TransportedLabels,
    fit_on_shares,
    with_known_classes,
)

__all__ = ["JDOT"]


@estimator
class JDOT(TransportedLabels):
    r"""Joint distribution optimal transport: a plan by samples and labels, and training, in turn.

    .. math::
        \min_{P, f} \sum_{ij} P_{ij} \big( \alpha C_{ij} + L(y_i, f(x'_j)) \big)

    C are squared distances divided by their mean. The plan P is exact, with the marginals of
    :class:`~domadapt.shallow.OTMapping`. f is the estimator, first trained on the source, and then
    in turn on the target samples with the labels that the plan leads to them. L is a number from
    0 to 1 for classes: half the squared distance of the label and ``predict_proba``; without that
    half of the hinge loss, at most 1, of how far the label leads in ``decision_function``; else
    whether ``predict`` is wrong.
    For values it is the squared error over the variance of the source's values. A target sample
    with several classes is learnt once for each, weighted by its share; an estimator that takes
    no weights learns the likeliest. Values are means by the plan. Known labels of target samples
    replace what is predicted and what is learnt there.

    Cost: for each iteration n^2 numbers, a little less than n^3 for the plan, where n is
    ``max_samples`` at the most, and a fit on the target. It harms where proportions of classes
    differ, since the target is given those of the source, and where an estimator that learns its
    training samples by heart, such as trees, confirms its own first labels.

    Parameters
    ----------
    alpha : float, default=1.0
        Weight of the distances.
    max_iter : int, default=20
        Most plans.
    tolerance : float, default=1e-2
        Ends when the objective changes by less than this share of itself.
    max_samples : int or None, default=2000
        Domains with more samples than this are represented by that many at random. The
        estimator learns those of the target. None takes all.
    random_state : int, RandomState instance or None, default=None
        Draws those samples. None draws the same each time.

    Attributes
    ----------
    objective_ : ndarray of shape (`n_iter_`,), float64
        What is minimised, by iteration, for the best plan. The first is that of the estimator
        trained on the source.
    n_iter_ : int
        Plans that were computed.
    target_indices_ : ndarray of shape (n_fitted,), int64
        Positions of the target samples that the estimator learnt.

    References
    ----------
    Courty, Flamary, Habrard, Rakotomamonjy (2017). "Joint distribution optimal transportation for
    domain adaptation". NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> from domadapt.shallow import JDOT, AdaptedClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[5, 2], [11, 2]], random_state=1)
    >>> clf = AdaptedClassifier(LogisticRegression(), JDOT()).fit(Xs, ys, X_target=Xt)
    >>> bool(clf.score(Xt, yt) > 0.9)
    True
    """

    alpha: float = 1.0
    max_iter: int = 20
    tolerance: float = 1e-2

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TransportedLabels._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [POSITIVE_INTEGER],
        "tolerance": [Interval(Real, 0, None, closed="left")],
    }

    def _train(self, estimator, domains):
        drawn, Y, cost, a, b = self._drawn(domains)
        X = domains.source.take(slice(None))
        fitted = fit_weighted(estimator, X, domains.y, domains.sample_weight)
        labels = (_Classes if is_classifier(estimator) else _Values)(domains, drawn)
        objective, change = [], np.inf
        for _ in range(self.max_iter):
            full = self.alpha * cost + labels.losses(fitted, Y)
            plan, _ = exact_plan(full, a, b)
            objective.append(float((plan * full).sum()))
            if len(objective) > 1:
                change = abs(objective[-2] - objective[-1]) / max(abs(objective[-2]), 1e-300)
            if change <= self.tolerance:
                break
            fitted = labels.learnt(type(self).__name__, estimator, fitted, Y, plan)
        self.objective_, self.n_iter_ = np.array(objective), len(objective)
        self._warn_of_change(change)
        return fitted

    def _warn_of_change(self, change):
        if self.max_iter > 1 and change > self.tolerance:
            warn(
                f"JDOT did not converge in max_iter={self.max_iter} plans: its objective still "
                f"changed by {change:.2g} of itself, and tolerance={self.tolerance:g} was asked "
                "for. Raise max_iter or tolerance.",
                ConvergenceWarning,
            )


class _Classes:
    """Classes that a plan brings, and what predictions of them cost."""

    def __init__(self, domains, drawn):
        self.classes, self.drawn = np.unique(domains.y), drawn
        self.codes = np.searchsorted(self.classes, drawn.y)

    def losses(self, fitted, Y):
        """Return what is lost at each target sample if it has the label of each source sample."""
        by_class = class_losses(fitted, Y, self.classes)
        if self.drawn.known is not None:
            wrong = self.classes != np.asarray(self.drawn.y_known)[:, None]
            by_class[self.drawn.known] = wrong
        return by_class.T[self.codes]

    def learnt(self, name, estimator, fitted, Y, plan):
        """Return the estimator trained with what a plan brings."""
        shares = class_shares(plan, self.codes, len(self.classes))
        shares = with_known_classes(shares, self.classes, self.drawn)
        return fit_on_shares(name, estimator, Y, shares, self.classes, lambda: fitted)


class _Values:
    """Values that a plan brings, and what predictions of them cost."""

    def __init__(self, domains, drawn):
        self.drawn, self.variance = drawn, np.var(domains.y, axis=0).sum()

    def losses(self, fitted, Y):
        """Return the squared errors between source values and predictions, by their variance."""
        predicted = np.array(fitted.predict(Y), dtype=np.float64)
        if self.drawn.known is not None:
            predicted[self.drawn.known] = self.drawn.y_known
        y = self.drawn.y
        predicted = predicted.reshape(len(predicted), -1)
        errors = euclidean_distances(y.reshape(len(y), -1), predicted, squared=True)
        return errors / (self.variance if self.variance > 0 else 1.0)

    def learnt(self, name, estimator, fitted, Y, plan):
        """Return the estimator trained with what a plan brings."""
        y = self.drawn.y
        values = plan.T @ y.reshape(len(y), -1) / plan.sum(axis=0)[:, None]
        values = values.reshape((len(values), *y.shape[1:]))
        if self.drawn.known is not None:
            values[self.drawn.known] = self.drawn.y_known
        return fit_weighted(estimator, Y, values)


def class_losses(fitted, Y, classes):
    """Return, by sample and class, what the prediction of a fitted estimator costs, 0 to 1."""
    if not has_scores(fitted):
        return (classes != np.asarray(fitted.predict(Y))[:, None]).astype(np.float64)
    scores, are_probabilities = class_scores(fitted, Y, classes)
    if are_probabilities:
        return 0.5 * (1 - 2 * scores + np.square(scores).sum(axis=1, keepdims=True))
    return np.clip((1 - _margins(scores)) / 2, 0, 1)


def _margins(scores):
    """Return how far the score of each class is above the best of the others."""
    ordered = np.sort(scores, axis=1)
    best, second = ordered[:, -1:], ordered[:, -2:-1]
    return scores - np.where(scores == best, second, best)
