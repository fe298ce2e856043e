"""The training step: the losses of one mini-batch, the backward pass and the update."""

import copy
import warnings
from itertools import chain
from numbers import Real

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from domadapt.alignment.protocol import (
    ON_OFFER,
    Criterion,
    StepTensors,
    declared_names,
    is_own,
    name_of,
)
from domadapt.inputs.reader import n_processes
from domadapt.nn.layers import extract_features
from domadapt.training.accumulation import accumulate_features
from domadapt.training.distributed import gather_rows

# What to use instead of a criterion on classes where there are none, and the reverse.
INSTEAD = {
    "values": "one on features, such as MMD(), CORAL() or DomainAdversarial(), or "
    "DeepJDOTRegression()",
    "classes": "one on features, such as MMD(), or on logits, such as DeepJDOT()",
}


class TrainingStep(nn.Module):
    """One forward pass over both domains and the losses.

    Nothing here waits for a value or branches on one, so that on a GPU the steps queue
    up without a pause, and :func:`torch.func.vmap` can run it for several networks.

    Parameters
    ----------
    network : FeatureClassifier
        What is trained.
    criteria : WeightedCriteria or None
        The alignment term; None trains on the task alone.
    task : Task or None
        What is learnt from labels; None trains on the alignment alone. Several tasks go
        without criteria.
    share_sizes : dict of str to int
        Samples of each part in every mini-batch of this process, in the order in which they
        stand there: ``"source"``, ``"labelled"`` samples of the target and ``"target"``,
        where they are there. Any part but ``"target"``, which comes last, is labelled.
    precision : torch.dtype
        What the feature extractor computes in; float32 and float64 stand for that of
        its weights.
    source_domains : Tensor of shape (n_samples, n_sources) or None, default=None
        For every source sample a one in the column of its domain.
    loss_weights : nn.Module or None, default=None
        Finds weights of the task and the criteria; None leaves them as they are.
    accumulate : int, default=1
        In how many parts the features are computed.
    """

    def __init__(
        self,
        network,
        criteria,
        task,
        share_sizes,
        precision,
        *,
        source_domains=None,
        loss_weights=None,
        accumulate=1,
    ):
        super().__init__()
        if criteria is not None and task is not None and task.names:
            raise ValueError(
                f"{criteria.describe()} would not be trained on: several tasks {task.names} go "
                "without criteria. Pass criteria=None, or a task of one loss."
            )
        self.network, self.criteria, self.loss_weights = network, criteria, loss_weights
        # Plain attributes: they are the caller's data, no state of the module.
        self.task, self.source_domains = task, source_domains
        self.share_sizes, self.precision = list(share_sizes.values()), precision
        self.accumulate = accumulate

    def forward(self, inputs, index, scalars):
        """Compute the losses of one mini-batch.

        Parameters
        ----------
        inputs : Tensor of shape (sum of share_sizes, ...)
            This process's share of the mini-batch, in the order of ``share_sizes``.
        index : dict of str to Tensor of shape (n,), int64
            Samples of each part of the whole mini-batch; labelled ones are counted as the
            task counts them, one part after the other.
        scalars : Tensor of shape (1 + n_criteria,), float64
            The progress of training, and what multiplies the gradient of each criterion
            into the network.

        Notes
        -----
        For a stack of networks all of these, and the losses, have an axis of the networks
        before the others.

        Returns
        -------
        losses : tuple of Tensor of shape ()
            That of the task, that of the alignment, and those of each criterion, or of each
            of several tasks. The first two, which are None where there is none, are what is
            trained on.
        """
        features = self._gather(self._features(inputs))
        outputs = self.network.classifier(features)
        nothing = torch.empty(0, dtype=torch.int64, device=features.device)
        source_index = index.get("source", nothing)
        task, task_loss = self.task, None
        if task is not None:
            task_losses = task.losses(outputs, [n for part, n in index.items() if part != "target"])
            task_loss = task_losses[0]
            if len(task_losses) > 1:
                return self._weighed(task_losses, features), None, *task_losses
        if self.criteria is None:
            return task_loss, None
        has_weight = task is not None and task.weight is not None
        progress, *factors = scalars.unbind(-1)
        tensors = StepTensors(
            n_source=source_index.shape[-1],
            features=features,
            outputs=outputs,
            labels=None if task is None else task.labels[source_index],
            weight=task.weight[source_index] if has_weight else None,
            source_indices=source_index,
            target_indices=index["target"],
            classifier=self.network.classifier,
            progress=progress.to(features.dtype),
            feature_extractor=self.network.feature_extractor,
            gather_inputs=lambda: self._gather(inputs),
            source_domains=self.source_domains,
            n_labelled=index.get("labelled", nothing).shape[-1],
            precision=self.precision,
        )
        if self.loss_weights is not None:
            return self.loss_weights(task_loss, self.criteria, tensors, factors)
        losses = self.criteria(tensors, factors)
        return task_loss, sum(losses[1:], start=losses[0]), *losses

    def _features(self, inputs):
        extractor, precision = self.network.feature_extractor, self.precision
        if self.accumulate == 1:
            return extract_features(extractor, inputs, precision)
        return accumulate_features(extractor, inputs, precision, self.share_sizes, self.accumulate)

    def _weighed(self, losses, features):
        """Return the loss of several tasks together."""
        if self.loss_weights is None:
            return sum(losses[1:], start=losses[0])
        return self.loss_weights.weigh(losses, features)

    @property
    def names(self):
        """Those of the losses that are noted beside that of the task and of the alignment."""
        if self.criteria is not None:
            return self.criteria.names
        return [] if self.task is None else self.task.names

    def _gather(self, rows):
        return rows if n_processes() == 1 else gather_rows(rows, self.share_sizes)


class EagerRunner:
    """Runs a step operation by operation: losses, backward pass, update.

    Parameters
    ----------
    step : TrainingStep
        Whose parameters have their sizes.
    optimizer : Optimizer
        Updates them.
    """

    def __init__(self, step, optimizer):
        self.step, self.optimizer = step, optimizer
        self.losses: nn.Module = step
        if n_processes() > 1:
            with warnings.catch_warnings():
                # Newer versions of torch have another name for this.
                warnings.simplefilter("ignore", FutureWarning)
                # All processes have the same statistics already: nothing to send round.
                self.losses = DistributedDataParallel(step, broadcast_buffers=False)
        self.none = torch.zeros((), device=step.network.device)

    def begin_epoch(self, *, is_renewed):
        """Do nothing: each step finds its tensors where they are."""

    def tensors(self):
        """Return the tensors that stay from step to step."""
        noted = (values.values() for values in self.optimizer.state.values())
        return [*self.step.parameters(), *self.step.buffers(), *chain.from_iterable(noted)]

    def __call__(self, inputs, index, scalars, rates):
        """Take one step, and return its losses as a tensor of shape (n_losses,)."""
        losses = self.losses(inputs, index, scalars)
        first, *others = (loss for loss in losses[:2] if loss is not None)
        sum(others, start=first).backward()
        self.optimizer.step(rates)
        return torch.stack([self.none if loss is None else loss.detach() for loss in losses])


class WeightedCriteria(nn.Module):
    """One or several criteria as the alignment term of a training step.

    A weight multiplies the gradient that flows from a criterion into the network, not
    its loss. Where the criterion has no parameters of its own that is the same; a
    discriminator still learns at the full rate while the network feels little of
    it, as the DANN paper has it.

    Parameters
    ----------
    alignment : nn.Module, callable, or list of (float or callable, criterion)
        A criterion, or several with their weights. A weight that is a callable maps the
        progress of training, 0 to 1, to the weight. Criteria are copied.
    learns : {"classes", "values"}, default="classes"
        What the network learns to predict.

    Attributes
    ----------
    names : list of str
        Of the criteria, each once.
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
        If the list is empty, a weight is negative or not finite, or a criterion is made
        for classes where values are learnt, or the reverse.
    """

    def __init__(self, alignment, learns="classes"):
        super().__init__()
        pairs = alignment if isinstance(alignment, list) else [(1.0, alignment)]
        if not pairs:
            raise ValueError("alignment=[] names no criterion. Pass None for no alignment.")
        weights, criteria = zip(*map(_read_pair, pairs), strict=True)
        self.terms = [
            (weight, criterion, _names_for(criterion, learns))
            for weight, criterion in zip(weights, criteria, strict=True)
        ]
        self.trained = nn.ModuleList(c for c in criteria if isinstance(c, nn.Module))
        self.names = _each_once([name_of(criterion) for criterion in criteria])
        alone = None if isinstance(alignment, list) else criteria[0]
        self.default_weight = getattr(alone, "default_weight", Criterion.default_weight)
        self.n_extra_logits = max(getattr(c, "n_extra_logits", 0) for c in criteria)

    def forward(self, tensors, factors, *, limited=True):
        """Return the loss of each criterion, its gradient into the network times its factor."""
        return [
            _checked(criterion, criterion(**tensors.select(names, factor, limited=limited)))
            for (_, criterion, names), factor in zip(self.terms, factors, strict=True)
        ]

    def own_weights(self, progress):
        """Return the weight of each criterion as it is at a progress of training."""
        return [weight(progress) if callable(weight) else weight for weight, *_ in self.terms]

    def asks_for(self, *prefixes):
        """Return the names of the criteria that ask for any name with such a beginning."""
        return [
            name_of(criterion)
            for _, criterion, names in self.terms
            if any(name.startswith(prefixes) for name in names)
        ]

    def needing(self, attribute):
        """Return the names of the criteria on which an attribute is true."""
        return [name_of(c) for _, c, _ in self.terms if getattr(c, attribute, False)]

    def lacking(self, attribute):
        """Return the names of the criteria on which an attribute is there, and false."""
        return [name_of(c) for _, c, _ in self.terms if not getattr(c, attribute, True)]

    @property
    def are_own(self):
        """Whether nothing in them is a person's own, which may draw random numbers."""
        return all(is_own(criterion) for _, criterion, _ in self.terms)

    @property
    def running_on_target(self):
        """The names of the criteria that run the network on target samples by themselves."""
        needed = {"target_inputs", "feature_extractor"}
        return [name_of(c) for _, c, names in self.terms if needed <= set(names)]

    @property
    def epoch_listeners(self):
        """The criteria that look at the whole target before every epoch."""
        return [c for _, c, _ in self.terms if hasattr(c, "begin_epoch")]

    def describe(self):
        """Return the names of the criteria, such as ``"MMD + CORAL"``, for messages."""
        return " + ".join(name_of(criterion) for _, criterion, _ in self.terms)


def _each_once(names):
    """Return names, those that occur several times with their number."""
    return [
        name if names.count(name) == 1 else f"{name}_{names[: i + 1].count(name)}"
        for i, name in enumerate(names)
    ]


def _checked(criterion, loss):
    if isinstance(loss, torch.Tensor) and loss.ndim == 0:
        return loss
    came = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
    raise TypeError(
        f"The alignment criterion {name_of(criterion)} returned {came}. A scalar tensor was "
        "expected, such as values.mean()."
    )


def _names_for(criterion, learns):
    names = declared_names(criterion)
    unfit = [name for name in names if name not in ON_OFFER[learns]]
    if learns == "values" and getattr(criterion, "needs_classes", False):
        unfit.append("classes")
    if unfit:
        learner = {"classes": "classifier", "values": "regressor"}[learns]
        raise ValueError(
            f"The alignment criterion {name_of(criterion)} asks for {', '.join(unfit)}, which "
            f"a {learner} does not have. Use {INSTEAD[learns]}."
        )
    return names


def _read_pair(pair):
    """Return a weight, and a copy of a criterion."""
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise TypeError(
            f"alignment holds {pair!r} in its list. Pass pairs of a weight and a criterion, "
            "such as [(1.0, CORAL()), (0.1, MMD())]."
        )
    weight, criterion = pair
    _check_weight(weight)
    if not callable(criterion) or isinstance(criterion, type):
        raise TypeError(
            f"alignment={criterion!r} is no criterion: pass a name such as 'mmd', an instance "
            "such as MMD(), or a callable."
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
