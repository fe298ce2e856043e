"""The methods of a discrepancy between the domains by name."""

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, Optimizer
from domadapt.estimators._regressor import BaseAlignmentRegressor

__all__ = [
    "CMDClassifier",
    "CORALRegressor",
    "DANClassifier",
    "DANRegressor",
    "DSANClassifier",
    "DeepCORALClassifier",
    "EnergyDistanceClassifier",
    "JANClassifier",
]


@deep_estimator
class DANClassifier(BaseAlignmentClassifier):
    """Deep adaptation network: multi-kernel MMD between the features of the domains.

    The criterion is :class:`~domadapt.alignment.MMD`, unbiased, with five kernels.

    References
    ----------
    Long, Cao, Wang, Jordan (2015). "Learning transferable features with deep adaptation
    networks". ICML.
    """

    alignment: Alignment = "dan"


@deep_estimator
class JANClassifier(BaseAlignmentClassifier):
    """Joint adaptation network: MMD between the joint distributions of features and predictions.

    The criterion is :class:`~domadapt.alignment.JointMMD`, unbiased.

    References
    ----------
    Long, Zhu, Wang, Jordan (2017). "Deep transfer learning with joint adaptation networks".
    ICML.
    """

    alignment: Alignment = "jan"


@deep_estimator
class DSANClassifier(BaseAlignmentClassifier):
    """Deep subdomain adaptation network: MMD class by class.

    The criterion is :class:`~domadapt.alignment.LocalMMD`. Target samples count in each class as
    much as the classifier believes them to be of it.

    References
    ----------
    Zhu, Zhuang, Wang, Ke, Chen, Bian, Xiong, He (2021). "Deep subdomain adaptation network
    for image classification". IEEE Transactions on Neural Networks and Learning Systems 32(4).
    """

    alignment: Alignment = "dsan"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class CMDClassifier(BaseAlignmentClassifier):
    """Central moment discrepancy: means and central moments of the features are to agree.

    The criterion is :class:`~domadapt.alignment.CentralMoments`, up to the fifth order.

    References
    ----------
    Zellinger, Grubinger, Lughofer, Natschlaeger, Saminger-Platz (2017). "Central moment
    discrepancy (CMD) for domain-invariant representation learning". ICLR.
    """

    alignment: Alignment = "cmd"


@deep_estimator
class DeepCORALClassifier(BaseAlignmentClassifier):
    """Deep CORAL: the logits of both domains are to have the same covariance.

    The criterion is :class:`~domadapt.alignment.DeepCORAL`.

    References
    ----------
    Sun, Saenko (2016). "Deep CORAL: correlation alignment for deep domain adaptation".
    ECCV workshops.
    """

    alignment: Alignment = "deepcoral"
    # Smoothed labels hold the logits small, and it is their covariance that is to agree.
    label_smoothing: float = 0.0


@deep_estimator
class EnergyDistanceClassifier(BaseAlignmentClassifier):
    """Energy distance: samples are no farther from the other domain than from their own.

    The criterion is :class:`~domadapt.alignment.EnergyDistance`, unbiased.

    References
    ----------
    Székely, Rizzo (2013). "Energy statistics: a class of statistics based on distances".
    Journal of Statistical Planning and Inference 143(8).
    """

    alignment: Alignment = "energy"


@deep_estimator
class DANRegressor(BaseAlignmentRegressor):
    """Deep adaptation network: multi-kernel MMD between the features of the domains.

    The criterion is :class:`~domadapt.alignment.MMD`, unbiased, with five kernels.

    References
    ----------
    Long, Cao, Wang, Jordan (2015). "Learning transferable features with deep adaptation
    networks". ICML.
    """

    alignment: Alignment = "dan"


@deep_estimator
class CORALRegressor(BaseAlignmentRegressor):
    """CORAL: the features of both domains are to have the same covariance.

    The criterion is :class:`~domadapt.alignment.CORAL`.

    References
    ----------
    Sun, Saenko (2016). "CORAL: correlation alignment for deep domain adaptation".
    ECCV workshops.
    """

    alignment: Alignment = "coral"
