"""What domains are told apart by: columns, their squares and products, waves."""

from dataclasses import dataclass

import numpy as np

# Columns beyond these are seen through as many principal components, and products are those of
# the first few.
MOST_COLUMNS, MOST_FOR_PRODUCTS = 100, 12
N_WAVES = 100
# Widths of the two kernels that waves stand for, in median distances of rows.
WIDTHS = (0.35, 0.7)
# Products of columns in standard deviations, beyond which single rows would decide.
FARTHEST = 10.0


@dataclass(frozen=True)
class FeatureMap:
    """Columns in the units of both domains, and functions of them.

    Columns, squares and products tell means, scales and correlations; cosines with frequencies
    drawn at random are those of two Gaussian kernels, and tell the rest.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray | None
    rotation: np.ndarray
    frequencies: np.ndarray
    phases: np.ndarray

    def standard(self, X):
        """Return columns in standard deviations of both domains, no more than MOST_COLUMNS."""
        Z = (X - self.mean) / self.scale
        return Z if self.components is None else Z @ self.components

    def quadratic(self, X):
        """Return columns, their squares and products."""
        return self._quadratic(self.standard(X))

    def waves(self, X):
        """Return cosines alone, whose mean products are a kernel's."""
        return np.cos(self.standard(X) @ self.frequencies + self.phases)

    def __call__(self, X):
        Z = self.standard(X)
        return np.hstack([self._quadratic(Z), np.cos(Z @ self.frequencies + self.phases)])

    def _quadratic(self, Z):
        P = Z @ self.rotation
        first, second = np.triu_indices(P.shape[1], k=1 if Z.shape[1] == P.shape[1] else 0)
        products = [np.square(Z), P[:, first] * P[:, second]]
        return np.hstack([Z, *(np.clip(part, -FARTHEST, FARTHEST) for part in products)])


def fit_features(source, target, rng):
    """Return the feature map for the rows of two domains."""
    X = np.vstack([source, target])
    mean, scale = X.mean(axis=0), X.std(axis=0)
    # What rounding leaves of a constant is no spread.
    scale = np.where(scale > 1e-10 * np.maximum(abs(X).max(axis=0), 1e-300), scale, np.inf)
    Z, components = (X - mean) / scale, None
    if Z.shape[1] > MOST_COLUMNS:
        components = _principal(Z, MOST_COLUMNS)
        Z = Z @ components
    n_columns = Z.shape[1]
    rotation = np.eye(n_columns)
    if n_columns > MOST_FOR_PRODUCTS:
        rotation = _principal(Z, MOST_FOR_PRODUCTS)
        rotation = rotation / np.maximum((Z @ rotation).std(axis=0), 1e-12)
    some = Z[rng.choice(len(Z), min(300, len(Z)), replace=False)]
    squares = np.square(some).sum(axis=1)
    distances = squares[:, None] + squares - 2 * some @ some.T
    median = np.sqrt(max(np.median(distances[np.triu_indices(len(some), 1)]), 1e-12))
    frequencies = np.hstack([rng.normal(size=(n_columns, N_WAVES)) / (w * median) for w in WIDTHS])
    phases = rng.uniform(0, 2 * np.pi, frequencies.shape[1])
    return FeatureMap(mean, scale, components, rotation, frequencies, phases)


def _principal(Z, number):
    """Return the directions of the largest variance."""
    _, vectors = np.linalg.eigh(np.cov(Z.T))
    return vectors[:, ::-1][:, :number]
