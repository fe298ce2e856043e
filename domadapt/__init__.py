"""Unsupervised domain adaptation: scikit-learn estimators on a small torch core."""

from domadapt import estimators
from domadapt.domains.stacking import pack, unpack
from domadapt.estimators import *
from domadapt.inputs import ImageLoader, UnreadableImageError
from domadapt.saving import load
from domadapt.training import NonFiniteLossError

__version__ = "0.1.0"

__all__ = [
    "ImageLoader",
    "NonFiniteLossError",
    "UnreadableImageError",
    "load",
    "pack",
    "unpack",
]
__all__ += estimators.__all__
