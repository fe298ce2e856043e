"""The methods for several sources and for other label sets by name."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from domadapt.alignment import OpenSetBackpropagation
from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, BatchNorm, Optimizer

__all__ = ["M3SDAClassifier", "OSBPClassifier", "PADAClassifier"]


@deep_estimator
class M3SDAClassifier(BaseAlignmentClassifier):
    """Moment matching of several sources: their moments agree with each other and the target.

    The criterion is :class:`~domadapt.alignment.MomentMatching`. ``sample_domain`` names the
    sources, 1, 2 and so on. All share one classifier, where the paper has one for each.

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
    >>> X, y = zip(*(make_blobs(100, centers=centers + [0, i], random_state=i) for i in range(3)))
    >>> X, y, sample_domain = np.concatenate(X), np.concatenate(y), np.repeat([1, 2, -1], 100)
    >>> clf = M3SDAClassifier(random_state=0).fit(X, y, sample_domain=sample_domain)
    >>> bool(clf.score(X[200:], y[200:]) > 0.9)
    True
    """

    alignment: Alignment = "m3sda"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class PADAClassifier(BaseAlignmentClassifier):
    """Partial adversarial adaptation, for a target that has only some of the classes.

    The criterion is :class:`~domadapt.alignment.PartialAdversarial`: source classes that no
    target sample is taken for count less and less, in the task and to the discriminator.

    References
    ----------
    Cao, Ma, Long, Wang (2018). "Partial adversarial domain adaptation". ECCV.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import PADAClassifier
    >>> Xs, ys = make_blobs(150, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    >>> Xt, yt = make_blobs(100, centers=[[1, 1], [7, 1]], random_state=1)
    >>> clf = PADAClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> bool(clf.score(Xt, yt) > 0.9)
    True
    """

    alignment: Alignment = "pada"
    # Domains of other classes differ in their means: to take these away would misalign them.
    batch_norm: BatchNorm = "joint"


@deep_estimator
class OSBPClassifier(BaseAlignmentClassifier):
    """Open-set adaptation, for a target with samples of classes that the source does not have.

    The classifier has one class more, unknown, and :meth:`predict` gives its label ``unknown_``
    to samples that are of no source class. The criterion is
    :class:`~domadapt.alignment.OpenSetBackpropagation`. Fitted without a target it is a
    classifier of the source classes alone.

    Parameters
    ----------
    threshold : float, default=0.5
        The probability of being unknown of target samples that the classifier aims at and the
        features work against, between 0 and 1. Higher finds more samples unknown.
    unknown : object, default=None
        The label of unknown samples, of the kind of the others and none of them. None stands
        for ``"unknown"`` among texts and for -1, or the number below the smallest label,
        among numbers.

    Attributes
    ----------
    unknown_ : object
        The label of unknown samples; not there after a fit without a target.

    References
    ----------
    Saito, Yamamoto, Ushiku, Harada (2018). "Open set domain adaptation by backpropagation".
    ECCV.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import OSBPClassifier
    >>> Xs, ys = make_blobs(150, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    >>> Xt, yt = make_blobs(150, centers=[[1, 1], [7, 1], [9, 9]], random_state=1)
    >>> clf = OSBPClassifier(random_state=0).fit(Xs, ys, X_target=Xt)
    >>> clf.unknown_, bool((clf.predict(Xt)[yt == 2] == -1).mean() > 0.7)
    (-1, True)
    """

    threshold: float = 0.5
    unknown: Any = None
    batch_norm: BatchNorm = "joint"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseAlignmentClassifier._parameter_constraints,
        "threshold": [Interval(Real, 0, 1, closed="neither")],
        "unknown": "no_validation",
    }

    _removed_by_fit: ClassVar[tuple[str, ...]] = (
        *BaseAlignmentClassifier._removed_by_fit,
        "unknown_",
    )

    @property
    def alignment(self) -> OpenSetBackpropagation:
        """The criterion, with the threshold that was chosen."""
        return OpenSetBackpropagation(threshold=self.threshold)

    def _check_extra_logits(self, criteria):
        """Accept a class for unknown samples: it is learnt here."""

    def _extra_labels(self, classes):
        return {"unknown_": _unknown_label(self.unknown, classes)}

    @property
    def _all_labels(self):
        if not hasattr(self, "unknown_"):
            return self.classes_
        return np.append(self.classes_, self.unknown_)


def _unknown_label(unknown, classes):
    """Return the label of samples of no source class, of the kind of the others."""
    is_text = classes.dtype.kind in "UOS"
    if unknown is None:
        return "unknown" if is_text else min(classes.min().item(), 0) - 1
    if isinstance(unknown, str) != is_text or unknown in classes:
        raise ValueError(
            f"unknown={unknown!r} does not go with the labels {classes.tolist()[:5]}. A label of "
            "their kind that none of them is was expected, such as "
            f"{_unknown_label(None, classes)!r}."
        )
    return unknown
