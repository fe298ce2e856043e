"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from domadapt.inductive._fine_tune import FineTuneClassifier, FineTuneRegressor
from domadapt.inductive._forgetting import ForgettingTable
from domadapt.inductive._kinds import KINDS as KINDS
from domadapt.inductive.few_shot import FewShotClassifier
from domadapt.inductive.multi_task import MultiTaskClassifier, MultiTaskRegressor
from domadapt.inductive.self_taught import SelfTaughtFeatures
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

__all__ = [
    "FewShotClassifier",
    "FineTuneClassifier",
    "FineTuneRegressor",
    "ForgettingTable",
    "MultiTaskClassifier",
    "MultiTaskRegressor",
    "SelfTaughtFeatures",
    "TaskChainClassifier",
    "TransferabilityTable",
    "bhattacharyya_separability",
    "h_score",
    "leep",
    "log_me",
    "negative_conditional_entropy",
    "transferability_table",
]
