"""The methods for values alone by name."""

from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Alignment
from domadapt.estimators._regressor import BaseAlignmentRegressor

__all__ = ["RSDRegressor"]


@deep_estimator
class RSDRegressor(BaseAlignmentRegressor):
    """Representation subspace distance: feature subspaces agree, their scale stays.

    The criterion is :class:`~domadapt.alignment.RSD`.

    References
    ----------
    Chen, Wang, Wang, Long (2021). "Representation subspace distance for domain adaptation
    regression". ICML.
    """

    alignment: Alignment = "rsd"
