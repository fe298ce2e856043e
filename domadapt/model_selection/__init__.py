"""Choosing without target labels: what a shift is like, and what helps against it."""

from domadapt.model_selection.diagnosis import Diagnosis, DiagnosisDisplay, diagnose

__all__ = ["Diagnosis", "DiagnosisDisplay", "diagnose"]
