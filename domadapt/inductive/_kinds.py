"""The estimators of this room that can be read from files, by name."""

from typing import Any

from domadapt.inductive._fine_tune import FineTuneClassifier, FineTuneRegressor
from domadapt.inductive.few_shot import FewShotClassifier
from domadapt.inductive.multi_task import MultiTaskClassifier, MultiTaskRegressor
from domadapt.inductive.task_chain import TaskChainClassifier

KINDS: dict[str, Any] = {
    "FewShotClassifier": FewShotClassifier,
    "FineTuneClassifier": FineTuneClassifier,
    "FineTuneRegressor": FineTuneRegressor,
    "MultiTaskClassifier": MultiTaskClassifier,
    "MultiTaskRegressor": MultiTaskRegressor,
    "TaskChainClassifier": TaskChainClassifier,
}
