"""Domains that the tests of estimators share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def moved_classes():
    """Five classes, each of which has moved in a direction of its own in the target."""
    centres, moves = (
        scale * np.random.default_rng(seed).normal(size=(5, 8))
        for seed, scale in enumerate((2.0, 1.3))
    )
    y = np.arange(400) % 5

    def draw(seed, positions):
        noise = np.random.default_rng(seed).normal(scale=0.5, size=(400, 8))
        return (positions[y] + noise).astype(np.float32)

    return draw(0, centres), y, draw(1, centres + moves), y
