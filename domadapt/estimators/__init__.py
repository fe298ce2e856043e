"""Scikit-learn estimators on top of the torch core."""

from domadapt.estimators._general import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
)
from domadapt.estimators.named.adversarial import (
    ADDAClassifier,
    CDANClassifier,
    DSNClassifier,
    MCDClassifier,
    MDDClassifier,
    WDGRLClassifier,
)
from domadapt.estimators.named.discrepancy import (
    CMDClassifier,
    DeepJDOTClassifier,
    DSANClassifier,
    JANClassifier,
    SWDClassifier,
)
from domadapt.estimators.named.other_settings import (
    M3SDAClassifier,
    OSBPClassifier,
    PADAClassifier,
    SHOTClassifier,
)
from domadapt.estimators.named.regression import (
    AlignmentRegressor,
    DANNRegressor,
    DANRegressor,
    DeepCORALRegressor,
    DeepJDOTRegressor,
    RSDRegressor,
)
from domadapt.estimators.named.target_regularisation import (
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
