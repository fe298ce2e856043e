"""Per-domain scaling: each domain is standardised by itself."""

from typing import Any, ClassVar

import numpy as np

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import SpaceMapping, stack
from domadapt.shallow._moments import fit_scaler

__all__ = ["PerDomainScaler"]


@estimator
class PerDomainScaler(SpaceMapping):
    r"""Scaling of each domain by its own mean and standard deviation.

    :math:`x \mapsto (x - \mu_D) / \sigma_D`, column by column, where :math:`D` is the domain of
    the sample. Several sources, with numbers 1, 2 and so on in ``sample_domain``, are each
    scaled by themselves. Where there is no target it is a
    :class:`~sklearn.preprocessing.StandardScaler`. Columns that are constant in a domain are 0
    there, and missing values stay missing.

    Cost: one pass over both domains, of n d. Samples that are mapped into memory from a file are
    read block by block.

    It harms where classes have other proportions in the target: means that differ for that
    reason alone are made equal too, and classes are moved onto others.

    Parameters
    ----------
    with_mean : bool, default=True
        Whether means are taken away. Must be False for sparse samples.
    with_std : bool, default=True
        Whether columns are divided by their standard deviation.

    Attributes
    ----------
    source_scalers_ : list of StandardScaler
        The fitted scaler of each source, in the order of their numbers.
    source_numbers_ : ndarray of shape (n_sources,) or None
        The numbers of the sources in ``sample_domain``, None where there is one source.
    target_scaler_ : StandardScaler
        The fitted scaler of the target. Not there after a fit without a target.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Gong, Shi, Sha, Grauman (2012). "Geodesic flow kernel for unsupervised domain adaptation".
    CVPR. Each domain is standardised by itself before anything else there.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import PerDomainScaler
    >>> X, d = np.array([[1.0], [3.0], [10.0], [30.0]]), [1, 1, -1, -1]
    >>> PerDomainScaler().fit_transform(X, sample_domain=d).ravel()
    array([-1.,  1., -1.,  1.])
    """

    with_mean: bool = True
    with_std: bool = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "with_mean": ["boolean"],
        "with_std": ["boolean"],
    }

    def _fit_domains(self, domains):
        self._fit_source(domains)
        self.target_scaler_ = self._scaler(domains.target)

    def _fit_source(self, domains):
        parts, numbers = [domains.source], domains.source_domain
        if numbers is not None:
            rows = [np.flatnonzero(numbers == n) for n in range(domains.n_sources)]
            parts = [domains.source.subset(r) for r in rows]
        self.source_scalers_ = [self._scaler(part) for part in parts]
        self.source_numbers_ = domains.source_numbers

    def _scaler(self, samples):
        return fit_scaler(samples, with_mean=self.with_mean, with_std=self.with_std)

    def _map_source(self, X):
        return self.source_scalers_[0].transform(X)

    def _map_target(self, X):
        return self.target_scaler_.transform(X)

    def _map_alone(self, X):
        return self._map_source(X)

    def _mapped_source(self, domains):
        if domains.source_domain is None:
            return super()._mapped_source(domains)
        X = domains.source.take(slice(None))
        return _scaled(X, self.source_scalers_, domains.source_domain)

    def _mapped_by(self, X, numbers):
        if self.source_numbers_ is None:
            return super()._mapped_by(X, numbers)
        unknown = np.setdiff1d(numbers[numbers > 0], self.source_numbers_)
        if len(unknown):
            raise ValueError(
                f"sample_domain holds {unknown[0]}, which was no source in fit: the sources were "
                f"{self.source_numbers_.tolist()}."
            )
        n_sources = len(self.source_numbers_)
        which = np.where(numbers > 0, np.searchsorted(self.source_numbers_, numbers), n_sources)
        return _scaled(X, [*self.source_scalers_, self.target_scaler_], which)

    @property
    def _instead_of_sparse(self):
        if self.with_mean:
            return (
                "Pass with_mean=False to PerDomainScaler, which keeps zeros: Cannot center sparse "
                "matrices."
            )
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.with_mean
        tags.input_tags.allow_nan = True
        return tags


def _scaled(X, scalers, which):
    """Return samples, each scaled by the scaler of its number, in the order in which they came."""
    rows = [np.flatnonzero(which == number) for number in range(len(scalers))]
    parts = [s.transform(X[r]) for s, r in zip(scalers, rows, strict=True) if len(r)]
    return stack(parts)[np.argsort(np.concatenate(rows))]
