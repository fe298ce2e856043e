"""Transfer component analysis: components of a kernel in which the means of the domains agree."""

from typing import Any, ClassVar

import numpy as np

from domadapt.domains.base import estimator
from domadapt.shallow.subspace._components import differences
from domadapt.shallow.subspace._mapping import PENALTY, ComponentMapping

__all__ = ["TCAMapping"]

# Squared distance of means, in units of what it is expected to be for samples of one domain.
APART = 4.0


@estimator
class TCAMapping(ComponentMapping):
    r"""Transfer component analysis: variance is kept, and the means of the domains agree.

    With the kernel K of all samples, the centring matrix H and L, whose quadratic form is the
    squared distance of the means of the domains, scaled to Frobenius norm 1,

    .. math:: \max_A \operatorname{tr}\big((A^T (K L K + \mu I) A)^{-1} A^T K H K A\big).

    The components are the leading eigenvectors, of unit norm, and a new sample is mapped by its
    kernels to the samples, scaled to a variance of 1 on average. L has rank one, so that its
    matrix is never made. Without a kernel the columns X stand for K, on the right, and their
    transpose on the left.

    Cost: n d^2 + d^3 without a kernel or with a linear one, for n samples of both domains; n^2 d
    and some forty products of the kernel with n_components columns for the exact Gaussian
    kernel; n m^2 + m^3 with m landmarks.

    It harms where the classes differ in the direction in which the domains do: with other
    proportions of classes the difference of the means is one of classes, and is removed. It
    looks at means alone, so that another spread stays.

    Parameters
    ----------
    n_components : int, default=None
        Components. None takes 30, or where there are fewer, one less than there are; all of
        them where the means of the domains differ by no more than samples of one domain would.
    kernel : {"linear", "rbf"} or None, default=None
        None projects the columns themselves, and penalises the projection. A kernel is
        projected as in the paper, and coefficients of samples are penalised: components of
        large variance then count more than they do in the columns. On small samples, and under
        trees, the columns are safer.
    gamma : float, default=None
        Of the kernel :math:`\exp(-\gamma \lVert x - z \rVert^2)`. None takes one over the mean
        squared distance between samples of both domains.
    mu : float, default=1.0
        :math:`\mu`, which keeps coefficients small, as a multiple of the mean squared norm of
        the centred samples, of its square with ``kernel="linear"``; as it is with
        ``kernel="rbf"``.
    approximation : {"auto", "nystroem"} or None, default="auto"
        How ``kernel="rbf"`` is computed: None is exact, "nystroem" projects on kernels to
        ``n_landmarks`` samples, and "auto" does so above 2000 samples of both domains together.
    n_landmarks : int, default=500
        Samples that the approximation keeps.

    Attributes
    ----------
    components_ : ndarray of shape (n_inputs, n_components), float64
        What samples are multiplied with, or their kernels to the landmarks.
    landmarks_ : ndarray of shape (n_landmarks, n_features) or None
        Samples to which kernels are computed.
    gamma_ : float or None
        Of the Gaussian kernel.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Pan, Tsang, Kwok, Yang (2011). "Domain adaptation via transfer component analysis". IEEE
    Transactions on Neural Networks 22.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import TCAMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 3)) * [1, 2, 1]
    >>> Xt = rng.normal(size=(200, 3)) * [1, 2, 1] + [9, 0, 0]
    >>> mapping = TCAMapping(n_components=2).fit(Xs, X_target=Xt)
    >>> apart = mapping.transform(Xt).mean(axis=0) - mapping.transform(Xs).mean(axis=0)
    >>> bool(np.linalg.norm(apart) < 0.1 * mapping.transform(Xs).std())
    True
    """

    mu: float = 1.0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ComponentMapping._parameter_constraints,
        "mu": PENALTY,
    }

    @property
    def _penalty(self):
        return self.mu

    def _n_left_out(self, domains):
        return 1 if _are_apart(domains) else 0

    def _find(self, problem, domains):
        return problem.solve(differences(*marginal(domains))).coefficients


def marginal(domains):
    """Return one group of each domain: all of its samples, those of the source by weight."""
    n_source, n_target = len(domains.source), len(domains.target)
    weight = domains.sample_weight
    source = np.ones(n_source) if weight is None else weight
    return [source / source.sum()], [np.full(n_target, 1.0 / n_target)]


def _are_apart(domains):
    """Return whether the means of the domains differ by more than samples of one would."""
    parts = [s.take(slice(None)).astype(np.float64) for s in (domains.source, domains.target)]
    (source, target), sizes = (part.mean(axis=0) for part in parts), list(map(len, parts))
    by_chance = sum(part.var(axis=0).sum() / n for part, n in zip(parts, sizes, strict=True))
    return np.square(source - target).sum() > APART * by_chance
