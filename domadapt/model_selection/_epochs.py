"""What callbacks share that end a fit with the weights of one of its epochs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.inductive import FewShotClassifier
from domadapt.inductive._joint import BaseMultiTask


@dataclass
class Run:
    """What a callback knows of a fit that is under way."""

    scores: list[float] = field(default_factory=list)
    chosen: int = -1
    weights: Any = None
    predictions: Any = None
    last_predictions: Any = None


class EpochCallback(ABC):
    """A callback of scikit-learn's kind that ends a fit with the weights of one of its epochs.

    Subclasses have ``_begin(estimator)``, called before the first epoch,
    ``_score(estimator, predictions)`` and ``_is_better(run)``, which says whether the epoch
    whose score came last is to be kept.
    """

    best_epoch_: int
    scores_: np.ndarray
    predictions_: np.ndarray
    last_predictions_: np.ndarray

    def __init__(self, X_target):
        self.X_target = X_target
        # Clones in a search share the callback, and threads may fit several at once.
        self._runs = {}

    @abstractmethod
    def _score(self, estimator, predictions):
        """Return the score of an epoch, larger being better."""

    @abstractmethod
    def _is_better(self, run):
        """Return whether the last epoch is to be kept."""

    @abstractmethod
    def _begin(self, estimator):
        """Prepare a fit, and find what does not go together before it."""

    def setup(self, estimator: Any, context: Any) -> None:
        """Check the estimator that is to be fitted, as scikit-learn asks callbacks to.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        context : CallbackContext
            Its task.
        """
        name = type(self).__name__
        if not isinstance(estimator, BaseDeepEstimator):
            raise TypeError(
                f"{name} keeps weights of a network, and {type(estimator).__name__} has none. Set "
                "it on a deep estimator of domadapt, such as DANNClassifier; in a pipeline, on "
                "that step."
            )
        if isinstance(estimator, (BaseMultiTask, FewShotClassifier)):
            raise TypeError(
                f"{name} scores what is predicted for a target by epochs, and "
                f"{type(estimator).__name__} predicts several tasks, or classes that it takes "
                "after the last epoch. Fit it without the callback."
            )
        if estimator.checkpoint is not None:
            raise ValueError(
                f"{name} does not go with checkpoint={str(estimator.checkpoint)!r}: the file holds "
                "the weights of the last epoch alone, so that a fit that is resumed could not "
                "return to an earlier one. Use checkpoint=None."
            )
        others = [c for c in estimator._skl_callbacks if isinstance(c, EpochCallback)]
        if len(others) > 1:
            raise ValueError(
                f"{' and '.join(type(c).__name__ for c in others)} were set together, and each "
                "wants to choose the epoch. Set one of them."
            )
        self._runs[id(estimator)] = Run()

    def teardown(self, estimator: Any, context: Any) -> None:
        """Forget the fit, however it ended.

        Parameters
        ----------
        estimator : estimator
            What was fitted.
        context : CallbackContext
            Its task.
        """
        self._runs.pop(id(estimator), None)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Look at the target before the first epoch.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        context : CallbackContext
            The whole fit, or an epoch.
        """
        if context.task_name != "epoch":
            # Samples that the network does not take are told before training.
            predicted(estimator, self.X_target)
            self._begin(estimator)

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Score an epoch; after the last one, put back the weights of the one that is kept.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        context : CallbackContext
            The whole fit, or an epoch.
        """
        run = self._runs[id(estimator)]
        if context.task_name != "epoch":
            self._put_back(estimator, run)
            return
        run.last_predictions = predicted(estimator, self.X_target)
        score = float(self._score(estimator, run.last_predictions))
        if not np.isfinite(score):
            raise ValueError(
                f"The score of epoch {len(run.scores)} (counted from 0) is {score}, and a finite "
                "number was expected."
            )
        run.scores.append(score)
        if self._is_better(run):
            run.chosen, run.predictions = len(run.scores) - 1, run.last_predictions
            run.weights = weights_of(estimator)

    def _put_back(self, estimator, run):
        if not run.scores:
            return
        if run.chosen < len(run.scores) - 1:
            put_back(estimator, run.weights)
        self.best_epoch_ = estimator.best_epoch_ = run.chosen
        self.scores_ = np.array(run.scores)
        estimator.epoch_scores_ = self.scores_.copy()
        self.predictions_, self.last_predictions_ = run.predictions, run.last_predictions


def predicted(estimator, X):
    """Return the probabilities of a classifier, or the values of a regressor."""
    predict = getattr(estimator, "predict_proba", estimator.predict)
    return np.asarray(predict(X))


def _learnt(estimator):
    """Return the parts of a network that training changes."""
    extractor, _ = estimator._trained_part()
    return {"feature_extractor": extractor, "classifier": estimator.module_.classifier}


def weights_of(estimator):
    """Return copies of the weights and of the statistics of batch normalisation."""
    return {
        part: {name: value.clone() for name, value in module.state_dict().items()}
        for part, module in _learnt(estimator).items()
    }


def put_back(estimator, weights):
    """Put weights back, of a time too when batch normalisation was not yet split by domain."""
    for part, module in _learnt(estimator).items():
        before = weights[part]
        module.load_state_dict(
            {name: before[_name_in(before, name)] for name in module.state_dict()}
        )


def _name_in(weights, name):
    if name in weights:
        return name
    layer, _, value = name.rpartition(".")
    return f"{layer.rpartition('.')[0]}.{value}".lstrip(".")
