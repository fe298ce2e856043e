"""Scikit-learn estimators on top of the torch core."""

from domadapt.estimators import named
from domadapt.estimators._general import AlignmentClassifier, AlignmentRegressor
from domadapt.estimators.named import *

__all__ = ["AlignmentClassifier", "AlignmentRegressor"]
__all__ += named.__all__
