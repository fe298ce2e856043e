"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from typing import Any

from domadapt.inductive._fine_tune import FineTuneClassifier, FineTuneRegressor
from domadapt.inductive._forgetting import ForgettingTable
from domadapt.inductive.multi_task import MultiTaskClassifier, MultiTaskRegressor
from domadapt.inductive.task_chain import TaskChainClassifier
from domadapt.inductive.transferability import (
    TransferabilityTable,
    bhattacharyya_separability,
    h_score,
    leep,
    log_me,
    negative_conditional_entropy,
    transferability_table,
)

# The estimators here that can be read from files, by name.
KINDS: dict[str, Any] = {
    "FineTuneClassifier": FineTuneClassifier,
    "FineTuneRegressor": FineTuneRegressor,
    "MultiTaskClassifier": MultiTaskClassifier,
    "MultiTaskRegressor": MultiTaskRegressor,
    "TaskChainClassifier": TaskChainClassifier,
}

__all__ = [
    "FineTuneClassifier",
    "FineTuneRegressor",
    "ForgettingTable",
    "MultiTaskClassifier",
    "MultiTaskRegressor",
    "TaskChainClassifier",
    "TransferabilityTable",
    "bhattacharyya_separability",
    "h_score",
    "leep",
    "log_me",
    "negative_conditional_entropy",
    "transferability_table",
]
