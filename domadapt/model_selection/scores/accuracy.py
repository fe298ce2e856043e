"""Scores that estimate the accuracy on the target from confidences on held-out source samples."""

from typing import Any

import numpy as np
from scipy import special

from domadapt.domains.arrays import codes_of, read_probabilities, read_proportions
from domadapt.model_selection.scores._parameters import check_parameters

__all__ = [
    "average_thresholded_confidence_score",
    "confidence_optimal_transport_score",
    "difference_of_confidences_score",
]


def average_thresholded_confidence_score(
    y_source: Any,
    source_proba: Any,
    target_proba: Any,
    *,
    confidence: str = "maximum",
    classes: Any = None,
) -> float:
    r"""Average thresholded confidence (ATC): an estimate of the accuracy on the target.

    The threshold t is the largest confidence for which no more held-out source samples are less
    confident than are predicted wrongly, so that the share of the others is their accuracy. The
    estimate is the same share of the target, :math:`\frac1n \sum_j [c(p_j) \ge t]`.

    Cost: n C, and sorting.

    Calibrate the probabilities first, by a temperature on held-out source samples. Adapted
    models are sure of target samples because they were trained to be, so that it favours those
    that are trained hardest; a collapsed model that is sure has the score 1. As an estimate
    of the accuracy it was off by .02 to .28, .09 on average.

    Parameters
    ----------
    y_source : array-like of shape (n_source,)
        Labels of held-out source samples: columns of the probabilities, or out of ``classes``.
    source_proba : array-like of shape (n_source, n_classes)
        Their predicted probabilities.
    target_proba : array-like of shape (n_target, n_classes)
        Those of target samples.
    confidence : {"maximum", "negative_entropy"}, default="maximum"
        How sure a row of probabilities is.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. None stands for 0 to n_classes - 1.

    Returns
    -------
    accuracy : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If lengths, labels or probabilities are not as described.

    References
    ----------
    Garg, Balakrishnan, Lipton, Neyshabur, Sedghi (2022). "Leveraging unlabeled data to predict
    out-of-distribution performance". ICLR.

    Examples
    --------
    >>> from domadapt.model_selection import average_thresholded_confidence_score
    >>> source = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]  # the last is wrong
    >>> target = [[0.65, 0.35], [0.05, 0.95]]
    >>> average_thresholded_confidence_score([0, 0, 1, 1], source, target)
    0.5
    """
    check_parameters("average_thresholded_confidence_score", confidence=confidence)
    source, target, right = _read(y_source, source_proba, target_proba, classes)
    ordered, of_target = np.sort(_confidence(source, confidence)), _confidence(target, confidence)
    n_wrong = int((~right).sum())
    threshold = ordered[n_wrong] if n_wrong < len(ordered) else np.inf
    return float((of_target >= threshold).mean())


def difference_of_confidences_score(
    y_source: Any, source_proba: Any, target_proba: Any, *, classes: Any = None
) -> float:
    r"""Difference of confidences (DoC): the accuracy falls by as much as the confidence does.

    The accuracy on held-out source samples, plus the mean largest probability of target
    samples, minus that of the source samples; between 0 and 1.

    Cost: n C.

    It fails as :func:`average_thresholded_confidence_score` does: adapted and collapsed models
    are sure of the target without being right. As an estimate of the accuracy it was off by
    .09 on average.

    Parameters
    ----------
    y_source : array-like of shape (n_source,)
        Labels of held-out source samples: columns of the probabilities, or out of ``classes``.
    source_proba : array-like of shape (n_source, n_classes)
        Their predicted probabilities.
    target_proba : array-like of shape (n_target, n_classes)
        Those of target samples.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. None stands for 0 to n_classes - 1.

    Returns
    -------
    accuracy : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If lengths, labels or probabilities are not as described.

    References
    ----------
    Guillory, Shankar, Ebrahimi, Darrell, Schmidt (2021). "Predicting with confidence on unseen
    distributions". ICCV.

    Examples
    --------
    >>> from domadapt.model_selection import difference_of_confidences_score
    >>> source, target = [[1.0, 0.0], [0.25, 0.75]], [[0.75, 0.25], [0.75, 0.25]]
    >>> difference_of_confidences_score([0, 1], source, target)
    0.875
    """
    source, target, right = _read(y_source, source_proba, target_proba, classes)
    moved = _confidence(target, "maximum").mean() - _confidence(source, "maximum").mean()
    return float(np.clip(right.mean() + moved, 0, 1))


def confidence_optimal_transport_score(target_proba: Any, class_proportions: Any) -> float:
    r"""Confidence optimal transport (COT): what it costs to make labels of the predictions.

    Each target sample is given a label, so that labels have the proportions :math:`\pi` of the
    source, and pays :math:`\|p - e_k\|_\infty = 1 - p_k` for label k. The score is
    :math:`1 - W(\{p_j\}, \pi)` with the least mean cost W, that of exact optimal transport
    (samples may be split). An estimate of the accuracy on the target, at most the mean confidence.

    Cost: exact transport of n samples to C classes, about n^2 C at worst.

    One class for all of the target is paid for, which the mean confidence does not see. Where
    class proportions moved, the right predictions are paid for too, and it prefers models that
    move samples to the wrong class.

    Parameters
    ----------
    target_proba : array-like of shape (n_target, n_classes)
        Predicted probabilities of target samples, calibrated on held-out source samples.
    class_proportions : array-like of shape (n_classes,)
        Expected proportions of the classes, as a rule those of the source.

    Returns
    -------
    accuracy : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If these are no probabilities, or proportions of another number of classes.

    References
    ----------
    Lu, Qin, Zhai, Shen, Chen, Wang, Kolouri, Stepputtis, Campbell, Sycara (2023).
    "Characterizing out-of-distribution error via optimal transport". NeurIPS.

    Examples
    --------
    >>> from domadapt.model_selection import confidence_optimal_transport_score
    >>> confidence_optimal_transport_score([[1.0, 0.0], [1.0, 0.0]], [0.5, 0.5])
    0.5
    """
    import ot  # type: ignore[import-untyped]

    proba = read_probabilities("target_proba", target_proba)
    proportions = read_proportions("class_proportions", class_proportions, proba.shape[1])
    shares = np.full(len(proba), 1 / len(proba))
    cost = ot.emd2(shares, proportions, 1 - proba, numItermax=10**7)
    return float(np.clip(1 - cost, 0, 1))


def _read(y, source_proba, target_proba, classes):
    """Return probabilities of both domains, and where those of the source are right."""
    source = read_probabilities("source_proba", source_proba)
    target = read_probabilities("target_proba", target_proba, source.shape[1])
    codes = codes_of("y_source", y, source.shape, classes)
    return source, target, source.argmax(axis=1) == codes


def _confidence(proba, which):
    """Return how sure each row is."""
    return proba.max(axis=1) if which == "maximum" else -special.entr(proba).sum(axis=1)
