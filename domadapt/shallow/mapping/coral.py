"""CORAL: the covariance of the source becomes that of the target."""

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import SpaceMapping
from domadapt.shallow._moments import both_moments, moved, power

__all__ = ["CORALMapping"]


@estimator
class CORALMapping(SpaceMapping):
    r"""Correlation alignment: source samples are whitened and coloured as the target is.

    With :math:`\mu_s, \mu_t` the means, :math:`C_s, C_t` the covariances and
    :math:`\lambda_s, \lambda_t` ridges, source samples become
    :math:`(x - \mu_s) (C_s + \lambda_s I)^{-1/2} (C_t + \lambda_t I)^{1/2} + \mu_t`. Target
    samples stay as they are. Without a shift the map is the identity, whatever the ridges.

    Cost: one pass over both domains, of n d^2, and two eigendecompositions, of d^3. Samples that
    are mapped into memory from a file are read block by block.

    It harms where classes have other proportions in the target, which move its means too, and
    where there are few samples for the columns: covariances are then mostly noise, and a
    small ``regularization`` stretches what hardly varies.

    Parameters
    ----------
    regularization : float or None, default=None
        What is added to the variances, as a multiple of the mean variance of the columns of each
        domain, constant ones left out. None takes the number of columns over that of the rows of
        the smaller domain, 1 at most: the fewer the rows, the more of a covariance is noise.
        The paper adds the identity to covariances of columns of variance 1: that is
        ``regularization=1`` after each domain was scaled by itself.

    Attributes
    ----------
    source_mean_, target_mean_ : ndarray of shape (n_features,), float64
        Means of the domains.
    ridges_ : list of float
        What was added to the variances of the source, and to those of the target.
    coloring_ : ndarray of shape (n_features, n_features), float64
        The matrix that source samples are multiplied with.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Sun, Feng, Saenko (2016). "Return of frustratingly easy domain adaptation". AAAI.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import CORALMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) * [3, 0.5] + 1
    >>> mapped = CORALMapping().fit_transform(Xs, X_target=Xt)
    >>> bool(np.allclose(mapped.std(axis=0), Xt.std(axis=0), rtol=0.05))
    True
    """

    regularization: float | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "regularization": [Interval(Real, 0, None, closed="left"), None],
    }

    def _fit_domains(self, domains):
        means, covariances, self.ridges_ = both_moments(domains, self.regularization)
        self.source_mean_, self.target_mean_ = means
        source, target = zip(covariances, self.ridges_, strict=True)
        self.coloring_ = power(*source, -0.5) @ power(*target, 0.5)

    def _map_source(self, X):
        return moved(X, self.source_mean_, self.coloring_, self.target_mean_)
