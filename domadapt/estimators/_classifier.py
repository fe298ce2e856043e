"""What a deep classifier adds to fit: classes, probabilities, and adapting to a new target."""

from numbers import Real

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight

from domadapt.alignment.entropy import EntropyMinimization
from domadapt.estimators._batch_norm import adapt_batch_norm
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.estimators._defaults import with_parameters
from domadapt.estimators._watch import Watch
from domadapt.inputs.device import seeded
from domadapt.nn import FeatureClassifier
from domadapt.training.criteria import WeightedCriteria
from domadapt.training.tasks import Classification

# What adapts a fitted classifier without its source. The paper's second weight is 0.3.
SHOT = [(1.0, EntropyMinimization(diversity=1.0)), (0.3, "centroids")]


@with_parameters(label_smoothing=0.1, class_weight=None)
class BaseAlignmentClassifier(ClassifierMixin, BaseDeepEstimator):
    """Everything of a deep classifier but the choice of its alignment criterion."""

    _parameter_constraints: dict = {
        **BaseDeepEstimator._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }
    _task_kind = "classes"

    def _read_labels(self, domains, alignment):
        """Give the classes as numbers, the weights of rows, and what to remember."""
        classes, labels = np.unique(domains.y, return_inverse=True)
        weight = _row_weights(self.class_weight, classes, domains)
        if domains.known is not None:
            labels = np.concatenate([labels, np.searchsorted(classes, domains.y_known)])
        n_extra = 0 if alignment is None else alignment.n_extra_logits
        fitted = {"classes_": classes}
        if n_extra:
            fitted["unknown_"] = _unknown_label(self.unknown, classes)
        return {
            "labels": labels,
            "weight": weight,
            "n_outputs": len(classes) + n_extra,
            "fitted": fitted,
        }

    def _make_task(self, learnt, device, dtype):
        weight = learnt["weight"]
        weight = None if weight is None else torch.from_numpy(weight).to(device, dtype)
        labels = torch.from_numpy(learnt["labels"]).to(device)
        return Classification(labels, weight, self.label_smoothing)

    def _check_readable(self, y):
        if len(np.unique(y)) < 2:
            raise ValueError("Source images of fewer than 2 classes can be read.")

    def predict(self, X):
        """Predict labels, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Rows of the kind of those of ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of ``classes_``; for OSBPClassifier also ``unknown_``.
        """
        return self._infer(self._rows(X))

    def predict_proba(self, X):
        """Predict the probability of each class, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Rows of the kind of those of ``fit``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``; for OSBPClassifier fitted with a target,
            a last column for ``unknown_``.
        """
        return self._outputs(self._rows(X), lambda features: self._logits(features).softmax(1))

    def adapt(self, X_target, *, alignment="shot"):
        """Adapt the fitted classifier to target rows alone, without any source row.

        The network is changed in place, and a second call goes on from there. The last
        layer, the classifier, stays as the source has taught it.

        Parameters
        ----------
        X_target : array-like or sparse matrix of shape (n_target, n_features), stack or paths
            Unlabelled rows of the kind of those of ``fit``.
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
            Adapted, with ``transduction_`` for these rows, and ``adaptation_history_``
            of the losses where something was trained.

        Raises
        ------
        NotFittedError
            If it was not fitted.
        ValueError
            If the rows are not like those of ``fit``, ``alignment`` asks for source
            rows, or there is no batch normalisation whose statistics could be adapted.
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
        >>> clf = AlignmentClassifier(alignment=None, random_state=0).fit(Xs, ys)
        >>> before = clf.score(Xt, yt)
        >>> bool(clf.adapt(Xt).score(Xt, yt) > before)
        True
        """
        rows = self._rows(X_target)
        if self._trained_extractor is not self.module_.feature_extractor:
            rows = self._frozen_rows(rows)
        network = FeatureClassifier(self._trained_extractor, self.module_.classifier)
        place = (self._loader, network.device, network.dtype)
        self.__dict__.pop("adaptation_history_", None)
        if isinstance(alignment, str) and alignment == "batch_norm":
            adapt_batch_norm(network.feature_extractor, rows, self._precision, *place)
        else:
            self._adapt(network, alignment, rows, place)
        self.transduction_ = self._infer(rows, are_features=True)
        return self

    def _adapt(self, network, alignment, rows, place):
        self._check_settings()
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with seeded(seed, network.device):
            is_shot = isinstance(alignment, str) and alignment == "shot"
            criteria = WeightedCriteria(SHOT if is_shot else alignment)
            self._refuse_unknown(criteria)
            of_source = criteria.asks_for("source_")
            if of_source:
                raise ValueError(
                    f"alignment asks for source rows ({of_source[0]}), which adapt does not "
                    "have. Use 'shot', 'batch_norm', 'mcc', 'bnm' or 'entropy', or fit with "
                    "X_target."
                )
            backbone = getattr(network.feature_extractor, "backbone", None)
            if backbone is None and self.backbone is not None and not self.freeze:
                backbone = network.feature_extractor
            watch = Watch()
            self._align_afterwards(
                network, criteria, {"target": rows}, backbone, place, seed, watch, None
            )

    def _infer(self, rows, *, are_features=False):
        """Predict labels of rows, or of what a frozen backbone has made of them."""

        def classify(features):
            return self._logits(features).argmax(1)

        return self._all_labels[self._outputs(rows, classify, are_features=are_features)]

    @property
    def _all_labels(self):
        """The labels in the order of the logits."""
        if not hasattr(self, "unknown_"):
            return self.classes_
        return np.append(self.classes_, self.unknown_)

    @property
    def _n_outputs(self):
        return len(self._all_labels)

    def _logits(self, features):
        return self.module_.classifier(features)


def _row_weights(class_weight, classes, domains):
    """Combine class and row weights into weights of mean 1, or None where all are alike."""
    weight, y = domains.sample_weight, domains.y
    if class_weight is None and weight is None:
        return None
    by_class = np.ones(len(classes))
    if class_weight is not None:
        by_class = compute_class_weight(class_weight, classes=classes, y=y, sample_weight=weight)
    by_row = by_class[np.searchsorted(classes, y)]
    weight = by_row if weight is None else weight * by_row
    if not (by_class.min() >= 0 and weight.sum() > 0):
        raise ValueError(
            f"class_weight={class_weight!r} leaves no positive weight or holds a negative "
            "one. Weights of at least 0, some of them above, were expected."
        )
    weight = weight / weight.mean()
    if domains.known is None:
        return weight
    # A labelled target row weighs what a source row of its class does on average.
    of_known = by_class[np.searchsorted(classes, domains.y_known)] / by_row.mean()
    return np.concatenate([weight, of_known])


def _unknown_label(unknown, classes):
    """Give the label of rows of no source class, of the kind of the others."""
    is_text = classes.dtype.kind in "UOS"
    if unknown is None:
        return "unknown" if is_text else min(classes.min().item(), 0) - 1
    if isinstance(unknown, str) != is_text or unknown in classes:
        raise ValueError(
            f"unknown={unknown!r} does not go with the labels {classes.tolist()[:5]}. A label of "
            "their kind that none of them is was expected, such as "
            f"{_unknown_label(None, classes)!r}."
        )
    return unknown
