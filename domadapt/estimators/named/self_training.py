"""The methods that learn from predictions of their own by name."""

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from domadapt.alignment import MeanTeacher
from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, Optimizer

__all__ = ["MeanTeacherClassifier", "PseudoLabelClassifier"]


@deep_estimator
class PseudoLabelClassifier(BaseAlignmentClassifier):
    """Pseudo-labels: sure predictions on the target become labels.

    The criterion is :class:`~domadapt.alignment.PseudoLabels`: predictions above 0.8 count, each
    class alike, more and more as training goes on.

    References
    ----------
    Lee (2013). "Pseudo-label: the simple and efficient semi-supervised learning method for deep
    neural networks". ICML workshops.
    """

    alignment: Alignment = "pseudo_labels"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class MeanTeacherClassifier(BaseAlignmentClassifier):
    """Self-ensembling: predictions on the target agree with those of an averaged teacher.

    The criterion is :class:`~domadapt.alignment.MeanTeacher`. The student predicts.

    Parameters
    ----------
    augmentation : callable, default=None
        Maps a batch of inputs, a tensor, to one of the same shape; student and teacher each
        see a draw of their own. None adds noise of half of each column's standard
        deviation. Draw from torch's default generator, which ``random_state`` seeds.
    momentum : float, default=0.99
        What the teacher keeps of itself in a step, at least 0 and below 1.
    confidence : float, default=0.8
        The least probability, from 0 to 1, of the teacher's prediction at which a target
        sample is learnt from.

    References
    ----------
    French, Mackiewicz, Fisher (2018). "Self-ensembling for visual domain adaptation". ICLR.

    Tarvainen, Valpola (2017). "Mean teachers are better role models". NeurIPS.
    """

    augmentation: Callable[[Any], Any] | None = None
    momentum: float = 0.99
    confidence: float = 0.8
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-4
    label_smoothing: float = 0.0

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseAlignmentClassifier._parameter_constraints,
        "augmentation": [callable, None],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "confidence": [Interval(Real, 0, 1, closed="both")],
    }

    @property
    def alignment(self) -> MeanTeacher:
        """The criterion, with the parameters that were chosen."""
        return MeanTeacher(
            augmentation=self.augmentation, momentum=self.momentum, confidence=self.confidence
        )
