"""What a criterion can ask for by name, and several criteria as one alignment term."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from domadapt.alignment.adversarial import DomainAdversarial
from domadapt.alignment.central_moments import CentralMoments
from domadapt.alignment.class_confusion import MCC
from domadapt.alignment.classifier_discrepancy import ClassifierDiscrepancy
from domadapt.alignment.conditional_adversarial import ConditionalAdversarial
from domadapt.alignment.coral import DeepCORAL
from domadapt.alignment.domain_confusion import DomainConfusion
from domadapt.alignment.entropy import EntropyMinimization
from domadapt.alignment.feature_norm import AFN
from domadapt.alignment.joint_mmd import JointMMD
from domadapt.alignment.local_mmd import LocalMMD
from domadapt.alignment.margin_disparity import MarginDisparity
from domadapt.alignment.mmd import MMD
from domadapt.alignment.nuclear_norm import BNM
from domadapt.alignment.optimal_transport import DeepJDOT
from domadapt.alignment.pseudo_labels import PseudoLabels
from domadapt.alignment.sliced_wasserstein import SlicedWasserstein
from domadapt.alignment.spectral_penalty import BSP
from domadapt.alignment.wasserstein_critic import WassersteinCritic
from domadapt.nn.gradient_reversal import scale_gradient

CRITERIA: dict[str, Callable[[], nn.Module]] = {
    # Batches are small: the biased estimate would also pull rows of one batch together.
    "mmd": partial(MMD, unbiased=True),
    "jan": partial(JointMMD, unbiased=True),
    "dsan": LocalMMD,
    "cmd": CentralMoments,
    "coral": DeepCORAL,
    "dann": DomainAdversarial,
    "cdan": partial(ConditionalAdversarial, entropy=True),
    "wdgrl": WassersteinCritic,
    "confusion": DomainConfusion,
    "mcd": ClassifierDiscrepancy,
    "mdd": MarginDisparity,
    "mcc": MCC,
    "bnm": BNM,
    "entropy": EntropyMinimization,
    "afn": AFN,
    "bsp": BSP,
    "deepjdot": DeepJDOT,
    "swd": SlicedWasserstein,
    "pseudo_labels": PseudoLabels,
}


@dataclass(frozen=True, slots=True)
class StepTensors:
    """What one training step has at hand when it comes to alignment.

    Parameters
    ----------
    n_source : int
        Rows of the batch that are source; they come first.
    features : Tensor of shape (n_source + n_target, d)
        Output of the feature extractor.
    logits : Tensor of shape (n_source + n_target, n_classes)
        Output of the classifier.
    labels : Tensor of shape (n_source,), int64
        Source classes, 0 to n_classes - 1.
    weight : Tensor of shape (n_source,), or None
        Source weights of mean 1 over the whole source; None where all are alike.
    source_indices, target_indices : Tensors of shape (n_source,) and (n_target,), int64
        Position of each row among the rows of its domain that ``fit`` trains on.
    classifier : nn.Module
        Maps features to logits.
    progress : float
        0 at the first step of training, towards 1 at the last.
    """

    n_source: int
    features: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor
    weight: torch.Tensor | None
    source_indices: torch.Tensor
    target_indices: torch.Tensor
    classifier: nn.Module
    progress: float

    def hand_over(self, names, factor):
        """Give what is asked for, the gradient into the network multiplied by a factor.

        Features and logits are pulled no harder than a cross-entropy of the source rows
        could ever pull their logits: a gradient of n rows of norm sqrt(2) / n each. Only
        a criterion that runs away, such as a covariance distance of ever larger logits,
        comes to that limit.

        Parameters
        ----------
        names : tuple of str
            Out of ``ON_OFFER``.
        factor : float
            Multiplies the gradient.

        Returns
        -------
        given : dict of str to object
            What each name stands for.
        """
        given = {
            "source_labels": self.labels,
            "source_indices": self.source_indices,
            "target_indices": self.target_indices,
            "source_weight": self.weight,
            "classifier": partial(_call_with_scaled_gradient, self.classifier, factor),
            "progress": self.progress,
        }
        limit = (2.0 / self.n_source) ** 0.5
        for what, rows in (("features", self.features), ("logits", self.logits)):
            asked = (f"source_{what}", f"target_{what}")
            if not set(asked).isdisjoint(names):
                scaled = scale_gradient(rows, factor, max_norm=limit)
                parts = scaled.split([self.n_source, len(rows) - self.n_source])
                given.update(zip(asked, parts, strict=True))
        if self.weight is None and "source_weight" in names:
            given["source_weight"] = torch.ones_like(self.features[: self.n_source, 0])
        return {name: given[name] for name in names}


def _call_with_scaled_gradient(module, factor, features):
    parameters = {
        name: scale_gradient(parameter, factor) for name, parameter in module.named_parameters()
    }
    return functional_call(module, parameters, (features,))


ON_OFFER = (
    "source_features",
    "target_features",
    "source_logits",
    "target_logits",
    "source_labels",
    "source_indices",
    "target_indices",
    "source_weight",
    "classifier",
    "progress",
)


def declared_names(criterion):
    """Read from a criterion's signature what it needs.

    Parameters
    ----------
    criterion : nn.Module or callable
        Its ``forward``, or itself, has one parameter for each thing that it needs, named
        as in ``ON_OFFER``. Parameters with a default may stand beside them.

    Returns
    -------
    names : tuple of str
        What the training step has to hand over, by keyword.

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
    called = criterion.forward if isinstance(criterion, nn.Module) else criterion
    parameters = inspect.signature(called).parameters.values()
    names = tuple(p.name for p in parameters if p.name in ON_OFFER)
    unknown = [
        p.name
        for p in parameters
        if p.name not in ON_OFFER
        and p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if unknown or not names:
        asked = f"for {', '.join(map(repr, unknown))}" if unknown else "for nothing on offer"
        raise TypeError(
            f"The alignment criterion {_name_of(criterion)} asks {asked}. The training step "
            f"hands over what the signature names, out of: {', '.join(ON_OFFER)}."
        )
    return names


def _name_of(criterion):
    return getattr(criterion, "__name__", type(criterion).__name__)


class WeightedCriteria(nn.Module):
    """One or several criteria as the alignment term of a training step.

    A weight multiplies the gradient that flows from a criterion into the network, not
    its loss. Where the criterion has no parameters of its own that is the same; a
    discriminator goes on learning at the full rate while the network feels little of
    it, as the DANN paper has it.

    Parameters
    ----------
    alignment : str, nn.Module, callable, or list of (float, criterion)
        A name out of ``CRITERIA``, a criterion, or several with their weights.

    Attributes
    ----------
    default_weight : float
        The ``default_weight`` of a criterion that stands alone and has one, else 1.

    Raises
    ------
    TypeError
        If a criterion is of no known kind or asks for a name that is not on offer, or
        an entry of the list is no pair.
    ValueError
        If a name is unknown, the list is empty, or a weight is negative or not finite.
    """

    def __init__(self, alignment):
        super().__init__()
        pairs = alignment if isinstance(alignment, list) else [(1.0, alignment)]
        if not pairs:
            raise ValueError("alignment=[] names no criterion. Pass None for no alignment.")
        weights, criteria = zip(*map(_read_pair, pairs), strict=True)
        self.terms = [
            (weight, criterion, declared_names(criterion))
            for weight, criterion in zip(weights, criteria, strict=True)
        ]
        self.trained = nn.ModuleList(c for c in criteria if isinstance(c, nn.Module))
        alone = criteria[0] if len(criteria) == 1 else None
        self.default_weight = getattr(alone, "default_weight", 1.0)

    def forward(self, at, weight):
        """Sum the losses.

        Parameters
        ----------
        at : StepTensors
            What the step has at hand.
        weight : float
            Multiplies the gradient into the network, on top of each criterion's weight.

        Returns
        -------
        loss : Tensor of shape ()
            Sum of the criteria's losses, unweighted.
        """
        first, *others = (
            criterion(**at.hand_over(names, weight * own_weight))
            for own_weight, criterion, names in self.terms
        )
        return sum(others, start=first)

    def describe(self):
        """Name the criteria, for messages.

        Returns
        -------
        names : str
            Such as ``"MMD + CORAL"``.
        """
        return " + ".join(_name_of(criterion) for _, criterion, _ in self.terms)


def _read_pair(pair):
    """Give a weight and a criterion that is the caller's in nothing but its settings."""
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise TypeError(
            f"alignment holds {pair!r} in its list. Give pairs of a weight and a criterion, "
            "such as [(1.0, CORAL()), (0.1, MMD())]."
        )
    weight, criterion = pair
    if not (isinstance(weight, Real) and 0.0 <= float(weight) < np.inf):
        raise ValueError(
            f"alignment has the weight {weight!r} in its list: a finite number of at least 0 "
            "was expected."
        )
    if isinstance(criterion, str):
        if criterion not in CRITERIA:
            raise ValueError(
                f"alignment={criterion!r} is unknown: use one of {sorted(CRITERIA)}, a "
                "criterion or a callable."
            )
        return weight, CRITERIA[criterion]()
    if not callable(criterion) or isinstance(criterion, type):
        raise TypeError(
            f"alignment={criterion!r} is no criterion: pass a name out of {sorted(CRITERIA)}, "
            "an instance such as MMD(), or a callable."
        )
    return weight, copy.deepcopy(criterion)
