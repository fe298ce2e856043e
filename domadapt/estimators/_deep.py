"""Fit of the deep estimators, on top of the torch core."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from domadapt.domains.arguments import Rows, check_rows, split_domains
from domadapt.estimators._parameters import DeepEstimator
from domadapt.estimators._watch import watched
from domadapt.inputs.arrays import NUMPY_DTYPES
from domadapt.inputs.device import PRECISIONS, resolve_device, seeded
from domadapt.inputs.frozen import FrozenBackbone, frozen_features
from domadapt.inputs.reader import (
    features_and_outputs,
    leave_out_unreadable,
    make_batches,
    parts_of,
    run_over,
    take_sample,
)
from domadapt.nn import FeatureClassifier, extract_features
from domadapt.nn.layers import one_domain, without_gradient
from domadapt.nn.networks import build_network, stack_layers, training_dtype
from domadapt.saving import fingerprint_of_fit, save_estimator
from domadapt.training.checkpoint import load_checkpoint, save_checkpoint
from domadapt.training.criteria import WeightedCriteria
from domadapt.training.distributed import rank
from domadapt.training.loss_weights import BALANCES
from domadapt.training.trainer import Trainer

# What the name of a checkpoint's file ends in where there is a second stage.
SECOND_STAGE = ".2"


class BaseDeepEstimator(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DeepEstimator,
):
    """Everything of a deep estimator but what it predicts and how domains are aligned.

    Subclasses have an attribute ``alignment``, a parameter of theirs or fixed.
    """

    # How several criteria are weighed; a parameter of those that take any alignment.
    alignment_weighting = "fixed"
    n_steps_: int
    # Whether the source is learnt first, and the domains are aligned with a classifier
    # that stays as it is.
    aligns_afterwards = False

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sample_domain=None, X_target=None, sample_weight=None, y_target=None):
        """Train on labelled source rows together with unlabelled target rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Source rows; with ``sample_domain``, source and target rows stacked. An
            image stack has the shape (n_samples, channels, height, width) or
            (n_samples, height, width); paths of images have the shape (n_samples,).
        y : array-like of shape (n_samples,)
            Labels of any kind; for a regressor numbers, of shape (n_samples, n_outputs)
            where there are several. What stands at target rows is never read.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for source rows, negative for target rows. Sources that differ have
            numbers that differ: 1, 2 and so on.
        X_target : array-like or sparse matrix of shape (n_target, n_features), default=None
            Target rows, where ``X`` holds the source alone. With neither keyword the
            estimator is trained on the source alone.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of source rows in the task loss; rows of weight 0 are left out
            altogether. The weights of target rows change nothing.
        y_target : array-like of shape (n_target,), default=None
            Labels of a few target rows that are known, None or NaN for the others; with
            ``sample_domain`` of shape (n_samples,), what stands at source rows being
            unread. Every batch then holds rows of these too, and learns their labels.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            Before any training, if a parameter or the data are not as described.
        NonFiniteLossError
            If a criterion's loss is not finite on the first batch, before any training;
            or if a loss is no longer finite. The weights are then those of the last epoch
            that ended with finite ones.
        """
        self._check_settings()
        domains = split_domains(
            self,
            X,
            y,
            sample_domain=sample_domain,
            X_target=X_target,
            sample_weight=sample_weight,
            y_target=y_target,
            are_values=self._task_kind == "values",
        )
        domains = self._leave_out_unreadable(domains)
        device = resolve_device(self.device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        with seeded(seed, device):
            alignment = self._read_alignment(domains)
        with seeded(seed, device):
            self._fit(domains, alignment, device, seed)
        return self

    def _read_alignment(self, domains):
        """Give the criteria, or None; find what does not go together with the data."""
        if self.aligns_afterwards and domains.known is not None:
            raise ValueError(
                f"y_target does not go with {type(self).__name__}, which learns labels before it "
                "sees the target. Use another method, such as DANNClassifier."
            )
        if domains.target is None or self.alignment is None:
            return None
        alignment = WeightedCriteria(self.alignment, self._task_kind)
        several = alignment.needing("needs_several_sources")
        if several and domains.n_sources < 2:
            raise ValueError(
                f"{several[0]} needs at least two sources, and sample_domain names "
                f"{domains.n_sources}. Give each source a number of its own, 1, 2 and so on, "
                "in sample_domain, or use a method for one source, such as 'mmd'."
            )
        if "unknown" not in self.get_params(deep=False):
            self._refuse_unknown(alignment)
        if self.alignment_weighting == "gradnorm":
            unfit = alignment.asks_for("feature_extractor")
            if unfit:
                raise ValueError(
                    "alignment_weighting='gradnorm' compares gradients at the features, and "
                    f"that of {unfit[0]} goes past them. Use 'uncertainty' or 'fixed'."
                )
        return alignment

    def _refuse_unknown(self, alignment):
        if alignment.n_extra_logits:
            raise ValueError(
                f"{alignment.describe()} needs a class for unknown rows, which "
                f"{type(self).__name__} cannot learn here. Fit OSBPClassifier with a target."
            )

    def _fit(self, domains, alignment, device, seed):
        place = (self._loader, device, training_dtype(self.backbone))
        learnt = self._read_labels(domains, alignment)
        parts, network, backbone, fitted = self._build(domains, learnt["n_outputs"], place)
        task = self._make_task(learnt, *place[1:])
        afterwards = self.aligns_afterwards and alignment is not None
        trainer = self._make_trainer(
            network,
            None if afterwards else alignment,
            {"source": parts["source"]} if afterwards else parts,
            place,
            seed,
            task=task,
            backbone=backbone,
            source_domain=domains.source_domain,
        )
        fingerprint = None if self.checkpoint is None else fingerprint_of_fit(self, domains)
        self._go_on(trainer, fingerprint)
        # From here on, and not where anything was refused, this is the new fit.
        for name in ("transduction_", "adaptation_history_", "loss_weights_", "unknown_"):
            self.__dict__.pop(name, None)
        self.__dict__.update(fitted | learnt["fitted"], history_=trainer.history, n_steps_=0)
        afterwards = afterwards and self._alignment_weight(alignment) > 0
        with watched(self, domains, (1 + afterwards) * self.max_epochs) as watch:
            self._run(trainer, watch, fingerprint)
            if afterwards and not watch.ended:
                criteria = (alignment, parts, backbone)
                self._align_afterwards(network, *criteria, place, seed, watch, fingerprint)
        if domains.target is not None:
            self.transduction_ = self._infer(parts["target"], are_features=self.freeze)

    def _align_afterwards(
        self, network, alignment, parts, backbone, place, seed, watch, fingerprint
    ):
        """Align the domains, or move to the target alone, with the classifier as it is."""
        if not alignment.asks_for("source_"):
            parts = {"target": parts["target"]}
        alone = one_domain(network) if len(parts) == 1 else contextlib.nullcontext()
        with without_gradient(network.classifier), alone:
            trainer = self._make_trainer(network, alignment, parts, place, seed, backbone=backbone)
            self._go_on(trainer, fingerprint, SECOND_STAGE)
            self.adaptation_history_ = trainer.history
            self._run(trainer, watch, fingerprint, SECOND_STAGE)

    def _leave_out_unreadable(self, domains):
        """Drop images that cannot be read, where that is asked for."""
        self.__dict__.pop("n_skipped_images_", None)
        if not domains.source.are_paths:
            return domains
        domains, self.n_skipped_images_ = leave_out_unreadable(domains, self._loader)
        if self.n_skipped_images_:
            self._check_readable(domains.y)
            warnings.warn(
                f"{self.n_skipped_images_} images cannot be read and are left out of fit.",
                stacklevel=3,
            )
        return domains

    def _build(self, domains, n_outputs, place):
        """Build the network; give the rows as it takes them, and what it is known by."""
        source, target = domains.source, domains.target
        sample = take_sample(source, *place)
        fitted = {
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
            n_outputs,
            backbone=backbone,
            hidden_layer_sizes=self._hidden_layer_sizes,
            batch_norm=self.batch_norm is not None,
            dropout=self.dropout,
        )
        fitted["module_"] = network
        if frozen is not None:
            extractor = stack_layers(frozen, network.feature_extractor)
            fitted["module_"] = FeatureClassifier(extractor, network.classifier)
        parts = parts_of(source, target, domains.known)
        return parts, network, trained_backbone, fitted

    def _alignment_weight(self, alignment):
        if self.alignment_weight is not None:
            return self.alignment_weight
        return 0.0 if alignment is None else alignment.default_weight

    def _make_trainer(
        self,
        network,
        alignment,
        parts,
        place,
        seed,
        *,
        task=None,
        backbone=None,
        source_domain=None,
    ):
        loader, device, dtype = place
        balance = None
        if alignment is not None:
            alignment = alignment.to(device, dtype)
            if self.alignment_weighting != "fixed" and task is not None:
                n_losses = 1 + len(alignment.terms)
                balance = BALANCES[self.alignment_weighting](n_losses).to(device, dtype)
        if source_domain is not None:
            source_domain = torch.eye(source_domain.max() + 1)[source_domain].to(device, dtype)

        def look_at_target():
            return features_and_outputs(network, parts["target"], self._precision, *place)

        return Trainer(
            network,
            alignment,
            make_batches(parts, loader, device, dtype, seed),
            task,
            self._training_settings(self._alignment_weight(alignment)),
            seed,
            backbone=backbone,
            source_domains=source_domain,
            balance=balance,
            look_at_target=look_at_target,
        )

    def _go_on(self, trainer, fingerprint, ending=""):
        """Go on from a checkpoint that is there."""
        if fingerprint is not None:
            path = Path(f"{self.checkpoint}{ending}")
            if path.exists():
                load_checkpoint(path, trainer, fingerprint)

    def _run(self, trainer, watch, fingerprint, ending=""):
        """Run the epochs of a stage that are left, and see that its result can be used."""
        n_steps_before = self.n_steps_
        try:
            for epoch in range(len(trainer.history["task_loss"]), self.max_epochs):
                with watch.epoch():
                    trainer.run_epoch()
                    if self.verbose and rank() == 0:
                        means = (f"{name} {v[-1]:.4g}" for name, v in trainer.history.items())
                        print(f"Epoch {epoch + 1}/{self.max_epochs}", *means, sep="  ")
                if fingerprint is not None:
                    save_checkpoint(f"{self.checkpoint}{ending}", trainer, fingerprint)
                if watch.ended:
                    break
        finally:
            # Whatever ends the training, an interrupt too.
            self.module_.eval()
            self.n_steps_ = n_steps_before + trainer.n_steps
            if trainer.step.balance is not None:
                self.loss_weights_ = trainer.step.balance.factors().cpu().numpy()
            trainer.batches.close()

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
        """Write the fitted estimator to a file: weights in safetensors, the rest in JSON.

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
        save_estimator(self, path)

    def _rows(self, X):
        check_is_fitted(self)
        return check_rows(self, X, self._sample_shape)

    def _outputs(self, rows, function, *, are_features=False):
        """Apply a function of the features to rows, or to what a frozen backbone made of them."""
        module = self.module_.eval()
        place = (self._loader, module.device, module.dtype)
        extractor, precision = self._trained_extractor, self._precision
        if extractor is not module.feature_extractor and not are_features:
            rows = self._frozen_rows(rows)
        return run_over(
            lambda batch: function(extract_features(extractor, batch, precision)), rows, *place
        )

    @property
    def _trained_extractor(self):
        """The part of the feature extractor that comes after a frozen backbone."""
        extractor = self.module_.feature_extractor
        is_frozen = isinstance(getattr(extractor, "backbone", None), FrozenBackbone)
        return extractor.layers if is_frozen else extractor

    def _frozen_rows(self, rows):
        """Give rows as a frozen backbone makes features of them."""
        module = self.module_
        place = (self._loader, module.device, module.dtype)
        return Rows(self._frozen_features(rows, module.feature_extractor.backbone, *place))

    def _frozen_features(self, rows, backbone, *place):
        return frozen_features(rows, backbone, self._precision, self.feature_cache, *place)

    @property
    def _precision(self):
        return PRECISIONS[self.precision]

    @property
    def _n_features_out(self):
        return self.module_.classifier[0].in_features

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = [
            NUMPY_DTYPES[training_dtype(self.backbone)].__name__
        ]
        return tags
