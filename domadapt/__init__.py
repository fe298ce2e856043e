"""Unsupervised domain adaptation: scikit-learn estimators on a small torch core."""

from domadapt.domains.labels import has_label as has_label
from domadapt.domains.stacking import pack as pack
from domadapt.domains.stacking import unpack as unpack
from domadapt.estimators import *
from domadapt.estimators._together import fit_together as fit_together
from domadapt.inputs import ImageLoader as ImageLoader
from domadapt.inputs import UnreadableImageError as UnreadableImageError
from domadapt.model_selection import AutoAdaptClassifier as AutoAdaptClassifier
from domadapt.model_selection import AutoAdaptRegressor as AutoAdaptRegressor
from domadapt.model_selection import Diagnosis as Diagnosis
from domadapt.model_selection import MethodChoice as MethodChoice
from domadapt.model_selection import choose_method as choose_method
from domadapt.model_selection import diagnose as diagnose
from domadapt.saving import load as load
from domadapt.training import NonFiniteLossError as NonFiniteLossError

__version__ = "0.1.0"
# As in domadapt.estimators, whose names these are too.
globals()["__all__"] = sorted(
    name for name, value in globals().items() if hasattr(value, "__qualname__")
)
