"""The geodesic flow kernel: all subspaces between that of the source and that of the target."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import SubspaceMapping
from domadapt.shallow._moments import mean_and_covariance
from domadapt.shallow.subspace._principal import (
    check_n_components,
    n_for_share,
    principal_axes,
)

__all__ = ["GFKMapping"]

# Angles below this are none: what is left of their second direction is rounding.
SMALLEST_ANGLE = 1e-7


@estimator
class GFKMapping(SubspaceMapping):
    r"""Geodesic flow kernel: samples are seen in all subspaces between those of the domains.

    :math:`\Phi(t)`, for t from 0 to 1, is the shortest path from the subspace of the leading
    principal components of the source to that of the target. The kernel
    :math:`x^T G z, \ G = \int_0^1 \Phi(t) \Phi(t)^T dt`, compares samples in all of them at once.
    G has a closed form in the principal angles of both subspaces, and a factor with two columns
    for each: samples are multiplied with it, so that products and distances of mapped samples
    are those of the kernel.

    Cost: n d^2 + d^3 for domains of n samples, or n^2 d where d is larger.

    It harms where what tells the classes apart lies in directions of little variance, which are
    left out. It does not move the domains: where they differ in their means, scale each by
    itself first.

    Parameters
    ----------
    n_components : int, default=None
        Directions of each domain's subspace. None takes the fewest that hold 99.9 % of the
        variance in each domain, at most one less than there are columns, or samples in the
        smaller domain, and 500. Fewer move more: the paper takes some 20 of 800.

    Attributes
    ----------
    components_ : ndarray of shape (n_features, 2 * n_components), float64
        The factor of G.
    angles_ : ndarray of shape (n_components,)
        Principal angles between the subspaces, rising.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Gong, Shi, Sha, Grauman (2012). "Geodesic flow kernel for unsupervised domain adaptation".
    CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import GFKMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(200, 2)) * [9, 1], rng.normal(size=(200, 2)) * [1, 9]
    >>> mapping = GFKMapping(n_components=1).fit(Xs, X_target=Xt)
    >>> mapping.angles_.round(1), mapping.transform(Xt).shape
    (array([1.6]), (200, 2))
    """

    n_components: int | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _fit_domains(self, domains):
        n_components = self._n_wanted(domains)
        source, target = (
            principal_directions(s, n_components) for s in (domains.source, domains.target)
        )
        self.components_, self.angles_ = geodesic_factor(source, target)
        self._n_features_out = 2 * n_components

    def _fit_source(self, domains):
        self._n_features_out = self.n_features_in_

    def _n_wanted(self, domains):
        """Return the number of directions, if both domains have as many."""
        n_columns = domains.source.X.shape[1]
        n_samples = min(len(domains.source), len(domains.target))
        if self.n_components is None:
            # With all directions every subspace is the same.
            most = max(1, min(n_columns, n_samples) - 1)
            parts = ([samples] for samples in (domains.source, domains.target))
            wanted = check_n_components(None, most, "")
            return max(n_for_share(principal_axes(part, wanted)[2]) for part in parts)
        most = min(n_columns, max(1, n_samples - 1))
        if self.n_components > most:
            raise ValueError(
                f"n_components={self.n_components} was asked of GFKMapping, and {n_columns} "
                f"columns and {n_samples} samples in the smaller domain have {most} principal "
                "components at most. Lower n_components, or leave it None."
            )
        return self.n_components

    def _map_source(self, X):
        return self._map_target(X)

    def _map_target(self, X):
        return X @ self.components_.astype(X.dtype)


def principal_directions(samples, n_components):
    """Return the leading principal directions of samples, in columns."""
    if len(samples) >= samples.X.shape[1]:
        covariance = mean_and_covariance(samples)[1]
        n = len(covariance)
        return linalg.eigh(covariance, subset_by_index=[n - n_components, n - 1])[1][:, ::-1]
    X = samples.take(slice(None)).astype(np.float64)
    return linalg.svd(X - X.mean(axis=0), full_matrices=False)[2][:n_components].T


def geodesic_factor(source, target):
    """Return a factor of the kernel between two subspaces, and their principal angles."""
    left, cosines, right = linalg.svd(source.T @ target)
    first = source @ left
    second = target @ right.T - first * cosines
    sines = np.linalg.norm(second, axis=0)
    angles = np.arctan2(sines, np.minimum(cosines, 1.0))
    moves = angles > SMALLEST_ANGLE
    second = np.where(moves, second / np.where(moves, sines, 1.0), 0.0)
    factor = np.empty((len(source), 2 * len(angles)))
    for i, angle in enumerate(angles):
        # Along the path, direction i is first * cos(t angle) + second * sin(t angle).
        half, cross = 0.5 * np.sinc(2 * angle / np.pi), 0.5 * angle * np.sinc(angle / np.pi) ** 2
        values, vectors = linalg.eigh([[0.5 + half, cross], [cross, 0.5 - half]])
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        factor[:, 2 * i : 2 * i + 2] = np.stack([first[:, i], second[:, i]], axis=1) @ root
    return factor, angles
