"""All methods, and how they fine-tune."""

from domadapt.methods.method import Method, build_criteria
from domadapt.methods.table import BY_NAME, CLASSES, METHODS

__all__ = ["BY_NAME", "CLASSES", "METHODS", "Method", "build_criteria"]
