"""All methods, and how they fine-tune."""

from domadapt.methods.method import Method
from domadapt.methods.table import BY_NAME, CLASSES, METHODS

__all__ = ["BY_NAME", "CLASSES", "METHODS", "Method"]
