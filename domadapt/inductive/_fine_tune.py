"""The two fine-tuned estimators: what they predict, and when the source's head stays."""

import numpy as np

from domadapt.estimators._classifier import BaseDeepClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._regressor import BaseDeepRegressor
from domadapt.inductive._fine_tuning import FineTuning

__all__ = ["FineTuneClassifier", "FineTuneRegressor"]


@deep_estimator
class FineTuneClassifier(FineTuning, BaseDeepClassifier):
    """Classifier."""

    def _read_labels(self, domains, criteria):
        learnt, source = super()._read_labels(domains, criteria), self._start.estimator
        # The classes by name: that they mean the same is for a person to know.
        known = getattr(source, "classes_", None)
        same = known is not None and np.array_equal(known, learnt["fitted"]["classes_"])
        self._plan.keeps_head = same
        return learnt


@deep_estimator
class FineTuneRegressor(FineTuning, BaseDeepRegressor):
    """Regressor."""

    def _read_labels(self, domains, criteria):
        learnt, source = super()._read_labels(domains, criteria), self._start.estimator
        same = self._start.learns == "values" and source._n_outputs == learnt["n_outputs"]
        self._plan.keeps_head = same
        if same:
            # The source's head gives values in these units.
            fitted, labels = learnt["fitted"], learnt["labels"]
            values = labels * fitted["y_scale_"] + fitted["y_mean_"]
            fitted |= {"y_mean_": source.y_mean_, "y_scale_": source.y_scale_}
            learnt["labels"] = (values - source.y_mean_) / source.y_scale_
        return learnt
