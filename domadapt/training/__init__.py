"""The torch core: batches by index, one step, the loop, schedules."""

from domadapt.training.decoding import UnreadableImageError
from domadapt.training.images import ImageLoader
from domadapt.training.trainer import NonFiniteLossError, Trainer, TrainingSettings

__all__ = [
    "ImageLoader",
    "NonFiniteLossError",
    "Trainer",
    "TrainingSettings",
    "UnreadableImageError",
]
