"""The neighbours of adaptation: fine-tuning, several tasks, chains of tasks, few shots."""

from domadapt.inductive.few_shot import FewShotClassifier
from domadapt.inductive.self_taught import SelfTaughtFeatures

__all__ = ["FewShotClassifier", "SelfTaughtFeatures"]

# What `domadapt.load` reads beside the estimators of domadapt itself, by name.
KINDS = {"FewShotClassifier": FewShotClassifier}
