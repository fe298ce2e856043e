"""Scikit-learn estimators on top of the torch core."""

from domadapt.estimators._general import *
from domadapt.estimators.named.adversarial import *
from domadapt.estimators.named.discrepancy import *
from domadapt.estimators.named.hypothesis import *
from domadapt.estimators.named.other_settings import *
from domadapt.estimators.named.regression import *
from domadapt.estimators.named.self_training import *
from domadapt.estimators.named.shared_and_private import *
from domadapt.estimators.named.source_free import *
from domadapt.estimators.named.target_regularisation import *
from domadapt.estimators.named.transport import *

# Type checkers see every name above: an assignment that they cannot read would hide them.
globals()["__all__"] = sorted(
    name for name, value in globals().items() if hasattr(value, "__qualname__")
)
