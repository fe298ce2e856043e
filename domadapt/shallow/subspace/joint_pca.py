"""Joint PCA: one set of principal axes for both domains."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import SubspaceMapping
from domadapt.shallow.subspace._principal import (
    check_n_components,
    n_for_share,
    principal_axes,
    project,
)

__all__ = ["JointPCAMapping"]


@estimator
class JointPCAMapping(SubspaceMapping):
    r"""Projection of both domains on the principal axes of all of their samples together.

    With X the rows of both domains, each less a mean :math:`\mu`, the axes P are those of
    :math:`\max_{P^\top P = I} \operatorname{tr}(P^\top X^\top X P)`, and samples become
    :math:`(x - \mu) P`. By default each domain is centred by its own mean: with the mean of
    all samples, as in the baseline of the literature, the difference between the domains is
    variance too, and may be the first component. Without a target it is the PCA of the source.

    Cost: one pass over both domains, of n d^2, and an eigendecomposition, of d^3; above 2,000
    columns k Lanczos steps, of n d each, or of the nonzero values. Sparse samples stay sparse
    until they are projected; samples that are mapped into memory from a file are read block
    by block, up to 2,000 columns.

    It harms where what tells the classes apart varies little beside the rest and where columns
    are of different units. A domain with many more samples alone decides on the axes.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of axes k, at most that of the columns and of the rows less their means. None
        takes the fewest that hold 99.9 % of the variance, up to 500.
    centering : {"each", "together"}, default="each"
        Whether each domain is centred by its own mean, or all samples by the mean of all.

    Attributes
    ----------
    n_components_ : int
        Number of axes.
    source_mean_, target_mean_ : ndarray of shape (n_features,), float64
        What the domains are centred by. That of the target is not there after a fit without one.
    components_ : ndarray of shape (n_features, `n_components_`), float64
        The axes, by falling variance.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Pan, Tsang, Kwok, Yang (2011). "Domain adaptation via transfer component analysis". IEEE
    Transactions on Neural Networks 22. PCA of both domains is a baseline there.

    Long, Wang, Ding, Sun, Yu (2013). "Transfer feature learning with joint distribution
    adaptation". ICCV. Its equation 1, of which the method of the paper is an extension.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import JointPCAMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(200, 3)) * [5, 1, 1], rng.normal(size=(200, 3)) * [1, 5, 1] + 9
    >>> mapping = JointPCAMapping(n_components=2).fit(Xs, X_target=Xt)
    >>> bool(abs(mapping.components_[2]).max() < 0.1)
    True
    >>> abs(mapping.transform(Xt).mean(axis=0)).round(3)
    array([0., 0.])
    """

    n_components: int | None = None
    centering: str = "each"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "centering": [StrOptions({"each", "together"})],
    }

    def _fit_domains(self, domains):
        self.source_mean_, self.target_mean_ = self._fit_axes([domains.source, domains.target])

    def _fit_source(self, domains):
        (self.source_mean_,) = self._fit_axes([domains.source])

    def _fit_axes(self, parts):
        """Keep the axes of some domains together, and return what each is centred by."""
        one_mean = self.centering == "together"
        n_rows, n_columns = sum(map(len, parts)), parts[0].X.shape[1]
        most = check_n_components(
            *(self.n_components, min(n_rows - (1 if one_mean else len(parts)), n_columns)),
            f"there are {n_columns} columns, and {n_rows} rows in all",
        )
        means, axes, shares = principal_axes(parts, most, one_mean=one_mean)
        if self.n_components is None:
            most = n_for_share(shares)
        self.n_components_ = self._n_features_out = most
        self.components_ = axes[:, :most]
        return means

    def _map_source(self, X):
        return project(X, self.source_mean_, self.components_)

    def _map_target(self, X):
        return project(X, self.target_mean_, self.components_)

    def _map_alone(self, X):
        return self._map_source(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
