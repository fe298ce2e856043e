"""Estimators of several tasks: a dict of samples and labels in, predictions by task out."""

from collections.abc import Mapping
from typing import Any, ClassVar, Never, Self

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.metrics import r2_score
from sklearn.utils.validation import _num_samples, check_is_fitted

from domadapt.domains.samples import check_same_length
from domadapt.domains.scores import accuracy
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._parameters import Optimizer
from domadapt.estimators._regressor import BaseDeepRegressor
from domadapt.inductive._joint import BaseMultiTask
from domadapt.inductive._several import check_alone, check_known, entries_of, read_tasks
from domadapt.inductive._sharing import TaskHeads, columns_of

__all__ = ["MultiTaskClassifier", "MultiTaskRegressor"]


class MultiTask(BaseMultiTask):
    r"""What both estimators of several tasks are given and asked.

    Parameters
    ----------
    sharing : str, default="hard"
        What the tasks share. ``"hard"``: one feature extractor for all. ``"cross_stitch"``: an
        extractor for each task, mixed after every layer by a learned matrix,
        :math:`x_k \leftarrow \sum_j a_{kj} x_j`. ``"hierarchical"``: one extractor, from whose
        last K layers the K tasks are read in the order of the dict, the last at the top.
        ``"shared_private"``: an extractor for all beside one for each task; of the paper's
        network this has the structure, and neither its adversary nor its orthogonality.
        ``"mean_regularised"``: an extractor for each, drawn to their mean,
        :math:`\Omega = \frac12 \sum_k \|\theta_k - \bar\theta\|^2`, heads included where all
        tasks have the same classes or are values of as many columns. ``"joint_features"``: an
        extractor for each, whose first layers :math:`W_k` are to use the same few columns of
        ``X``, :math:`\Omega = \sum_j (\sum_k \|W_{k, \cdot j}\|^2)^{1/2}`.
    sharing_weight : float, default=None
        The factor :math:`\lambda` of the penalty. None stands for 1 with
        ``"mean_regularised"`` and 0.01 with ``"joint_features"``; the others have none.
    learns : dict of str to {"classes", "values"}, default=None
        What is learnt in a task, where it is not what the others learn. By default all tasks of
        ``MultiTaskClassifier`` are classes and all of ``MultiTaskRegressor`` values.
    loss_weights : {"fixed", "uncertainty", "gradnorm"}, default="fixed"
        How tasks are weighed: by ``task_weights``, or by weights that are found
        (:class:`~domadapt.training.UncertaintyWeights`,
        :class:`~domadapt.training.GradNormWeights`).
    task_weights : dict of str to float, default=None
        The weight :math:`w_k` of every task. None stands for 1 each.
    then_alone : bool, default=False
        After the training together, give each task a copy of its own of what is shared, and
        train it on alone, for as many epochs again.
    hidden_layer_sizes : tuple of int, int or None, default=None
        Units in each hidden layer before the heads. None stands for one layer of 256 units, and
        with ``"hierarchical"`` for one for each task.
    batch_norm : {"joint"} or None, default=None
        Whether the default network has batch normalisation, by the samples of all tasks
        together.
    batch_size : int, default=64
        Samples of each task in a mini-batch. A smaller task gives all it has.
    max_epochs : int, default=30
        Passes over the largest task; the others come round as often as they must.

    Attributes
    ----------
    classes_ : dict of str to ndarray of shape (n_classes,)
        The labels, sorted, of each task of classes.
    y_mean_, y_scale_ : dict of str to ndarray of shape (n_outputs,), float64
        Mean and standard deviation of the values of each task of values, in whose units the
        network learns.
    loss_weights_ : ndarray of shape (n_tasks,)
        The weights of the tasks at the end; not there with a single one.
    alone_history_ : dict of str to list of float
        As ``history_``, of the epochs in which each task has trained alone.
    module_ : FeatureClassifier
        The trained network: ``module_(x)`` gives the outputs of all tasks side by side, in the
        order of the dict, ``module_.feature_extractor(x)`` features.
    history_ : dict of str to list of float
        For each epoch the means of ``task_loss``, which is the sum of the tasks' losses and the
        penalty, and of the loss of each task by its name, and the ``learning_rate`` of its last
        step.
    """

    def fit(self, tasks: Mapping[str, Any], *too_many: Never) -> Self:  # type: ignore[override]
        """Train on all tasks together.

        Parameters
        ----------
        tasks : dict of str to (X, y) or (X, y, sample_weight)
            Samples and labels of each task. ``X`` is an array-like or sparse matrix of shape
            (n_samples, n_features), an image stack or paths of images; all tasks have the same
            columns, and rows of their own. ``y`` has the shape (n_samples,), or for values
            (n_samples, n_outputs). Weights have a mean of 1 within each task, and samples of
            weight 0 are left out.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            Before any training, if a parameter, a name or the data are not as described.
        NonFiniteLossError
            If a loss is no longer finite. The weights are then those of the last epoch that
            ended with finite ones.

        Notes
        -----
        Callbacks are given the samples and labels of the first task.
        """
        check_alone(self, "fit", tasks, too_many)
        return self._fit_tasks(tasks)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit_tasks(self, tasks):
        self._check_parameters()
        self._fit_domains(read_tasks(self, tasks))
        return self

    def predict(self, X: Any, task: str | None = None) -> Any:
        """Predict labels of all tasks, or of one.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        task : str, default=None
            The name of a task.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), or dict of such by task
            Labels out of ``classes_``, or values in the units of ``fit``.
        """
        return self._of_tasks(X, task, lambda learner, outputs: learner._decided(outputs))

    def predict_proba(self, X: Any, task: str | None = None) -> Any:
        """Predict the probability of each class, for all tasks of classes or for one.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        task : str, default=None
            The name of a task of classes.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32, or dict of such by task
            Columns in the order of ``classes_``.

        Raises
        ------
        ValueError
            If the task is one of values, or all are.
        """
        check_is_fitted(self)
        if not self.classes_:
            raise ValueError(
                f"The tasks {list(self._learners)} learn values, which have no probabilities. Ask "
                "predict for them."
            )
        if task is not None:
            self._number(task)
        if task is not None and task not in self.classes_:
            raise ValueError(
                f"task={task!r} learns values, which have no probabilities. Ask predict for them; "
                f"tasks of classes are {list(self.classes_)}."
            )
        only = list(self.classes_) if task is None else None
        return self._of_tasks(
            X, task, lambda _, outputs: torch.from_numpy(outputs).softmax(1).numpy(), only
        )

    def transform(self, X: Any, task: str | None = None) -> np.ndarray:
        """Compute features: all of them, or those that a task reads.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        task : str, default=None
            The name of a task.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            Output of the feature extractor.
        """
        samples = self._samples(X)
        number = None if task is None else self._number(task)
        features = self._apply(lambda features: features, samples)
        heads = self.module_.classifier
        if number is None or not isinstance(heads, TaskHeads):
            return features
        return columns_of(features, heads.reads[number], np.concatenate)

    def score(self, tasks: Mapping[str, Any], *too_many: Never) -> dict[str, float]:
        """Return the accuracy, or for values the coefficient of determination, of each task.

        Parameters
        ----------
        tasks : dict of str to (X, y) or (X, y, sample_weight)
            Samples and labels as in ``fit``, of all tasks or of some.

        Returns
        -------
        scores : dict of str to float
        """
        check_alone(self, "score", tasks, too_many)
        check_is_fitted(self)
        entries = entries_of(self, tasks)
        check_known("tasks", entries, self._learners)
        scores = {}
        for name, (X, y, weight) in entries.items():
            check_same_length(f"y of task {name!r}", y, "X", _num_samples(X))
            measure = accuracy if name in self.classes_ else r2_score
            scores[name] = float(measure(y, self.predict(X, name), sample_weight=weight))
        return scores

    def _of_tasks(self, X, task, decide, only=None):
        """Return what is made of the outputs of one task, or of those of several by name."""
        samples = self._samples(X)
        number = None if task is None else self._number(task)
        sizes = self._n_outputs.sizes
        parts = np.split(self._outputs(samples), np.cumsum(sizes)[:-1], axis=1)
        if number is not None:
            return decide(self._learners[task], parts[number])
        pairs = zip(self._learners.items(), parts, strict=True)
        return {
            name: decide(learner, outputs)
            for (name, learner), outputs in pairs
            if only is None or name in only
        }

    def _number(self, task):
        """Return the place of a task among all."""
        check_known("task", [task], self._learners)
        return list(self._learners).index(task)

    @property
    def _n_features_out(self):
        heads = self.module_.classifier
        if not isinstance(heads, TaskHeads):
            return super()._n_features_out
        return max(columns.stop for read in heads.reads for columns in read)


@deep_estimator
class MultiTaskClassifier(MultiTask):
    r"""Several tasks learnt at once by networks that share something.

    Tasks have rows, classes or values of their own, and the same columns. With features
    :math:`f_k(x)` that task k reads, a linear head :math:`h_k` and weights :math:`w_k`, what is
    minimised is

    .. math:: \sum_k \frac{w_k}{n_k} \sum_{i=1}^{n_k} \ell_k\bigl(h_k(f_k(x_{ki})), y_{ki}\bigr)
        \; + \; \lambda \, \Omega(f_1, \ldots, f_K) ,

    the cross-entropy of a task of classes, the squared error in standard units of one of
    values. Each mini-batch holds samples of every task. A single task has nothing to share: with
    any ``sharing`` it is the plain classifier, ``AlignmentClassifier(alignment=None)``.

    References
    ----------
    Caruana (1997). "Multitask learning". Machine Learning 28.

    Misra, Shrivastava, Gupta, Hebert (2016). "Cross-stitch networks for multi-task learning".
    CVPR.

    Søgaard, Goldberg (2016). "Deep multi-task learning with low level tasks supervised at lower
    layers". ACL.

    Liu, Qiu, Huang (2017). "Adversarial multi-task learning for text classification". ACL.

    Evgeniou, Pontil (2004). "Regularized multi-task learning". KDD.

    Argyriou, Evgeniou, Pontil (2008). "Convex multi-task feature learning". Machine Learning 73.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt.inductive import MultiTaskClassifier
    >>> X, y = make_blobs(300, centers=4, cluster_std=0.5, random_state=0)
    >>> tasks = {"blob": (X[:150], y[:150]), "even": (X[150:], y[150:] % 2 == 0)}
    >>> mtl = MultiTaskClassifier(random_state=0).fit(tasks)
    >>> sorted(mtl.predict(X[:5])), mtl.predict(X, task="even").dtype
    (['blob', 'even'], dtype('bool'))
    >>> min(mtl.score(tasks).values()) > 0.8
    True
    """


@deep_estimator
class MultiTaskRegressor(MultiTask):
    """Several tasks of numbers learnt at once by networks that share something.

    It is :class:`MultiTaskClassifier`, whose formula and papers hold here, with values as what
    tasks learn unless ``learns`` says otherwise, and with the optimizer of regressors.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.inductive import MultiTaskRegressor
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> tasks = {"sum": (X[:200], X[:200, 0] + X[:200, 1]), "difference": (X, X[:, 0] - X[:, 1])}
    >>> reg = MultiTaskRegressor(sharing="shared_private", random_state=0).fit(tasks)
    >>> min(reg.score(tasks).values()) > 0.9
    True
    """

    optimizer: Optimizer = BaseDeepRegressor.optimizer
    learning_rate: float = BaseDeepRegressor.learning_rate

    _learns: ClassVar[str] = "values"
