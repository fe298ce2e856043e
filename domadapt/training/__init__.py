"""The training loop: one step, its update, schedules, checkpoints, several processes."""

from domadapt.training.trainer import NonFiniteLossError, Trainer, TrainingSettings

__all__ = ["NonFiniteLossError", "Trainer", "TrainingSettings"]
