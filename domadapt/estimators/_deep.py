"""Fit of the deep estimators: domains in, stages of training, a network out."""

import contextlib
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state

from domadapt.domains.cautions import warn, warn_of_scales
from domadapt.domains.samples import Samples
from domadapt.domains.splitting import split_domains
from domadapt.estimators._alignment import (
    builder_of,
    check_kinds,
    check_learns_to_the_end,
    check_loss_weights,
    check_sources,
    check_stages,
    criterion_parameters,
    resolve,
    with_parameters,
)
from domadapt.estimators._cautions import (
    warn_of_few_updates,
    warn_of_idle_criteria,
    warn_of_no_target,
)
from domadapt.estimators._predictions import DeepPredictions
from domadapt.estimators._source_weights import check_source_weights, with_source_weights
from domadapt.estimators._stages import TOGETHER, Stage, Training, parts_of, settings_of
from domadapt.inputs.frozen import FrozenBackbone, frozen_features
from domadapt.inputs.images import leave_out_unreadable
from domadapt.inputs.reader import PRECISIONS, Reader, n_processes, resolve_device
from domadapt.nn.layers import one_domain, without_gradient
from domadapt.nn.networks import FeatureClassifier, stack_layers, training_dtype
from domadapt.nn.random_numbers import RandomNumbers
from domadapt.training.finite import NonFiniteLossError
from domadapt.training.loss_weights import LOSS_WEIGHTS
from domadapt.training.step import WeightedCriteria
from domadapt.training.trainer import Trainer, check_batch_norm, run_all

# Weights that were learnt elsewhere move at this share of the learning rate.
PRETRAINED_RATE = 0.1


class BaseDeepEstimator(DeepPredictions):
    """Everything of a deep estimator but what it predicts and how domains are aligned."""

    # What no parameter of a subclass sets: nothing aligned, and no network built from outside.
    alignment: Any = None
    alignment_weight: Any = None
    alignment_schedule: Any = "constant"
    loss_weights: Any = "fixed"
    source_weights: Any = None
    backbone: Any = None
    backbone_rate: Any = None
    freeze: Any = False
    feature_cache: Any = None
    hidden_layer_sizes: Any = None
    dropout: Any = 0.0
    batch_norm: Any = None
    _stages: ClassVar[tuple[Stage, ...]] = TOGETHER
    _takes_any_alignment: ClassVar[bool] = False
    # What a fit may leave behind, and the next one removes.
    _removed_by_fit: ClassVar[tuple[str, ...]] = (
        "adaptation_history_",
        # Those of a callback that keeps an epoch.
        "best_epoch_",
        "criterion_",
        "epoch_scores_",
        "loss_weights_",
        "source_weights_",
        "transduction_",
    )

    history_: dict[str, list[float]]
    adaptation_history_: dict[str, list[float]]
    batch_norm_: str | None
    criterion_: Any
    loss_weights_: np.ndarray
    n_steps_: int
    n_skipped_images_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, and where ``deep`` those of the criterion too."""
        parameters = super().get_params(deep)
        if deep and "alignment" in parameters:
            # What names no criterion has no parameters, and can be set to what does.
            with contextlib.suppress(TypeError, ValueError):
                parameters |= criterion_parameters(resolve(self.alignment, self._learns))
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters; ``alignment__NAME`` sets one of a copy of the criterion."""
        nested = {n: v for n, v in parameters.items() if n.startswith("alignment__")}
        if "alignment" not in self._get_param_names():
            nested = {}
        super().set_params(**{n: v for n, v in parameters.items() if n not in nested})
        if nested:
            self.alignment = with_parameters(self, resolve(self.alignment, self._learns), nested)
        return self

    def _check_parameters(self):
        self._check_schedules()
        self._check_accumulate()
        if isinstance(self.alignment, str):
            builder_of(self.alignment, self._learns)
        if self.image_loader is not None:
            self.image_loader._validate_params()
        if self.freeze and self.backbone is None:
            raise ValueError(
                "freeze=True needs a backbone, whose features are to be trained on. Pass one, "
                "such as load_backbone('resnet50', weights=...), or freeze=False."
            )
        if self.precision == "bfloat16" and training_dtype(self.backbone) == torch.float64:
            raise ValueError(
                "precision='bfloat16' does not go with a backbone in float64. Use "
                "precision='float32' or backbone.float()."
            )
        if getattr(self.backbone, "lost_weights", False):
            name = getattr(self.backbone, "name", None)
            raise ValueError(
                f"backbone={name!r} was read from a file, which does not hold the weights that "
                "training started from. Set the parameter before you fit again: "
                f"backbone=load_backbone({name!r}, weights)."
            )
        if n_processes() > 1 and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"random_state={self.random_state!r} does not go with {n_processes()} processes, "
                "which have to draw the same samples. Pass an integer, the same in all."
            )
        if self.checkpoint is not None or self.feature_cache is not None:
            self._check_files()

    def _fit_domains(self, domains):
        run_all(self._epochs_of_fit(domains))

    def _fitting(self, X, y, **given):
        """Fit to what ``fit`` is given, yielding as :meth:`_epochs_of_fit`."""
        self._validate_params()
        self._check_parameters()
        domains = split_domains(self, X, y, **given)
        try:
            yield from self._epochs_of_fit(domains)
        finally:
            self._end_callbacks()

    @with_callbacks
    def _end_callbacks(self):
        """Let callbacks see that a fit is over: here scikit-learn does what is to be done."""

    def _epochs_of_fit(self, domains):
        """Fit, yielding the trainer for each epoch that is to be run.

        Before them, None is yielded once: all is checked, and nothing of an earlier fit gone.
        """
        domains = self._leave_out_unreadable(domains)
        if self.backbone is None and domains.source.X.ndim == 2:
            warn_of_scales(domains)
        reader = self._reader(resolve_device(self.device), training_dtype(self.backbone))
        yield from self._train(domains, self._build_criteria(domains), reader)

    def _draw_seed(self):
        return check_random_state(self.random_state).randint(np.iinfo(np.int32).max)

    def _reader(self, device, dtype):
        return Reader(self.image_loader, device, dtype, PRECISIONS[self.precision])

    def _leave_out_unreadable(self, domains):
        """Leave out images that cannot be read, where the loader is to skip them."""
        self.__dict__.pop("n_skipped_images_", None)
        if not domains.source.are_paths:
            return domains
        domains, self.n_skipped_images_ = leave_out_unreadable(domains, self.image_loader)
        if self.n_skipped_images_:
            self._check_readable(domains.y)
            warn(f"{self.n_skipped_images_} images cannot be read and are left out of fit.")
        return domains

    def _build_criteria(self, domains):
        """Return the criteria, or None; find what does not go together with the data."""
        if domains.known is not None:
            check_learns_to_the_end(self)
        check_source_weights(self, domains)
        if self.alignment is None:
            return None
        criteria = WeightedCriteria(resolve(self.alignment, self._learns), self._learns)
        if domains.target is None:
            warn_of_no_target(self, criteria)
            return None
        own = vars(type(self)).get("alignment")
        if self._takes_any_alignment:
            check_stages(self)
        elif isinstance(own, str) and self.alignment != own:
            check_kinds(self, criteria, WeightedCriteria(resolve(own, self._learns), self._learns))
        check_sources(criteria, domains.n_sources)
        self._check_extra_logits(criteria)
        check_loss_weights(criteria, self.loss_weights)
        return criteria

    def _check_extra_logits(self, criteria):
        if criteria.n_extra_logits:
            raise ValueError(
                f"{criteria.describe()} needs a class for unknown samples, which "
                f"{type(self).__name__} cannot learn here. Fit OSBPClassifier with a target."
            )

    def _random_numbers(self, seed, reader, samples, criteria):
        """Return what a fit draws from: torch's own generators where modules of others draw."""
        own = not self._has_modules_of_others and (criteria is None or criteria.are_own)
        return RandomNumbers(seed, reader.device, lends_global=samples.are_paths or not own)

    def _train(self, domains, criteria, reader):
        learnt, seed = self._read_labels(domains, criteria), self._draw_seed()
        aligns = criteria is not None or len(self._stages) > 1
        batch_norm = self._resolved_batch_norm(aligns=aligns)
        numbers = self._random_numbers(seed, reader, domains.source, criteria)
        with numbers.drawn():
            network, backbone, parts, fitted = self._build(
                domains, learnt["n_outputs"], reader, batch_norm
            )
        learnt = with_source_weights(self, learnt, domains, parts, seed)
        training = Training(network, backbone, parts, reader, seed, numbers, batch_norm)
        training.task = self._make_task(learnt, reader)
        training.source_domain = domains.source_domain
        if self.checkpoint is not None:
            training.fingerprint = self._fingerprint(domains, batch_norm)
        first, *later = self._stages_of_fit(learnt, criteria)
        for stage in later:
            # Not after a first stage that took hours.
            n_samples = {n: len(p) for n, p in parts_of(stage, parts, criteria).items()}
            check_batch_norm(network, criteria, n_samples, self.batch_size, self.accumulate)
        trainer = self._make_trainer(first, training, criteria)
        trainer.resume(self._checkpoint_of(first), training.fingerprint)
        yield None
        # From here on, and not where anything was refused, this is the new fit.
        for name in self._removed_by_fit:
            self.__dict__.pop(name, None)
        self.__dict__.update(fitted | learnt["fitted"], n_steps_=0)
        with self._watched(domains, (1 + len(later)) * self.max_epochs, "module_") as watch:
            checkpoint = self._checkpoint_of(first)
            yield from self._run(first, trainer, watch, checkpoint, training.fingerprint)
            for stage in later:
                if not watch.ended:
                    checkpoint = self._checkpoint_of(stage)
                    yield from self._run_later(stage, training, criteria, watch, checkpoint)
        if domains.target is not None:
            self._transduce(training.parts["target"], are_features=self.freeze)
        if not watch.ended:
            warn_of_few_updates(self)

    def _stages_of_fit(self, learnt, criteria):
        """Return the stages that a fit runs, the first of which learns."""
        aligns = criteria is not None and self._alignment_weight(criteria) > 0
        return self._stages if aligns else self._stages[:1]

    def _transduce(self, samples, *, are_features):
        """Predict the target that was trained on, and look at what is predicted."""
        outputs = self._outputs(samples, are_features=are_features)
        wild = ~np.isfinite(outputs).all(axis=1)
        if wild.any():
            raise NonFiniteLossError(
                f"What is predicted for {wild.sum()} of {len(samples)} target samples, such as "
                f"{wild.argmax()}, is not finite. Lower learning_rate={self.learning_rate:g}, and "
                "look for columns of very different scale in X_target."
            )
        self.transduction_ = self._decided(outputs)
        self._look_at_transduction()

    def _look_at_transduction(self):
        """Warn where predictions for the target show that a fit went wrong."""

    def _build(self, domains, n_outputs, reader, batch_norm):
        """Return the network with its samples as it takes them, and what it is known by."""
        source, target = domains.source, domains.target
        sample = reader.sample(source)
        fitted = {
            "_sample_shape": source.X.shape[1:],
            "_input_shape": tuple(sample.shape[1:]),
            "batch_norm_": batch_norm,
        }
        backbone, frozen = self.backbone, None
        if self.freeze:
            frozen, backbone = FrozenBackbone(backbone, sample), None
            tell = print if self.verbose else None
            source, target = (
                part and Samples(frozen_features(part, frozen, self.feature_cache, reader, tell))
                for part in (source, target)
            )
            sample = reader.sample(source)
        network, trained_backbone = self._make_network(sample, n_outputs, backbone, batch_norm)
        fitted["module_"] = network
        if frozen is not None:
            extractor = stack_layers(frozen, network.feature_extractor)
            fitted["module_"] = FeatureClassifier(extractor, network.classifier)
        parts = {"source": source}
        if domains.known is not None:
            parts["labelled"] = target.subset(domains.known)
        if target is not None:
            parts["target"] = target
        return network, trained_backbone, parts, fitted

    def _alignment_weight(self, criteria):
        if self.alignment_weight is not None:
            return self.alignment_weight
        return 0.0 if criteria is None else criteria.default_weight

    def _make_trainer(self, stage, training, criteria):
        """Return the trainer of a stage."""
        network, reader, parts = training.network, training.reader, training.parts
        criteria = criteria if stage.aligns else None
        parts, task = parts_of(stage, parts, criteria), training.task if stage.learns else None
        settings = settings_of(self, training.batch_norm, parts, self._alignment_weight(criteria))
        if criteria is None and training.batch_norm is None:
            # It would run through the network, and add to statistics in a backbone, for nothing.
            parts = {name: part for name, part in parts.items() if name != "target"}
        source_domains = None
        if criteria is not None:
            criteria = criteria.to(reader.device, reader.dtype)
        loss_weights = self._make_loss_weights(stage, training, criteria)
        if training.source_domain is not None and stage.learns:
            number = training.source_domain
            source_domains = torch.eye(number.max() + 1)[number].to(reader.device, reader.dtype)

        return Trainer(
            network,
            criteria,
            reader.batches(parts, training.seed),
            task,
            settings,
            training.seed,
            training.random_numbers,
            rates=self._rates(training),
            source_domains=source_domains,
            loss_weights=loss_weights,
            see_target=training.see_target,
        )

    def _make_loss_weights(self, stage, training, criteria):
        """Return what finds the weights of the task and the criteria, or None."""
        if criteria is None or not stage.learns or self.loss_weights == "fixed":
            return None
        weights = LOSS_WEIGHTS[self.loss_weights](1 + len(criteria.terms))
        return weights.to(training.reader.device, training.reader.dtype)

    def _checkpoint_of(self, stage):
        return None if self.checkpoint is None else Path(f"{self.checkpoint}{stage.ending}")

    def _rates(self, training):
        """Return parts of the network, each with what multiplies its learning rate."""
        if training.backbone is None:
            return []
        if self.backbone_rate is not None:
            return [(training.backbone, self.backbone_rate)]
        is_pretrained = getattr(self.backbone, "pretrained", False) is True
        return [(training.backbone, PRETRAINED_RATE if is_pretrained else 1.0)]

    def _run(self, stage, trainer, watch, checkpoint, fingerprint):
        """Run the epochs of a stage that are left, and keep what it ends with."""
        n_steps_before = self.n_steps_
        setattr(self, stage.history, trainer.history)
        if trainer.criteria is not None:
            criteria = [criterion for _, criterion, _ in trainer.criteria.terms]
            self.criterion_ = criteria[0] if len(criteria) == 1 else criteria
        try:
            yield from trainer.epochs(watch, checkpoint, fingerprint, self.verbose)
        except NonFiniteLossError as error:
            error.args = (f"{error}{self._further_cause()}",)
            raise
        finally:
            # Whatever ends the training, an interrupt too.
            self.module_.eval()
            self.n_steps_ = n_steps_before + trainer.n_steps
            if trainer.step.loss_weights is not None:
                self.loss_weights_ = trainer.step.loss_weights.factors().cpu().numpy()
        if trainer.criteria is not None:
            warn_of_idle_criteria(trainer.history, trainer.criteria.names)

    def _further_cause(self):
        """Return what may be behind a loss that is not finite, beside what is told of any."""
        return ""

    def _run_later(self, stage, training, criteria, watch, checkpoint):
        """Align the domains, or move to the target alone, with the classifier as it is."""
        network = training.network
        uses_source = bool(criteria.asks_for("source_"))
        alone = contextlib.nullcontext() if uses_source else one_domain(network)
        with without_gradient(network.classifier), alone:
            trainer = self._make_trainer(stage, training, criteria)
            trainer.resume(checkpoint, training.fingerprint)
            yield from self._run(stage, trainer, watch, checkpoint, training.fingerprint)
