"""The methods that adapt without the source by name."""

from typing import ClassVar

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment
from domadapt.estimators._stages import LEARN_THEN_ALIGN, Stage

__all__ = ["SHOTClassifier"]


@deep_estimator
class SHOTClassifier(BaseAlignmentClassifier):
    """Source hypothesis transfer: a fitted model moves to the target without the source.

    ``fit`` learns the source alone; a target given to it, or later to :meth:`adapt`, trains the
    feature extractor against the classifier as it is. The criteria are
    :class:`~domadapt.alignment.EntropyMinimization` with a diversity of 1, and
    :class:`~domadapt.alignment.CentroidLabels`; their losses are in
    ``adaptation_history_``. A checkpoint of the second stage is a second file, whose name
    ends in ``.2``.

    References
    ----------
    Liang, Hu, Feng (2020). "Do we really need to access the source data? Source hypothesis
    transfer for unsupervised domain adaptation". ICML.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import SHOTClassifier
    >>> Xs, ys = make_blobs(100, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(100, centers=[[2, 4], [8, 4]], random_state=1)
    >>> clf = SHOTClassifier(random_state=0).fit(Xs, ys)
    >>> bool(clf.adapt(Xt).score(Xt, yt) > 0.9)
    True
    """

    alignment: Alignment = "shot"

    _stages: ClassVar[tuple[Stage, ...]] = LEARN_THEN_ALIGN
