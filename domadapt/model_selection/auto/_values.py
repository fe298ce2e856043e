"""The rule of the automatic choice for numbers: plain models, unless columns moved."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from domadapt.model_selection._smoothness import MOST_SAMPLES, some_rows

# A plain model counts that explains at most so much less of the held-back source than the best.
MARGIN = 0.05
# Components that explain so much of the variance span the space in which the source lies.
EXPLAINED = 0.95
# Columns moved where the mean of the target is outside of that space by more than this times
# what samples of the source are.
MOVED = 6.0
# Values are implausible that lie farther outside of the range of the source's than half of it.
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


def displacement(X, X_target, generator):
    """Return how far columns of the target moved apart from each other.

    Within the space of its leading components the source varies anyway, and so may the target.
    What the mean of the target is outside of it, other instruments do, or other units: the
    squared length of that, over the mean squared length of what source samples are outside.
    """
    rows = generator.permutation(some_rows(len(X), MOST_SAMPLES, generator))
    varies = X[rows].std(axis=0) > 1e-6
    if len(rows) < 4 or not varies.any():
        return 0.0
    source = X[rows][:, varies]
    scale = source.std(axis=0)
    fitted_on, held = np.array_split(source / scale, 2)
    n_most = min(fitted_on.shape)
    seed = generator.randint(np.iinfo(np.int32).max)
    reduction = PCA(min(n_most, 200), random_state=seed).fit(fitted_on)
    n_kept = 1 + int(np.searchsorted(np.cumsum(reduction.explained_variance_ratio_), EXPLAINED))
    directions = reduction.components_[:n_kept]

    def outside(difference):
        rest = difference - difference @ directions.T @ directions
        return np.sum(rest**2, axis=-1)

    moved = outside(X_target[:, varies].mean(axis=0) / scale - held.mean(axis=0))
    usual = outside(held - reduction.mean_).mean()
    return float(moved / max(usual, 1e-9 * varies.sum()))


def implausible_share(values, y):
    """Return the share of values that lie far outside of those of the source."""
    lowest, largest = y.min(axis=0), y.max(axis=0)
    margin = (largest - lowest) / 2
    outside = (values < lowest - margin) | (values > largest + margin)
    return float(outside.reshape(len(values), -1).any(axis=1).mean())


def mix_values(answers, is_plain, recentres, moved, held_back, y_held_back, y):
    """Return the mixture for numbers: plain models, or what recentres where columns moved.

    Parameters
    ----------
    answers : ndarray of shape (n_candidates, n_target) or (n_candidates, n_target, n_outputs)
        What the candidates predict for target samples.
    is_plain, recentres : ndarray of shape (n_candidates,), bool
        Which are plain, and which do not depend on what target columns are shifted by.
    moved : bool
        Whether columns of the target moved.
    held_back : list of ndarray or None
        What plain candidates predict for the source samples that they were not shown.
    y_held_back, y : ndarray
        Values of these samples, and of all of the source.

    Returns
    -------
    mixture : ValueMixture
        Weights that add up to one.
    """
    scale = np.maximum(y.std(axis=0), 1e-300)
    implausible = np.array([implausible_share(values, y) for values in answers])
    spread = np.array([np.min(values.std(axis=0) / scale) for values in answers])
    sound = (implausible <= IMPLAUSIBLE) & (spread >= LEAST_SPREAD)
    judged = np.array(
        [-np.inf if held is None else r2_score(y_held_back, held) for held in held_back]
    )
    able = is_plain & (judged >= judged.max() - MARGIN)
    adapts = moved and (recentres & sound).any()
    chosen = recentres & sound if adapts else able & sound
    if not chosen.any():
        chosen = able
    weights = chosen / chosen.sum()
    mean = np.tensordot(weights, answers, axes=1)
    distance = [np.mean(abs(values - mean) / scale) for values in answers]
    return ValueMixture(weights, not adapts, implausible, spread, -np.array(distance))
