"""Whether class proportions alone moved, and the plain vote corrected for that."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from domadapt.shallow.label_shift._calibration import fit_scaling, scaled
from domadapt.shallow.label_shift._proportions import (
    UNEXPLAINED,
    HeldOut,
    p_value_of_means,
    unexplained_share,
)
from domadapt.shallow.label_shift.em import EMProportions

SIGNIFICANCE = 0.01
# Plain models see the same proportions where these moved: estimates by two of them differ by less
# than this part of what they moved by.
SPREAD = 0.3
# Power of the ratio by which predictions are corrected. The whole of it gains little more where
# the estimate is right, and loses much where features moved after all.
POWER = 0.7
LOWEST = 1e-9


@dataclass(frozen=True)
class Correction:
    """Corrects votes of plain models for proportions of classes that moved."""

    temperature: float
    bias: np.ndarray
    source: np.ndarray
    target: np.ndarray

    def correct(self, vote):
        """Return the corrected probabilities."""
        log_p = scaled(np.log(np.maximum(vote, LOWEST)), self.temperature, self.bias)
        ratio = np.log(np.maximum(self.target / self.source, LOWEST))
        return special.softmax(log_p + POWER * ratio, axis=1)


def find_moved_proportions(held_out, target, codes, weights):
    """Return the correction where moved proportions explain the target, else None.

    They do where mean probabilities differ for more than chance, source samples that are
    weighted to the estimated proportions are predicted as target samples are, and plain
    models agree on the proportions.

    Parameters
    ----------
    held_out : ndarray of shape (n_plain, n_held, n_classes)
        What plain models say of source samples that they have not seen.
    target : ndarray of shape (n_plain, n_target, n_classes)
        What they say of target samples.
    codes : ndarray of shape (n_held,)
        Columns of the true classes of the held-out samples.
    weights : ndarray of shape (n_plain,)
        Weights of the models in their vote.

    Returns
    -------
    correction : Correction or None
        What corrects votes.
    """
    if np.bincount(codes, minlength=target.shape[2]).min() == 0:
        return None
    held_vote, vote = (np.tensordot(weights, part, axes=1) for part in (held_out, target))
    temperature, bias, calibrated, of_target, estimated = _estimate(held_vote, vote, codes)
    source = calibrated.proportions
    moved = abs(estimated - source).sum() / 2
    if p_value_of_means(calibrated, of_target) > SIGNIFICANCE:
        return None
    if not _explains(calibrated, of_target, estimated / source):
        return None
    each = [_estimate(*pair, codes)[4] for pair in zip(held_out, target, strict=True)]
    apart = [abs(first - second).sum() / 2 for i, first in enumerate(each) for second in each[:i]]
    if not apart or np.mean(apart) >= SPREAD * moved:
        return None
    return Correction(temperature, bias, source, estimated)


def _estimate(held_out, target, codes):
    """Return a calibration, both sides under it, and the estimated proportions of the target."""
    logits = np.log(np.maximum(held_out, LOWEST))
    temperature, bias = fit_scaling(logits, codes, np.ones(len(codes)), "bias_corrected")
    calibrated = HeldOut(np.exp(scaled(logits, temperature, bias)), codes, np.ones(len(codes)))
    of_target = np.exp(scaled(np.log(np.maximum(target, LOWEST)), temperature, bias))
    estimated = EMProportions(tol=1e-3).estimate(of_target, calibrated.proportions)
    return temperature, bias, calibrated, of_target, estimated


def _explains(held_out, target, ratio):
    """Return whether weighted source samples are predicted as target samples are."""
    weight = held_out.weight * ratio[held_out.codes]
    unexplained, by_chance = unexplained_share(held_out, weight, target)
    return unexplained <= max(UNEXPLAINED, by_chance)
