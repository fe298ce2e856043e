"""The rule of the automatic choice for numbers: plain models unless they leave what is plausible."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import r2_score

# A plain model counts that explains at most so much less of the held-back source than the best.
MARGIN = 0.1
# Values are implausible that lie farther outside of the range of the source's than half of it;
# a model is where more than this share of what it predicts is.
IMPLAUSIBLE = 0.05
# One that predicts values all but alike is no model of the target.
LEAST_SPREAD = 0.1


@dataclass(frozen=True)
class ValueMixture:
    """The members whose mean is taken, and what was seen of each candidate."""

    weights: np.ndarray
    is_plain: bool
    implausible: np.ndarray
    spread: np.ndarray
    agreement: np.ndarray

    def combine(self, answers):
        """Return the weighted mean of what candidates predict, (M, n) or (M, n, n_outputs)."""
        return np.tensordot(self.weights, answers, axes=1)


def implausible_share(values, y):
    """Return the share of values that lie far outside of those of the source."""
    lowest, largest = y.min(axis=0), y.max(axis=0)
    margin = (largest - lowest) / 2
    outside = (values < lowest - margin) | (values > largest + margin)
    return float(outside.reshape(len(values), -1).any(axis=1).mean())


def mix_values(answers, is_plain, extrapolates, held_back, y_held_back, y):
    """Return the mixture for numbers.

    A model that extrapolates, such as ridge regression, leaves the range of the values where
    columns moved together and their meaning with them; then what scales or aligns the domains
    takes its place. Otherwise plain models stand.

    Parameters
    ----------
    answers : ndarray of shape (n_candidates, n_target) or (n_candidates, n_target, n_outputs)
        What the candidates predict for target samples.
    is_plain, extrapolates : ndarray of shape (n_candidates,), bool
        Which are plain, and which of these show by their predictions that columns moved.
    held_back : list of ndarray or None
        What plain candidates predict for the source samples that they were not shown.
    y_held_back, y : ndarray
        Values of these samples, and of all of the source.

    Returns
    -------
    mixture : ValueMixture
        Weights that add up to one.
    """
    implausible = np.array([implausible_share(values, y) for values in answers])
    scale = np.maximum(y.std(axis=0), 1e-300)
    spread = np.array([np.min(values.std(axis=0) / scale) for values in answers])
    sound = (implausible <= IMPLAUSIBLE) & (spread >= LEAST_SPREAD)
    moved = (extrapolates & (implausible > IMPLAUSIBLE)).any()
    judged = np.array(
        [-np.inf if held is None else r2_score(y_held_back, held) for held in held_back]
    )
    able = is_plain & (judged >= judged.max() - MARGIN)
    chosen = ~is_plain & sound if moved else able & sound
    if not chosen.any():
        chosen = able
    weights = chosen / chosen.sum()
    mean = np.tensordot(weights, answers, axes=1)
    distance = np.array([np.mean(abs(values - mean) / scale) for values in answers])
    return ValueMixture(weights, not (moved and chosen is not able), implausible, spread, -distance)
