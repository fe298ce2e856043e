"""The methods of disagreeing hypotheses by name."""

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, Optimizer

__all__ = ["MCDClassifier", "MDDClassifier"]


@deep_estimator
class MCDClassifier(BaseAlignmentClassifier):
    """Maximum classifier discrepancy: two heads disagree on the target, features resist.

    The criterion is :class:`~domadapt.alignment.ClassifierDiscrepancy`, which owns the second
    head. Predictions are those of the first.

    References
    ----------
    Saito, Watanabe, Ushiku, Harada (2018). "Maximum classifier discrepancy for unsupervised
    domain adaptation". CVPR.
    """

    alignment: Alignment = "mcd"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class MDDClassifier(BaseAlignmentClassifier):
    """Margin disparity discrepancy: an adversarial head departs from the classifier on the target.

    The criterion is :class:`~domadapt.alignment.MarginDisparity`, with the margin factor 4.

    References
    ----------
    Zhang, Liu, Long, Jordan (2019). "Bridging theory and algorithm for domain adaptation".
    ICML.
    """

    alignment: Alignment = "mdd"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0
