"""How two domains differ, and whether to adapt."""

from domadapt.model_selection.diagnosis._diagnose import diagnose
from domadapt.model_selection.diagnosis._diagnosis import Diagnosis
from domadapt.model_selection.diagnosis._display import DiagnosisDisplay

__all__ = ["Diagnosis", "DiagnosisDisplay", "diagnose"]
