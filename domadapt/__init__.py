"""Unsupervised domain adaptation: scikit-learn estimators on a small torch core."""

from domadapt.domains import pack, unpack
from domadapt.estimators import (
    AFNClassifier,
    AlignmentClassifier,
    BNMClassifier,
    BSPClassifier,
    CDANClassifier,
    CMDClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DeepJDOTClassifier,
    DSANClassifier,
    JANClassifier,
    MCCClassifier,
    MCDClassifier,
    MDDClassifier,
    PseudoLabelClassifier,
    SWDClassifier,
    WDGRLClassifier,
)
from domadapt.estimators._saving import load
from domadapt.training import ImageLoader, NonFiniteLossError, UnreadableImageError

__version__ = "0.1.0"

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
    "ImageLoader",
    "JANClassifier",
    "MCCClassifier",
    "MCDClassifier",
    "MDDClassifier",
    "NonFiniteLossError",
    "PseudoLabelClassifier",
    "SWDClassifier",
    "UnreadableImageError",
    "WDGRLClassifier",
    "load",
    "pack",
    "unpack",
]
