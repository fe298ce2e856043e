"""Classifiers for other settings: no source at hand, several sources, other label sets."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from domadapt.alignment.open_set import OpenSetBackpropagation
from domadapt.estimators._classifier import SHOT, BaseAlignmentClassifier
from domadapt.estimators._defaults import with_defaults, with_parameters
from domadapt.estimators._documentation import shares_documentation


@shares_documentation
class SHOTClassifier(BaseAlignmentClassifier):
    """Source hypothesis transfer: a fitted model moves to the target without the source.

    ``fit`` learns the source alone; a target given to it, or later to :meth:`adapt`, trains the
    feature extractor against the classifier as it is. The criteria are
    :class:`~domadapt.alignment.EntropyMinimization` with a diversity of 1, and
    :class:`~domadapt.alignment.CentroidLabels`; their losses are in
    ``adaptation_history_``. A checkpoint of the second stage is a second file, whose name
    ends in ``.2``.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Liang, Hu, Feng (2020). "Do we really need to access the source data? Source hypothesis
    transfer for unsupervised domain adaptation". ICML.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import SHOTClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = SHOTClassifier(random_state=0).fit(Xs, ys)
    >>> bool(clf.adapt(Xt).score(Xt, yt) > 0.9)
    True
    """

    alignment = SHOT
    aligns_afterwards = True


@with_defaults(optimizer="adam", learning_rate=1e-3, label_smoothing=0.0)
@shares_documentation
class M3SDAClassifier(BaseAlignmentClassifier):
    """Moment matching of several sources: their moments agree with each other and the target.

    The criterion is :class:`~domadapt.alignment.MomentMatching`. ``sample_domain`` names the
    sources, 1, 2 and so on. All share one classifier, where the paper has one for each.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Peng, Bai, Xia, Huang, Saenko, Wang (2019). "Moment matching for multi-source domain
    adaptation". ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import M3SDAClassifier
    >>> centers = np.array([[0.0, 0.0], [6.0, 0.0]])
    >>> X, y = zip(*(make_blobs(200, centers=centers + [0, i], random_state=i) for i in range(3)))
    >>> X, y, sample_domain = np.concatenate(X), np.concatenate(y), np.repeat([1, 2, -1], 200)
    >>> clf = M3SDAClassifier(random_state=0).fit(X, y, sample_domain=sample_domain)
    >>> bool(clf.score(X[400:], y[400:]) > 0.9)
    True
    """

    alignment = "m3sda"


# Domains of other classes differ in their means: to take these away would misalign them.
@with_defaults(batch_norm="joint")
@shares_documentation
class PADAClassifier(BaseAlignmentClassifier):
    """Partial adversarial adaptation, for a target that has only some of the classes.

    The criterion is :class:`~domadapt.alignment.PartialAdversarial`: source classes that no
    target row is taken for count less and less, in the task and to the discriminator.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    Cao, Ma, Long, Wang (2018). "Partial adversarial domain adaptation". ECCV.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import PADAClassifier
    >>> Xs, ys = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[1, 1], [7, 1]], random_state=1)
    >>> clf = PADAClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> bool(clf.score(Xt, yt) > 0.9)
    True
    """

    alignment = "pada"


@with_parameters(threshold=0.5, unknown=None)
@with_defaults(batch_norm="joint")
@shares_documentation
class OSBPClassifier(BaseAlignmentClassifier):
    """Open-set adaptation, for a target with rows of classes that the source does not have.

    The classifier has one class more, unknown, and :meth:`predict` gives its label ``unknown_``
    to rows that are of no source class. The criterion is
    :class:`~domadapt.alignment.OpenSetBackpropagation`. Fitted without a target it is a
    classifier of the source classes alone.

    Parameters
    ----------
    threshold : float, default=0.5
        The probability of being unknown that the classifier gives target rows and the
        features work against, between 0 and 1. Higher finds more rows unknown.
    unknown : object, default=None
        The label of unknown rows, of the kind of the others and none of them. None stands
        for ``"unknown"`` among texts and for -1, or the number below the smallest label,
        among numbers.
    {parameters}

    Attributes
    ----------
    unknown_ : object
        The label of unknown rows; not there after a fit without a target.
    {attributes}

    References
    ----------
    Saito, Yamamoto, Ushiku, Harada (2018). "Open set domain adaptation by backpropagation".
    ECCV.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import OSBPClassifier
    >>> Xs, ys = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    >>> Xt, yt = make_blobs(300, centers=[[1, 1], [7, 1], [9, 9]], random_state=1)
    >>> clf = OSBPClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.unknown_, bool((clf.predict(Xt)[yt == 2] == -1).mean() > 0.7)
    (-1, True)
    """

    _parameter_constraints: dict = {
        **BaseAlignmentClassifier._parameter_constraints,
        "threshold": [Interval(Real, 0, 1, closed="neither"), None],
        "unknown": "no_validation",
    }

    @property
    def alignment(self):
        """The criterion, with the threshold that was chosen."""
        return OpenSetBackpropagation(threshold=self.threshold)
