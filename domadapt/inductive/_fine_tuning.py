"""How a network that was learnt elsewhere is trained on: the base of the fine-tuned estimators."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from domadapt._storage.fingerprints import digest_of
from domadapt.domains.base import estimator
from domadapt.domains.splitting import check_samples
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.inductive._comparison import check_can_compare, compare_with_scratch
from domadapt.inductive._fine_tuning_parameters import DEFAULT_WEIGHTS, FineTuningParameters
from domadapt.inductive._keeping import L2SP, Distillation, ElasticWeights, diagonal_fisher
from domadapt.inductive._starts import (
    TwoHeads,
    build_from,
    check_can_be_drawn,
    groups_of,
    has_one_layer,
    read_start,
    takes,
)
from domadapt.inputs.reader import NUMPY_DTYPES, resolve_device
from domadapt.nn.layers import extract_features
from domadapt.nn.networks import FeatureClassifier, training_dtype

# Of so many source samples the mean hardly differs from that of all.
FISHER_SAMPLES = 1000
# Gradual unfreezing reaches the first layer at this share of the training.
UNFROZEN_AT = 0.5


@estimator
class FineTuning(FineTuningParameters):
    """Everything of a fine-tuned estimator but what it predicts."""

    _removed_by_fit: ClassVar[tuple[str, ...]] = (
        *BaseDeepEstimator._removed_by_fit,
        "comparison_",
        "fisher_",
    )

    # Whether this is the network that a fit is compared with, of which all is drawn anew.
    _from_scratch: ClassVar[bool] = False

    def __sklearn_clone__(self):
        # A clone of a fitted source would not be fitted, and the source is only read.
        fresh = super().__sklearn_clone__()
        fresh.source, fresh.source_samples = self.source, self.source_samples
        return fresh

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; those of the source are its own and not among them."""
        found = super().get_params(deep)
        return {name: value for name, value in found.items() if not name.startswith("source__")}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        network = getattr(self.source, "module_", self.source)
        dtype = NUMPY_DTYPES[training_dtype(network)]
        tags.transformer_tags.preserves_dtype = [dtype.__name__]
        return tags

    def transform(self, X: Any, sample_domain: Any = None, *, layer: str | None = None):
        """Compute features: what a layer of the network returns for samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        sample_domain : array-like of shape (n_samples,), default=None
            Changes nothing here: there is one domain.
        layer : str, default=None
            Name of a layer out of ``layer_names_``; None for the features that the head takes.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            What the layer returns, one row for each sample.

        Raises
        ------
        ValueError
            If there is no layer of that name, or it returns no row for each sample.
        """
        if layer is None:
            return super().transform(X, sample_domain)
        samples = self._samples(X)
        if layer not in self.layer_names_:
            raise ValueError(f"layer={layer!r} is none of layer_names_: {self.layer_names_}.")
        reader = self._reader(self.module_.device, self.module_.dtype)
        return reader.apply(lambda batch: self._output_of(layer, batch, reader.precision), samples)

    @property
    def layer_names_(self) -> list[str]:
        """Names of the layers of the network, for :meth:`transform`, from input to output."""
        return [name for name, _ in self.module_.named_modules() if name]

    def _output_of(self, layer, batch, precision):
        """Return what a layer of the network returns for a batch, one row for each sample."""
        network, found = self.module_.eval(), []
        place = network.get_submodule(layer)
        handle = place.register_forward_hook(lambda module, given, output: found.append(output))
        try:
            network.classifier(extract_features(network.feature_extractor, batch, precision))
        finally:
            handle.remove()
        if not (found and isinstance(found[-1], torch.Tensor) and len(found[-1]) == len(batch)):
            raise ValueError(f"layer={layer!r} returns no row for each sample. Take another one.")
        return found[-1].flatten(1).to(batch.dtype)

    def _epochs_of_fit(self, domains):
        domains = self._leave_out_unreadable(domains)
        start = read_start(self.source, self._kinds())
        reader = self._reader(resolve_device(self.device), training_dtype(start.extractor))
        self._check_start(start, domains, reader)
        before = {name: self.__dict__.get(name) for name in ("_start", "module_")}
        self._start, self._plan = start, Plan()
        try:
            yield from self._train(domains, None, reader)
        except BaseException:
            if self.__dict__.get("module_") is before["module_"]:
                # Refused: what was fitted before still stands.
                self._start = before["_start"]
            raise
        finally:
            for parameter in self.__dict__.pop("_plan").held:
                parameter.requires_grad_(True)
        if self.compare:
            self.comparison_ = compare_with_scratch(self, domains)

    def _check_start(self, start, domains, reader):
        """Raise an error where the samples or the regularisation do not go with the source."""
        source, came = start.estimator, domains.source.X.shape[1:]
        if self.compare:
            check_can_compare(self, domains)
            check_can_be_drawn(start.extractor)
        if source is not None and not self.new_first_layer and came != source._sample_shape:
            sample = reader.sample(domains.source)
            if sample.ndim != 4 or not takes(start, sample):
                raise ValueError(
                    f"X has samples of shape {came}, but the source was fitted on samples of shape "
                    f"{source._sample_shape}. Pass samples of the same columns, or "
                    "new_first_layer=True, which draws a first layer for these."
                )
        if self.regularisation in ("ewc", "distillation") and start.head is None:
            raise ValueError(
                f"regularisation={self.regularisation!r} keeps what the source predicts, and a "
                "backbone predicts nothing. Use 'l2_sp', or a fitted estimator as the source."
            )
        if self.regularisation == "ewc" and self.source_samples is None:
            raise ValueError(
                "regularisation='ewc' needs source samples, of which the Fisher information is "
                "computed: pass source_samples=X_source, or the fisher_ of an earlier fit from the "
                "same source. Without either, use 'l2_sp'."
            )
        if self.regularisation == "distillation" and self.new_first_layer:
            raise ValueError(
                "regularisation='distillation' needs what the source predicts for these samples, "
                "which it cannot take: new_first_layer=True. Use 'l2_sp'."
            )

    @property
    def _head_may_stay(self):
        """Whether the head is to be that of the source, where it learns the same."""
        return not (self.n_reinitialised or self._from_scratch)

    def _resolved_batch_norm(self, *, aligns):
        """Return None: the one domain keeps the statistics of the source's network."""
        return None

    def _make_network(self, sample, n_outputs, backbone, batch_norm):
        """Return the network, and None: the source is no backbone with a rate of its own."""
        # What is read from a file gets its weights afterwards.
        plan = self.__dict__.get("_plan", Plan())
        network, plan.new = build_from(
            self._start,
            sample,
            n_outputs,
            keeps_head=plan.keeps_head,
            n_reinitialised=None if self._from_scratch else plan.n_reinitialised,
            new_first_layer=self.new_first_layer,
        )
        return network, None

    def _build(self, domains, n_outputs, reader, batch_norm):
        plan = self._plan
        plan.keeps_head = plan.keeps_head and has_one_layer(self._start.head, n_outputs)
        plan.n_reinitialised = self.n_reinitialised
        network, _, parts, fitted = super()._build(domains, n_outputs, reader, batch_norm)
        plan.groups = groups_of(network)
        self._hold_still(network)
        labelled = [part for name, part in parts.items() if name != "target"]
        plan.keep = self._what_keeps(network, labelled, reader)
        if plan.fisher is not None:
            fitted["fisher_"] = plan.fisher
        if self.regularisation == "distillation" and not plan.keeps_head:
            old = self._start.network_like(reader.sample(domains.source)).classifier
            network = FeatureClassifier(
                network.feature_extractor, TwoHeads(network.classifier, old)
            )
        return network, None, parts, fitted

    def _hold_still(self, network):
        """Let what is not to be trained take no gradient, until the fit ends."""
        trained = [p for p in network.parameters() if p.requires_grad]
        free = {id(p) for p in self._plan.new.values()}
        held = _scales_of_batch_norm(network)
        if self.strategy == "head":
            free |= {id(p) for p in network.classifier.parameters()}
            held = trained
        held = [p for p in held if id(p) not in free]
        self._plan.held = [p for p in held if p.requires_grad]
        for parameter in self._plan.held:
            parameter.requires_grad_(False)

    def _what_keeps(self, network, labelled, reader):
        """Return a function from a task to that which keeps what the source has learnt too."""
        kind, weight = self.regularisation, self.regularisation_weight
        if kind is None or weight == 0:
            return lambda task: task
        weight = DEFAULT_WEIGHTS[kind] if weight is None else weight
        if kind == "distillation":
            return self._distil(network, labelled, reader, weight)
        start = {
            name: p.detach().clone()
            for name, p in network.named_parameters()
            if name not in self._plan.new and p.requires_grad
        }
        if not start:
            # The head alone is trained, and new: nothing of the source could be left.
            return lambda task: task
        settings = {"start": start, "largest_rate": self.learning_rate}
        if kind == "l2_sp":
            return lambda task: L2SP(task, network, weight, **settings)
        fisher = self._plan.fisher = self._read_fisher(reader)
        shared = {name: values for name, values in fisher.items() if name in start}
        return lambda task: ElasticWeights(task, network, shared, weight, **settings)

    def _read_fisher(self, reader):
        """Return the Fisher information of the source's parameters, by their names."""
        source, given = self._start.estimator, self.source_samples
        if not isinstance(given, dict):
            try:
                samples = check_samples(source, given, source._sample_shape)
            except (TypeError, ValueError) as error:
                raise type(error)(f"source_samples: {error}") from error
            rows = np.linspace(0, len(samples) - 1, min(len(samples), FISHER_SAMPLES))
            samples = samples.subset(rows.astype(np.int64))
            # As the source read them.
            reader = source._reader(reader.device, reader.dtype)
            network = self._start.network_like(reader.sample(samples))
            return diagonal_fisher(network, reader.stream(samples), learns=self._start.learns)
        sizes = {name: p.shape for name, p in self._start.network().named_parameters()}
        unfit = [
            name
            for name, value in given.items()
            if not isinstance(value, torch.Tensor) or sizes.get(name) != value.shape
        ]
        if unfit or not given:
            raise ValueError(
                f"source_samples holds Fisher information that is not of this source: {unfit}. "
                "Pass the fisher_ of a fit from the same source, or samples of the source."
            )
        return {name: value.to(reader.device, reader.dtype) for name, value in given.items()}

    def _distil(self, network, labelled, reader, weight):
        """Return a function from a task to that which keeps the source's outputs."""
        source = self._start.network_like(reader.sample(labelled[0]))
        outputs = np.concatenate([reader.apply(source, samples) for samples in labelled])
        recorded = torch.from_numpy(outputs).to(reader.device)
        own = old = slice(None)
        if not self._plan.keeps_head:
            n_own = network.classifier[0].out_features
            own, old = slice(0, n_own), slice(n_own, None)
        return lambda task: Distillation(
            *(task, recorded, weight),
            task_columns=own,
            old_columns=old,
            learns=self._start.learns,
        )

    def _make_task(self, learnt, reader):
        return self._plan.keep(super()._make_task(learnt, reader))

    def _make_trainer(self, stage, training, criteria):
        if training.fingerprint is not None:
            # The parameters name the source, and do not tell its weights.
            weights = training.network.state_dict()
            training.fingerprint = digest_of(weights, training.fingerprint)
        return super()._make_trainer(stage, training, criteria)

    def _rates(self, training):
        """Return the rate of each group of layers; what is new learns at the full rate."""
        rates: list[tuple[nn.Module, float | Callable[[float], float]]] = []
        rates.append((nn.ParameterList(self._plan.new.values()), 1.0))
        groups = self._plan.groups
        for depth, parameters in enumerate(reversed(groups)):
            factor: float | Callable[[float], float] = 1.0
            if self.strategy == "discriminative":
                factor = self.rate_decay**-depth
            elif self.strategy == "gradual":
                factor = _opening(UNFROZEN_AT * depth / max(1, len(groups) - 1))
            rates.append((nn.ParameterList(parameters), factor))
        return rates


def _scales_of_batch_norm(network):
    """Return the scales of batch normalisation, which keeps its statistics without a gradient.

    Statistics of mini-batches of a few rows are worse than the source's.
    """
    layers = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.weight is not None]
    return [layer.weight for layer in layers]


def _opening(begin):
    """Return a factor that is 0 until a share of the training, and 1 from then on."""
    return lambda progress: float(progress >= begin)


@dataclass
class Plan:
    """What one fit decides on before it trains, and nothing needs after it."""

    # Whether the head is that of the source: the new task is the same.
    keeps_head: bool = False
    n_reinitialised: int = 0
    new: dict[str, nn.Parameter] = dataclasses.field(default_factory=dict)
    groups: list[list[nn.Parameter]] = dataclasses.field(default_factory=list)
    held: list[nn.Parameter] = dataclasses.field(default_factory=list)
    keep: Any = None
    fisher: dict[str, torch.Tensor] | None = None
