"""The torch core: batches by index, one step, the loop, schedules."""

from domadapt.training.trainer import NonFiniteLossError, Trainer, TrainingSettings

__all__ = ["NonFiniteLossError", "Trainer", "TrainingSettings"]
