"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from typing import Any

from domadapt.inductive._forgetting import ForgettingTable
from domadapt.inductive.task_chain import TaskChainClassifier

__all__ = ["ForgettingTable", "TaskChainClassifier"]

# Those that a saved model may be of, by name.
KINDS: dict[str, Any] = {
    "TaskChainClassifier": TaskChainClassifier,
}
