"""Joint distribution adaptation: means of the domains and of each class agree."""

import numpy as np

from domadapt.domains.base import estimator
from domadapt.shallow.subspace._pseudo_labelled import PseudoLabelledMapping

__all__ = ["JDAMapping"]


@estimator
class JDAMapping(PseudoLabelledMapping):
    r"""Joint distribution adaptation: components in which domains and classes agree.

    With the columns X of all samples and the centring matrix H,

    .. math:: \min_A \operatorname{tr}\Big(A^T X^T \Big(M_0 + \frac1C \sum_c M_c\Big) X A\Big)
        + \lambda \lVert A \rVert^2, \quad A^T X^T H X A = I,

    where the quadratic form of M_0 is the squared distance of the means of the domains, and that
    of M_c of the means of class c; the matrix in brackets is scaled to Frobenius norm 1. Classes of
    the target are pseudo-labels of a classifier in the components, in turn with these. All
    classes together count as the domains do: the sum of the paper divided by C, which is what
    its figures were computed with. A kernel stands for X as in the paper.

    Cost: n d^2 once, for n samples of both domains, and in each round d^3 and a fit of the
    classifier, without a kernel or with a linear one. With a Gaussian kernel m landmarks stand
    for d, and below 2000 samples each round takes some forty products of the kernel with
    n_components columns.

    It harms where the first pseudo-labels are mostly wrong, which the next rounds then confirm.

    Parameters
    ----------
    n_components : int, default=None
        Components. None takes 30, or where there are fewer, one less than there are.
    kernel : {"linear", "rbf"} or None, default=None
        None projects the columns themselves, and penalises the projection. A kernel is
        projected by coefficients of samples, which are penalised: components of large variance
        then count more than they do in the columns, and all are scaled to a variance of 1 on
        average.
    gamma : float, default=None
        Of the kernel :math:`\exp(-\gamma \lVert x - z \rVert^2)`. None takes one over the mean
        squared distance between samples of both domains.
    regularization : float, default=1.0
        :math:`\lambda`, as a multiple of the mean squared norm of the centred samples, of its
        square with ``kernel="linear"``; as it is with ``kernel="rbf"``.
    approximation : {"auto", "nystroem"} or None, default="auto"
        How ``kernel="rbf"`` is computed: None is exact, "nystroem" projects on kernels to
        ``n_landmarks`` samples, and "auto" does so above 2000 samples of both domains together.
    n_landmarks : int, default=500
        Samples that the approximation keeps.
    classifier : estimator, default=None
        Gives pseudo-labels in the components. None stands for the nearest neighbour.
    max_iter : int, default=10
        Rounds at most. It ends before where no pseudo-label changes.

    Attributes
    ----------
    components_ : ndarray of shape (n_inputs, n_components), float64
        What samples are multiplied with, or their kernels to the landmarks.
    landmarks_ : ndarray of shape (n_landmarks, n_features) or None
        Samples to which kernels are computed.
    gamma_ : float or None
        Of the Gaussian kernel.
    pseudo_labels_ : ndarray of shape (n_target,)
        What the classifier says of the target in the last round.
    n_iter_ : int
        Rounds that were made.
    n_features_in_ : int
        Columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where ``X`` was a DataFrame with string names.

    References
    ----------
    Long, Wang, Ding, Sun, Yu (2013). "Transfer feature learning with joint distribution
    adaptation". ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import JDAMapping
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.arange(200) % 2, np.arange(200) % 2
    >>> Xs = rng.normal(size=(200, 3)) + 5 * ys[:, None] * [1, 0, 0]
    >>> Xt = rng.normal(size=(200, 3)) + 5 * yt[:, None] * [1, 0, 0] + [1, 0, 9]
    >>> mapping = JDAMapping(n_components=2).fit(Xs, ys, X_target=Xt)
    >>> bool((mapping.pseudo_labels_ == yt).mean() > 0.9)
    True
    """

    def _shares(self, source, target):
        return 1.0, np.full(len(source), 1.0 / len(source))
