"""How many target samples a mixture gets right, estimated without their labels."""

import numpy as np
from scipy import special

# In logits, what the candidates' own probability is mended by: half the agreement of plain models
# on source samples, less this. Problems on which these agree are easier than candidates together
# say, and harder otherwise. Found by leaving one data set out at a time, rounded.
SHARE, OFFSET = 0.5, 1.1
# Shares beyond these have their logits.
LEAST, MOST = 0.01, 0.99
# Half the width of an interval is this times the root of how much plain models disagree. Found
# by benchmarks/selection.py, so that intervals held on nine of ten pairs of other data sets.
WIDTH = 0.55


def estimate_accuracy(proba, mixed, is_plain, held_out, is_corrected=False):
    """Return an estimate of the accuracy of a mixture, and an interval of 90 %.

    The probability that all candidates together give to the label that was chosen, mended by how
    often two of the plain models agree on source samples that they have not seen.

    Parameters
    ----------
    proba : ndarray of shape (n_candidates, n_target, n_classes)
        What the candidates predict.
    mixed : ndarray of shape (n_target, n_classes)
        The probabilities of the mixture.
    is_plain : ndarray of shape (n_candidates,), bool
        Which are the plain models.
    held_out : ndarray of shape (n_plain, n_held, n_classes)
        What these say of source samples that they have not seen.
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
    accuracy = float(proba.mean(axis=0)[np.arange(len(mixed)), mixed.argmax(axis=1)].mean())
    if len(held_out) > 1:
        of_source = mean_agreement(held_out.argmax(axis=2))
        logits = special.logit(np.clip([accuracy, of_source], LEAST, MOST))
        accuracy = float(special.expit(logits @ [1.0, SHARE] - OFFSET))
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
