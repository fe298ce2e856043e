"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

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
    "TransferabilityTable",
    "bhattacharyya_separability",
    "h_score",
    "leep",
    "log_me",
    "negative_conditional_entropy",
    "transferability_table",
]
