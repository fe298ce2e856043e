"""Checks of the parameters of criteria: each takes names and values, and raises a ValueError."""

import math
from numbers import Integral, Real


def check_positive(**parameters):
    """Raise an error unless all are finite numbers above 0."""
    for name, value in parameters.items():
        if not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
            raise ValueError(f"{name}={value!r} must be a finite number above 0.")


def check_not_negative(**parameters):
    """Raise an error unless all are finite numbers of at least 0."""
    for name, value in parameters.items():
        if not (isinstance(value, Real) and 0.0 <= float(value) < math.inf):
            raise ValueError(f"{name}={value!r} must be a finite number of at least 0.")


def check_counts(**parameters):
    """Raise an error unless all are integers of at least 1."""
    for name, value in parameters.items():
        if not (isinstance(value, Integral) and int(value) >= 1):
            raise ValueError(f"{name}={value!r} must be an integer of at least 1.")


def check_confidence(**parameters):
    """Raise an error unless all are probabilities at which predictions are learnt from."""
    for name, value in parameters.items():
        if not (isinstance(value, Real) and 0.0 <= float(value) <= 1.0):
            raise ValueError(f"{name}={value!r} must be a probability, from 0 (every sample) to 1.")
