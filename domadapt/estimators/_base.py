"""Fit and predict of the deep classifiers, on top of the torch core."""

import copy
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.base import (
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from domadapt.alignment.criteria import WeightedCriteria
from domadapt.domains import Rows, check_rows, split_domains
from domadapt.estimators._device import PRECISIONS, resolve_device, seeded
from domadapt.estimators._frozen import FrozenBackbone, frozen_features
from domadapt.estimators._inputs import make_batches, run_over, take_sample
from domadapt.estimators._network import build_network, dtype_of, stack
from domadapt.estimators._parameters import DeepEstimator
from domadapt.estimators._saving import fingerprint_of_fit, save_classifier
from domadapt.nn import FeatureClassifier
from domadapt.training.batches import NUMPY_DTYPES
from domadapt.training.checkpoint import load_checkpoint, save_checkpoint
from domadapt.training.distributed import rank
from domadapt.training.step import extract_features
from domadapt.training.trainer import Trainer


class BaseAlignmentClassifier(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    DeepEstimator,
):
    """Everything of a deep classifier but the choice of its alignment criterion.

    Subclasses have an attribute ``alignment``, a parameter of theirs or fixed.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sample_domain=None, X_target=None, sample_weight=None):
        """Train on labelled source rows together with unlabelled target rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Source rows; with ``sample_domain``, source and target rows stacked. An
            image stack has the shape (n_samples, channels, height, width) or
            (n_samples, height, width); paths of images have the shape (n_samples,).
        y : array-like of shape (n_samples,)
            Labels of any kind. What stands at target rows is never read.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for source rows, negative for target rows.
        X_target : array-like or sparse matrix of shape (n_target, n_features), default=None
            Target rows, where ``X`` holds the source alone. With neither keyword the
            classifier is trained on the source alone.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of source rows in the task loss; rows of weight 0 are left out
            altogether. The weights of target rows change nothing.

        Returns
        -------
        self : estimator
            The fitted classifier.

        Raises
        ------
        ValueError, TypeError
            Before any training, if a parameter or the data are not as described.
        NonFiniteLossError
            If a loss is no longer finite. The weights are then those of the last epoch
            that ended with finite ones.
        """
        self._check_settings()
        domains = split_domains(
            self, X, y, sample_domain=sample_domain, X_target=X_target, sample_weight=sample_weight
        )
        domains = self._leave_out_unreadable(domains)
        classes, labels = np.unique(domains.y, return_inverse=True)
        weight = _row_weights(self.class_weight, classes, domains)
        device = resolve_device(self.device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with seeded(seed, device):
            trainer, target, fitted = self._make_trainer(
                domains, classes, labels, weight, device, seed
            )
            fingerprint = self._go_on(trainer, domains)
            # From here on, and not where anything was refused, this is the new fit.
            self.__dict__.update(fitted)
            self.__dict__.pop("transduction_", None)
            try:
                self._train(trainer, domains, fingerprint)
            finally:
                # Whatever ends the training, an interrupt too, its result can be used.
                self.module_.eval()
                self.n_steps_ = trainer.n_steps
                trainer.batches.close()
        if target is not None:
            self.transduction_ = self._labels(target, are_features=self.freeze)
        return self

    def _leave_out_unreadable(self, domains):
        """Drop images that cannot be read, where that is asked for."""
        self.__dict__.pop("n_skipped_images_", None)
        if not domains.source.are_paths:
            return domains
        self.n_skipped_images_ = 0
        if self._loader.unreadable == "raise":
            return domains
        source, readable = self._find_readable(domains.source)
        if len(np.unique(domains.y[readable])) < 2:
            raise ValueError("Source images of fewer than 2 classes can be read.")
        weight = domains.sample_weight
        domains = replace(
            domains,
            source=source,
            y=domains.y[readable],
            sample_weight=None if weight is None else weight[readable],
        )
        if domains.target is not None:
            domains = replace(domains, target=self._find_readable(domains.target)[0])
        if self.n_skipped_images_:
            warnings.warn(
                f"{self.n_skipped_images_} images cannot be read and are left out of fit.",
                stacklevel=3,
            )
        return domains

    def _find_readable(self, rows):
        paths = rows.take(slice(None))
        readable = self._loader.find_readable(paths)
        if not readable.any():
            raise ValueError(
                f"None of the {len(paths)} images of a domain can be read, such as {paths[0]!r}."
            )
        self.n_skipped_images_ += int((~readable).sum())
        return Rows(paths[readable]), readable

    def _make_trainer(self, domains, classes, labels, weight, device, seed):
        dtype = dtype_of(self.backbone)
        place = (self._loader, device, dtype)
        source, target = domains.source, domains.target
        sample = take_sample(source, *place)
        fitted = {
            "classes_": classes,
            "_sample_shape": source.X.shape[1:],
            "_input_shape": tuple(sample.shape[1:]),
        }
        backbone, frozen = self.backbone, None
        if self.freeze:
            frozen, backbone = FrozenBackbone(backbone, sample), None
            source, target = (
                rows and Rows(self._frozen_features(rows, frozen, *place))
                for rows in (source, target)
            )
            sample = take_sample(source, *place)
        network, trained_backbone = build_network(
            sample,
            len(classes),
            backbone=backbone,
            hidden_layer_sizes=self._hidden_layer_sizes,
            batch_norm=self.batch_norm is not None,
            dropout=self.dropout,
        )
        alignment, alignment_weight = None, 0.0
        if target is not None and self.alignment is not None:
            alignment = WeightedCriteria(self.alignment).to(device, dtype)
            alignment_weight = alignment.default_weight
        if self.alignment_weight is not None:
            alignment_weight = self.alignment_weight
        labels = torch.from_numpy(labels).to(device)
        if weight is not None:
            weight = torch.from_numpy(weight).to(device, dtype)
        trainer = Trainer(
            network,
            alignment,
            make_batches(source, target, *place, seed),
            labels,
            weight,
            self._training_settings(alignment_weight),
            seed,
            backbone=trained_backbone,
        )
        fitted["module_"] = network
        if frozen is not None:
            extractor = stack(frozen, network.feature_extractor)
            fitted["module_"] = FeatureClassifier(extractor, network.classifier)
        return trainer, target, fitted

    def _go_on(self, trainer, domains):
        """Go on from a checkpoint that is there; give what this fit is known by in one."""
        if self.checkpoint is None:
            return None
        fingerprint = fingerprint_of_fit(self, domains)
        if Path(self.checkpoint).exists():
            load_checkpoint(self.checkpoint, trainer, fingerprint)
        return fingerprint

    def _train(self, trainer, domains, fingerprint):
        """Run the epochs as tasks that scikit-learn's callbacks watch and may end."""
        self.history_ = trainer.history
        # What a callback sees is the source: its labels are the ones that may be read.
        seen = {
            "estimator": self,
            "X": lambda: domains.source.take(slice(None)),
            "y": domains.y,
            "reconstruction_attributes": lambda: {"module_": copy.deepcopy(self.module_)},
        }
        fit_task = self._init_callback_context(max_subtasks=self.max_epochs)
        fit_task.call_on_fit_task_begin(**seen)
        for epoch in range(len(trainer.history["task_loss"]), self.max_epochs):
            epoch_task = fit_task.subcontext(task_name="epoch")
            epoch_task.call_on_fit_task_begin(**seen)
            trainer.run_epoch()
            if self.verbose and rank() == 0:
                means = "  ".join(f"{name} {v[-1]:.4g}" for name, v in trainer.history.items())
                print(f"Epoch {epoch + 1}/{self.max_epochs}  {means}")
            ended = epoch_task.call_on_fit_task_end(**seen)
            if self.checkpoint is not None:
                save_checkpoint(self.checkpoint, trainer, fingerprint)
            if ended:
                break
        fit_task.call_on_fit_task_end(**seen)

    def predict(self, X):
        """Predict labels, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Rows of the kind of those of ``fit``.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of ``classes_``.
        """
        return self._labels(self._rows(X))

    def predict_proba(self, X):
        """Predict the probability of each class, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Rows of the kind of those of ``fit``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``.
        """
        return self._outputs(self._rows(X), lambda features: self._logits(features).softmax(1))

    def transform(self, X):
        """Compute the features on which the domains are aligned, treating rows as target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Rows of the kind of those of ``fit``.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            Output of the feature extractor.
        """
        return self._outputs(self._rows(X), lambda features: features)

    def save(self, path):
        """Write the fitted classifier to a file: weights in safetensors, the rest in JSON.

        Parameters
        ----------
        path : str or path
            The file, to be read by :func:`domadapt.load`. What stands there is replaced
            when all is written.

        Raises
        ------
        TypeError
            If the labels are of a kind that JSON cannot hold.
        OSError
            If the file cannot be written.
        """
        check_is_fitted(self)
        save_classifier(self, path)

    def _rows(self, X):
        check_is_fitted(self)
        return check_rows(self, X, self._sample_shape)

    def _labels(self, rows, *, are_features=False):
        """Predict labels of rows, or of what a frozen backbone has made of them."""

        def classify(features):
            return self._logits(features).argmax(1)

        return self.classes_[self._outputs(rows, classify, are_features=are_features)]

    def _logits(self, features):
        return self.module_.classifier(features)

    def _outputs(self, rows, function, *, are_features=False):
        """Apply a function of the features to rows."""
        module = self.module_.eval()
        place = (self._loader, module.device, module.dtype)
        extractor, precision = module.feature_extractor, PRECISIONS[self.precision]
        if isinstance(getattr(extractor, "backbone", None), FrozenBackbone):
            if not are_features:
                rows = Rows(self._frozen_features(rows, extractor.backbone, *place))
            extractor = extractor.layers
        return run_over(
            lambda batch: function(extract_features(extractor, batch, precision)), rows, *place
        )

    def _frozen_features(self, rows, backbone, *place):
        precision = PRECISIONS[self.precision]
        return frozen_features(rows, backbone, precision, self.feature_cache, *place)

    @property
    def _n_features_out(self):
        return self.module_.classifier[0].in_features

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = [NUMPY_DTYPES[dtype_of(self.backbone)].__name__]
        return tags


def _row_weights(class_weight, classes, domains):
    """Combine class and row weights into weights of mean 1, or None where all are alike."""
    weight = domains.sample_weight
    if class_weight is not None:
        by_class = compute_class_weight(
            class_weight, classes=classes, y=domains.y, sample_weight=weight
        )
        by_row = by_class[np.searchsorted(classes, domains.y)]
        weight = by_row if weight is None else weight * by_row
        if not (by_class.min() >= 0 and weight.sum() > 0):
            raise ValueError(
                f"class_weight={class_weight!r} leaves no positive weight or holds a negative "
                "one. Weights of at least 0, some of them above, were expected."
            )
    return None if weight is None else weight / weight.mean()
