"""The automatic choice among methods, plain models among them."""

from domadapt.model_selection.auto._classifier import AutoAdaptClassifier as AutoAdaptClassifier
from domadapt.model_selection.auto._regressor import AutoAdaptRegressor as AutoAdaptRegressor
