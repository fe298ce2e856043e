"""Linear optimal transport: the best map between two normal distributions."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import linalg
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow._adapter import SpaceMapping
from domadapt.shallow._moments import both_moments, moved, power

__all__ = ["LinearOTMapping"]


@estimator
class LinearOTMapping(SpaceMapping):
    r"""Linear Monge map: the cheapest affine map that gives the source the target's moments.

    With :math:`\mu_s, \mu_t` the means and :math:`C_s, C_t` the covariances, to each of which the
    ridge was added, :math:`x \mapsto \mu_t + A (x - \mu_s)` with
    :math:`A = C_s^{-1/2} (C_s^{1/2} C_t C_s^{1/2})^{1/2} C_s^{-1/2}` for source samples. Target
    samples stay as they are. Between normal distributions no map of less squared distance
    takes one to the other. A is symmetric and never turns samples further than it has to, as
    CORAL may. Domains that are alike stay as they are.

    Cost: one pass over both domains, of n d^2, two eigendecompositions and a singular value
    decomposition, of d^3. Samples that are mapped into memory from a file are read block by
    block.

    It harms where classes have other proportions in the target, and where there are few samples
    for the columns, as :class:`CORALMapping` does.

    Parameters
    ----------
    regularization : float or None, default=None
        What is added to the variances, as a multiple of the mean variance of the columns of each
        domain, constant ones left out. None takes the number of columns over that of the rows of
        the smaller domain, 1 at most: the fewer the rows, the more of a covariance is noise.
        0 needs a source covariance of full rank.

    Attributes
    ----------
    source_mean_, target_mean_ : ndarray of shape (n_features,), float64
        Means of the domains.
    ridges_ : list of float
        What was added to the variances of the source, and to those of the target.
    monge_ : ndarray of shape (n_features, n_features), float64
        The matrix A.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Flamary, Lounici, Ferrari (2019). "Concentration bounds for linear Monge mapping estimation
    and optimal transport domain adaptation". arXiv:1905.10155.

    Knott, Smith (1984). "On the optimal mapping of distributions". Journal of Optimization
    Theory and Applications 43.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import LinearOTMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) * [3, 0.5] + 1
    >>> mapped = LinearOTMapping().fit_transform(Xs, X_target=Xt)
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
        if self.regularization == 0:
            _check_rank(covariances[0])
        source, target = zip(covariances, self.ridges_, strict=True)
        root, inverse = power(*source, 0.5), power(*source, -0.5)
        # The root of the product in the middle is the symmetric factor of this one, which is
        # not squared: a root by eigenvalues, as POT takes it, would lose half of the digits.
        _, middle = linalg.polar(power(*target, 0.5) @ root)
        self.monge_ = inverse @ middle @ inverse

    def _map_source(self, X):
        return moved(X, self.source_mean_, self.monge_, self.target_mean_)


def _check_rank(source):
    """Raise an error where a covariance cannot be inverted."""
    rank = np.linalg.matrix_rank(source, hermitian=True)
    if rank < len(source):
        raise ValueError(
            f"The covariance of the source has rank {rank} and {len(source)} columns: it is "
            "singular, so regularization=0 leaves no map. Use regularization > 0, such as 1e-3, "
            "or leave out columns that are constant or depend on others."
        )
