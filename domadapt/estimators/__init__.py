"""Scikit-learn estimators on top of the torch core."""

from domadapt.estimators._adversarial import (
    CDANClassifier,
    MCDClassifier,
    MDDClassifier,
    WDGRLClassifier,
)
from domadapt.estimators._classifiers import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
)
from domadapt.estimators._discrepancy import (
    CMDClassifier,
    DeepJDOTClassifier,
    DSANClassifier,
    JANClassifier,
    SWDClassifier,
)
from domadapt.estimators._target import (
    AFNClassifier,
    BNMClassifier,
    BSPClassifier,
    MCCClassifier,
    PseudoLabelClassifier,
)

__all__ = [
    "AFNClassifier",
    "AlignmentClassifier",
    "BNMClassifier",
    "BSPClassifier",
    "CDANClassifier",
    "CMDClassifier",
    "DANClassifier",
    "DANNClassifier",
    "DSANClassifier",
    "DeepCORALClassifier",
    "DeepJDOTClassifier",
    "JANClassifier",
    "MCCClassifier",
    "MCDClassifier",
    "MDDClassifier",
    "PseudoLabelClassifier",
    "SWDClassifier",
    "WDGRLClassifier",
]
