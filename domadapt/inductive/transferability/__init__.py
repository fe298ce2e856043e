"""Of what use a source model is to a small labelled target: scores of arrays, and a table."""

from domadapt.inductive.transferability._classes import (
    bhattacharyya_separability,
    h_score,
)
from domadapt.inductive.transferability._evidence import log_me
from domadapt.inductive.transferability._source_classes import (
    leep,
    negative_conditional_entropy,
)
from domadapt.inductive.transferability._table import (
    TransferabilityTable,
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
