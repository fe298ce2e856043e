"""How well rows of two domains are told apart by a linear classifier that has not seen them."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats

FOLDS = 5
PENALTIES = np.logspace(-3, 1, 7)
LEVEL = 0.95
# The smallest variance that is no rounding.
TINY = 1e-18
# Of columns of variance 1: what varies less without the rows of a fold is rounding alone.
ROUNDING = 1e-10
# By how much scores of five folds that share their training rows vary more than those of rows
# apart (Nadeau and Bengio 2003).
INFLATION = np.sqrt(1 + FOLDS / (FOLDS - 1))


@dataclass(frozen=True)
class ToldApart:
    """How well source and target rows are told apart by a classifier that has not seen them.

    ``source`` and ``target`` are the scores, ``weight`` the weights of source rows.
    """

    auc: float
    interval: tuple
    p_value: float
    error: float
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    @property
    def proxy_a_distance(self):
        """2 (1 - 2 error), between 0 and 2."""
        return float(np.clip(2 * (1 - 2 * self.error), 0.0, 2.0))


def tell_apart(source, target, rng, weight=None):
    """Return how well features of source rows, weighted, and of target rows are told apart.

    By ridge regression on the domain, whose penalty generalised cross-validation chooses.
    """
    weight = np.ones(len(source)) if weight is None else weight
    of_source, of_target = (_folds(len(part), rng) for part in (source, target))
    source, target = _standardised(source, target)
    parts = [
        np.array(
            [
                _moments(source[of_source == fold], weight[of_source == fold]),
                _moments(target[of_target == fold], np.ones(np.sum(of_target == fold))),
            ]
        )
        for fold in range(FOLDS)
    ]
    whole = np.sum(parts, axis=0)
    penalty = _penalty(whole, weight, len(target))
    scores, target_scores = np.empty(len(source)), np.empty(len(target))
    for fold, part in enumerate(parts):
        held, asked = of_source == fold, of_target == fold
        intercept, coefficients = _direction(whole - part, penalty)
        scores[held] = intercept + source[held] @ coefficients
        target_scores[asked] = intercept + target[asked] @ coefficients
    auc, deviation = weighted_auc(scores, weight, target_scores)
    deviation *= INFLATION
    half = stats.norm.ppf((1 + LEVEL) / 2) * deviation
    interval = tuple(float(np.clip(auc + side * half, 0.0, 1.0)) for side in (-1, 1))
    p_value = float(stats.norm.sf((auc - 0.5) / max(deviation, 1e-12)))
    wrong = weight[scores > 0].sum() / weight.sum() + np.mean(target_scores <= 0)
    return ToldApart(auc, interval, p_value, float(wrong / 2), scores, target_scores, weight)


def _folds(n_rows, rng):
    return rng.permutation(n_rows) % FOLDS


def _standardised(source, target):
    """Return features around 0 in units of their spread, so that moments lose no digits."""
    X = np.vstack([source, target])
    X -= X.mean(axis=0)
    X /= np.sqrt(np.maximum(np.square(X).mean(axis=0), TINY))
    return X[: len(source)], X[len(source) :]


def _moments(X, weight):
    """Return the weighted sums of products of the columns and of a column of ones before them.

    Those of the rows that a fold does not hold back are the difference of two such sums.
    """
    X = np.column_stack([np.ones(len(X)), X])
    return (X * weight[:, None]).T @ X


def _equations(moments):
    """Return means, scales, correlations and those with the domain, -1 and 1.

    From the moments of the source and those of the target, which have half of the weight each.
    """
    source, target = (part / part[0, 0] for part in moments)
    both = (source + target) / 2
    mean = both[0, 1:]
    covariance = both[1:, 1:] - np.outer(mean, mean)
    scale = np.sqrt(np.maximum(np.diag(covariance), ROUNDING))
    along = (target[0, 1:] - source[0, 1:]) / 2 / scale
    return mean, scale, covariance / np.outer(scale, scale), along


def _penalty(moments, weight, n_target):
    """Return the penalty of the smallest generalised cross-validation error."""
    _, _, gram, along = _equations(moments)
    values, vectors = np.linalg.eigh(gram)
    values, along = np.maximum(values, 0.0), vectors.T @ along
    # The folds have fewer rows by one fold, and it is their penalty that is asked for.
    kept = (FOLDS - 1) / FOLDS
    n_effective = kept * 4 / (np.square(weight / weight.sum()).sum() + 1 / n_target)

    def risk(penalty):
        """Return the error, of labels of variance 1."""
        shrunk = along / (values + penalty)
        residual = 1 - 2 * along @ shrunk + values @ np.square(shrunk)
        freedom = min((values / (values + penalty)).sum() / n_effective, 0.99)
        return residual / (1 - freedom) ** 2

    return min(PENALTIES, key=risk)


def _direction(moments, penalty):
    """Return the intercept and the coefficients of scores: above 0 what looks like target rows."""
    mean, scale, gram, along = _equations(moments)
    gram[np.diag_indices_from(gram)] += penalty
    coefficients = linalg.solve(gram, along, assume_a="pos") / scale
    return -mean @ coefficients, coefficients


def weighted_auc(source, weight, target):
    """Return the area under the ROC curve with weights, and its standard deviation (DeLong)."""
    weight = weight / weight.sum()
    below = _mass_below(source, weight, target)
    above = 1 - _mass_below(target, np.full(len(target), 1 / len(target)), source)
    auc = float(below.mean())
    variance = (
        np.square(weight * (above - auc)).sum() + np.square((below - auc) / len(target)).sum()
    )
    return auc, float(np.sqrt(variance))


def _mass_below(values, weight, at):
    """Return the mass of values below each point, half of what ties with it."""
    order = np.argsort(values, kind="stable")
    values, mass = values[order], np.append(0.0, np.cumsum(weight[order]))
    sides = [mass[np.searchsorted(values, at, side=side)] for side in ("left", "right")]
    return (sides[0] + sides[1]) / 2
