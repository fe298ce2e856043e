"""Balanced distribution adaptation: means of domains and of classes, by a chosen balance."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from domadapt.domains.base import estimator
from domadapt.shallow.subspace._pseudo_labelled import PseudoLabelledMapping

__all__ = ["BDAMapping"]


@estimator
class BDAMapping(PseudoLabelledMapping):
    r"""Balanced distribution adaptation: domains and classes agree, by a chosen balance.

    As :class:`JDAMapping`, with :math:`(1 - \mu) M_0 + \frac{\mu}C \sum_c M_c` as the
    matrix of the discrepancy. With ``weighted=True`` the means of class c are each multiplied by
    the root of the proportion that the class has in their domain, so that classes count as they
    are frequent.

    Cost: n d^2 once, for n samples of both domains, and in each round d^3 and a fit of the
    classifier, without a kernel or with a linear one. With a Gaussian kernel m landmarks stand
    for d, and below 2000 samples each round takes some forty products of the kernel with
    n_components columns.

    It harms where the first pseudo-labels are mostly wrong, the more the larger the balance is.

    Parameters
    ----------
    balance : float, default=0.5
        :math:`\mu`: 0 looks at the domains alone, as TCA does, 1 at the classes alone.
    weighted : bool, default=False
        Whether classes count as they are frequent, for unequal proportions of classes.
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
    Wang, Chen, Hao, Feng, Shen (2017). "Balanced distribution adaptation for transfer learning".
    ICDM.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.shallow import BDAMapping
    >>> rng = np.random.default_rng(0)
    >>> ys, yt = np.arange(200) % 2, np.arange(200) % 2
    >>> Xs = rng.normal(size=(200, 3)) + 5 * ys[:, None] * [1, 0, 0]
    >>> Xt = rng.normal(size=(200, 3)) + 5 * yt[:, None] * [1, 0, 0] + [1, 0, 9]
    >>> mapping = BDAMapping(n_components=2, balance=0.8).fit(Xs, ys, X_target=Xt)
    >>> bool((mapping.pseudo_labels_ == yt).mean() > 0.9)
    True
    """

    balance: float = 0.5
    weighted: bool = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PseudoLabelledMapping._parameter_constraints,
        "balance": [Interval(Real, 0, 1, closed="both")],
        "weighted": ["boolean"],
    }

    def _shares(self, source, target):
        of_classes = np.full((2, len(source)), self.balance / len(source))
        if self.weighted:
            # C classes of equal proportions count as they do unweighted.
            of_classes *= len(source) * np.stack([source, target])
        return 1.0 - self.balance, of_classes
