"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from domadapt.inductive._fine_tune import FineTuneClassifier, FineTuneRegressor
from domadapt.inductive.multi_task import MultiTaskClassifier, MultiTaskRegressor
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
KINDS = {
    "FineTuneClassifier": FineTuneClassifier,
    "FineTuneRegressor": FineTuneRegressor,
    "MultiTaskClassifier": MultiTaskClassifier,
    "MultiTaskRegressor": MultiTaskRegressor,
}

__all__ = [
    "FineTuneClassifier",
    "FineTuneRegressor",
    "MultiTaskClassifier",
    "MultiTaskRegressor",
    "TransferabilityTable",
    "bhattacharyya_separability",
    "h_score",
    "leep",
    "log_me",
    "negative_conditional_entropy",
    "transferability_table",
]
