"""How a task of a chain is trained: on a network that grows, with what keeps earlier tasks."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from domadapt._storage.fingerprints import digest_of
from domadapt.domains.samples import Samples
from domadapt.estimators._classifier import BaseDeepClassifier
from domadapt.estimators._state import _decode_labels, _encode_labels
from domadapt.inductive._chain import Chain, Learning, hold_back
from domadapt.inductive._columns import ProgressiveColumns, TaskHeads
from domadapt.inductive._keeping import L2SP, Distillation, ElasticWeights, diagonal_fisher
from domadapt.inputs.frozen import frozen_features, print_progress
from domadapt.nn.layers import extract_features
from domadapt.nn.networks import FeatureClassifier, mlp_head, stack_layers

# Multiplies what keeps earlier tasks, where strategy_weight is None.
WEIGHTS = {"ewc": 300.0, "l2_sp": 0.1, "distillation": 3.0}


class BaseTaskChain(BaseDeepClassifier):
    """Everything of a chain of tasks but its parameters and what it can be asked."""

    strategy: Any
    strategy_weight: Any
    validation_fraction: Any
    # By task.
    classes_: dict[str, np.ndarray]
    tasks_: list[str]
    _chain: Chain
    # There while a task is learnt.
    _learning: Learning
    # There while a file is read.
    _n_outputs_of_file: list[int]

    def _learn(self, name, number, X, y, sample_weight=None, validation=None):
        """Learn a task, the first of a chain where its number is 0."""
        chain = self._chain if number else Chain()
        held_out = dict(validation or {})
        if self.validation_fraction is not None and name not in held_out:
            X, y, sample_weight, held_out[name] = hold_back(
                name, X, y, sample_weight, self.validation_fraction, self.random_state
            )
        self._learning = Learning(name, number, chain.extended(held_out))
        try:
            self._fit(X, y, sample_weight=sample_weight)
        finally:
            del self._learning
        return self

    def _check_parameters(self):
        super()._check_parameters()
        if self.strategy == "progressive" and self.backbone is not None and not self.freeze:
            raise ValueError(
                "strategy='progressive' builds columns of layers of its own, and cannot connect "
                "those of a backbone. Pass freeze=True, for columns on the backbone's features, or "
                "another strategy."
            )
        if not self._learning.number:
            return
        was_progressive = isinstance(self._trained_part()[0], ProgressiveColumns)
        if was_progressive != (self.strategy == "progressive"):
            raise ValueError(
                f"strategy={self.strategy!r} cannot continue a chain that was begun "
                f"{'with' if was_progressive else 'without'} progressive columns. Begin a new one "
                "by fit."
            )
        lacking = [task for task in self.tasks_ if task not in self._learning.chain.in_fisher]
        if self.strategy == "ewc" and lacking:
            raise ValueError(
                f"strategy='ewc' needs the Fisher information of the tasks {lacking}, which were "
                "learnt by another strategy or not to the end. Use another strategy, or begin a "
                "new chain by fit."
            )

    def _read_labels(self, domains, criteria):
        learnt = super()._read_labels(domains, criteria)
        now = self._learning
        classes = dict(self.classes_) if now.number else {}
        classes[now.name] = learnt["fitted"]["classes_"]
        learnt["fitted"] = {"classes_": classes, "tasks_": list(classes), "_chain": now.chain}
        return learnt

    def _make_network(self, sample, n_outputs, backbone, batch_norm):
        """Return a network with one head, or with one for each number of outputs in a list."""
        sizes = n_outputs if isinstance(n_outputs, list) else [n_outputs]
        network, copied = super()._make_network(sample, sizes[0], backbone, batch_norm)
        network.classifier = TaskHeads(network.classifier)
        if self.strategy == "progressive":
            network.feature_extractor = ProgressiveColumns(network.feature_extractor)
        for size in sizes[1:]:
            self._grow(network, sample, size, batch_norm)
        return network, copied

    def _grow(self, network, sample, n_outputs, batch_norm):
        """Add what a task has of its own to a network: a head, and a column."""
        heads, extractor = network.classifier, network.feature_extractor
        n_features = heads[0].in_features
        if self.strategy == "progressive":
            like_first, _ = super()._make_network(sample, n_outputs, None, batch_norm)
            extractor.add(like_first.feature_extractor)
            n_features *= len(extractor.columns)
        heads.extend(mlp_head(n_outputs, in_features=n_features).to(sample))

    def _build(self, domains, n_outputs, reader, batch_norm):
        if not self._learning.number:
            return super()._build(domains, n_outputs, reader, batch_norm)
        # Copies, so that a task that is refused leaves everything as it was.
        source, (extractor, frozen) = domains.source, self._trained_part()
        network = copy.deepcopy(FeatureClassifier(extractor, self.module_.classifier))
        network.to(reader.device)
        if frozen is not None:
            tell = print_progress if self.verbose else None
            frozen.to(reader.device)
            source = Samples(frozen_features(source, frozen, self.feature_cache, reader, tell))
        self._grow(network, reader.sample(source), n_outputs, batch_norm)
        extractor, heads = network.feature_extractor, network.classifier
        if frozen is not None:
            network = FeatureClassifier(stack_layers(frozen, extractor), heads)
        fitted = {"module_": network, "batch_norm_": batch_norm}
        # Earlier heads are there only where they are trained on.
        trained = FeatureClassifier(extractor, heads if self._distils else heads[-1])
        return trained, self._trained_backbone(trained), {"source": source}, fitted

    @property
    def _distils(self):
        return self.strategy == "distillation"

    def _make_trainer(self, stage, training, criteria):
        now = self._learning
        now.training = training
        if training.fingerprint is not None:
            # What a task begins with counts, as its samples do.
            state = training.network.state_dict() | now.chain.fisher
            training.fingerprint = digest_of(state, training.fingerprint)
        if now.number:
            training.task = self._with_what_keeps(training)
        return super()._make_trainer(stage, training, criteria)

    def _with_what_keeps(self, training):
        """Return the task of a training with what keeps earlier tasks."""
        network, task = training.network, training.task
        weight = (
            WEIGHTS.get(self.strategy) if self.strategy_weight is None else self.strategy_weight
        )
        if self.strategy == "ewc":
            fisher = self._learning.chain.fisher
            return ElasticWeights(task, network, fisher, weight, largest_rate=self.learning_rate)
        if self.strategy == "l2_sp":
            start = _shared_parameters(network)
            return L2SP(task, network, weight, start=start, largest_rate=self.learning_rate)
        if self._distils:
            return self._distilling(training, weight)
        return task

    def _distilling(self, training, weight):
        """Return a task that keeps the outputs of all earlier heads on the samples of this one."""
        network, reader, task = training.network.eval(), training.reader, training.task
        recorded = reader.apply(
            lambda batch: network.classifier(
                extract_features(network.feature_extractor, batch, reader.precision)
            ),
            training.parts["source"],
        )
        outputs, number = torch.from_numpy(recorded).to(reader.device), self._learning.number
        own = network.classifier.columns_of(number)
        for earlier in range(number):
            columns = network.classifier.columns_of(earlier)
            task = Distillation(
                task, outputs[:, columns], weight, task_columns=own, old_columns=columns
            )
            # Around it, all columns are there to be chosen from.
            own = slice(None)
        return task

    def _train(self, domains, criteria, reader):
        yield from super()._train(domains, criteria, reader)
        now = self._learning
        if self.strategy == "ewc":
            network = now.training.network
            fisher = diagonal_fisher(network, reader.stream(now.training.parts["source"]))
            shared = _shared_parameters(network)
            now.chain.add_fisher(now.name, {n: v for n, v in fisher.items() if n in shared})

    def _checkpoint_of(self, stage):
        # Each task resumes from a file of its own.
        if self.checkpoint is None:
            return None
        return Path(f"{self.checkpoint}.task{self._learning.number + 1}{stage.ending}")

    def _to_file(self):
        check_is_fitted(self)
        # What has one list of classes is saved with numbers of outputs for them.
        plain: Any = copy.copy(self)
        plain.classes_ = np.arange(sum(map(len, self.classes_.values())))
        tensors, info = super(BaseTaskChain, plain)._to_file()
        info["tasks"] = [
            {"name": name, "classes": _encode_labels(classes)}
            for name, classes in self.classes_.items()
        ]
        chain = self._chain
        info |= {"accuracies": chain.accuracies, "in_fisher": chain.in_fisher}
        return tensors | {f"fisher.{name}": v for name, v in chain.fisher.items()}, info

    def _restore(self, tensors, info, *, has_own_backbone):
        classes = {task["name"]: _decode_labels(task["classes"]) for task in info["tasks"]}
        self._n_outputs_of_file = [len(labels) for labels in classes.values()]
        fisher = {n[len("fisher.") :]: v for n, v in tensors.items() if n.startswith("fisher.")}
        others = {n: v for n, v in tensors.items() if not n.startswith("fisher.")}
        super()._restore(others, info, has_own_backbone=has_own_backbone)
        del self._n_outputs_of_file
        self.classes_, self.tasks_ = classes, list(classes)
        device = self.module_.device
        self._chain = Chain(
            {}, info["accuracies"], {n: v.to(device) for n, v in fisher.items()}, info["in_fisher"]
        )

    @property
    def _n_outputs(self):
        return self._n_outputs_of_file

    @property
    def _n_features_out(self):
        return self.module_.classifier[-1].in_features


def _shared_parameters(network):
    """Return what tasks share of a network and what is trained, by name."""
    return {
        name: parameter.detach()
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and name.startswith("feature_extractor.")
    }
