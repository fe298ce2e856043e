"""How many target samples a mixture gets right, estimated without their labels."""

import numpy as np

# Half the width of an interval is this times the root of how much plain models disagree. Found
# by benchmarks/selection.py, so that intervals held on nine of ten pairs of other data sets.
WIDTH = 0.55


def estimate_accuracy(proba, mixed, anchor, is_plain, is_corrected=False):
    """Return an estimate of the accuracy of a mixture, and an interval of 90 %.

    The mean of three figures: the probability that all candidates together give to the label
    that was chosen, the same with the anchor by geometric mean, and how often two of the plain
    models agree.

    Parameters
    ----------
    proba : ndarray of shape (n_candidates, n_target, n_classes)
        What the candidates predict.
    mixed, anchor : ndarray of shape (n_target, n_classes)
        The probabilities of the mixture, and the smoothed vote of the plain models.
    is_plain : ndarray of shape (n_candidates,), bool
        Which are the plain models.
    is_corrected : bool, default=False
        Whether the mixture is the vote corrected for moved proportions: its own confidence is
        the estimate then, since the others have not been corrected.

    Returns
    -------
    accuracy : float
        Between 0 and 1.
    interval : tuple of two floats
        Around it, within 0 and 1.
    """
    agreement = mean_agreement(proba[is_plain].argmax(axis=2))
    if is_corrected:
        return _with_interval(float(mixed.max(axis=1).mean()), agreement)
    rows, labels = np.arange(len(mixed)), mixed.argmax(axis=1)
    of_all = proba.mean(axis=0)[rows, labels]
    with_anchor = np.sqrt(of_all * anchor[rows, labels])
    accuracy = float(np.mean([of_all.mean(), with_anchor.mean(), agreement]))
    return _with_interval(accuracy, agreement)


def _with_interval(accuracy, agreement):
    half = WIDTH * np.sqrt(1.02 - agreement)
    return accuracy, (float(max(accuracy - half, 0.0)), float(min(accuracy + half, 1.0)))


def mean_agreement(labels):
    """Return how often two of several models agree, averaged over all pairs; 1 for one alone."""
    n_models = len(labels)
    pairs = [
        np.mean(labels[first] == labels[second])
        for first in range(n_models)
        for second in range(first)
    ]
    return float(np.mean(pairs)) if pairs else 1.0
