"""Callbacks that keep the epoch of a fit that a score without target labels rates best."""

from collections.abc import Callable
from typing import Any

import numpy as np

from domadapt.domains.arrays import codes_of
from domadapt.domains.cautions import warn
from domadapt.model_selection._calibration import fit_temperature, tempered
from domadapt.model_selection._epochs import EpochCallback
from domadapt.model_selection._harm import HarmWarning
from domadapt.model_selection.scores.agreement import contradiction_score
from domadapt.model_selection.scores.confidence import (
    entropy_score,
    information_maximization_score,
    nuclear_norm_score,
)

__all__ = ["KeepBestEpoch", "RollBack"]

SCORES: dict[str, Callable[[np.ndarray], float]] = {
    "information_maximization": information_maximization_score,
    "entropy": entropy_score,
    "nuclear_norm": nuclear_norm_score,
}


class KeepBestEpoch(EpochCallback):
    """Ends a fit with the weights of the epoch that a score without target labels rates best.

    After every epoch the target is predicted and scored. When the training is over, the weights
    and the statistics of batch normalisation of the epoch with the best score are put back, and
    what is predicted for the target, ``transduction_``, comes from those. All epochs are run,
    and what the last one predicts is kept beside it in ``last_predictions_``. The training
    itself is the same as without the callback.

    Where a method has two stages, the epochs of both count, in their order: keeping one of the
    first stage, which learns the source alone, is not to adapt.

    Cost: a prediction of the target for each epoch, and one copy of the weights.

    A score can be wrong about epochs as about models: entropy and information maximisation
    prefer what is sure, and a model that has collapsed on the wrong classes is sure too. Compare
    with the last epoch, and with :func:`adaptation_report`.

    Parameters
    ----------
    X_target : array-like of shape (n_target, n_features), image stack or paths
        Target samples, as the estimator takes them: in a pipeline, transformed by the steps
        before it. Some of those of ``fit`` are enough.
    score : {"information_maximization", "entropy", "nuclear_norm"} or callable, \
default="information_maximization"
        Larger is better. A callable takes what the estimator predicts for ``X_target``,
        probabilities of shape (n_target, n_classes), or for a regressor its values, and returns
        a number; ``functools.partial(information_maximization_score, prior=...)`` is one.

    Attributes
    ----------
    best_epoch_ : int
        The epoch that was kept in the fit that ended last, counted from 0; the estimator has it
        too.
    scores_ : ndarray of shape (n_epochs,), float64
        The score of each epoch; ``epoch_scores_`` of the estimator.
    predictions_ : ndarray of shape (n_target, n_classes) or (n_target,)
        What the kept epoch predicts for ``X_target``.
    last_predictions_ : ndarray of shape (n_target, n_classes) or (n_target,)
        What the last epoch predicts for ``X_target``.

    Raises
    ------
    TypeError, ValueError
        By ``fit``, before training, if the estimator is no network, has a checkpoint to resume
        from, or does not take such samples; during it, if a score is not finite.

    Notes
    -----
    A fit that fails or is interrupted keeps the weights that it has reached. ``history_`` and
    ``criterion_`` are those of the last epoch.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import DANNClassifier
    >>> from domadapt.model_selection import KeepBestEpoch
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, _ = make_blobs(200, centers=[[3, 4], [9, 4]], random_state=1)
    >>> keep = KeepBestEpoch(Xt)
    >>> clf = DANNClassifier(max_epochs=5, random_state=0).set_callbacks(keep)
    >>> clf = clf.fit(Xs, ys, X_target=Xt)
    >>> bool(clf.best_epoch_ == keep.scores_.argmax()), keep.scores_.shape
    (True, (5,))
    """

    def __init__(
        self,
        X_target: Any,
        score: str | Callable[[np.ndarray], float] = "information_maximization",
    ):
        super().__init__(X_target)
        if not callable(score) and score not in SCORES:
            raise ValueError(
                f"score={score!r}, and one of {', '.join(SCORES)}, or a function of predictions, "
                "was expected."
            )
        self.score = score

    def _begin(self, estimator):
        if not callable(self.score) and not hasattr(estimator, "predict_proba"):
            raise ValueError(
                f"score={self.score!r} is of probabilities, which {type(estimator).__name__} does "
                "not predict. Pass a function of its values."
            )

    def _score(self, estimator, predictions):
        score = self.score if callable(self.score) else SCORES[self.score]
        return score(predictions)

    def _is_better(self, run):
        return run.chosen < 0 or run.scores[-1] > run.scores[run.chosen]


class RollBack(EpochCallback):
    r"""Rolls a fit back to before it contradicted what a source model was sure of.

    A plain model of the source, calibrated by held-out source samples, predicts probabilities
    :math:`q` for the target once. An epoch with labels :math:`\hat y` contradicts it by
    :math:`\frac1n \sum_j \max_k q_{jk} \, [\hat y_j \ne \arg\max_k q_{jk}]`, of which
    :math:`\frac1n \sum_j \max_k q_{jk} (1 - \max_k q_{jk})` is what even the true labels would
    make, were the calibration right on the target. The fit ends with the weights of the last
    epoch whose excess over that is within the limit. All epochs are run, and what the last one
    predicts is kept beside it in ``last_predictions_``.

    Where no epoch is within the limit, the one with the least excess is kept, with a
    :class:`HarmWarning`.

    Where a method has two stages, the epochs of both count, in their order: keeping one of the
    first stage, which learns the source alone, is not to adapt.

    Cost: a prediction of the target for each epoch, and one copy of the weights.

    It bounds harm and finds no gain. Where a sure source model is wrong, as on digits of another
    kind, it rolls back what was right.

    Parameters
    ----------
    X_target : array-like of shape (n_target, n_features), image stack or paths
        Target samples, as both models take them.
    source_model : estimator
        A fitted classifier of the same classes with ``predict_proba``, trained without
        alignment on other source samples than these.
    X_source : array-like of shape (n_source, n_features), image stack or paths
        Source samples that ``source_model`` has not seen.
    y_source : array-like of shape (n_source,)
        Their labels.
    limit : float, default=0.2
        The largest excess.

    Attributes
    ----------
    best_epoch_ : int
        The epoch that was kept in the fit that ended last, counted from 0; the estimator has it
        too.
    scores_ : ndarray of shape (n_epochs,), float64
        Minus the excess of each epoch; ``epoch_scores_`` of the estimator.
    predictions_ : ndarray of shape (n_target, n_classes)
        Probabilities of the kept epoch for ``X_target``.
    last_predictions_ : ndarray of shape (n_target, n_classes)
        Probabilities of the last epoch for ``X_target``.

    Raises
    ------
    TypeError, ValueError
        By ``fit``, before training, if the estimator is no network, has a checkpoint to resume
        from, or does not have the classes of the source model.

    Notes
    -----
    A fit that fails or is interrupted keeps the weights that it has reached. ``history_`` and
    ``criterion_`` are those of the last epoch.

    References
    ----------
    Sun, Lu, Zhang, Ling (2022). "Safe self-refinement for transformer-based domain
    adaptation". CVPR. (For rolling back; what is looked at is another thing there.)

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> from domadapt import MCCClassifier
    >>> from domadapt.model_selection import RollBack
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, _ = make_blobs(200, centers=[[1, 1], [7, 1]], random_state=1)
    >>> plain = LogisticRegression().fit(Xs[:100], ys[:100])
    >>> roll = RollBack(Xt, plain, Xs[100:], ys[100:])
    >>> clf = MCCClassifier(max_epochs=5, random_state=0).set_callbacks(roll)
    >>> clf = clf.fit(Xs, ys, X_target=Xt)
    >>> clf.best_epoch_, bool(roll.scores_[-1] > -0.2)
    (4, True)
    """

    def __init__(
        self,
        X_target: Any,
        source_model: Any,
        X_source: Any,
        y_source: Any,
        *,
        limit: float = 0.2,
    ):
        super().__init__(X_target)
        if not isinstance(limit, (int, float, np.number)) or not 0 <= limit <= 1:
            raise ValueError(f"limit={limit!r}, and a number from 0 to 1 was expected.")
        if not hasattr(source_model, "predict_proba"):
            raise TypeError(
                f"source_model={source_model!r} has no predict_proba, and how sure it is of each "
                "class is needed. Pass a fitted classifier such as LogisticRegression."
            )
        self.source_model = source_model
        self.X_source = X_source
        self.y_source = y_source
        self.limit = limit
        self._sure: Any = None

    def _begin(self, estimator):
        if self._sure is None:
            self._sure = self._calibrated()
        ours = np.asarray(self.source_model.classes_).tolist()
        theirs = np.asarray(getattr(estimator, "classes_", [])).tolist()
        if ours != theirs:
            raise ValueError(
                f"source_model knows the classes {ours}, and {type(estimator).__name__} is fitted "
                f"to {theirs}. The same classes were expected."
            )

    def _calibrated(self):
        """Return calibrated probabilities of the source model for the target."""
        classes = np.asarray(self.source_model.classes_)
        held_out = np.asarray(self.source_model.predict_proba(self.X_source))
        codes = codes_of("y_source", self.y_source, held_out.shape, classes)
        temperature = fit_temperature(held_out, codes)
        return tempered(self.source_model.predict_proba(self.X_target), temperature)

    def _score(self, estimator, predictions):
        sure = self._sure.max(axis=1)
        labels = estimator._all_labels[predictions.argmax(axis=1)]
        contradicted = contradiction_score(labels, self._sure, classes=self.source_model.classes_)
        return contradicted + np.mean(sure * (1 - sure))

    def _is_better(self, run):
        if run.scores[-1] >= -self.limit:
            return True
        # The least bad one, for as long as none was good.
        return run.chosen < 0 or -self.limit > run.scores[-1] > run.scores[run.chosen]

    def _put_back(self, estimator, run):
        super()._put_back(estimator, run)
        if not run.scores:
            return
        excess = -run.scores[run.chosen]
        if excess > self.limit:
            warn(
                f"Every epoch contradicts what source_model is sure of by more than limit="
                f"{self.limit:g}; epoch {run.chosen} (counted from 0), which is kept, by "
                f"{excess:.2f}. The adapted model may be worse than source_model.",
                HarmWarning,
            )
