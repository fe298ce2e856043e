"""A few known target labels: a candidate that learns them, and the last word in the choice."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from domadapt.domains.cautions import warn
from domadapt.estimators._by_name import on_vectors
from domadapt.model_selection.auto._candidates import Candidate, seeded

# Fewer known labels tell nothing: one of them is a step of more than ten points.
LEAST_KNOWN = 10
# So many of the candidates that are rated best may take the place of the mixture.
N_RATED = 5
MIXTURE, VOTE, TAUGHT = "the mixture", "the plain vote", "MCC, few labels"
# Intervals hold on nine of ten.
QUANTILE = stats.norm.ppf(0.95)


@dataclass(frozen=True)
class KnownLabels:
    """Target samples whose labels are known, as rows, labels and columns of probabilities."""

    rows: np.ndarray
    y: np.ndarray
    codes: np.ndarray


def read_known_labels(estimator, domains):
    """Return what is known of the target, or None where that is nothing, or too little."""
    if domains.known is None:
        return None
    if len(domains.known) < LEAST_KNOWN:
        warn(
            f"y_target knows {len(domains.known)} labels, and at least {LEAST_KNOWN} were expected "
            f"to judge candidates by, so {type(estimator).__name__} does not use them. Give more, "
            "or fit one estimator that learns them, such as MCCClassifier."
        )
        return None
    codes = np.searchsorted(np.unique(domains.y), domains.y_known)
    return KnownLabels(domains.known, domains.y_known, codes)


def taught_candidate(known, n_target, generator):
    """Return the candidate that is fitted with the known labels, too."""
    y_target = np.full(n_target, None)
    y_target[known.rows] = known.y.tolist()
    made = Candidate(TAUGHT, on_vectors("mcc"), is_plain=False, y_target=y_target)
    return seeded(made, generator)


def choose_by_known(right):
    """Return the name that is right most often, the first unless it is beaten by far enough.

    Parameters
    ----------
    right : dict of str to ndarray of shape (n_known,), bool
        Which of the known labels each predicts. The first stays unless another is right more
        often by more than one standard error of the paired difference.

    Returns
    -------
    name : str
        One of the names.
    """
    first = next(iter(right))
    best = max(right, key=lambda name: right[name].mean())
    difference = right[best].astype(np.float64) - right[first]
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    # A difference in one sample is exactly one error, but for rounding.
    return best if difference.mean() > error * (1 + 1e-9) else first


def shrunk_accuracy(accuracy, interval, right):
    """Return the accuracy on known rows, shrunk towards an estimate made without labels.

    Both are averaged with weights 1 / variance: of the estimate by the width of its interval,
    of the n known rows p (1 - p) / n with p = (n_right + 1) / (n + 2).

    Returns
    -------
    accuracy : float
        Between the two.
    interval : tuple of two floats
        Of 90 %, within 0 and 1.
    """
    n_known, n_right = len(right), int(right.sum())
    p = (n_right + 1) / (n_known + 2)
    # One of the ends may have been cut off at 0 or 1.
    half = max(accuracy - interval[0], interval[1] - accuracy)
    precisions = np.array([(QUANTILE / half) ** 2, n_known / (p * (1 - p))])
    mean = float(np.average([accuracy, n_right / n_known], weights=precisions))
    half = QUANTILE / np.sqrt(precisions.sum())
    return mean, (float(max(mean - half, 0.0)), float(min(mean + half, 1.0)))
