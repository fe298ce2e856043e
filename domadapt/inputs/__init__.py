"""Rows of any kind as batches: arrays, sparse matrices, photographs, features of a frozen backbone."""

from domadapt.inputs.decoding import UnreadableImageError
from domadapt.inputs.images import ImageLoader

__all__ = ["ImageLoader", "UnreadableImageError"]
