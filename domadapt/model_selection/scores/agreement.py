"""Scores from whether models agree: with others, with another seed, with the source model."""

from typing import Any

import numpy as np

from domadapt.domains.arrays import (
    check_classes,
    check_same_kind,
    has_columns,
    read_labels,
    read_probabilities,
    read_values,
)
from domadapt.model_selection.scores._losses import (
    LOSSES_OF_LABELS,
    as_score,
    check_loss,
    sample_losses,
)

__all__ = [
    "circular_validation_score",
    "contradiction_score",
    "disagreement_score",
    "ensemble_agreement_score",
]


def ensemble_agreement_score(
    target_predicted: Any, candidates_predicted: Any, *, loss: str = "zero_one"
) -> float:
    r"""Agreement with the mean of all candidates (EnsV).

    With :math:`\bar p` the mean of the probabilities of all candidates,
    :math:`\frac1n \sum_j [\arg\max p_j = \arg\max \bar p_j]`; for values minus the mean squared
    difference to their mean.

    Cost: n C for each candidate.

    The mean is as good as the pool: where most candidates make the same mistakes, the right
    one is the outsider. The mean of the five best by it gained most among the rules that were
    measured, and harmed 12 of 96 pairs by more than a point, 31 at worst.

    Parameters
    ----------
    target_predicted : array-like of shape (n_target, n_classes) or (n_target, n_outputs)
        Probabilities, or values, of target samples by the model that is scored.
    candidates_predicted : sequence of array-likes of the same shape
        Those of all candidates.
    loss : {"zero_one", "squared_error"}, default="zero_one"
        "zero_one" for classes, "squared_error" for values.

    Returns
    -------
    score : float
        A share, from 0 to 1; for values at most 0.

    Raises
    ------
    ValueError
        If there are no candidates, shapes differ, or these are no probabilities.

    References
    ----------
    Hu, Luo, Liang, Foo (2024). "Towards reliable model selection for unsupervised domain
    adaptation: an empirical study and a certified baseline". NeurIPS.

    Examples
    --------
    >>> from domadapt.model_selection import ensemble_agreement_score
    >>> candidates = [[[0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.1, 0.9]]]
    >>> ensemble_agreement_score(candidates[0], candidates)
    0.5
    """
    check_loss(loss, LOSSES_OF_LABELS)
    candidates = list(candidates_predicted)
    if not candidates:
        raise ValueError("candidates_predicted is empty, and one candidate at least was expected.")
    read = read_values if loss == "squared_error" else read_probabilities
    own = read("target_predicted", target_predicted)
    mean = np.zeros_like(own)
    for number, candidate in enumerate(candidates):
        name = f"candidates_predicted[{number}]"
        found = read(name, candidate)
        if found.shape != own.shape:
            raise ValueError(
                f"{name} has shape {found.shape}, and that of target_predicted, {own.shape}, was "
                "expected."
            )
        mean += found / len(candidates)
    if loss == "squared_error":
        return as_score(np.square(own - mean).mean(), loss)
    return float((own.argmax(axis=1) == mean.argmax(axis=1)).mean())


def disagreement_score(first: Any, second: Any, *, loss: str = "zero_one") -> float:
    r"""Agreement of two trainings of one method (generalised disagreement, GDE).

    :math:`1 - \frac1n \sum_j [h(x_j) \ne h'(x_j)]` on target samples, with h and h' trained
    from different seeds or on different samples; for values minus the mean squared difference.
    Where the mean over many such trainings is calibrated, it is the accuracy in expectation.

    Cost: n, and a second training.

    Away from the source ensembles are not calibrated, and two trainings make the same
    mistakes: as an estimate of the accuracy it was off by .077 on average. Trainings that
    both collapse to one class agree wholly.

    Parameters
    ----------
    first : array-like of shape (n_target,) or (n_target, n_outputs)
        Labels, or values, that one model predicts for target samples.
    second : array-like of shape (n_target,) or (n_target, n_outputs)
        Those of the other.
    loss : {"zero_one", "squared_error"}, default="zero_one"
        "zero_one" for classes, "squared_error" for values.

    Returns
    -------
    score : float
        A share, from 0 to 1; for values at most 0.

    Raises
    ------
    ValueError
        If the lengths differ, or labels are missing.

    References
    ----------
    Jiang, Nagarajan, Baek, Kolter (2022). "Assessing generalization of SGD via disagreement".
    ICLR.

    Examples
    --------
    >>> from domadapt.model_selection import disagreement_score
    >>> disagreement_score(["a", "b", "a", "a"], ["a", "b", "b", "a"])
    0.75
    """
    names = "first", "second"
    losses = sample_losses(first, second, loss, names=names, losses=LOSSES_OF_LABELS)
    return as_score(losses.mean(), loss)


def circular_validation_score(y_source: Any, labels_back: Any, *, loss: str = "zero_one") -> float:
    r"""Whether a model that learns the target's predicted labels predicts those of the source.

    The model labels the target; one of its kind is trained on the target with these labels,
    and predicts the source: :math:`\frac1n \sum_i [\tilde y_i = y_i]`, for values minus the
    mean squared error.

    Cost: n, and a second training. The scorer makes it.

    Predictions that map clusters onto clusters consistently come back whole, even if the
    classes changed places; a single class for all of the target comes back as the share of
    that class. In the stored results of skada-bench choosing by it loses least among the
    scores, 2.0 points against target labels, and 40 at worst.

    Parameters
    ----------
    y_source : array-like of shape (n_source,) or (n_source, n_outputs)
        True labels, or values, of source samples.
    labels_back : array-like of shape (n_source,) or (n_source, n_outputs)
        What the model that was trained on the target's predicted labels predicts for them.
    loss : {"zero_one", "squared_error"}, default="zero_one"
        "zero_one" for classes, "squared_error" for values.

    Returns
    -------
    score : float
        An accuracy, from 0 to 1; for values at most 0.

    Raises
    ------
    ValueError
        If the lengths differ, or labels are missing.

    References
    ----------
    Bruzzone, Marconcini (2010). "Domain adaptation problems: a DASVM classification technique and
    a circular validation strategy". IEEE Transactions on Pattern Analysis and Machine
    Intelligence 32.

    Examples
    --------
    >>> from domadapt.model_selection import circular_validation_score
    >>> circular_validation_score([0, 1, 1, 0], [0, 1, 1, 1])
    0.75
    """
    names = "y_source", "labels_back"
    losses = sample_losses(y_source, labels_back, loss, names=names, losses=LOSSES_OF_LABELS)
    return as_score(losses.mean(), loss)


def contradiction_score(target_labels: Any, source_proba: Any, *, classes: Any = None) -> float:
    r"""Minus how sure a source model is of the labels that are contradicted.

    With :math:`q` the probabilities of a model for the source alone, calibrated on source
    samples that it has not seen, :math:`-\frac1n \sum_j \max_k q_{jk} \, [\hat y_j \ne \arg\max_k
    q_{jk}]`.

    Cost: n C.

    It guards against harm, and finds no gain: the source model itself has the best score.
    Where a sure source model is wrong, as on digits of another kind, it is against every
    model that is right. The five best by information maximisation minus three times the
    contradiction, mixed, harmed 6 of 96 pairs significantly; the mean of all candidates 13.

    Parameters
    ----------
    target_labels : array-like of shape (n_target,) or (n_target, n_classes)
        Labels that the model predicts for target samples: columns of ``source_proba``, or
        labels out of ``classes``; or its probabilities.
    source_proba : array-like of shape (n_target, n_classes)
        Calibrated probabilities of the same samples by the source model.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. None stands for 0 to n_classes - 1.

    Returns
    -------
    score : float
        From -1 to 0.

    Raises
    ------
    ValueError
        If lengths, labels or probabilities are not as described.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017). "On calibration of modern neural networks". ICML. (For
    the calibration; the score is domadapt's own.)

    Examples
    --------
    >>> from domadapt.model_selection import contradiction_score
    >>> contradiction_score([0, 0], [[0.9, 0.1], [0.25, 0.75]])
    -0.375
    """
    proba = read_probabilities("source_proba", source_proba)
    expected = proba.argmax(axis=1)
    if has_columns("target_labels", target_labels):
        own = read_probabilities("target_labels", target_labels, proba.shape[1], len(proba))
        differs = own.argmax(axis=1) != expected
    else:
        classes = np.arange(proba.shape[1]) if classes is None else np.array(list(classes))
        check_classes(classes, proba.shape[1])
        said = read_labels("target_labels", target_labels, len(proba))
        check_same_kind("target_labels", said, "classes", classes)
        # A label that the source model does not know contradicts it.
        differs = said != classes[expected]
    return -float(np.mean(proba.max(axis=1) * differs)) + 0.0
