"""The stages of a fit, as data: what is trained on what, one after the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from domadapt.domains.samples import Samples
from domadapt.inputs.reader import PRECISIONS, Reader
from domadapt.nn.layers import extract_features
from domadapt.nn.networks import FeatureClassifier
from domadapt.nn.random_numbers import RandomNumbers
from domadapt.training.optimization import (
    ALIGNMENT_SCHEDULES,
    LEARNING_RATE_SCHEDULES,
    resolve_schedule,
)
from domadapt.training.orders import steps_in_epoch
from domadapt.training.settings import TrainingSettings


@dataclass(frozen=True)
class Stage:
    """One run of epochs: what is trained on, where its history goes, what its file ends in.

    A stage that learns no labels leaves the classifier as it is.
    """

    learns: bool = True
    aligns: bool = True
    history: str = "history_"
    ending: str = ""


TOGETHER = (Stage(),)
ALIGN = Stage(learns=False, history="adaptation_history_", ending=".2")
LEARN_THEN_ALIGN = (Stage(aligns=False), ALIGN)


@dataclass
class Training:
    """What the stages of a fit share."""

    network: FeatureClassifier
    backbone: nn.Module | None
    parts: dict[str, Samples]
    reader: Reader
    seed: int
    random_numbers: RandomNumbers
    batch_norm: str | None
    task: Any = None
    source_domain: np.ndarray | None = None
    fingerprint: str | None = None

    def see_target(self):
        """Return features and outputs of all target samples."""
        classifier = self.network.classifier

        def both(batch):
            features = extract_features(
                self.network.feature_extractor, batch, self.reader.precision
            )
            return torch.cat([features, classifier(features)], dim=1)

        values = torch.from_numpy(self.reader.apply(both, self.parts["target"]))
        return values.to(self.reader.device).tensor_split([classifier[0].in_features], dim=1)


def parts_of(stage, parts, criteria):
    """Return the samples that a stage trains on."""
    if not stage.aligns:
        return {"source": parts["source"]}
    if not stage.learns and not criteria.asks_for("source_"):
        return {"target": parts["target"]}
    return parts


def settings_of(estimator, batch_norm, parts, alignment_weight):
    """Return what an estimator says about training on the samples of these parts."""
    n_samples = [len(part) for part in parts.values()]
    steps = estimator.steps_per_epoch or steps_in_epoch(n_samples, estimator.batch_size)
    return TrainingSettings(
        batch_size=estimator.batch_size,
        max_epochs=estimator.max_epochs,
        steps_per_epoch=steps,
        optimizer=estimator.optimizer,
        learning_rate=estimator.learning_rate,
        weight_decay=estimator.weight_decay,
        batch_norm=batch_norm,
        alignment_weight=alignment_weight,
        alignment_schedule=resolve_schedule(ALIGNMENT_SCHEDULES, estimator.alignment_schedule),
        learning_rate_schedule=resolve_schedule(
            LEARNING_RATE_SCHEDULES, estimator.learning_rate_schedule
        ),
        precision=PRECISIONS[estimator.precision],
        accumulate=int(estimator.accumulate),
    )
