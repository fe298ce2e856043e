"""Unsupervised domain adaptation: scikit-learn estimators on a small torch core."""

from domadapt.domains import pack, unpack
from domadapt.estimators import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
)
from domadapt.training import NonFiniteLossError

__version__ = "0.1.0"

__all__ = [
    "AlignmentClassifier",
    "DANClassifier",
    "DANNClassifier",
    "DeepCORALClassifier",
    "NonFiniteLossError",
    "pack",
    "unpack",
]
