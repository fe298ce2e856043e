"""Which columns moved most."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class MovedColumn:
    """How one column differs between the domains.

    Attributes
    ----------
    name : str or int
        Its name in a DataFrame, its position otherwise.
    mean_difference : float
        Mean of the target less that of the source, over the pooled standard deviation.
    ks : float
        Largest difference of the distribution functions, between 0 and 1.
    p_value : float
        Of the Kolmogorov-Smirnov test.
    p_bonferroni, p_fdr : float
        The same corrected for the number of columns: for a single false alarm, and for the
        share of them (Benjamini and Hochberg).
    """

    name: str | int
    mean_difference: float
    ks: float
    p_value: float
    p_bonferroni: float
    p_fdr: float


def moved_columns(source, target, names):
    """Return all columns, those that moved most first."""
    difference = target.mean(axis=0) - source.mean(axis=0)
    pooled = np.sqrt((source.var(axis=0) + target.var(axis=0)) / 2)
    # Constants that differ are apart by as many deviations as a number can tell.
    smallest = 1e-10 * np.maximum(abs(source).max(axis=0), abs(target).max(axis=0)) + 1e-300
    standard = np.clip(difference / np.maximum(pooled, smallest), -1e6, 1e6)
    tests = [stats.ks_2samp(a, b, method="asymp") for a, b in zip(source.T, target.T, strict=True)]
    p_values = np.array([test.pvalue for test in tests])
    fdr = stats.false_discovery_control(p_values)
    found = [
        MovedColumn(
            name,
            float(standard[j]),
            float(tests[j].statistic),
            float(p_values[j]),
            float(min(1.0, p_values[j] * len(names))),
            float(fdr[j]),
        )
        for j, name in enumerate(names)
    ]
    return sorted(found, key=lambda column: -column.ks)
