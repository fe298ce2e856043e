"""The methods of optimal transport by name."""

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, Optimizer
from domadapt.estimators._regressor import BaseAlignmentRegressor

__all__ = ["DeepJDOTClassifier", "DeepJDOTRegressor", "SWDClassifier"]


@deep_estimator
class DeepJDOTClassifier(BaseAlignmentClassifier):
    """Joint distribution optimal transport between features and labels of a batch.

    The criterion is :class:`~domadapt.alignment.DeepJDOT`. Each step waits for an exact plan
    on the CPU.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia, Courty (2018). "DeepJDOT: deep joint distribution
    optimal transport for unsupervised domain adaptation". ECCV.
    """

    alignment: Alignment = "deepjdot"


@deep_estimator
class SWDClassifier(BaseAlignmentClassifier):
    """Sliced Wasserstein distance between the features of the domains.

    The criterion is :class:`~domadapt.alignment.SlicedWasserstein`, with 64 directions drawn
    anew at each step.

    References
    ----------
    Lee, Batra, Baig, Ulbricht (2019). "Sliced Wasserstein discrepancy for unsupervised domain
    adaptation". CVPR. There the distance is between the outputs of two classifiers; here it
    is between the features of the domains.
    """

    alignment: Alignment = "swd"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0


@deep_estimator
class DeepJDOTRegressor(BaseAlignmentRegressor):
    """Joint distribution optimal transport of features and values.

    The criterion is :class:`~domadapt.alignment.DeepJDOTRegression`.

    References
    ----------
    Courty, Flamary, Habrard, Rakotomamonjy (2017). "Joint distribution optimal
    transportation for domain adaptation". NeurIPS.

    Damodaran, Kellenberger, Flamary, Tuia, Courty (2018). "DeepJDOT: deep joint
    distribution optimal transport for unsupervised domain adaptation". ECCV.
    """

    alignment: Alignment = "deepjdot"
