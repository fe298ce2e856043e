"""The training loop: one step, its update, loss weights, checkpoints, several processes."""

from domadapt.training.finite import NonFiniteLossError
from domadapt.training.loss_weights import GradNormWeights, UncertaintyWeights
from domadapt.training.settings import TrainingSettings
from domadapt.training.step import WeightedCriteria
from domadapt.training.trainer import Trainer

__all__ = [
    "GradNormWeights",
    "NonFiniteLossError",
    "Trainer",
    "TrainingSettings",
    "UncertaintyWeights",
    "WeightedCriteria",
]
