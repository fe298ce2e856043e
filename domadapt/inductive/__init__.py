"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from domadapt.inductive.multi_task import MultiTaskClassifier, MultiTaskRegressor

# The estimators here that can be read from files, by name.
KINDS = {
    "MultiTaskClassifier": MultiTaskClassifier,
    "MultiTaskRegressor": MultiTaskRegressor,
}

__all__ = [
    "MultiTaskClassifier",
    "MultiTaskRegressor",
]
