"""All methods, and how they fine-tune."""

from domadapt.methods.method import Method, build_criteria
from domadapt.methods.table import BY_NAME, METHODS

__all__ = ["BY_NAME", "METHODS", "Method", "build_criteria"]
