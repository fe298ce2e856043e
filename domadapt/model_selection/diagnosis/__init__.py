"""How two domains differ, and whether to adapt."""

from domadapt.model_selection.diagnosis._diagnose import diagnose
from domadapt.model_selection.diagnosis._diagnosis import Diagnosis

__all__ = ["Diagnosis", "diagnose"]
