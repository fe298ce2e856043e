"""What a person chose about training, as it reaches the trainer."""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TrainingSettings:
    """What a person chose about training.

    Parameters
    ----------
    batch_size : int
        Samples of each domain in a mini-batch; a smaller domain gives all it has.
    max_epochs : int
        Epochs: passes over the larger domain, or rounds of ``steps_per_epoch``.
    steps_per_epoch : int or None
        Updates in an epoch; None for a pass over the larger domain, and at least eight.
    optimizer : str
        As in :class:`domadapt.training.optimizers.Optimizer`.
    learning_rate, weight_decay : float
        As in :class:`domadapt.training.optimizers.Optimizer`.
    batch_norm : {"per_domain", "joint"} or None
        Whether each domain is normalised by its own statistics.
    alignment_weight : float
        What the alignment schedule is multiplied by.
    alignment_schedule, learning_rate_schedule : callable
        From progress, 0 to 1, to a factor.
    precision : torch.dtype
        What the feature extractor computes in.
    accumulate : int, default=1
        In how many parts the features of a mini-batch are computed.
    """

    batch_size: int
    max_epochs: int
    steps_per_epoch: int | None
    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_norm: str | None
    alignment_weight: float
    alignment_schedule: Callable[[float], float]
    learning_rate_schedule: Callable[[float], float]
    precision: torch.dtype
    accumulate: int = 1
