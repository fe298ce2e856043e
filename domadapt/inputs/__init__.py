"""Samples as mini-batches: arrays, sparse matrices, photographs, frozen features."""

from domadapt.inputs.decoding import UnreadableImageError
from domadapt.inputs.images import ImageLoader

__all__ = ["ImageLoader", "UnreadableImageError"]
