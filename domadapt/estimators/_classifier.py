"""What a deep classifier adds to fit: classes, probabilities, and adapting to a new target."""

from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight

from domadapt.domains.base import Watch, estimator
from domadapt.domains.samples import Samples
from domadapt.domains.scores import ClassifierScore
from domadapt.estimators._alignment import resolve
from domadapt.estimators._batch_norm import adapt_batch_norm
from domadapt.estimators._cautions import warn_of_collapse
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.estimators._parameters import AlignmentParameters
from domadapt.estimators._stages import ALIGN, Training
from domadapt.inputs.frozen import frozen_features
from domadapt.methods import METHODS
from domadapt.nn.networks import FeatureClassifier
from domadapt.training.step import WeightedCriteria
from domadapt.training.tasks import Classification
from domadapt.training.trainer import run_all


@estimator
class BaseDeepClassifier(ClassifierScore, BaseDeepEstimator):
    """Everything of a deep classifier but how its network is built and aligned."""

    label_smoothing: float = 0.1
    focal_gamma: float = 0.0
    class_weight: dict[Any, float] | Literal["balanced"] | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseDeepEstimator._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "focal_gamma": [Interval(Real, 0, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def _read_labels(self, domains, criteria):
        """Return the classes as numbers, the weights of samples, and what to remember."""
        classes, labels = np.unique(domains.y, return_inverse=True)
        weight = _sample_weights(self.class_weight, classes, domains)
        if domains.known is not None:
            labels = np.concatenate([labels, np.searchsorted(classes, domains.y_known)])
        extra = {} if criteria is None else self._extra_labels(classes)
        return {
            "labels": labels,
            "weight": weight,
            "n_outputs": len(classes) + len(extra),
            "fitted": {"classes_": classes} | extra,
        }

    def _extra_labels(self, classes):
        """Return labels that the classifier learns beyond the source classes, by attribute."""
        return {}

    def _make_task(self, learnt, reader):
        weight = learnt["weight"]
        if weight is not None:
            weight = torch.from_numpy(weight).to(reader.device, reader.dtype)
        labels = torch.from_numpy(learnt["labels"]).to(reader.device)
        return Classification(labels, weight, self.label_smoothing, self.focal_gamma)

    def _check_readable(self, y):
        if len(np.unique(y)) < 2:
            raise ValueError("Source images of fewer than 2 classes can be read.")

    def predict(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict labels, treating samples as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then normalised by the statistics
            of the source. By default all samples are taken for target.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of ``classes_``; for OSBPClassifier also ``unknown_``.
        """
        return self._decided(self._outputs(self._samples(X), sample_domain))

    def predict_proba(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        """Predict the probability of each class, treating samples as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then normalised by the statistics
            of the source. By default all samples are taken for target.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``; for OSBPClassifier fitted with a target,
            a last column for ``unknown_``.
        """
        logits = torch.from_numpy(self._outputs(self._samples(X), sample_domain))
        return logits.softmax(1).numpy()

    def _decided(self, outputs):
        """Return the labels of the largest logits."""
        return self._all_labels[outputs.argmax(axis=1)]

    @property
    def _all_labels(self):
        """The labels in the order of the logits."""
        return self.classes_

    @property
    def _n_outputs(self):
        return len(self._all_labels)


@estimator
class BaseAlignmentClassifier(AlignmentParameters, BaseDeepClassifier):
    """Everything of a deep classifier but the choice of its alignment criterion."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **AlignmentParameters._parameter_constraints,
        **BaseDeepClassifier._parameter_constraints,
    }

    def adapt(self, X_target: Any, *, alignment: Any = "shot") -> Self:
        """Adapt the fitted classifier to target samples alone, without any of the source.

        The network is changed in place, and a second call continues from there. The last
        layer, the classifier, stays as the source has taught it.

        Parameters
        ----------
        X_target : array-like or sparse matrix of shape (n_target, n_features), stack or paths
            Unlabelled samples of the kind of those of ``fit``.
        alignment : str, nn.Module, callable or list, default="shot"
            ``"shot"`` trains the feature extractor for sure and varied predictions and
            for labels by the nearest class centroid; ``max_epochs``, the rate and the
            other parameters of training are those of the classifier. ``"batch_norm"``
            trains nothing: it takes the statistics of batch normalisation anew from the
            target (AdaBN). Anything else that :class:`AlignmentClassifier` takes may
            stand here, as long as it asks for nothing of the source.

        Returns
        -------
        self : estimator
            Adapted, with ``transduction_`` for these samples, and ``adaptation_history_``
            of the losses where something was trained.

        Raises
        ------
        NotFittedError
            If it was not fitted.
        ValueError
            If the samples are not like those of ``fit``, ``alignment`` asks for those of
            the source, or there is no batch normalisation whose statistics could be adapted.
        NonFiniteLossError
            If a loss is no longer finite.

        References
        ----------
        Liang, Hu, Feng (2020). "Do we really need to access the source data? Source
        hypothesis transfer for unsupervised domain adaptation". ICML.

        Li, Wang, Shi, Hou, Liu (2018). "Adaptive batch normalization for practical domain
        adaptation". Pattern Recognition 80.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from domadapt import AlignmentClassifier
        >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
        >>> Xt, yt = make_blobs(200, centers=[[3, 6], [9, 6]], random_state=1)
        >>> clf = AlignmentClassifier(alignment=None, batch_norm="per_domain", random_state=0)
        >>> before = clf.fit(Xs, ys).score(Xt, yt)
        >>> bool(clf.adapt(Xt).score(Xt, yt) > before)
        True
        """
        samples, module = self._samples(X_target), self.module_
        reader = self._reader(module.device, module.dtype)
        extractor, frozen = self._trained_part()
        network = FeatureClassifier(extractor, module.classifier)
        if frozen is not None:
            samples = Samples(frozen_features(samples, frozen, self.feature_cache, reader))
        self.__dict__.pop("adaptation_history_", None)
        if isinstance(alignment, str) and alignment == "batch_norm":
            adapt_batch_norm(network.feature_extractor, samples, reader)
        else:
            self._check_parameters()
            criteria = WeightedCriteria(resolve(alignment, self._learns), self._learns)
            self._check_without_source(criteria)
            seed, parts = self._draw_seed(), {"target": samples}
            numbers = self._random_numbers(seed, reader, samples, criteria)
            training = Training(
                network,
                self._trained_backbone(network),
                parts,
                reader,
                seed,
                numbers,
                self.batch_norm_,
            )
            run_all(self._run_later(ALIGN, training, criteria, Watch(), checkpoint=None))
        self._transduce(samples, are_features=True)
        return self

    def _check_without_source(self, criteria):
        # A class beyond those of the source is for the last layer to learn, which stays here.
        BaseDeepEstimator._check_extra_logits(self, criteria)
        of_source = criteria.asks_for("source_")
        if of_source:
            raise ValueError(
                f"alignment asks for source samples ({of_source[0]}), which adapt does not "
                "have. Use 'shot', 'batch_norm', 'mcc', 'bnm' or 'entropy', or fit with "
                "X_target."
            )

    def _look_at_transduction(self):
        method = METHODS.get(self.alignment) if isinstance(self.alignment, str) else None
        lacks = method is not None and method.setting in ("partial", "open set")
        warn_of_collapse(self.transduction_, len(self.classes_), may_lack_classes=lacks)


def _sample_weights(class_weight, classes, domains):
    """Return weights of mean 1 by class and sample, or None where all are alike."""
    weight, y = domains.sample_weight, domains.y
    if class_weight is None and weight is None:
        return None
    by_class = np.ones(len(classes))
    if class_weight is not None:
        by_class = compute_class_weight(class_weight, classes=classes, y=y, sample_weight=weight)
    by_sample = by_class[np.searchsorted(classes, y)]
    weight = by_sample if weight is None else weight * by_sample
    if not (by_class.min() >= 0 and weight.sum() > 0):
        raise ValueError(
            f"class_weight={class_weight!r} leaves no positive weight or holds a negative "
            "one. Weights of at least 0, some of them above, were expected."
        )
    weight = weight / weight.mean()
    if domains.known is None:
        return weight
    # A labelled target sample weighs what a source sample of its class does on average.
    of_known = by_class[np.searchsorted(classes, domains.y_known)] / by_sample.mean()
    return np.concatenate([weight, of_known])
