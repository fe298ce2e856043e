"""Scikit-learn estimators on top of the torch core."""

from domadapt.estimators._adversarial import (
    ADDAClassifier,
    CDANClassifier,
    DSNClassifier,
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
from domadapt.estimators._regressors import (
    AlignmentRegressor,
    DANNRegressor,
    DANRegressor,
    DeepCORALRegressor,
    DeepJDOTRegressor,
    RSDRegressor,
)
from domadapt.estimators._settings import (
    M3SDAClassifier,
    OSBPClassifier,
    PADAClassifier,
    SHOTClassifier,
)
from domadapt.estimators._target import (
    AFNClassifier,
    BNMClassifier,
    BSPClassifier,
    MCCClassifier,
    MeanTeacherClassifier,
    PseudoLabelClassifier,
    VADAClassifier,
)

__all__ = [
    "ADDAClassifier",
    "AFNClassifier",
    "AlignmentClassifier",
    "AlignmentRegressor",
    "BNMClassifier",
    "BSPClassifier",
    "CDANClassifier",
    "CMDClassifier",
    "DANClassifier",
    "DANNClassifier",
    "DANNRegressor",
    "DANRegressor",
    "DSANClassifier",
    "DSNClassifier",
    "DeepCORALClassifier",
    "DeepCORALRegressor",
    "DeepJDOTClassifier",
    "DeepJDOTRegressor",
    "JANClassifier",
    "M3SDAClassifier",
    "MCCClassifier",
    "MCDClassifier",
    "MDDClassifier",
    "MeanTeacherClassifier",
    "OSBPClassifier",
    "PADAClassifier",
    "PseudoLabelClassifier",
    "RSDRegressor",
    "SHOTClassifier",
    "SWDClassifier",
    "VADAClassifier",
    "WDGRLClassifier",
]
