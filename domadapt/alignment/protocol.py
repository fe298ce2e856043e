"""What a criterion is: what it may ask for and says of itself, and what it is passed."""

import copy
import inspect
import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import nn

from domadapt.nn.layers import ScaledModule, scale_gradient
from domadapt.nn.precision import call_in_full_precision

SHARED = (
    "source_features",
    "target_features",
    "source_inputs",
    "target_inputs",
    "source_domains",
    "source_indices",
    "target_indices",
    "source_weight",
    "feature_extractor",
    "classifier",
    "progress",
)
OF_CLASSES = ("source_logits", "target_logits", "source_labels")
OF_VALUES = ("source_predictions", "target_predictions", "source_values")
# What the step passes when it learns classes, and when it learns numbers.
ON_OFFER = {"classes": OF_CLASSES + SHARED, "values": OF_VALUES + SHARED}


class Criterion(nn.Module):
    """Base of the criteria: an alignment loss that says of itself what it needs.

    ``forward`` returns a scalar loss, and its signature is its declaration: each parameter
    is named after what the training step is to pass, see :func:`declared_names`. Any
    callable with such a signature is a criterion. Those that derive from this class can be
    searched over, too: every parameter of the constructor is an attribute of the same name.

    Attributes
    ----------
    default_weight : float
        What an estimator multiplies the gradient into the network by unless told otherwise.
    n_extra_logits : int
        Logits that the classifier needs beyond those of the source classes.
    needs_classes : bool
        Whether the loss is only for classes, not for values.
    needs_several_sources : bool
        Whether there have to be two sources or more.
    stackable : bool
        Whether :func:`torch.func.vmap` can run it for several networks at once.
    draws : bool
        Whether it draws random numbers in training.
    takes_stacks : bool
        Whether features and logits may have a first axis of several networks, the loss then
        being of shape (n_networks,).
    capturable : bool
        Whether a CUDA graph can hold it: it waits for no value, never runs on the CPU, and
        keeps no number in Python that changes from step to step. A layer that does says so by
        the same attribute.

    Notes
    -----
    A criterion with a method ``begin_epoch(target_features, target_outputs)`` is shown all
    target samples before every epoch, as the network is then. A callable that has none of
    these attributes has the defaults.

    A call computes in float32 at least, and so is the loss: autocast is off inside, and what
    comes in half precision comes to ``forward`` as float32. Weights of the criterion's own are
    to stay in float32.

    Examples
    --------
    >>> from domadapt.alignment import Criterion
    >>> class MeanDistance(Criterion):
    ...     def __init__(self, *, power=2):
    ...         super().__init__()
    ...         self.power = power
    ...
    ...     def forward(self, source_features, target_features):
    ...         return (source_features.mean(0) - target_features.mean(0)).norm() ** self.power
    >>> MeanDistance().set_params(power=1)
    MeanDistance(power=1)
    """

    default_weight: ClassVar[float] = 1.0
    n_extra_logits: ClassVar[int] = 0
    needs_classes: ClassVar[bool] = False
    needs_several_sources: ClassVar[bool] = False
    stackable: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    takes_stacks: ClassVar[bool] = False
    capturable: ClassVar[bool] = True

    # Without parameters, where torch's own takes anything.
    def __init__(self) -> None:
        super().__init__()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call_in_full_precision(super().__call__, args, kwargs)

    def get_params(self, deep=True):
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep : bool, default=True
            There for scikit-learn; nothing is nested here.

        Returns
        -------
        parameters : dict of str to object
            Names and values.
        """
        return {name: getattr(self, name) for name in _constructor_parameters(type(self))}

    def set_params(self, **parameters):
        """Set parameters of the constructor, and start anew from them.

        Parameters
        ----------
        **parameters : object
            What is to change. Whatever the criterion has learnt is lost.

        Returns
        -------
        self : Criterion
            The same object.

        Raises
        ------
        ValueError
            If a name is unknown, or a value is not what the constructor takes.
        """
        known = self.get_params()
        unknown = sorted(parameters.keys() - known.keys())
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no parameters {unknown}. It has: {sorted(known)}."
            )
        # A value that the constructor refuses must leave the object as it was.
        self.__dict__ = type(self)(**{**known, **parameters}).__dict__
        return self

    def __sklearn_clone__(self):
        return copy.deepcopy(self)

    def extra_repr(self):
        """Return the parameters, for ``repr``."""
        return ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())


def _constructor_parameters(kind):
    return list(inspect.signature(kind).parameters)


@dataclass(frozen=True, slots=True)
class StepTensors:
    """What one training step has at hand when it comes to alignment.

    Parameters
    ----------
    n_source : int
        Samples of the mini-batch that are source; they come first. 0 without a source.
    features : Tensor of shape (n_source + n_target, d)
        Output of the feature extractor.
    outputs : Tensor of shape (n_source + n_target, n_outputs)
        Output of the classifier: logits, or predicted values.
    labels : Tensor of shape (n_source,), int64, or (n_source, n_outputs), or None
        Source classes, 0 to n_outputs - 1, or source values; None without a task.
    weight : Tensor of shape (n_source,), or None
        Source weights of mean 1 over the whole source; None where all are alike.
    source_indices, target_indices : Tensors of shape (n_source,) and (n_target,), int64
        Position of each sample among those of its domain that ``fit`` trains on.
    classifier : nn.Module
        Maps features to outputs.
    progress : Tensor of shape ()
        0 at the first step of training, towards 1 at the last.
    feature_extractor : nn.Module or None, default=None
        Maps inputs to features.
    gather_inputs : callable or None, default=None
        Returns the inputs of the mini-batch, source samples first.
    source_domains : Tensor of shape (n_samples, n_sources) or None, default=None
        For every sample of the whole source a one in the column of its domain. None stands
        for a single source.
    n_labelled : int, default=0
        Samples between source and target that take no part: labelled ones of the target.
    precision : torch.dtype, default=torch.float32
        What the feature extractor computes in.
    """

    n_source: int
    features: torch.Tensor
    outputs: torch.Tensor
    labels: torch.Tensor | None
    weight: torch.Tensor | None
    source_indices: torch.Tensor
    target_indices: torch.Tensor
    classifier: nn.Module
    progress: Any
    feature_extractor: nn.Module | None = None
    gather_inputs: Any = None
    source_domains: torch.Tensor | None = None
    n_labelled: int = 0
    precision: torch.dtype = torch.float32

    def select(self, names, factor, *, limited=True):
        """Return what is asked for by name, the gradient into the network times a factor.

        Features and outputs are pulled no harder than a cross-entropy of the source samples
        could ever pull their logits: a gradient of n rows of norm sqrt(2) / n each. Only a
        criterion that runs away, such as a covariance distance of ever larger logits, comes
        to that limit, which holds where ``limited`` is True.
        """
        selected: dict[str, Any] = {
            "source_labels": self.labels,
            "source_values": self.labels,
            "source_indices": self.source_indices,
            "target_indices": self.target_indices,
            "source_weight": self.weight,
            "progress": self.progress,
        }
        n_samples = self.n_source or self.features.shape[-2]
        limit = (2.0 / n_samples) ** 0.5 if limited else None
        for what, rows in (
            ("features", self.features),
            ("logits", self.outputs),
            ("predictions", self.outputs),
        ):
            if _asks_for(names, what):
                selected.update(self._by_domain(what, scale_gradient(rows, factor, max_norm=limit)))
        if _asks_for(names, "inputs"):
            selected.update(self._by_domain("inputs", self.gather_inputs()))
        if "source_domains" in names:
            selected["source_domains"] = self._source_domains()
        if self.weight is None and "source_weight" in names:
            selected["source_weight"] = torch.ones_like(self.features[..., : self.n_source, 0])
        for what, module in (
            ("classifier", self.classifier),
            ("feature_extractor", self.feature_extractor),
        ):
            if what in names:
                selected[what] = ScaledModule(module, factor, self.precision)
        return {name: selected[name] for name in names}

    def _by_domain(self, what, rows):
        axis = self.features.ndim - 2
        n_target = rows.shape[axis] - self.n_source - self.n_labelled
        source, _, target = rows.split([self.n_source, self.n_labelled, n_target], dim=axis)
        return {f"source_{what}": source, f"target_{what}": target}

    def _source_domains(self):
        if self.source_domains is None:
            return self.features.new_ones(self.n_source, 1)
        return self.source_domains[self.source_indices]


def _asks_for(names, what):
    return f"source_{what}" in names or f"target_{what}" in names


def declared_names(criterion):
    """Return what a criterion needs, read from its signature.

    Parameters
    ----------
    criterion : nn.Module or callable
        Its ``forward``, or itself, has one parameter for each thing that it needs, named
        as in ``ON_OFFER``. Parameters with a default may stand beside them.

    Returns
    -------
    names : tuple of str
        What the training step passes by keyword.

    Raises
    ------
    TypeError
        If a parameter without a default has a name that is not on offer, or nothing on
        offer is asked for.

    Examples
    --------
    >>> from domadapt.alignment import MMD, declared_names
    >>> declared_names(MMD())
    ('source_features', 'target_features')
    """
    on_offer = OF_CLASSES + OF_VALUES + SHARED
    called = criterion.forward if isinstance(criterion, nn.Module) else criterion
    parameters = inspect.signature(called).parameters.values()
    names = tuple(p.name for p in parameters if p.name in on_offer)
    unknown = [
        p.name
        for p in parameters
        if p.name not in on_offer
        and p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if unknown or not names:
        asked = f"for {', '.join(map(repr, unknown))}" if unknown else "for nothing on offer"
        raise TypeError(
            f"The alignment criterion {name_of(criterion)} asks {asked}. The training step "
            f"passes what the signature names, out of: {', '.join(SHARED)}; for classes "
            f"{', '.join(OF_CLASSES)}; for regression {', '.join(OF_VALUES)}."
        )
    return names


def is_own(criterion):
    """Return whether a criterion is one of domadapt's, with no function of a person's own."""
    if type(criterion).__module__.partition(".")[0] != __name__.partition(".")[0]:
        return False
    return not any(callable(value) for value in criterion.get_params().values())


def name_of(criterion):
    """Return the name of a criterion: that of its class, or its own where it is a function."""
    return getattr(criterion, "__name__", type(criterion).__name__)


def check_positive(**parameters):
    """Raise an error unless all are finite numbers above 0."""
    for name, value in parameters.items():
        if not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
            raise ValueError(f"{name}={value!r} must be a finite number above 0.")


def check_not_negative(**parameters):
    """Raise an error unless all are finite numbers of at least 0."""
    for name, value in parameters.items():
        if not (isinstance(value, Real) and 0.0 <= float(value) < math.inf):
            raise ValueError(f"{name}={value!r} must be a finite number of at least 0.")


def check_counts(**parameters):
    """Raise an error unless all are integers of at least 1."""
    for name, value in parameters.items():
        if not (isinstance(value, Integral) and int(value) >= 1):
            raise ValueError(f"{name}={value!r} must be an integer of at least 1.")


def check_confidence(**parameters):
    """Raise an error unless all are probabilities at which predictions are learnt from."""
    for name, value in parameters.items():
        if not (isinstance(value, Real) and 0.0 <= float(value) <= 1.0):
            raise ValueError(f"{name}={value!r} must be a probability, from 0 (every sample) to 1.")
