"""The estimators by name, one file for each family of methods, as in docs/methods."""

from domadapt.estimators.named import (
    adversarial,
    discrepancy,
    hypothesis,
    other_settings,
    regression,
    self_training,
    shared_and_private,
    source_free,
    target_regularisation,
    transport,
)
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

__all__: list[str] = []
__all__ += adversarial.__all__
__all__ += discrepancy.__all__
__all__ += hypothesis.__all__
__all__ += other_settings.__all__
__all__ += regression.__all__
__all__ += self_training.__all__
__all__ += shared_and_private.__all__
__all__ += source_free.__all__
__all__ += target_regularisation.__all__
__all__ += transport.__all__
