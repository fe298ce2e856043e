"""Temperature scaling of arrays of probabilities."""

import numpy as np

from domadapt.domains.arrays import read_codes, read_probabilities
from domadapt.shallow.label_shift._calibration import fit_scaling, floor_of, logits_of, scaled


def fit_temperature(proba, codes, weight=None):
    """Return the temperature under which held-out labels are most probable.

    ``codes`` are columns of ``proba``. Above 1 the probabilities were too sure.
    """
    proba = read_probabilities("proba", proba)
    codes = read_codes("codes", codes, proba.shape)
    weight = np.ones(len(codes)) if weight is None else np.asarray(weight, dtype=np.float64)
    return fit_scaling(logits_of(proba, floor_of(proba)), codes, weight, "temperature")[0]


def tempered(proba, temperature):
    """Return probabilities as a temperature makes them, finite and above 0 where it was 0."""
    proba = read_probabilities("proba", proba)
    return np.exp(scaled(logits_of(proba, floor_of(proba)), temperature, 0.0))
