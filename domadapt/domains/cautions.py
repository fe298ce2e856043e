"""What is allowed and yet hardly meant: warnings about the data that a fit was given."""

import sys
import warnings

import numpy as np
from scipy import sparse

# Numbers of each domain that are looked at, 32 MiB in float64, and rows at the most.
VALUES, ROWS = 2**22, 10_000
# How many times larger a column may be than others, or than itself in the other domain.
FACTOR = 100.0
# Columns that are larger, or all smaller, than this are no unit that a network is made for.
LARGEST, SMALLEST = 1e3, 1e-3


def warn(message, category=UserWarning):
    """Warn at the line of the caller's that led into this package."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and _is_inside(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(frame):
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in (__name__.partition(".")[0], "sklearn", "contextlib")


def warn_of_scales(domains):
    """Warn of columns whose size would drown the others, or differs between the domains."""
    source = _Columns(domains.source)
    if message := _wild_scale("X", source):
        warn(message)
    if domains.target is None:
        return
    target = _Columns(domains.target)
    apart = _ratio(source.spread, target.spread) * (_ratio(source.reach, target.reach) > FACTOR)
    worst = int(apart.argmax())
    if apart[worst] > FACTOR:
        warn(
            f"Column {worst} (counted from 0) has a standard deviation of "
            f"{source.spread[worst]:.3g} in the source and {target.spread[worst]:.3g} in the "
            "target. Was X_target scaled as X was? A pipeline transforms X_target only if told "
            "so: make_pipeline(..., transform_input=['X_target']), or stack both domains and "
            "pass sample_domain."
        )


class _Columns:
    """Sizes of the columns of a domain, from some of its rows."""

    def __init__(self, samples):
        n_rows = min(len(samples), ROWS, max(100, VALUES // samples.X.shape[1]))
        X = samples.take(np.linspace(0, len(samples) - 1, n_rows).astype(np.int64))
        X = X.astype(np.float64)
        if sparse.issparse(X):
            mean = np.asarray(X.mean(axis=0)).ravel()
            square = np.asarray(X.multiply(X).mean(axis=0)).ravel()
            reach = abs(X).max(axis=0).toarray().ravel()
        else:
            # Squares that are too large are those of samples that are refused later.
            with np.errstate(over="ignore"):
                mean, square, reach = X.mean(axis=0), (X * X).mean(axis=0), abs(X).max(axis=0)
        square = np.where(np.isfinite(square), square, 0.0)
        with np.errstate(over="ignore"):
            variance = square - mean**2
        # What rounding leaves of a constant's variance is no spread.
        constant = variance <= 1e-12 * square
        self.spread = np.sqrt(np.where(constant, 0.0, variance))
        self.size = np.sqrt(square[~constant])
        self.reach = reach


def _ratio(a, b):
    """Return how many times the larger is the smaller, and 1 where one is 0."""
    smaller, larger = np.minimum(a, b), np.maximum(a, b)
    return np.divide(larger, smaller, out=np.ones_like(larger), where=smaller > 0)


def _wild_scale(name, columns):
    size = columns.size
    if not len(size):
        return None
    largest, usual = size.max(), np.quantile(size, 0.25, method="lower")
    if largest > LARGEST or largest < SMALLEST or largest > FACTOR * usual:
        return (
            f"The columns of {name} are of wild scale: their root mean squares go from "
            f"{size.min():.3g} to {largest:.3g}. A network learns little from the small ones, "
            "and may diverge. Scale them first, for example with StandardScaler."
        )
    return None


def warn_of_filler(y):
    """Warn of labels -1 among others from 0 up, which often stand for no label."""
    y = np.asarray(y)
    if y.dtype.kind not in "iu":
        return
    classes = np.unique(y)
    if len(classes) > 2 and classes[0] == -1:
        warn(
            f"y holds -1 beside classes from {classes[1]} to {classes[-1]}, and neither "
            "sample_domain nor X_target was given, so -1 is learnt as a class. If it marks "
            "samples of the target, pass sample_domain too."
        )
