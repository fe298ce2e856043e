"""The parameters that all deep estimators share: names, types, defaults and constraints."""

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from domadapt.domains.base import BaseDomainEstimator, estimator
from domadapt.inputs.images import ImageLoader
from domadapt.inputs.reader import PRECISIONS
from domadapt.training.optimization import (
    ALIGNMENT_SCHEDULES,
    LEARNING_RATE_SCHEDULES,
    check_schedule,
)
from domadapt.training.optimizers import OPTIMIZERS

# What a parameter may be, for type checkers and editors.
Alignment = str | Callable[..., Any] | list[tuple[Any, Any]] | None
BatchNorm = Literal["auto", "per_domain", "joint"] | None
LossWeights = Literal["fixed", "uncertainty", "gradnorm"]
SourceWeights = (
    Literal["proxy_distance", "transferability"]
    | Mapping[Any, float]
    | Sequence[float]
    | np.ndarray
    | None
)
Optimizer = Literal["sgd", "adam", "adamw"]
FilePath = str | os.PathLike[str]
Schedule = Callable[[float], float]


@estimator
class TrainingParameters(BaseDomainEstimator):
    """The parameters of an estimator that trains a network; they are explained once for all.

    A method's own defaults are declared again in its class.
    """

    image_loader: ImageLoader | None = None
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.03
    learning_rate_schedule: Literal["dann", "constant"] | Schedule = "dann"
    weight_decay: float = 5e-4
    batch_size: int = 64
    accumulate: int = 1
    max_epochs: int = 30
    steps_per_epoch: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    checkpoint: FilePath | None = None
    device: str | torch.device = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: bool | int = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "image_loader": [ImageLoader, None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(LEARNING_RATE_SCHEDULES)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "accumulate": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "steps_per_epoch": [Interval(Integral, 1, None, closed="left"), None],
        "precision": [StrOptions(set(PRECISIONS))],
        "checkpoint": [str, os.PathLike, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _check_schedules(self):
        """Raise an error where a schedule of the caller's does not return factors."""
        for name in ("alignment_schedule", "learning_rate_schedule"):
            schedule = getattr(self, name)
            if callable(schedule):
                check_schedule(name, schedule)

    def _check_accumulate(self):
        """Raise an error where mini-batches do not divide into parts of one size."""
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate={self.accumulate} does not divide batch_size={self.batch_size}. Use "
                "a number that does."
            )

    def _check_files(self):
        """Raise an error where a file cannot be written, before anything is computed."""
        if self.checkpoint is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"random_state={self.random_state!r} does not go with a checkpoint: a fit that "
                "is resumed has to draw what the first one drew. Pass an integer."
            )
        if self.checkpoint is not None:
            _check_writable("checkpoint", self.checkpoint, Path(self.checkpoint).parent)
        if self.feature_cache is not None and self.freeze:
            folder = Path(self.feature_cache)
            # A folder that is not there yet is made, in one that is.
            there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
            _check_writable("feature_cache", self.feature_cache, there)


@estimator
class NetworkParameters(TrainingParameters):
    """The parameters of an estimator that builds its network itself."""

    hidden_layer_sizes: int | Sequence[int] | None = None
    dropout: float = 0.0
    backbone: nn.Module | None = None
    backbone_rate: float | None = None
    freeze: bool = False
    feature_cache: FilePath | None = None
    batch_norm: BatchNorm = "auto"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainingParameters._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "backbone": [nn.Module, None],
        "backbone_rate": [Interval(Real, 0, None, closed="left"), None],
        "freeze": ["boolean"],
        "feature_cache": [str, os.PathLike, None],
        "batch_norm": [StrOptions({"auto", "per_domain", "joint"}), None],
    }

    def _resolved_batch_norm(self, *, aligns):
        """Return what batch_norm stands for in a fit, by whether it aligns now or later."""
        if self.batch_norm != "auto":
            return self.batch_norm
        # The statistics of a target help its alignment; without it plain layers do better.
        return "per_domain" if aligns else None


@estimator
class AlignmentParameters(NetworkParameters):
    """The parameters of an estimator that aligns domains."""

    alignment_weight: float | None = None
    alignment_schedule: Literal["dann", "linear", "constant"] | Schedule = "dann"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkParameters._parameter_constraints,
        "alignment_weight": [Interval(Real, 0, None, closed="left"), None],
        "alignment_schedule": [StrOptions(set(ALIGNMENT_SCHEDULES)), callable],
        # Names are resolved, and kinds told apart, where the criteria are built.
        "alignment": [str, callable, list, None],
    }


def _check_writable(name, value, folder):
    if name == "checkpoint" and Path(value).is_dir():
        raise OSError(f"{name}={str(value)!r} is a folder. The path of a file was expected.")
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise OSError(
            f"{name}={str(value)!r}: {str(folder)!r} is no folder that can be written to."
        )
