"""The parameters that all deep estimators share, and what they mean for training."""

import os
from numbers import Integral, Real
from pathlib import Path

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from domadapt.inputs.device import PRECISIONS
from domadapt.inputs.images import ImageLoader
from domadapt.nn.networks import training_dtype
from domadapt.training.distributed import n_processes
from domadapt.training.optimizers import OPTIMIZERS
from domadapt.training.schedules import ALIGNMENT_SCHEDULES, LEARNING_RATE_SCHEDULES
from domadapt.training.trainer import TrainingSettings

# Weights that were learnt elsewhere move at this share of the learning rate.
PRETRAINED_RATE = 0.1


class DeepEstimator(BaseEstimator):
    """The parameters of an estimator that trains a network, checked and put to use."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "backbone": [nn.Module, None],
        "backbone_rate": [Interval(Real, 0, None, closed="left"), None],
        "freeze": ["boolean"],
        "feature_cache": [str, os.PathLike, None],
        "image_loader": [ImageLoader, None],
        "batch_norm": [StrOptions({"per_domain", "joint"}), None],
        "alignment_weight": [Interval(Real, 0, None, closed="left"), None],
        "alignment_schedule": [StrOptions(set(ALIGNMENT_SCHEDULES)), callable],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(LEARNING_RATE_SCHEDULES)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "steps_per_epoch": [Interval(Integral, 1, None, closed="left"), None],
        "precision": [StrOptions(set(PRECISIONS))],
        "checkpoint": [str, os.PathLike, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        hidden_layer_sizes=None,
        dropout=0.0,
        backbone=None,
        backbone_rate=None,
        freeze=False,
        feature_cache=None,
        image_loader=None,
        batch_norm="per_domain",
        alignment_weight=None,
        alignment_schedule="dann",
        optimizer="sgd",
        learning_rate=0.03,
        learning_rate_schedule="dann",
        weight_decay=5e-4,
        batch_size=64,
        max_epochs=30,
        steps_per_epoch=None,
        precision="float32",
        checkpoint=None,
        device="auto",
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.backbone = backbone
        self.backbone_rate = backbone_rate
        self.freeze = freeze
        self.feature_cache = feature_cache
        self.image_loader = image_loader
        self.batch_norm = batch_norm
        self.alignment_weight = alignment_weight
        self.alignment_schedule = alignment_schedule
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.steps_per_epoch = steps_per_epoch
        self.precision = precision
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def _check_settings(self):
        """Find what does not go together before anything is read."""
        self._loader._validate_params()
        if self.freeze and self.backbone is None:
            raise ValueError(
                "freeze=True needs a backbone, whose features are to be trained on. Pass one, "
                "such as load_backbone('resnet50', weights=...), or freeze=False."
            )
        if self.precision == "bfloat16" and training_dtype(self.backbone) == torch.float64:
            raise ValueError(
                "precision='bfloat16' does not go with a backbone in float64. Use "
                "precision='float32' or backbone.float()."
            )
        if getattr(self.backbone, "lost_weights", False):
            raise ValueError(
                f"backbone={self.backbone.name!r} was read from a file, which does not hold the "
                "weights that training started from. Set the parameter before you fit again: "
                f"backbone=load_backbone({self.backbone.name!r}, weights)."
            )
        if n_processes() > 1 and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"random_state={self.random_state!r} does not go with {n_processes()} processes, "
                "which have to draw the same rows. Pass an integer, the same in all."
            )
        if self.checkpoint is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"random_state={self.random_state!r} does not go with a checkpoint: a fit that "
                "goes on has to draw what the first one drew. Pass an integer."
            )
        if self.checkpoint is not None:
            _check_writable("checkpoint", self.checkpoint, Path(self.checkpoint).parent)
        if self.feature_cache is not None and self.freeze:
            folder = Path(self.feature_cache)
            # A folder that is not there yet is made, in one that is.
            there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
            _check_writable("feature_cache", self.feature_cache, there)

    @property
    def _hidden_layer_sizes(self):
        return _check_layer_sizes(self.hidden_layer_sizes)

    @property
    def _loader(self):
        return ImageLoader() if self.image_loader is None else self.image_loader

    def _training_settings(self, alignment_weight):
        backbone_rate = self.backbone_rate
        if backbone_rate is None:
            is_pretrained = getattr(self.backbone, "pretrained", False) is True
            backbone_rate = PRETRAINED_RATE if is_pretrained else 1.0
        return TrainingSettings(
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            steps_per_epoch=self.steps_per_epoch,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            backbone_factor=backbone_rate,
            batch_norm=self.batch_norm,
            alignment_weight=alignment_weight,
            alignment_schedule=_schedule(ALIGNMENT_SCHEDULES, self.alignment_schedule),
            learning_rate_schedule=_schedule(LEARNING_RATE_SCHEDULES, self.learning_rate_schedule),
            precision=PRECISIONS[self.precision],
        )


def _check_writable(name, value, folder):
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise OSError(
            f"{name}={str(value)!r}: {str(folder)!r} is no folder that can be written to."
        )


def _check_layer_sizes(sizes):
    if sizes is None:
        return None
    if isinstance(sizes, Integral):
        return (int(sizes),)
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes={sizes!r} must hold whole numbers above 0, such as (256, 64)."
        )
    return tuple(int(size) for size in sizes)


def _schedule(known, schedule):
    return known[schedule] if isinstance(schedule, str) else schedule
