"""New classes from a few labelled samples, after learning from tasks drawn from many classes."""

import copy
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn
from torch.nn.utils import skip_init

from domadapt.domains.samples import Samples, check_classes, check_same_length
from domadapt.estimators._classifier import BaseDeepClassifier
from domadapt.estimators._documentation import deep_estimator
from domadapt.estimators._forgeries import check_numbers
from domadapt.estimators._parameters import NetworkParameters
from domadapt.inductive._episodes import (
    Learner,
    LearnsAllRows,
    LearnsShots,
    MovementEpisodes,
    PrototypeEpisodes,
    QueryEpisodes,
    Residual,
    Scale,
)
from domadapt.inputs.frozen import frozen_features
from domadapt.inputs.reader import PRECISIONS, n_processes
from domadapt.nn.networks import (
    DEFAULT_HIDDEN_LAYER_SIZES,
    FeatureClassifier,
    check_layer_sizes,
    mlp_backbone,
    mlp_head,
    move_to,
    stack_layers,
)
from domadapt.training.orders import Episodes

__all__ = ["FewShotClassifier"]

# Squared distances are this share of the number of features at first, as logits.
FIRST_TEMPERATURE = 0.1


@deep_estimator
class FewShotClassifier(NetworkParameters, BaseDeepClassifier):
    """Classifier of new classes from a few labelled samples of each.

    ``fit`` learns from many classes how to learn from few samples: every mini-batch is an
    episode, a task of ``n_ways`` classes with ``n_shots`` labelled rows of each and
    ``n_queries`` that are to be told apart by them. ``adapt`` then takes new classes. With
    ``"prototypes"`` a class is the mean c of the features f(x) of its shots, and the logits of
    a sample are -||f(x) - c||^2 / T with a temperature T that is learnt. With ``"maml"`` and
    ``"reptile"`` the network itself learns the shots, by ``n_inner_steps`` of gradient descent
    from weights that are trained to need no more. Both are of the first order: what an episode
    teaches is the gradient of its queries where these steps have led, or the steps themselves.

    Vectors have features of their own size: the columns plus what hidden layers make of them,
    which is nothing at first. So prototypes start from the nearest class mean of the columns,
    whose scale matters, and training changes what helps.

    Parameters
    ----------
    method : {"prototypes", "maml", "reptile"}, default="prototypes"
        How new classes are learnt.
    n_ways : int, default=5
        Classes in an episode of ``fit``. ``adapt`` takes any number.
    n_shots : int, default=5
        Labelled rows of each. ``adapt`` takes any number, which may differ by class.
    n_queries : int, default=15
        Rows of each that are to be told apart. With ``"reptile"`` all rows are learnt from.
    n_inner_steps : int, default=5
        Steps by which ``"maml"`` and ``"reptile"`` learn new classes.
    inner_learning_rate : float, default=2.0
        Size of these steps. Columns of wider spread than about 1 need less.
    max_epochs : int, default=15
        Epochs of episodes. With 0 nothing is learnt from the many classes, and prototypes are
        class means of the features as they are.
    steps_per_epoch : int, default=None
        Episodes in an epoch. None stands for as many as have the rows of ``X`` in them, and
        for eight at least.

    Attributes
    ----------
    temperature_ : float
        What squared distances are divided by.

    References
    ----------
    Snell, Swersky, Zemel (2017). "Prototypical networks for few-shot learning". NeurIPS.

    Finn, Abbeel, Levine (2017). "Model-agnostic meta-learning for fast adaptation of deep
    networks". ICML.

    Nichol, Achiam, Schulman (2018). "On first-order meta-learning algorithms".
    arXiv:1803.02999.

    Kao, Chiu, Chen (2022). "MAML is a noisy contrastive learner in classification". ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from domadapt.inductive import FewShotClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X, many = X / 16, y < 7
    >>> clf = FewShotClassifier(max_epochs=5, random_state=0).fit(X[many], y[many])
    >>> X_new, y_new = X[~many], y[~many]
    >>> clf.adapt(X_new[:15], y_new[:15]).classes_
    array([7, 8, 9])
    >>> bool(clf.score(X_new[15:], y_new[15:]) > 0.8)
    True
    """

    method: Literal["prototypes", "maml", "reptile"] = "prototypes"
    n_ways: int = 5
    n_shots: int = 5
    n_queries: int = 15
    n_inner_steps: int = 5
    inner_learning_rate: float = 2.0
    # Few classes are soon learnt by heart, which new ones have nothing of.
    learning_rate: float = 0.01
    max_epochs: int = 15

    # An episode has the rows that it has, and its labels are places in it.
    batch_size: ClassVar[Any] = property(  # type: ignore[misc]
        lambda self: self.n_ways * (self.n_shots + self.n_queries)
    )
    accumulate: ClassVar[Any] = 1  # type: ignore[misc]
    label_smoothing: ClassVar[Any] = 0.0  # type: ignore[misc]
    class_weight: ClassVar[Any] = None  # type: ignore[misc]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkParameters._parameter_constraints,
        **BaseDeepClassifier._parameter_constraints,
        "method": [StrOptions({"prototypes", "maml", "reptile"})],
        "n_ways": [Interval(Integral, 2, None, closed="left")],
        "n_shots": [Interval(Integral, 1, None, closed="left")],
        "n_queries": [Interval(Integral, 1, None, closed="left")],
        "n_inner_steps": [Interval(Integral, 1, None, closed="left")],
        "inner_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
    }

    _removed_by_fit: ClassVar[tuple[str, ...]] = (
        *BaseDeepClassifier._removed_by_fit,
        "temperature_",
    )

    def fit(self, X: Any, y: Any) -> Self:  # type: ignore[override]
        """Learn from tasks drawn from many classes, and take all of them as the first ones.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of at least ``n_ways`` classes.
        y : array-like of shape (n_samples,)
            Their labels, at least ``n_shots + n_queries`` of each.

        Returns
        -------
        self : estimator
            Fitted, with these classes.

        Raises
        ------
        ValueError, TypeError
            Before any training, if a parameter or the data are not as described.
        NonFiniteLossError
            If a loss is no longer finite.
        """
        return self._fit(X, y)

    def adapt(self, X: Any, y: Any) -> Self:
        """Learn new classes from a few samples, and forget those before.

        Every call starts from what ``fit`` has learnt.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            The shots, samples of the kind of those of ``fit``.
        y : array-like of shape (n_samples,)
            Their labels, of any number of classes from two up.

        Returns
        -------
        self : estimator
            With ``classes_`` of these samples and a ``module_`` that tells them apart.

        Raises
        ------
        NotFittedError
            If it was not fitted.
        ValueError
            If the samples are not like those of ``fit``, or there are not two classes.
        """
        samples = self._samples(X)
        check_same_length("y", y, "X", len(samples))
        classes, labels = np.unique(check_classes(y, weighted=False), return_inverse=True)
        self._learn_classes(samples, classes, labels)
        return self

    def _check_parameters(self):
        super()._check_parameters()
        if n_processes() > 1:
            raise ValueError(
                f"FewShotClassifier learns from whole episodes, which {n_processes()} processes "
                "cannot share. Fit it in one."
            )

    def _read_labels(self, domains, criteria):
        learnt = super()._read_labels(domains, criteria)
        classes, n_rows = np.unique(domains.y, return_counts=True)
        if len(classes) < self.n_ways:
            raise ValueError(
                f"n_ways={self.n_ways} classes are in an episode, and y has {len(classes)}: "
                f"{classes.tolist()}. Lower n_ways, or fit on samples of more classes."
            )
        needed = self.n_shots + self.n_queries
        if n_rows.min() < needed:
            few = classes[n_rows < needed]
            raise ValueError(
                f"n_shots={self.n_shots} and n_queries={self.n_queries} need {needed} samples of "
                f"every class, and {len(few)} of {len(classes)} have fewer, such as "
                f"{few.tolist()[0]!r} with {n_rows.min()}. Lower n_queries or n_shots, or leave "
                "these classes out of fit."
            )
        return learnt

    def _make_network(self, sample, n_outputs, backbone, batch_norm):
        sizes = check_layer_sizes(self.hidden_layer_sizes)
        sizes = DEFAULT_HIDDEN_LAYER_SIZES if sizes is None else sizes
        if backbone is not None or sample.ndim > 2 or not sizes:
            return super()._make_network(sample, n_outputs, backbone, batch_norm)
        n_features = sample.shape[1]
        layers = mlp_backbone(
            n_features, sizes, batch_norm=batch_norm is not None, dropout=self.dropout
        )
        extractor = move_to(sample, Residual(layers, sizes[-1], n_features))
        return FeatureClassifier(
            extractor, mlp_head(n_outputs, in_features=n_features).to(sample)
        ), None

    def _make_trainer(self, stage, training, criteria):
        """Return a trainer of episodes, of the same feature extractor under a head for them."""
        extractor = training.network.feature_extractor
        like = training.network.classifier[0].weight
        n_features = like.shape[1]
        order = Episodes(training.task.labels.cpu(), self.n_ways, training.seed)
        episode = order, self.n_ways, self.n_shots
        task: Any
        kind: Any
        if self.method == "prototypes":
            task = PrototypeEpisodes(*episode)
            network = FeatureClassifier(extractor, Scale(FIRST_TEMPERATURE * n_features).to(like))
        else:
            _check_learns(self, extractor)
            rate = self.inner_learning_rate
            learner = Learner(extractor, n_features, PRECISIONS[self.precision])
            if self.method == "maml":
                kind, task = LearnsShots, QueryEpisodes(*episode)
            else:
                kind, task = LearnsAllRows, MovementEpisodes(*episode, rate)
            # It needs the inputs themselves.
            network = FeatureClassifier(
                nn.Identity(), kind(learner, task, self.n_inner_steps, rate)
            )
        return super()._make_trainer(stage, replace(training, network=network, task=task), criteria)

    def _run(self, stage, trainer, watch, checkpoint, fingerprint):
        try:
            yield from super()._run(stage, trainer, watch, checkpoint, fingerprint)
        finally:
            if self.method == "prototypes":
                self.temperature_ = trainer.network.classifier.log_temperature.detach().exp().item()

    def _further_cause(self):
        if self.method == "prototypes":
            return ""
        return f" Or inner_learning_rate={self.inner_learning_rate:g} is too high for the features."

    def _train(self, domains, criteria, reader):
        before = self.__dict__.get("module_")
        try:
            yield from super()._train(domains, criteria, reader)
        finally:
            # After an interrupt too, but not where nothing was trained.
            if self.__dict__.get("module_") is not before:
                self._start = self._trained_part()[0]
                if self.method == "prototypes" and not hasattr(self, "temperature_"):
                    # A callback has ended the fit before the first epoch.
                    self.temperature_ = FIRST_TEMPERATURE * self._n_features_out
                classes, labels = np.unique(domains.y, return_inverse=True)
                self._learn_classes(domains.source, classes, labels)

    def _learn_classes(self, samples, classes, labels):
        """Take classes for those that are predicted, as the samples show them."""
        if self.method == "prototypes":
            extractor = self.module_.feature_extractor
            features = self._apply(lambda rows: rows, samples).astype(np.float64)
            weight, bias = prototype_layer(features, labels, self.temperature_)
        else:
            extractor, weight, bias = self._learn_rows(samples, labels, len(classes))
        like = self.module_.classifier[0].weight
        # Nothing is drawn for weights that are known.
        head = nn.Sequential(skip_init(nn.Linear, like.shape[1], len(classes)))
        for parameter, value in zip(head.parameters(), (weight, bias), strict=True):
            parameter.data = torch.as_tensor(value).to(like)
        self.module_ = FeatureClassifier(extractor, head).eval()
        self.classes_ = classes

    def _learn_rows(self, samples, labels, n_classes):
        """Return a feature extractor, and the layer on it, that have learnt samples."""
        _, frozen = self._trained_part()
        reader = self._reader(self.module_.device, self.module_.dtype)
        if frozen is not None:
            samples = Samples(frozen_features(samples, frozen, self.feature_cache, reader))
        labels = torch.from_numpy(labels).to(reader.device)
        # The network may have been moved to another device since.
        extractor = copy.deepcopy(self._start).to(reader.device, reader.dtype).eval()
        learner = Learner(extractor, self._n_features_out, reader.precision)
        weights = learner.start(n_classes)
        for _ in range(self.n_inner_steps):
            chunks, first = [], 0
            for rows in reader.stream(samples):
                chunks.append((rows.clone(), labels[first : first + len(rows)]))
                first += len(rows)
            weights = learner.learn(weights, chunks, self.inner_learning_rate)
        learner.load_state_dict(
            {n: v for n, v in weights.items() if n.startswith("extractor.")}, strict=False
        )
        if frozen is not None:
            extractor = stack_layers(frozen, extractor)
        return extractor, weights["weight"] * self._n_features_out**-0.5, weights["bias"]

    def _to_file(self):
        tensors, info = super()._to_file()
        if self.method == "prototypes":
            return tensors, info | {"temperature": self.temperature_}
        start = {f"start.{name}": value for name, value in self._start.state_dict().items()}
        return tensors | start, info

    def _restore(self, tensors, info, *, has_own_backbone):
        start = {n: v for n, v in tensors.items() if n.startswith("start.")}
        tensors = {n: v for n, v in tensors.items() if n not in start}
        super()._restore(tensors, info, has_own_backbone=has_own_backbone)
        self._start = copy.deepcopy(self._trained_part()[0])
        if self.method == "prototypes":
            self.temperature_ = float(info["temperature"])
            if not 0.0 < self.temperature_ < np.inf:
                raise TypeError(f"the temperature {self.temperature_!r}")
            return
        check_numbers(start)
        self._start.load_state_dict({n.removeprefix("start."): v for n, v in start.items()})


def _check_learns(estimator, extractor):
    """Raise a ValueError where a feature extractor has no weights that steps could move."""
    if not any(parameter.requires_grad for parameter in extractor.parameters()):
        raise ValueError(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes!r} leaves method="
            f"{estimator.method!r} no weights to learn. Pass sizes, such as (256,), a backbone "
            "whose weights take a gradient, or method='prototypes'."
        )


def prototype_layer(features, labels, temperature):
    """Return weights and biases of the linear layer that is nearness to class means.

    The logits are -||f - c||^2 / T for the mean c of the features of a class, but for what is
    the same for all classes.
    """
    means = np.stack([features[labels == label].mean(0) for label in range(labels.max() + 1)])
    centre = means.mean(0)
    # Relative to the centre, so that no digits are lost where features are far from zero.
    weight = 2 * (means - centre) / temperature
    bias = -(np.square(means).sum(1) - np.square(centre).sum()) / temperature
    return weight, bias
