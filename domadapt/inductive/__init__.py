"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from domadapt.inductive._fine_tune import FineTuneClassifier as FineTuneClassifier
from domadapt.inductive._fine_tune import FineTuneRegressor as FineTuneRegressor

# What a file may hold, by the name of its class.
KINDS = {
    "FineTuneClassifier": FineTuneClassifier,
    "FineTuneRegressor": FineTuneRegressor,
}
