"""Fit of an estimator of several tasks: its network, its losses, and each task alone after."""

from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from domadapt._storage.fingerprints import describe, digest_of
from domadapt.domains.base import estimator
from domadapt.domains.samples import Samples
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.estimators._forgeries import check_history
from domadapt.estimators._general import AlignmentClassifier, AlignmentRegressor
from domadapt.estimators._parameters import LossWeights, NetworkParameters
from domadapt.estimators._stages import TOGETHER, Stage
from domadapt.estimators._state import decode_predicted, encode_predicted
from domadapt.inductive._several import check_task_weights, of_tasks, told
from domadapt.inductive._sharing import SHARINGS, Outputs, build_sharing, set_apart
from domadapt.inductive._task_weights import STRENGTHS, GivenWeights, Penalised, penalty_of
from domadapt.inputs.frozen import frozen_features, print_progress
from domadapt.nn.networks import FeatureClassifier, check_layer_sizes, stack_layers
from domadapt.training.loss_weights import LOSS_WEIGHTS
from domadapt.training.tasks import SeveralTasks

ALONE = Stage(history="alone_history_", ending=".2")


@estimator
class MultiTaskParameters(NetworkParameters):
    """The parameters of an estimator of several tasks."""

    sharing: str = "hard"
    sharing_weight: float | None = None
    learns: Mapping[str, str] | None = None
    loss_weights: LossWeights = "fixed"
    task_weights: Mapping[str, float] | None = None
    then_alone: bool = False
    label_smoothing: float = 0.1
    focal_gamma: float = 0.0
    batch_norm: Literal["joint"] | None = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkParameters._parameter_constraints,
        "sharing": [StrOptions(set(SHARINGS))],
        "sharing_weight": [Interval(Real, 0, None, closed="left"), None],
        "learns": [Mapping, None],
        "loss_weights": [StrOptions({"fixed", *LOSS_WEIGHTS})],
        "task_weights": [Mapping, None],
        "then_alone": ["boolean"],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "focal_gamma": [Interval(Real, 0, None, closed="left")],
        "batch_norm": [StrOptions({"joint"}), None],
    }


class BaseMultiTask(MultiTaskParameters, BaseDeepEstimator):
    """How several tasks are trained together; what they are given and asked is elsewhere."""

    _removed_by_fit: ClassVar[tuple[str, ...]] = (
        *BaseDeepEstimator._removed_by_fit,
        "alone_history_",
    )
    alone_history_: dict[str, list[float]]
    # What reads the labels of each task and decides by its outputs; an estimator without network.
    _learners: dict[str, Any]
    y_mean_: dict[str, np.ndarray]
    _apart: bool

    def _check_parameters(self):
        super()._check_parameters()
        if self.sharing_weight is not None and self.sharing not in STRENGTHS:
            raise ValueError(
                f"sharing_weight={self.sharing_weight!r} does not go with sharing="
                f"{self.sharing!r}, which penalises nothing. It is for {sorted(STRENGTHS)}."
            )
        if self.task_weights is not None and self.loss_weights != "fixed":
            raise ValueError(
                f"task_weights does not go with loss_weights={self.loss_weights!r}, which finds "
                "the weights itself. Pass loss_weights='fixed', or no task_weights."
            )

    def _learner(self, learns):
        """Return what reads the labels of a task and decides by its outputs."""
        if learns == "classes":
            return AlignmentClassifier(
                alignment=None,
                label_smoothing=self.label_smoothing,
                focal_gamma=self.focal_gamma,
                image_loader=self.image_loader,
            )
        return AlignmentRegressor(alignment=None, image_loader=self.image_loader)

    def _leave_out_unreadable(self, domains):
        self.__dict__.pop("n_skipped_images_", None)
        if not domains.source.are_paths:
            return domains
        learners = domains.learners
        by_task = {
            name: told(name, learners[name]._leave_out_unreadable)(own)
            for name, own in domains.by_task.items()
        }
        self.n_skipped_images_ = sum(one.n_skipped_images_ for one in learners.values())
        return of_tasks(by_task, learners)

    def _fingerprint(self, domains, batch_norm):
        one = super()._fingerprint
        parts = [[name, one(own, batch_norm)] for name, own in domains.by_task.items()]
        return digest_of({}, describe(parts))

    def _read_labels(self, domains, criteria):
        learners, learnt = domains.learners, {}
        for name, learner in learners.items():
            learnt[name] = learner._read_labels(domains.by_task[name], None)
            vars(learner).update(learnt[name]["fitted"])
        # Before anything is built.
        check_task_weights(self.task_weights, list(learners))
        fitted = {"_learners": learners, "_apart": False} | _public(learners)
        return {
            "tasks": learnt,
            "learners": learners,
            "n_outputs": _outputs_of(learners),
            "fitted": fitted,
        }

    def _make_task(self, learnt, reader):
        learners, by_task = learnt["learners"], learnt["tasks"]
        tasks = {name: one._make_task(by_task[name], reader) for name, one in learners.items()}
        if len(tasks) == 1:
            return next(iter(tasks.values()))
        n_samples = [len(own["labels"]) for own in by_task.values()]
        return SeveralTasks(tasks, n_samples, [own["n_outputs"] for own in by_task.values()])

    def _build(self, domains, n_outputs, reader, batch_norm):
        network, backbone, parts, fitted = super()._build(domains, n_outputs, reader, batch_norm)
        if len(domains.by_task) > 1:
            first, *others = (own.source for own in domains.by_task.values())
            if self.freeze:
                frozen, first = fitted["module_"].feature_extractor.backbone, parts["source"]
                tell = print_progress if self.verbose else None
                others = [
                    Samples(frozen_features(part, frozen, self.feature_cache, reader, tell))
                    for part in others
                ]
            # No task is to be taken for a domain by its name.
            names = (f"task {name}" for name in domains.by_task)
            parts = dict(zip(names, [first, *others], strict=True))
        return network, backbone, parts, fitted

    def _make_network(self, sample, n_outputs, backbone, batch_norm):
        """Return a network for the tasks; one task has nothing to share, and a plain network."""
        if len(n_outputs.sizes) == 1:
            return super()._make_network(sample, n_outputs.sizes[0], backbone, batch_norm)
        network, copied = build_sharing(
            self.sharing,
            sample,
            n_outputs,
            backbone=backbone,
            hidden_layer_sizes=check_layer_sizes(self.hidden_layer_sizes),
            batch_norm=batch_norm is not None,
            dropout=self.dropout,
        )
        return set_apart(network, copied) if n_outputs.apart else (network, copied)

    def _make_loss_weights(self, stage, training, criteria):
        names = training.task.names
        if not names or stage is ALONE:
            # Networks of their own have no loss that could count more than another.
            return None
        weights: nn.Module
        if self.loss_weights == "fixed":
            weights = GivenWeights(check_task_weights(self.task_weights, names))
        else:
            weights = LOSS_WEIGHTS[self.loss_weights](len(names))
        penalty = penalty_of(self.sharing, training.network, self._strength)
        if penalty is not None:
            weights = Penalised(weights, penalty)
        return weights.to(training.reader.device, training.reader.dtype)

    @property
    def _strength(self):
        """What multiplies the penalty, or None where there is none."""
        if self.sharing_weight is not None:
            return self.sharing_weight
        return STRENGTHS.get(self.sharing)

    def _further_cause(self):
        causes = ""
        if self.y_mean_ and self.optimizer == "sgd":
            causes += (
                f" Or the squared error of {list(self.y_mean_)} is more than optimizer='sgd' can "
                "follow: use MultiTaskRegressor, or optimizer='adam' with learning_rate=1e-3."
            )
        if self._strength:
            causes += f" Or sharing_weight={self._strength:g} is too high."
        return causes

    def _stages_of_fit(self, learnt, criteria):
        alone = self.then_alone and len(learnt["learners"]) > 1
        return (*TOGETHER, ALONE) if alone else TOGETHER

    def _run_later(self, stage, training, criteria, watch, checkpoint):
        """Give each task a network of its own, and train them on."""
        _, frozen = self._trained_part()
        network, backbone = set_apart(training.network, training.backbone)
        training = replace(training, network=network, backbone=backbone)
        trainer = self._make_trainer(stage, training, criteria)
        trainer.resume(checkpoint, training.fingerprint)
        if frozen is not None:
            extractor = stack_layers(frozen, network.feature_extractor)
            network = FeatureClassifier(extractor, network.classifier)
        self.module_, self._apart = network, True
        yield from self._run(stage, trainer, watch, checkpoint, training.fingerprint)

    def _encode_predicted(self):
        tasks = [[name, encode_predicted(learner)] for name, learner in self._learners.items()]
        return {"tasks": tasks, "apart": self._apart}

    def _decode_predicted(self, encoded):
        learners = {}
        for name, own in encoded["tasks"]:
            learner = self._learner("classes" if "classes" in own else "values")
            vars(learner).update(decode_predicted(own))
            learners[str(name)] = learner
        if not learners:
            raise TypeError("no task")
        return {"_learners": learners, "_apart": encoded["apart"] is True} | _public(learners)

    def _to_file(self):
        tensors, info = super()._to_file()
        return tensors, info | {"alone_history": getattr(self, "alone_history_", None)}

    def _restore(self, tensors, info, *, has_own_backbone):
        super()._restore(tensors, info, has_own_backbone=has_own_backbone)
        if info["alone_history"] is not None:
            check_history("alone_history", info["alone_history"])
            self.alone_history_ = info["alone_history"]

    @property
    def _n_outputs(self):
        return _outputs_of(self._learners, apart=self._apart)


def _outputs_of(learners, *, apart=False):
    """Return what a network is to return for tasks whose labels were read."""
    first, *others = learners.values()
    sizes = tuple(one._n_outputs for one in learners.values())
    return Outputs(sizes, all(_are_alike(first, other) for other in others), apart)


def _are_alike(one, other):
    """Return whether two tasks have the same classes, or values of as many columns."""
    if one._learns != other._learns:
        return False
    if one._learns == "values":
        return one._n_outputs == other._n_outputs
    return np.array_equal(one.classes_, other.classes_)


def _public(learners):
    """Return what is known of the labels of each task, as attributes."""
    return {
        name: {task: getattr(one, name) for task, one in learners.items() if hasattr(one, name)}
        for name in ("classes_", "y_mean_", "y_scale_")
    }
