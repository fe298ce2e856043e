"""Choosing without target labels, and noticing harm: scores, splitters, reports, callbacks."""

from domadapt.model_selection.scores import *
from domadapt.model_selection.splitters import *

# As in domadapt.shallow: type checkers see every name above.
globals()["__all__"] = sorted(
    name for name, value in globals().items() if hasattr(value, "__qualname__")
)
