"""Choosing without target labels, and noticing harm."""

from domadapt.model_selection._harm import HarmCheck as HarmCheck
from domadapt.model_selection._harm import HarmWarning as HarmWarning
from domadapt.model_selection.auto import *
from domadapt.model_selection.callbacks import *
from domadapt.model_selection.chooser import *
from domadapt.model_selection.diagnosis import *
from domadapt.model_selection.group_splitter import *
from domadapt.model_selection.reports import *
from domadapt.model_selection.scorers import domain_scorer_names as domain_scorer_names
from domadapt.model_selection.scorers import get_domain_scorer as get_domain_scorer
from domadapt.model_selection.scores import *
from domadapt.model_selection.splitters import *

# As in domadapt.shallow: type checkers see every name above.
globals()["__all__"] = sorted(
    name for name, value in globals().items() if hasattr(value, "__qualname__")
)
