"""The methods of shared and private features by name."""

from domadapt.estimators._classifier import BaseAlignmentClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment, Optimizer

__all__ = ["DSNClassifier"]


@deep_estimator
class DSNClassifier(BaseAlignmentClassifier):
    """Domain separation network: what domains share is kept apart from what is their own.

    The criteria are :class:`~domadapt.alignment.DomainSeparation`, whose private encoders and
    decoder work on the samples of ``X`` flattened (on the features of a frozen backbone), and,
    for what is shared, :class:`~domadapt.alignment.DomainAdversarial`.

    References
    ----------
    Bousmalis, Trigeorgis, Silberman, Krishnan, Erhan (2016). "Domain separation networks".
    NeurIPS.
    """

    alignment: Alignment = "dsn"
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-4
