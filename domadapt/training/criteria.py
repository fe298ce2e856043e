"""Several criteria, each with a weight, as one alignment term."""

import copy
from numbers import Real

import numpy as np
import torch
from torch import nn

from domadapt.alignment.protocol import ON_OFFER, declared_names, name_of
from domadapt.alignment.registry import CRITERIA, REGRESSION_CRITERIA

KNOWN = {"classes": CRITERIA, "values": REGRESSION_CRITERIA}

# What to use instead of a criterion on classes where there are none, and the reverse.
INSTEAD = {
    "values": "one on features, such as MMD(), CORAL() or DomainAdversarial(), or "
    "DeepJDOTRegression()",
    "classes": "one on features, such as MMD(), or on logits, such as DeepJDOT()",
}


class WeightedCriteria(nn.Module):
    """One or several criteria as the alignment term of a training step.

    A weight multiplies the gradient that flows from a criterion into the network, not
    its loss. Where the criterion has no parameters of its own that is the same; a
    discriminator goes on learning at the full rate while the network feels little of
    it, as the DANN paper has it.

    Parameters
    ----------
    alignment : str, nn.Module, callable, or list of (float or callable, criterion)
        A name out of ``CRITERIA``, a criterion, or several with their weights. A weight
        that is a callable maps the progress of training, 0 to 1, to the weight.
    task : {"classes", "values"}, default="classes"
        What the network learns to predict.

    Attributes
    ----------
    default_weight : float
        The ``default_weight`` of a criterion that has one and stands in no list, else 1.
    n_extra_logits : int
        How many logits the criteria need beyond those of the source classes.

    Raises
    ------
    TypeError
        If a criterion is of no known kind or asks for a name that is not on offer, or
        an entry of the list is no pair.
    ValueError
        If a name is unknown, the list is empty, a weight is negative or not finite, or
        a criterion is made for classes where values are learnt, or the reverse.
    """

    def __init__(self, alignment, task="classes"):
        super().__init__()
        pairs = alignment if isinstance(alignment, list) else [(1.0, alignment)]
        if not pairs:
            raise ValueError("alignment=[] names no criterion. Pass None for no alignment.")
        weights, criteria = zip(*(_read_pair(pair, task) for pair in pairs), strict=True)
        self.terms = [
            (weight, criterion, _names_for(criterion, task))
            for weight, criterion in zip(weights, criteria, strict=True)
        ]
        self.trained = nn.ModuleList(c for c in criteria if isinstance(c, nn.Module))
        alone = None if isinstance(alignment, list) else criteria[0]
        self.default_weight = getattr(alone, "default_weight", 1.0)
        self.n_extra_logits = max(getattr(c, "n_extra_logits", 0) for c in criteria)

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
        first, *others = self.losses(at, [weight * own for own in self.own_weights(at.progress)])
        return sum(others, start=first)

    def own_weights(self, progress):
        """Give the weight of each criterion.

        Parameters
        ----------
        progress : float
            0 at the first step of training, towards 1 at the last.

        Returns
        -------
        weights : list of float
            As they stand at that time.
        """
        return [weight(progress) if callable(weight) else weight for weight, *_ in self.terms]

    def losses(self, at, factors, *, limited=True):
        """Compute the loss of each criterion.

        Parameters
        ----------
        at : StepTensors
            What the step has at hand.
        factors : list of float or Tensor of shape ()
            Multiply the gradients into the network.
        limited : bool, default=True
            Whether these gradients are kept within the limit of
            :meth:`StepTensors.hand_over`.

        Returns
        -------
        losses : list of Tensor of shape ()
            Unweighted.

        Raises
        ------
        TypeError
            If a criterion returns anything but a scalar tensor.
        """
        return [
            _checked(criterion, criterion(**at.hand_over(names, factor, limited=limited)))
            for factor, (_, criterion, names) in zip(factors, self.terms, strict=True)
        ]

    def asks_for(self, *prefixes):
        """Name the criteria that ask for something on offer.

        Parameters
        ----------
        *prefixes : str
            Beginnings of names, such as ``"source_"``.

        Returns
        -------
        names : list of str
            Of the criteria that ask for any name with such a beginning.
        """
        return [
            name_of(criterion)
            for _, criterion, names in self.terms
            if any(name.startswith(prefixes) for name in names)
        ]

    def needing(self, attribute):
        """Name the criteria that say of themselves that they need something.

        Parameters
        ----------
        attribute : str
            Such as ``"needs_several_sources"``.

        Returns
        -------
        names : list of str
            Of the criteria on which it is true.
        """
        return [name_of(c) for _, c, _ in self.terms if getattr(c, attribute, False)]

    @property
    def epoch_listeners(self):
        """The criteria that look at the whole target before every epoch."""
        return [c for _, c, _ in self.terms if hasattr(c, "begin_epoch")]

    def describe(self):
        """Name the criteria, for messages.

        Returns
        -------
        names : str
            Such as ``"MMD + CORAL"``.
        """
        return " + ".join(name_of(criterion) for _, criterion, _ in self.terms)


def _checked(criterion, loss):
    if isinstance(loss, torch.Tensor) and loss.ndim == 0:
        return loss
    came = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
    raise TypeError(
        f"The alignment criterion {name_of(criterion)} returned {came}. A scalar tensor was "
        "expected, such as values.mean()."
    )


def _names_for(criterion, task):
    names = declared_names(criterion)
    unfit = [name for name in names if name not in ON_OFFER[task]]
    if task == "values" and getattr(criterion, "needs_classes", False):
        unfit.append("classes")
    if unfit:
        learner = {"classes": "classifier", "values": "regressor"}[task]
        raise ValueError(
            f"The alignment criterion {name_of(criterion)} asks for {', '.join(unfit)}, which "
            f"a {learner} does not have. Use {INSTEAD[task]}."
        )
    return names


def _read_pair(pair, task):
    """Give a weight and a criterion that is the caller's in nothing but its settings."""
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise TypeError(
            f"alignment holds {pair!r} in its list. Give pairs of a weight and a criterion, "
            "such as [(1.0, CORAL()), (0.1, MMD())]."
        )
    weight, criterion = pair
    _check_weight(weight)
    known = KNOWN[task]
    if isinstance(criterion, str):
        if criterion not in known:
            raise ValueError(
                f"alignment={criterion!r} is unknown: use one of {sorted(known)}, a "
                "criterion or a callable."
            )
        return weight, known[criterion]()
    if not callable(criterion) or isinstance(criterion, type):
        raise TypeError(
            f"alignment={criterion!r} is no criterion: pass a name out of {sorted(known)}, "
            "an instance such as MMD(), or a callable."
        )
    return weight, copy.deepcopy(criterion)


def _check_weight(weight):
    try:
        values = (
            [weight(progress) for progress in (0.0, 0.5, 1.0)] if callable(weight) else [weight]
        )
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(
            f"alignment has the weight {weight!r} in its list, which failed on a progress "
            f"between 0 and 1: {error}"
        ) from error
    for value in values:
        if not (isinstance(value, Real) and 0.0 <= float(value) < np.inf):
            raise ValueError(
                f"alignment has the weight {value!r} in its list: a finite number of at least "
                "0 was expected, or a callable from progress to one."
            )
