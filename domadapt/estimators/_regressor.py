"""What a deep regressor adds to fit: values, standardised for the network."""

from typing import Any, ClassVar

import numpy as np
import torch

from domadapt.domains.base import estimator
from domadapt.domains.scores import RegressorScore
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.estimators._parameters import AlignmentParameters, BatchNorm, Optimizer
from domadapt.training.tasks import Regression


@estimator
class BaseDeepRegressor(RegressorScore, BaseDeepEstimator):
    """Everything of a deep regressor but how its network is built and aligned."""

    # The squared error has no bound on its gradient, under which plain SGD may run away.
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3

    _learns: ClassVar[str] = "values"

    def _read_labels(self, domains, criteria):
        """Return the values in standard units, the weights of samples, and what to remember."""
        weight = domains.sample_weight
        y = domains.y.reshape(len(domains.y), -1)
        mean = np.average(y, axis=0, weights=weight)
        scale = np.sqrt(np.average(np.square(y - mean), axis=0, weights=weight))
        # What rounding leaves of a constant's variance is no scale.
        scale[scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)] = 1.0
        fitted = {"y_mean_": mean, "y_scale_": scale, "_one_column": domains.y.ndim == 1}
        if domains.known is not None:
            y = np.concatenate([y, domains.y_known.reshape(len(domains.known), -1)])
        if weight is not None:
            weight = weight / weight.mean()
            if domains.known is not None:
                weight = np.concatenate([weight, np.ones(len(domains.known))])
        return {
            "labels": (y - mean) / scale,
            "weight": weight,
            "n_outputs": y.shape[1],
            "fitted": fitted,
        }

    def _make_task(self, learnt, reader):
        labels, weight = (
            None if values is None else torch.from_numpy(values).to(reader.device, reader.dtype)
            for values in (learnt["labels"], learnt["weight"])
        )
        return Regression(labels, weight)

    def _check_readable(self, y):
        """Accept any values."""

    def predict(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict values, treating samples as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then normalised by the statistics
            of the source. By default all samples are taken for target.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            In the units of the values of ``fit``.
        """
        return self._decided(self._outputs(self._samples(X), sample_domain))

    def _decided(self, outputs):
        """Return outputs in the units of the values of fit."""
        values = outputs.astype(np.float64) * self.y_scale_ + self.y_mean_
        return values[:, 0] if self._one_column else values

    @property
    def _n_outputs(self):
        return len(self.y_mean_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@estimator
class BaseAlignmentRegressor(AlignmentParameters, BaseDeepRegressor):
    """Everything of a deep regressor but the choice of its alignment criterion."""

    # Batch normalisation takes the scale of samples away, which the values may depend on.
    batch_norm: BatchNorm = None
    optimizer: Optimizer = BaseDeepRegressor.optimizer
    learning_rate: float = BaseDeepRegressor.learning_rate
