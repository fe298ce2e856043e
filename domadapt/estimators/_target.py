"""The classifiers that regularise predictions and features of the target, by name."""

from domadapt.estimators._base import BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults
from domadapt.estimators._documentation import shares_documentation


# Smoothed labels would hold the target predictions away from certainty, here and below.
@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class MCCClassifier(BaseAlignmentClassifier):
    """Minimum class confusion: target predictions are to mix no classes.

    The criterion is :class:`~domadapt.alignment.MCC`, at temperature 2.5.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Jin, Wang, Long, Wang (2020). "Minimum class confusion for versatile domain adaptation".
    ECCV.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import MCCClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = MCCClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.transduction_.shape, bool(clf.score(Xt, yt) > 0.9)
    ((200,), True)
    """

    alignment = "mcc"


@with_defaults(label_smoothing=0.0)
@shares_documentation
class BNMClassifier(BaseAlignmentClassifier):
    """Batch nuclear-norm maximisation: target predictions are to be sure and of many classes.

    The criterion is :class:`~domadapt.alignment.BNM`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Cui, Wang, Zhuo, Li, Huang, Tian (2020). "Towards discriminability and diversity: batch
    nuclear-norm maximization under label insufficient situations". CVPR.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import BNMClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = BNMClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.transduction_.shape, bool(clf.score(Xt, yt) > 0.9)
    ((200,), True)
    """

    alignment = "bnm"


@with_defaults(optimizer="adam", learning_rate=1e-3)
@shares_documentation
class AFNClassifier(BaseAlignmentClassifier):
    """Adaptive feature norm: the norms of the features are to grow step by step.

    The criterion is :class:`~domadapt.alignment.AFN`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Xu, Li, Yang, Lin (2019). "Larger norm more transferable: an adaptive feature norm approach
    for unsupervised domain adaptation". ICCV.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import AFNClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = AFNClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.transduction_.shape, bool(clf.score(Xt, yt) > 0.9)
    ((200,), True)
    """

    alignment = "afn"


@with_defaults(optimizer="adam", learning_rate=3e-4)
@shares_documentation
class BSPClassifier(BaseAlignmentClassifier):
    """Batch spectral penalisation: no direction of the features is to stand out, with DANN.

    The criteria are :class:`~domadapt.alignment.DomainAdversarial` and, at a small weight,
    :class:`~domadapt.alignment.BSP`.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Chen, Wang, Long, Wang (2019). "Transferability vs. discriminability: batch spectral
    penalization for adversarial domain adaptation". ICML.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import BSPClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = BSPClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.transduction_.shape, bool(clf.score(Xt, yt) > 0.9)
    ((200,), True)
    """

    alignment = [(0.3, "dann"), (1e-4, "bsp")]


@with_defaults(label_smoothing=0.0)
@shares_documentation
class PseudoLabelClassifier(BaseAlignmentClassifier):
    """Pseudo-labels: sure predictions on the target become labels.

    The criterion is :class:`~domadapt.alignment.PseudoLabels`: predictions above 0.9 count, each
    class alike, more and more as training goes on.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Lee (2013). "Pseudo-label: the simple and efficient semi-supervised learning method for deep
    neural networks". ICML workshops.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import PseudoLabelClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = PseudoLabelClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.transduction_.shape, bool(clf.score(Xt, yt) > 0.9)
    ((200,), True)
    """

    alignment = "pseudo_labels"
