"""A chain of tasks that are learnt one after the other, each with classes and a head of its own."""

from collections.abc import Mapping
from dataclasses import field
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _num_samples, check_is_fitted, column_or_1d

from domadapt.domains.samples import check_same_length
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import NetworkParameters
from domadapt.inductive._chain import Chain, check_tasks
from domadapt.inductive._chain_training import WEIGHTS, BaseTaskChain
from domadapt.inductive._forgetting import ForgettingTable


@deep_estimator
class TaskChainClassifier(NetworkParameters, BaseTaskChain):
    r"""Classifier of several tasks that are learnt one after the other, forgetting little.

    All tasks share a feature extractor and have a linear head each. A task is learnt from its
    own samples alone: those of earlier tasks are not there any more. What keeps the earlier
    tasks is the ``strategy``.

    Parameters
    ----------
    strategy : {"ewc", "plain", "l2_sp", "distillation", "progressive"}, default="ewc"
        ``"plain"`` trains on, whatever is forgotten. ``"ewc"`` adds

        .. math::
            \frac{\lambda}{2} \sum_i F_i (w_i - w_i^0)^2

        to the loss, with :math:`w^0` the shared weights before the task and :math:`F` the sum
        over earlier tasks of the diagonal of the Fisher information, each taken when its task
        was learnt. ``"l2_sp"`` does so with :math:`F_i = 1`. ``"distillation"`` keeps the
        outputs of earlier heads on the new samples near those before the task (learning
        without forgetting). ``"progressive"`` gives each task a column of layers of its own
        that also reads the earlier columns, which stay as they are: nothing is forgotten, and
        the network grows with the square of the number of tasks.
    strategy_weight : float, default=None
        The factor :math:`\lambda`. None stands for 300 for ``"ewc"``, 0.1 for ``"l2_sp"`` and 3
        for ``"distillation"``; the other strategies have none.
    validation_fraction : float, default=None
        Share of the samples of each task that are not learnt, and on which the task is scored
        after it and after each later one. None holds nothing back: without ``validation``
        there is no table of forgetting.

    Attributes
    ----------
    tasks_ : list of str
        Names of the tasks, in the order in which they were learnt.
    classes_ : dict of str to ndarray of shape (n_classes,)
        The labels of each task, sorted.
    module_ : FeatureClassifier
        The trained network: ``module_(x)`` gives the logits of all tasks side by side.
    accuracies_ : ndarray of shape (n_tasks, n_tasks)
        In row i the accuracies on the held-out samples of each task once task i was learnt,
        NaN where there is none.
    forgetting_ : ForgettingTable
        The same with average accuracy and backward transfer.
    history_ : dict of str to list of float
        As of other deep estimators, of the task that was learnt last.

    References
    ----------
    Kirkpatrick, Pascanu, Rabinowitz, et al. (2017). "Overcoming catastrophic forgetting in
    neural networks". PNAS 114(13).

    Huszár (2018). "Note on the quadratic penalties in elastic weight consolidation". PNAS
    115(11).

    Li, Hoiem (2016). "Learning without forgetting". ECCV.

    Rusu, Rabinowitz, Desjardins, et al. (2016). "Progressive neural networks".
    arXiv:1606.04671.

    Li, Grandvalet, Davoine (2018). "Explicit inductive bias for transfer learning with
    convolutional networks". ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from domadapt.inductive import TaskChainClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> low, high = y < 5, y >= 5
    >>> clf = TaskChainClassifier("ewc", validation_fraction=0.2, max_epochs=5, random_state=0)
    >>> clf = clf.fit({"low": (X[low] / 16, y[low])})
    >>> clf = clf.fit_next(X[high] / 16, y[high], name="high")
    >>> clf.predict(X[low] / 16, task="low").shape, clf.classes_["low"]
    ((901,), array([0, 1, 2, 3, 4]))
    >>> clf.accuracies_.shape, bool(clf.forgetting_.average_accuracy > 0.8)
    ((2, 2), True)
    """

    strategy: Literal["ewc", "plain", "l2_sp", "distillation", "progressive"] = field(
        default="ewc", kw_only=False
    )
    strategy_weight: float | None = None
    validation_fraction: float | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkParameters._parameter_constraints,
        **BaseTaskChain._parameter_constraints,
        "strategy": [StrOptions({"plain", "progressive", *WEIGHTS})],
        "strategy_weight": [Interval(Real, 0, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
    }

    def fit(  # type: ignore[override]
        self, tasks: Mapping[str, tuple[Any, Any]], *, validation: Any = None
    ) -> Self:
        """Learn a chain of tasks, one after the other, and forget any chain from before.

        Parameters
        ----------
        tasks : dict of str to (X, y)
            Samples and labels of each task by its name, in the order in which they are learnt:
            ``X`` of shape (n_samples, n_features), an image stack or paths, the same columns
            in all, and ``y`` of shape (n_samples,).
        validation : dict of str to (X, y), default=None
            Samples of tasks that are not learnt, on which a task is scored after it and after
            each later one. They are kept for tasks to come, and not saved.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            Before any training, if a parameter or the data are not as described.
        NonFiniteLossError
            If a loss is no longer finite.
        """
        if not (isinstance(tasks, Mapping) and tasks):
            raise TypeError(
                f"tasks={type(tasks).__name__} came. A dict of samples and labels by the name of "
                "a task was expected, such as {'first': (X1, y1), 'second': (X2, y2)}."
            )
        check_tasks(self, tasks, validation, known=())
        for number, (name, (X, y)) in enumerate(tasks.items()):
            self._learn_and_score(name, number, X, y, validation=validation)
        return self

    def fit_next(
        self, X: Any, y: Any, *, name: str, sample_weight: Any = None, validation: Any = None
    ) -> Self:
        """Learn one more task; the first one, where nothing was fitted.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the task, of the columns of the earlier ones.
        y : array-like of shape (n_samples,)
            Their labels; other classes than those of earlier tasks, or the same.
        name : str
            What the task is called in ``predict``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the task loss.
        validation : dict of str to (X, y), default=None
            As in :meth:`fit`; of this task, or of earlier ones.

        Returns
        -------
        self : estimator
            The estimator, which also knows this task.

        Raises
        ------
        ValueError, TypeError
            Before any training, if the name is taken, the samples are of other columns, or
            anything else is not as described.
        NonFiniteLossError
            If a loss is no longer finite.
        """
        known = getattr(self, "tasks_", ())
        if isinstance(name, str) and name in known:
            raise ValueError(
                f"name={name!r} is a task that was learnt already, out of {list(known)}. Give the "
                "new task another name, or begin a new chain by fit."
            )
        check_tasks(self, {name: (X, y)}, validation, known)
        if sample_weight is not None:
            check_same_length("sample_weight", sample_weight, "X", _num_samples(X))
        return self._learn_and_score(name, len(known), X, y, sample_weight, validation)

    def _learn_and_score(self, name, *args, **given):
        """Learn a task, and score all so far on what is held out."""
        self._learn(name, *args, **given)
        held_out = self._chain.held_out
        self._chain.accuracies[name] = {
            task: self.score(*held_out[task], task=task) for task in self.tasks_ if task in held_out
        }
        return self

    @property
    def accuracies_(self) -> np.ndarray:
        """Accuracies on held-out samples: a row for each task learnt, a column for each task."""
        return self.forgetting_.accuracies

    @property
    def forgetting_(self) -> ForgettingTable:
        """The table of forgetting."""
        chain = vars(self).get("_chain", Chain())
        if not any(chain.accuracies.values()):
            raise AttributeError(
                "There is no table of forgetting without a fit and samples to score on: pass "
                "validation={name: (X, y)} to fit, or set validation_fraction=0.1."
            )
        return ForgettingTable(self.tasks_, chain.matrix(self.tasks_))

    def predict(self, X: Any, task: str | None = None) -> np.ndarray:
        """Predict labels of a task.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        task : str, default=None
            Name of the task. None where it is not known: then the largest logit of all tasks
            decides, although no head has learnt to tell its classes from those of others.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of ``classes_[task]``, or of all tasks.

        Raises
        ------
        ValueError
            If there is no such task.
        """
        logits, classes = self._logits(X, task)
        return classes[logits.argmax(axis=1)]

    def predict_proba(self, X: Any, task: str | None = None) -> np.ndarray:
        """Predict the probability of each class of a task.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        task : str, default=None
            Name of the task, or None as in :meth:`predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_[task]``, or of those of all tasks side by side.
        """
        return torch.from_numpy(self._logits(X, task)[0]).softmax(1).numpy()

    def score(self, X: Any, y: Any, sample_weight: Any = None, task: str | None = None) -> float:
        """Return the accuracy on samples of a task.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        task : str, default=None
            Name of the task, or None as in :meth:`predict`.

        Returns
        -------
        accuracy : float
            The share of labels that are right.
        """
        check_same_length("y", y, "X", _num_samples(X))
        # Labels of one task may be numbers and those of another texts.
        right = column_or_1d(y, dtype=object) == self.predict(X, task).astype(object)
        return float(np.average(right, weights=sample_weight))

    def _logits(self, X, task):
        """Return the logits of a task or of all, and their classes."""
        check_is_fitted(self)
        if task is not None and task not in self.tasks_:
            raise ValueError(
                f"task={task!r} was not learnt. One out of {self.tasks_} was expected."
            )
        logits = self._outputs(self._samples(X))
        if task is None:
            return logits, _side_by_side(list(self.classes_.values()))
        columns = self.module_.classifier.columns_of(self.tasks_.index(task))
        return logits[:, columns], self.classes_[task]


def _side_by_side(classes):
    """Return the labels of all tasks; texts and numbers stay what they are."""
    if len({labels.dtype.kind for labels in classes}) > 1:
        classes = [labels.astype(object) for labels in classes]
    return np.concatenate(classes)
