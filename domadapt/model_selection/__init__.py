"""Choosing without target labels: scores, and scorers that go into scikit-learn's searches."""

from domadapt.model_selection.scorers import domain_scorer_names as domain_scorer_names
from domadapt.model_selection.scorers import get_domain_scorer as get_domain_scorer
from domadapt.model_selection.scores import *

# As in domadapt.shallow: type checkers see every name above.
globals()["__all__"] = sorted(
    name for name, value in globals().items() if hasattr(value, "__qualname__")
)
