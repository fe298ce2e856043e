"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from domadapt.inductive._fine_tune import FineTuneClassifier as FineTuneClassifier
from domadapt.inductive._fine_tune import FineTuneRegressor as FineTuneRegressor
from domadapt.inductive.transferability import TransferabilityTable as TransferabilityTable
from domadapt.inductive.transferability import (
    bhattacharyya_separability as bhattacharyya_separability,
)
from domadapt.inductive.transferability import h_score as h_score
from domadapt.inductive.transferability import leep as leep
from domadapt.inductive.transferability import log_me as log_me
from domadapt.inductive.transferability import (
    negative_conditional_entropy as negative_conditional_entropy,
)
from domadapt.inductive.transferability import transferability_table as transferability_table

# What a file may hold, by the name of its class.
KINDS = {
    "FineTuneClassifier": FineTuneClassifier,
    "FineTuneRegressor": FineTuneRegressor,
}
