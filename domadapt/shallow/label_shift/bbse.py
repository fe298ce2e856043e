"""BBSE: the class proportions that explain which classes are predicted in the target."""

from typing import Any

import numpy as np

from domadapt.domains.arrays import check_probabilities
from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.shallow.label_shift._proportions import (
    HeldOut,
    Proportions,
    read_held_out,
)

__all__ = ["BBSEProportions"]


@estimator
class BBSEProportions(Proportions):
    r"""Class proportions of the target by black box shift estimation.

    With :math:`C_{ij}` the share of held-out source samples that are predicted as i and are
    j, and :math:`\mu_i` the share of target samples that are predicted as i, the ratios
    :math:`w(y) = \pi_t(y) / \pi_s(y)` solve :math:`C w = \mu`. Ratios below 0 become 0, and
    the proportions get the sum 1. Predictions are :math:`p(y|x) w(y)`, normalised.

    The estimate needs no calibrated probabilities, the predictions do.

    Cost: ``cv + 1`` fits of the classifier, and C^3 with C classes.

    It fails where classes are not told apart, the confusion matrix being singular, which is
    an error, or nearly so, which is warned of. It harms where features moved too; a warning
    tells which part of the target no proportions explain. Labels of target samples that are
    known are counted, and not trained on.

    Parameters
    ----------
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
    RLLSProportions : Regularised, for few samples and classes that are confused.

    References
    ----------
    Lipton, Wang, Smola (2018). "Detecting and correcting for label shift with black box
    predictors". ICML.

    Examples
    --------
    >>> from domadapt.shallow import BBSEProportions
    >>> held_out, y = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], [0, 0, 1, 1]
    >>> target = [[0.1, 0.9], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]
    >>> BBSEProportions().estimate(target, held_out, y)
    array([0.2, 0.8])
    """

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
            If these are no probabilities, or the confusion matrix is singular.
        """
        self._validate_params()
        held_out = read_held_out(source_probabilities, y)
        n_classes = held_out.probabilities.shape[1]
        target = check_probabilities("target_probabilities", target_probabilities, n_classes)
        return _solve(target, held_out)

    def _estimate(self, target_probabilities, held_out):
        self.confusion_ = held_out.confusion
        return _solve(target_probabilities, held_out)


def _solve(target, held_out: HeldOut):
    """Return proportions for the ratios that solve the equations of the confusion matrix."""
    confusion, n_classes = held_out.confusion, target.shape[1]
    predicted = shares(target)
    smallest = np.linalg.svd(confusion, compute_uv=False)[-1]
    way_out = "Use RLLSProportions ('rlls') or EMProportions ('em')"
    if smallest <= n_classes * np.finfo(np.float64).eps:
        never = np.flatnonzero(confusion.sum(axis=1) == 0).tolist()
        why = f": classes {never} (counted from 0) are never predicted" if never else ""
        raise ValueError(
            f"The confusion matrix of BBSEProportions on held-out source samples is singular{why}, "
            f"so that no proportions can be told from it. {way_out}, or an estimator that tells "
            "the classes apart."
        )
    # Shares of n samples are off by 1 / sqrt(n), and the ratios by that over this value.
    n_samples = min(held_out.effective_size, len(target))
    off = 1 / (smallest * np.sqrt(n_samples * n_classes))
    if off > 1:
        warn(
            f"The confusion matrix of BBSEProportions on held-out source samples is nearly "
            f"singular: ratios of proportions may be off by {off:.1f} times their size. {way_out}."
        )
    ratio = np.maximum(np.linalg.solve(confusion, predicted), 0.0)
    found = ratio * held_out.proportions
    return found / found.sum()


def shares(target):
    """Return the share of samples that are predicted as each class."""
    return np.bincount(target.argmax(axis=1), minlength=target.shape[1]) / len(target)
