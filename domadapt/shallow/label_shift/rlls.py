"""RLLS: proportions as in BBSE, held near those of the source as far as samples are few."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import optimize
from sklearn.utils._param_validation import Interval

from domadapt.domains.arrays import check_probabilities
from domadapt.domains.base import estimator
from domadapt.shallow.label_shift._proportions import (
    Proportions,
    read_held_out,
)
from domadapt.shallow.label_shift.bbse import shares

__all__ = ["RLLSProportions"]

# The bound of the paper on the error of the confusion matrix fails with this probability.
FAILURE = 0.05


@estimator
class RLLSProportions(Proportions):
    r"""Class proportions of the target by regularised learning under label shift.

    With :math:`C` and :math:`\mu` as in :class:`BBSEProportions`, :math:`b = \mu - C 1` and
    the ratios :math:`w = 1 + \gamma \theta`,
    :math:`\theta` minimises
    :math:`\lVert C \theta - b \rVert + \alpha \Delta \lVert \theta \rVert` subject to
    :math:`\theta \ge -1`, where
    :math:`\Delta = 3 \left(\frac{2 \log(2 k / \delta)}{3 n_s} + \sqrt{2 \log(2 k / \delta) / n_s}
    \right)` bounds the error of C for k classes with :math:`\delta = 0.05`. The more C
    confuses classes and the fewer samples there are, the nearer proportions stay to those of
    the source; a singular C is no error. Predictions are :math:`p(y|x) w(y)`, normalised.

    Cost: ``cv + 1`` fits of the classifier, and some hundred times k^3.

    It harms where features moved too; a warning tells which part of the target no
    proportions explain. With few samples it hardly corrects. Labels of target samples that
    are known are counted, and not trained on.

    Parameters
    ----------
    regularization : float, default=0.01
        :math:`\alpha`. With 0 it is BBSE whose ratios are at least 0.
    gamma : float, default=1.0
        :math:`\gamma`, the part of what was found that is made use of, from 0 to 1.
    calibration : {"bias_corrected", "temperature"} or None, default="bias_corrected"
        How held-out samples calibrate probabilities: by a temperature and a bias for each
        class, by a temperature alone, or not at all.
    cv : int, default=5
        Folds of the source, at most as many as its rarest class has samples.
    significance : float, default=0.01
        Proportions stay those of the source where ``p_value_`` is larger: what few samples
        tell of them would harm more than it helps. With 1 they never do for that.
    only_explained : bool, default=True
        Whether proportions also stay those of the source where ``unexplained_`` is larger than
        chance makes it, because samples moved too. There is a warning in either case.

    Attributes
    ----------
    class_proportions_ : ndarray of shape (n_classes,), float64
        Proportions of the classes in the target, in the order of the classes, by which
        predictions are corrected: those estimated, or those of the source.
    estimated_proportions_ : ndarray of shape (n_classes,), float64
        What was estimated, whether it is made use of or not.
    source_proportions_ : ndarray of shape (n_classes,), float64
        Proportions in the source, weighted by ``sample_weight``.
    temperature_ : float
        What logits are divided by.
    p_value_ : float
        How probable it is that mean probabilities differ as much as those of held-out source
        and target samples do, if proportions did not move.
    unexplained_ : float
        At least this part of the target is predicted as no mixture of the source's classes
        is: the largest difference of the distribution functions of a class's predicted
        probability, or of the largest probability, between the target and the source in the
        estimated proportions.
    confusion_ : ndarray of shape (n_classes, n_classes), float64
        :math:`C`, predicted classes in rows.

    See Also
    --------
    BBSEProportions : Without regularisation.

    References
    ----------
    Azizzadenesheli, Liu, Yang, Anandkumar (2019). "Regularized learning for domain adaptation
    under label shifts". ICLR.

    Examples
    --------
    >>> from domadapt.shallow import RLLSProportions
    >>> held_out, y = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1]
    >>> target = [[0.1, 0.9], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]
    >>> RLLSProportions(regularization=0.0).estimate(target, held_out, y).round(3)
    array([0.2, 0.8])
    >>> RLLSProportions(regularization=1.0).estimate(target, held_out, y).round(3)
    array([0.5, 0.5])
    """

    regularization: float = 0.01
    gamma: float = 1.0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Proportions._parameter_constraints,
        "regularization": [Interval(Real, 0, None, closed="left")],
        "gamma": [Interval(Real, 0, 1, closed="both")],
    }

    def estimate(self, target_probabilities: Any, source_probabilities: Any, y: Any) -> np.ndarray:
        """Return the class proportions of the target from predicted probabilities.

        Parameters
        ----------
        target_probabilities : array-like of shape (n_target, n_classes)
            Probabilities of target samples. Only the largest of each row is looked at.
        source_probabilities : array-like of shape (n_source, n_classes)
            Probabilities of source samples that the classifier has not seen.
        y : array-like of shape (n_source,)
            Their labels, all classes among them.

        Returns
        -------
        proportions : ndarray of shape (n_classes,), float64
            With sum 1.

        Raises
        ------
        ValueError
            If these are no probabilities.
        """
        self._validate_params()
        held_out = read_held_out(source_probabilities, y)
        n_classes = held_out.probabilities.shape[1]
        target = check_probabilities("target_probabilities", target_probabilities, n_classes)
        return self._solve(target, held_out)

    def _estimate(self, target_probabilities, held_out):
        self.confusion_ = held_out.confusion
        return self._solve(target_probabilities, held_out)

    def _solve(self, target, held_out):
        n_classes = target.shape[1]
        level = 2 * np.log(2 * n_classes / FAILURE) / held_out.effective_size
        penalty = self.regularization * 3 * (level / 3 + np.sqrt(level))
        theta = _regularised(held_out.confusion, shares(target), penalty)
        found = (1 + self.gamma * theta) * held_out.proportions
        return found / found.sum()


def _regularised(confusion, predicted, penalty):
    """Return the theta >= -1 of the least ||C theta - b|| + penalty ||theta||.

    It is one of those of the least ||C theta - b||^2 + ridge ||theta||^2, along which the
    objective falls and then rises.
    """
    n_classes = len(predicted)
    # The smallest of all ridges picks the shortest of several solutions.
    scale = np.square(confusion).sum()

    def theta_of(log_ridge):
        root = np.sqrt(scale) * np.exp(log_ridge / 2)
        A = np.vstack([confusion, root * np.eye(n_classes)])
        return optimize.nnls(A, np.append(predicted, np.full(n_classes, root)))[0] - 1

    def objective(theta):
        rest = confusion @ (theta + 1) - predicted
        return np.linalg.norm(rest) + penalty * np.linalg.norm(theta)

    bounds = np.log([1e-14, 1e8])
    best = optimize.minimize_scalar(
        lambda log_ridge: objective(theta_of(log_ridge)), bounds=bounds, method="bounded"
    ).x
    # At either end the objective may be the least without a slope that leads there.
    return min(theta_of(best), theta_of(bounds[0]), np.zeros(n_classes), key=objective)
