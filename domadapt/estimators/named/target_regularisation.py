"""The methods that regularise predictions on the target by name."""

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, Optimizer

__all__ = ["AFNClassifier", "BNMClassifier", "BSPClassifier", "MCCClassifier", "VADAClassifier"]


@deep_estimator
class MCCClassifier(BaseAlignmentClassifier):
    """Minimum class confusion: target predictions are to mix no classes.

    The criterion is :class:`~domadapt.alignment.MCC`, at temperature 2.5.

    References
    ----------
    Jin, Wang, Long, Wang (2020). "Minimum class confusion for versatile domain adaptation".
    ECCV.
    """

    alignment: Alignment = "mcc"
    # Smoothed labels would hold the target predictions away from certainty, here and below.
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class BNMClassifier(BaseAlignmentClassifier):
    """Batch nuclear-norm maximisation: target predictions are to be sure and of many classes.

    The criterion is :class:`~domadapt.alignment.BNM`.

    References
    ----------
    Cui, Wang, Zhuo, Li, Huang, Tian (2020). "Towards discriminability and diversity: batch
    nuclear-norm maximization under label insufficient situations". CVPR.
    """

    alignment: Alignment = "bnm"
    label_smoothing: float = 0.0


@deep_estimator
class AFNClassifier(BaseAlignmentClassifier):
    """Adaptive feature norm: the norms of the features are to grow step by step.

    The criterion is :class:`~domadapt.alignment.AFN`.

    References
    ----------
    Xu, Li, Yang, Lin (2019). "Larger norm more transferable: an adaptive feature norm approach
    for unsupervised domain adaptation". ICCV.
    """

    alignment: Alignment = "afn"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class BSPClassifier(BaseAlignmentClassifier):
    """Batch spectral penalisation: no direction of the features is to stand out, with DANN.

    The criteria are :class:`~domadapt.alignment.DomainAdversarial` and, at a small weight,
    :class:`~domadapt.alignment.BSP`.

    References
    ----------
    Chen, Wang, Long, Wang (2019). "Transferability vs. discriminability: batch spectral
    penalization for adversarial domain adaptation". ICML.
    """

    alignment: Alignment = "bsp"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3


@deep_estimator
class VADAClassifier(BaseAlignmentClassifier):
    """Virtual adversarial domain adaptation: boundaries between classes keep off target samples.

    The criteria are :class:`~domadapt.alignment.DomainAdversarial`,
    :class:`~domadapt.alignment.VirtualAdversarial` and
    :class:`~domadapt.alignment.EntropyMinimization`, the last two on the target; the paper
    leaves it open whether perturbations of the source count too.

    References
    ----------
    Shu, Bui, Narui, Ermon (2018). "A DIRT-T approach to unsupervised domain adaptation".
    ICLR.
    """

    alignment: Alignment = "vada"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0
