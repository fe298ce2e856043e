"""Epochs of several trainings at once: one step over networks along a first axis."""

from itertools import groupby

import torch
from torch import nn

from domadapt._storage.fingerprints import describe, digest_of
from domadapt.inputs.reader import ArrayBatches, n_processes
from domadapt.nn.stacking import Stack, StackedDropout, UnstackableError
from domadapt.training.captured import with_capture
from domadapt.training.optimizers import Optimizer
from domadapt.training.stacked_criteria import StackedCriteria, key_of
from domadapt.training.step import TrainingStep
from domadapt.training.tasks import Classification, Regression
from domadapt.training.trainer import Trainer

# Mini-batches of fewer numbers take longer to be asked for than to be written.
FEW_VALUES = 2**15


def reason_against(trainer):
    """Return why a training cannot go together with others; None where it can."""
    if not isinstance(trainer, Trainer):
        return "it trains no network by epochs"
    step = trainer.step
    if n_processes() > 1:
        return "several processes share its mini-batches"
    if not isinstance(trainer.batches, ArrayBatches):
        return "its images are read from files"
    if step.accumulate > 1:
        return "its mini-batches are run in parts"
    if step.loss_weights is not None:
        return "its loss weights are found in training"
    if type(step.task) not in (Classification, Regression) or step.task.orders:
        return "it learns something else than the labels of samples"
    if trainer.settings.precision != torch.float32:
        return "it computes in bfloat16"
    return None


def kind_of(trainer):
    """Return a text that trainings which may go together have in common."""
    step, task = trainer.step, trainer.step.task
    labels = {"labels": task.labels, "weight": task.weight, "domains": step.source_domains}
    network = step.network
    return describe(
        [
            [str(network), str(network.device)],
            [[list(p.shape), str(p.dtype), p.requires_grad] for p in network.parameters()],
            [trainer.batch_sizes, trainer.batches.n_samples, trainer.steps_per_epoch],
            [type(task).__name__, vars(task).get("label_smoothing"), vars(task).get("focal_gamma")],
            digest_of({name: value for name, value in labels.items() if value is not None}),
            [trainer.settings.optimizer, len(trainer.rate_factors)],
            None if step.criteria is None else len(step.criteria.terms),
        ]
    )


def _rates_of(trainer):
    """Return a text that is the same for trainings with the same rates in every step."""
    settings = trainer.settings
    schedules = [settings.learning_rate_schedule, *trainer.rate_factors]
    numbers = [settings.learning_rate, settings.weight_decay, settings.max_epochs]
    return describe([numbers, [id(s) if callable(s) else s for s in schedules]])


class TrainersTogether:
    """Runs the epochs of several trainers as one.

    Parameters
    ----------
    trainers : list of Trainer
        Of one :func:`kind_of`, and after the same number of epochs. Until :meth:`release`
        their networks are parts of one.

    Raises
    ------
    UnstackableError
        If their networks or criteria cannot be run as one.
    """

    def __init__(self, trainers):
        # Those with the same criterion stand side by side, and among them those with the same
        # rates, so that few calls serve all.
        self.trainers = sorted(trainers, key=lambda t: (key_of(t.criteria), _rates_of(t)))
        self.stack = Stack([trainer.network for trainer in self.trainers])
        first = self.trainers[0]
        criteria = None
        self.stacks = [self.stack]
        if first.criteria is not None:
            try:
                criteria = StackedCriteria(self.trainers, self.stack)
            except UnstackableError:
                self.stack.release()
                raise
            self.stacks += criteria.stacks
        self.step = TrainingStep(
            self.stack.module,
            criteria,
            first.step.task,
            first.share_sizes,
            first.step.precision,
            source_domains=first.step.source_domains,
        )
        self.updates = Updates(self.trainers, self.stacks)
        self.runner = with_capture(StackedRunner(self.step, self.updates), self.trainers)
        n_samples = sum(first.batch_sizes.values())
        self.memory = first.batches.empty(len(self.trainers), n_samples)
        self.shares_samples = all(
            first.batches.reads_as(trainer.batches) for trainer in self.trainers
        )

    def release(self):
        """Give each trainer a network of its own again, as it is now."""
        for stack in self.stacks:
            stack.release()

    def run_epoch(self):
        """Train all for an epoch.

        Returns
        -------
        ends : list of tuple
            Of each trainer itself, its epoch, the losses of its steps and its last mini-batch,
            for ``Trainer.end_epoch``.
        """
        epochs = [self._begin(trainer) for trainer in self.trainers]
        self.step.train()
        for layer in self.step.modules():
            if isinstance(layer, StackedDropout):
                layer.generators = [
                    t.random_numbers.generators[t.device.type] for t in self.trainers
                ]
        self.runner.begin_epoch(is_renewed=any(t.shows_target for t in self.trainers))
        shares = [torch.stack(rows, 1) for rows in zip(*(e.shares for e in epochs), strict=True)]
        index = {part: torch.stack([e.index[part] for e in epochs], 1) for part in epochs[0].index}
        scalars = torch.stack([epoch.scalars for epoch in epochs], 1)
        rates = torch.stack([epoch.rates for epoch in epochs], 1)
        losses = torch.empty(0)
        for step in range(len(scalars)):
            inputs = self._gather([rows[step] for rows in shares])
            rows = {part: own[step] for part, own in index.items()}
            of_step = self.runner(inputs, rows, scalars[step], rates[step])
            if step == 0:
                losses = of_step.new_empty(len(scalars), *of_step.shape)
            # Kept, they would hold on to the memory between them, of step after step.
            losses[step] = of_step
        of_members = losses.movedim(2, 0)
        self.updates.share()
        for trainer in self.trainers:
            trainer.n_steps += len(losses)
        return list(zip(self.trainers, epochs, of_members, inputs, strict=True))

    def _begin(self, trainer):
        with trainer.random_numbers.drawn():
            return trainer.begin_epoch()

    def _gather(self, index):
        """Return the mini-batches of all trainers, in the same memory each time."""
        first = self.trainers[0].batches
        if self.shares_samples and self.memory[0].numel() < FEW_VALUES:
            first.gather_for_all(self.memory, index)
            return first.as_taken(self.memory)
        for number, trainer in enumerate(self.trainers):
            trainer.batches.gather_into(self.memory[number], [rows[number] for rows in index])
        return first.as_taken(self.memory)


class StackedRunner:
    """Runs a step of a stack operation by operation: losses, backward pass, updates.

    Parameters
    ----------
    step : TrainingStep
        Of all networks.
    updates : Updates
        Of their weights.
    """

    def __init__(self, step, updates):
        self.step, self.updates = step, updates

    def begin_epoch(self, *, is_renewed):
        """Do nothing: each step finds its tensors where they are."""

    def tensors(self):
        """Return the tensors that stay from step to step."""
        noted = [
            value
            for run in self.updates.runs
            for values in run.optimizer.state.values()
            for value in values.values()
        ]
        return [*self.step.parameters(), *self.step.buffers(), *noted]

    def __call__(self, inputs, index, scalars, rates):
        """Take one step, and return losses of shape (n_losses, n_networks)."""
        losses = self.step(inputs, index, scalars)
        first, *others = (loss.sum() for loss in losses[:2] if loss is not None)
        sum(others, start=first).backward()
        self.updates.step(rates)
        none = torch.zeros_like(losses[0])
        return torch.stack([none if loss is None else loss.detach() for loss in losses])


class Updates:
    """Updates the weights of a stack, those of networks with the same rates by one call.

    Parameters
    ----------
    trainers : list of Trainer
        Those with the same criterion and rates stand side by side.
    stacks : list of Stack
        Of their networks, and of their criteria.
    """

    def __init__(self, trainers, stacks):
        self.trainers = trainers
        places = {
            id(parameter): (stacked, number)
            for stack in stacks
            for stacked, own in stack.parameters()
            for number, parameter in enumerate(own)
        }
        self.runs = []
        first = 0
        for _, run in groupby(trainers, key=lambda t: (key_of(t.criteria), _rates_of(t))):
            self.runs.append(_Run(list(run), first, places))
            first += len(self.runs[-1].trainers)

    def step(self, rates):
        """Update all weights, and take their gradients away.

        Parameters
        ----------
        rates : Tensor of shape (n_networks, n_groups)
            The learning rate of each group of parameters.
        """
        for run in self.runs:
            run.lend_gradients()
            run.optimizer.step(rates[run.first])
        for run in self.runs:
            for stacked, _ in run.parts.values():
                stacked.grad = None

    def share(self):
        """Let the optimizer of each trainer have its part of what was noted."""
        for run in self.runs:
            run.share()


class _Run:
    """The part of a stack that belongs to some trainers, and what updates it."""

    def __init__(self, trainers, first, places):
        self.trainers, self.first = trainers, first
        # By the part: all of which it is one, and which rows of it.
        self.parts = {}
        lead = trainers[0].runner.optimizer
        groups: list[list[nn.Parameter]] = []
        for group in lead.groups:
            groups.append([])
            for parameter in group:
                stacked, number = places[id(parameter)]
                rows = slice(number, number + len(trainers))
                is_all = rows == slice(0, len(stacked))
                part = stacked if is_all else nn.Parameter(stacked.detach()[rows])
                self.parts[part] = stacked, rows
                groups[-1].append(part)
        settings = trainers[0].settings
        self.optimizer = Optimizer(settings.optimizer, groups, settings.weight_decay)
        self._resume()

    def lend_gradients(self):
        for part, (stacked, rows) in self.parts.items():
            if part is not stacked and stacked.grad is not None:
                part.grad = stacked.grad[rows]

    def _resume(self):
        """Take over what the optimizers of the trainers have noted."""
        for number, part in enumerate(self.optimizer.parameters):
            own = [t.runner.optimizer for t in self.trainers]
            noted = [o.state.get(o.parameters[number]) for o in own]
            if noted[0]:
                self.optimizer.state[part] = {
                    name: torch.stack([values[name] for values in noted])
                    if name != "step"
                    else value.clone()
                    for name, value in noted[0].items()
                }

    def share(self):
        for number, part in enumerate(self.optimizer.parameters):
            noted = self.optimizer.state.get(part)
            for place, trainer in enumerate(self.trainers):
                own = trainer.runner.optimizer
                if noted:
                    own.state[own.parameters[number]] = {
                        name: value.clone() if name == "step" else value[place]
                        for name, value in noted.items()
                    }
