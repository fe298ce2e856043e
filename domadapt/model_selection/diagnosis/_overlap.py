"""Weights of source rows by a calibrated domain classifier, and how far supports overlap."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from domadapt.shallow.label_shift._calibration import fit_scaling, scaled

FOLDS = 5
STRENGTHS = (0.001, 0.01, 0.1)
# Ratios of densities beyond this multiple of their mean are clipped to it.
MOST = 50.0
NEIGHBOUR, FARTHEST = 3, 0.99


@dataclass(frozen=True)
class Overlap:
    """Importance weights of source rows, and what they say of the supports.

    ``effective_share`` is the effective number of source rows over their number; ``outside``
    the share of target rows farther from the source than 99 of 100 source rows are.
    """

    weight: np.ndarray
    effective_share: float
    outside: float


def overlap(source, target, features_of_source, features_of_target, rng):
    """Return weights of source rows that were held out, and the overlap of the supports."""
    n_source, n_target = len(source), len(target)
    X = np.vstack([features_of_source, features_of_target])
    is_target = np.repeat([0, 1], [n_source, n_target])
    n_folds = min(FOLDS, n_source, n_target)
    seed = int(rng.integers(np.iinfo(np.int32).max))
    splits = list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(X, is_target))
    # Each domain has half of the weight, so that logits are logarithms of ratios of densities.
    weight = np.where(is_target == 1, 1 / n_target, 1 / n_source) * len(X) / 2
    held_out = _held_out(X, is_target, weight, splits)
    best = min((_calibrated(logit, is_target, weight) for logit in held_out), key=lambda f: f[0])
    ratio = np.exp(np.minimum(best[1][:n_source], np.log(MOST) + 5))
    ratio = np.minimum(ratio / ratio.mean(), MOST)
    share = ratio.sum() ** 2 / np.square(ratio).sum() / n_source
    return Overlap(ratio, float(share), _outside(source, target, rng))


def _held_out(X, is_target, weight, splits):
    """Return logits of rows that were held out, for each strength of the penalty."""
    logits = np.empty((len(STRENGTHS), len(X)))
    for seen, held in splits:
        scaler = StandardScaler().fit(X[seen])
        shown, asked = scaler.transform(X[seen]), scaler.transform(X[held])
        # Each begins where the one with the larger penalty ended.
        classifier = LogisticRegression(max_iter=200, warm_start=True)
        for logit, strength in zip(logits, STRENGTHS, strict=True):
            classifier.set_params(C=strength).fit(shown, is_target[seen], weight[seen])
            logit[held] = classifier.decision_function(asked)
    return logits


def _calibrated(logit, is_target, weight):
    """Return the loss of logits after calibration, and these."""
    both = np.column_stack([-logit / 2, logit / 2])
    log_p = scaled(both, *fit_scaling(both, is_target, weight, "bias_corrected"))
    loss = -weight @ log_p[np.arange(len(logit)), is_target]
    return loss, log_p[:, 1] - log_p[:, 0]


def _outside(source, target, rng):
    """Return the share of target rows farther from half of the source than the other half is."""
    scale = source.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    order = rng.permutation(len(source))
    half, other = np.array_split(source[order] / scale, 2)
    neighbours = NearestNeighbors(n_neighbors=min(NEIGHBOUR, len(half))).fit(half)
    usual = neighbours.kneighbors(other)[0][:, -1]
    found = neighbours.kneighbors(target / scale)[0][:, -1]
    return float(np.mean(found > np.quantile(usual, FARTHEST) * (1 + 1e-9)))
