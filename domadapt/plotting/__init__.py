"""Pictures of domains and of what adaptation does, as scikit-learn's displays are."""

from domadapt.plotting._domain_shift import DomainShiftDisplay
from domadapt.plotting._feature_map import FeatureMapDisplay
from domadapt.plotting._training_history import TrainingHistoryDisplay
from domadapt.plotting._transfer_matrix import TransferMatrixDisplay

__all__ = [
    "DomainShiftDisplay",
    "FeatureMapDisplay",
    "TrainingHistoryDisplay",
    "TransferMatrixDisplay",
]
