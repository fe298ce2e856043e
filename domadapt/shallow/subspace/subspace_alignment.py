"""Subspace alignment: the principal axes of the source are turned to those of the target."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import SubspaceMapping
from domadapt.shallow.subspace._principal import (
    check_n_components,
    n_for_share,
    principal_axes,
    project,
)

__all__ = ["SubspaceAlignmentMapping"]


@estimator
class SubspaceAlignmentMapping(SubspaceMapping):
    r"""Projection on the principal axes of each domain, those of the source aligned.

    With :math:`P_s, P_t` the d x k matrices of principal axes, source samples become
    :math:`(x - \mu_s) P_s P_s^\top P_t` and target samples :math:`(x - \mu_t) P_t`. Each domain
    is centred by its own mean. What the target does not vary along is lost, in both
    domains. Without a target samples are projected on the axes of the source.

    Cost: one pass over both domains, of n d^2, and two eigendecompositions, of d^3; above 2,000
    columns k Lanczos steps, of n d each, or of the nonzero values. Sparse samples stay sparse
    until they are projected; samples that are mapped into memory from a file are read block
    by block, up to 2,000 columns.

    It harms where what tells the classes apart varies little beside the rest, where columns are
    of different units (scale them first, each domain by itself) and where classes have other
    proportions in the target.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of axes k, at most that of the columns and one less than the rows of the smaller
        domain. None takes the fewest that hold 99.9 % of the variance in each domain, up to
        500.

    Attributes
    ----------
    n_components_ : int
        Number of axes.
    source_mean_, target_mean_ : ndarray of shape (n_features,), float64
        Means of the domains. That of the target is not there after a fit without one.
    source_components_ : ndarray of shape (n_features, `n_components_`), float64
        The matrix that source samples are multiplied with, aligned with the target.
    target_components_ : ndarray of shape (n_features, `n_components_`), float64
        The matrix that target samples are multiplied with. Not there after a fit without a
        target.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Fernando, Habrard, Sebban, Tuytelaars (2013). "Unsupervised visual domain adaptation using
    subspace alignment". ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import SubspaceAlignmentMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 1)) @ [[3.0, 3.0, 0.0]] + 0.01 * rng.normal(size=(200, 3))
    >>> Xt = rng.normal(size=(200, 1)) @ [[3.0, 3.0, 1.0]] + 0.01 * rng.normal(size=(200, 3)) + 5
    >>> mapping = SubspaceAlignmentMapping().fit(Xs, X_target=Xt)
    >>> mapping.n_components_, abs(mapping.transform(Xt).mean(axis=0)).round(3)
    (1, array([0.]))
    """

    n_components: int | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _fit_domains(self, domains):
        parts = [domains.source, domains.target]
        (self.source_mean_, source), (self.target_mean_, target) = self._axes(parts)
        self.target_components_ = target
        self.source_components_ = source @ (source.T @ target)

    def _fit_source(self, domains):
        ((self.source_mean_, self.source_components_),) = self._axes([domains.source])

    def _axes(self, parts):
        """Return the mean and as many principal axes of each domain."""
        n_rows, n_columns = min(map(len, parts)), parts[0].X.shape[1]
        most = check_n_components(
            *(self.n_components, min(n_rows - 1, n_columns)),
            f"there are {n_columns} columns, and {n_rows} rows in the smaller domain",
        )
        found = [principal_axes([part], most) for part in parts]
        if self.n_components is None:
            most = max(n_for_share(shares) for _, _, shares in found)
        self.n_components_ = self._n_features_out = most
        return [(means[0], axes[:, :most]) for means, axes, _ in found]

    def _map_source(self, X):
        return project(X, self.source_mean_, self.source_components_)

    def _map_target(self, X):
        return project(X, self.target_mean_, self.target_components_)

    def _map_alone(self, X):
        return self._map_source(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
