"""Transfer joint matching: means agree, and source samples unlike the target lose their say."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from domadapt.domains.base import estimator
from domadapt.shallow.subspace._components import differences
from domadapt.shallow.subspace._mapping import PENALTY, ComponentMapping
from domadapt.shallow.subspace.tca import marginal

__all__ = ["TJMMapping"]

# Of the mean norm of the coefficients of a sample: below it a norm is taken for this.
SMALLEST = 1e-3
# Of the largest norm: rounds end where none changes by more.
CHANGE = 1e-4


@estimator
class TJMMapping(ComponentMapping):
    r"""Transfer joint matching: means of the domains agree, and source samples are chosen.

    With the kernel K of all samples, the centring matrix H and L, whose quadratic form is the
    squared distance of the means of the domains, scaled to Frobenius norm 1,

    .. math:: \min_A \operatorname{tr}(A^T K L K A)
        + \lambda \big(\lVert A_s \rVert_{2,1} + \lVert A_t \rVert_F^2\big),
        \quad A^T K H K A = I.

    Components are sums over samples with coefficients A. The norm of the rows of the source
    drives those of source samples that are unlike the target to zero. It is solved by weights of
    the penalty, :math:`1 / (2 \lVert a_i \rVert)` for source samples, in turn with A. Mapped
    samples are scaled to a variance of 1 on average.

    Cost: n d^2 + d^3 in each round with a linear kernel, for n samples of both domains; n^2 d and
    some forty products of the kernel with n_components columns for the exact Gaussian kernel;
    n m^2 + m^3 with m landmarks.

    It harms where the classes differ in the direction in which the domains do, as TCA does.
    Only the components come from fewer samples: the estimator is trained on all of them.

    Parameters
    ----------
    n_components : int, default=None
        Components. None takes 30, or where there are fewer, one less than there are.
    kernel : {"linear", "rbf"}, default="rbf"
        Whose components they are.
    gamma : float, default=None
        Of the kernel :math:`\exp(-\gamma \lVert x - z \rVert^2)`. None takes one over the mean
        squared distance between samples of both domains.
    regularization : float, default=1.0
        :math:`\lambda`, as a multiple of the squared mean of the squared norms of the centred
        samples; as it is with ``kernel="rbf"``.
    approximation : {"auto", "nystroem"} or None, default="auto"
        How ``kernel="rbf"`` is computed: None is exact, "nystroem" projects on kernels to
        ``n_landmarks`` samples, and "auto" does so above 2000 samples of both domains together.
    n_landmarks : int, default=500
        Samples that the approximation keeps.
    max_iter : int, default=10
        Rounds at most.

    Attributes
    ----------
    components_ : ndarray of shape (n_inputs, n_components), float64
        What samples are multiplied with, or their kernels to the landmarks.
    landmarks_ : ndarray of shape (n_landmarks, n_features) or None
        Samples to which kernels are computed.
    gamma_ : float or None
        Of the Gaussian kernel.
    source_norms_ : ndarray of shape (n_source,)
        Norm of the coefficients of each source sample: small for those that are unlike the
        target.
    n_iter_ : int
        Rounds that were made.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Long, Wang, Ding, Sun, Yu (2014). "Transfer joint matching for unsupervised domain
    adaptation". CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import TJMMapping
    >>> rng = np.random.default_rng(0)
    >>> Xs = rng.normal(size=(200, 3)) * [1, 2, 1]
    >>> Xt = rng.normal(size=(200, 3)) * [1, 2, 1] + [9, 0, 0]
    >>> mapping = TJMMapping(n_components=2).fit(Xs, X_target=Xt)
    >>> apart = mapping.transform(Xt).mean(axis=0) - mapping.transform(Xs).mean(axis=0)
    >>> bool(np.linalg.norm(apart) < 0.1 * mapping.transform(Xs).std())
    True
    """

    kernel: str | None = "rbf"
    regularization: float = 1.0
    max_iter: int = 10

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ComponentMapping._parameter_constraints,
        "kernel": [StrOptions({"linear", "rbf"})],
        "regularization": PENALTY,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    @property
    def _penalty(self):
        return self.regularization

    def _find(self, problem, domains):
        E = differences(*marginal(domains))
        n_source, n_target = len(domains.source), len(domains.target)
        norms = np.linalg.norm(problem.solve(E).of_samples[:n_source], axis=1)
        self.n_iter_ = 1
        for _ in range(self.max_iter - 1):
            norms = np.maximum(norms, SMALLEST * norms.mean() or 1.0)
            problem.weigh(np.append(0.5 / norms, np.ones(n_target)))
            before, norms = norms, np.linalg.norm(problem.solve(E).of_samples[:n_source], axis=1)
            self.n_iter_ += 1
            if np.abs(norms - before).max() <= CHANGE * norms.max():
                break
        self.source_norms_ = norms
        return problem.coefficients

    def _fit_source(self, domains):
        super()._fit_source(domains)
        # Scikit-learn asks for a round at least of what has max_iter.
        self.n_iter_ = 1
