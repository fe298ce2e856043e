"""Unsupervised domain adaptation: scikit-learn estimators on a small torch core."""

from domadapt.domains import pack, unpack
from domadapt.estimators import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
)
from domadapt.estimators._saving import load
from domadapt.training import ImageLoader, NonFiniteLossError, UnreadableImageError

__version__ = "0.1.0"

__all__ = [
    "AlignmentClassifier",
    "DANClassifier",
    "DANNClassifier",
    "DeepCORALClassifier",
    "ImageLoader",
    "NonFiniteLossError",
    "UnreadableImageError",
    "load",
    "pack",
    "unpack",
]
