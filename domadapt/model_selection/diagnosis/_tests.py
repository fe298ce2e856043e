"""A two-sample test: MMD by permutations."""

import numpy as np

N_PERMUTATIONS = 500


def permuted_mmd(source, target, rng):
    """Return squared MMD of random features, biased, and its p-value by permutations."""
    X = np.vstack([source, target]) * np.sqrt(2 / source.shape[1])
    is_target = np.repeat([0.0, 1.0], [len(source), len(target)])
    drawn = np.array([rng.permutation(is_target) for _ in range(N_PERMUTATIONS)])
    assigned = np.vstack([is_target, drawn])
    difference = assigned @ X / len(target) - (1 - assigned) @ X / len(source)
    found = np.square(difference).sum(axis=1)
    at_least = np.sum(found[1:] >= found[0] * (1 - 1e-12))
    return float(found[0]), float((1 + at_least) / (1 + N_PERMUTATIONS))
