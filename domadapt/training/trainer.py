"""The training loop: epochs of steps, schedules, history, and a watch over the losses."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from domadapt.inputs.arrays import EndlessPermutations
from domadapt.nn.layers import is_frozen, split_batch_norm
from domadapt.training.distributed import n_processes, rank, synchronise_batch_norm
from domadapt.training.optimizers import make_optimizer, parameter_groups, set_learning_rate
from domadapt.training.step import TrainingStep

# The parts of a batch; each draws its rows from a seed of its own.
PARTS = ("source", "target", "labelled")


@dataclass(frozen=True)
class TrainingSettings:
    """What a person chose about training.

    Parameters
    ----------
    batch_size : int
        Rows of each domain in a batch; a smaller domain gives all its rows.
    max_epochs : int
        Passes over the larger domain, or rounds of ``steps_per_epoch``.
    steps_per_epoch : int or None
        Updates in an epoch; None for a pass over the larger domain.
    optimizer : str
        As in :func:`domadapt.training.optimizers.make_optimizer`.
    learning_rate, weight_decay : float
        As in :func:`domadapt.training.optimizers.make_optimizer`.
    backbone_factor : float
        What the learning rate of a backbone is multiplied by.
    batch_norm : {"per_domain", "joint"} or None
        Whether each domain is normalised by its own statistics.
    alignment_weight : float
        What the alignment schedule is multiplied by.
    alignment_schedule, learning_rate_schedule : callable
        From progress, 0 to 1, to a factor.
    precision : torch.dtype
        What the feature extractor computes in, as in
        :class:`domadapt.training.step.TrainingStep`.
    """

    batch_size: int
    max_epochs: int
    steps_per_epoch: int | None
    optimizer: str
    learning_rate: float
    weight_decay: float
    backbone_factor: float
    batch_norm: str | None
    alignment_weight: float
    alignment_schedule: Callable[[float], float]
    learning_rate_schedule: Callable[[float], float]
    precision: torch.dtype


class NonFiniteLossError(FloatingPointError, ValueError):
    """Training was stopped because a loss or a weight was no longer a finite number.

    The estimator keeps the weights of the last epoch that ended with finite ones.
    """


class Trainer:
    """Trains a network epoch by epoch.

    An epoch is one pass over the larger domain, in batches of rows of both; the smaller
    one comes round as often as it must. Where torch.distributed is set up, every process
    takes its share of every batch.

    Parameters
    ----------
    network : FeatureClassifier
        Trained in place.
    alignment : WeightedCriteria or None
        The alignment term, trained in place where it has parameters.
    batches : ArrayBatches or ImageBatches
        Rows of both domains, or of one alone.
    task : Classification, Regression or None
        What is learnt from labelled rows, on the device of the network; None trains on
        the alignment alone.
    settings : TrainingSettings
        What a person chose.
    seed : int
        Draws the order of rows.
    backbone : nn.Module or None, default=None
        The part of the network that learns at ``backbone_factor`` of the rate.
    source_domains : Tensor of shape (n_rows, n_sources) or None, default=None
        For every source row a one in the column of its domain.
    balance : nn.Module or None, default=None
        Finds weights for the task and the criteria.
    look_at_target : callable or None, default=None
        Gives features and outputs of all target rows, for criteria that look at them
        before every epoch.

    Attributes
    ----------
    history : dict of str to list of float
        For each epoch the means of ``task_loss`` and ``alignment_loss``, 0 where there is
        none, and the ``alignment_weight`` and ``learning_rate`` of its
        last step.
    n_steps : int
        Updates so far.
    """

    def __init__(
        self,
        network,
        alignment,
        batches,
        task,
        settings,
        seed,
        *,
        backbone=None,
        source_domains=None,
        balance=None,
        look_at_target=None,
    ):
        self.network, self.alignment, self.settings = network, alignment, settings
        self.batches, self.device = batches, network.device
        self.look_at_target = look_at_target
        n_rows = batches.n_rows
        self.batch_sizes = {part: self._batch_size(n) for part, n in n_rows.items()}
        self.share_sizes = {part: n // n_processes() for part, n in self.batch_sizes.items()}
        self.orders = {
            part: EndlessPermutations(n, seed + PARTS.index(part)) for part, n in n_rows.items()
        }
        self.steps_per_epoch = settings.steps_per_epoch or max(
            n_rows[part] // size for part, size in self.batch_sizes.items()
        )
        self._prepare_batch_norm()
        self.step = TrainingStep(
            network,
            alignment,
            task,
            self.share_sizes,
            settings.precision,
            source_domains=source_domains,
            balance=balance,
        )
        self._rehearse()
        # The criterion's initial weights have been drawn by now. What is drawn during
        # training, such as dropout, must not depend on whether there was a criterion.
        torch.manual_seed(seed)
        self.losses: torch.nn.Module = self.step
        if n_processes() > 1:
            with warnings.catch_warnings():
                # Newer versions of torch have another name for this.
                warnings.simplefilter("ignore", FutureWarning)
                # All processes have the same statistics already: nothing to send round.
                self.losses = DistributedDataParallel(self.step, broadcast_buffers=False)
        self.optimizer = make_optimizer(
            settings.optimizer,
            parameter_groups(self.step, backbone, settings.backbone_factor),
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.history: dict[str, list[float]] = {
            "task_loss": [],
            "alignment_loss": [],
            "alignment_weight": [],
            "learning_rate": [],
        }
        self.n_steps = 0

    def _batch_size(self, n_rows):
        """Give the rows of a domain in a batch, the same number for every process."""
        size = min(self.settings.batch_size, n_rows)
        size -= size % n_processes()
        if size == 0:
            raise ValueError(
                f"batch_size={self.settings.batch_size} with a domain of {n_rows} rows leaves "
                f"none for some of the {n_processes()} processes. Use fewer processes."
            )
        return size

    def _prepare_batch_norm(self):
        network, settings = self.network, self.settings
        layers = [m for m in network.modules() if isinstance(m, _BatchNorm) and not is_frozen(m)]
        sizes = self.batch_sizes
        if sum(sizes.values()) == 1 and layers:
            raise ValueError(
                f"batch_size={settings.batch_size} leaves batch normalisation with one row, "
                "which has no variance. Use at least 2, or batch_norm=None."
            )
        # One row has no statistics of its own, so it shares those of the other domain.
        n_source = sizes.get("source", 0)
        both = min(n_source, sum(sizes.values()) - n_source) > 1
        if settings.batch_norm == "per_domain" and both:
            split_batch_norm(network, self.share_sizes["source"])
        if n_processes() > 1:
            synchronise_batch_norm(network)

    @torch.no_grad()
    def _rehearse(self):
        """Run one batch without training: lazy layers take their sizes, misfits show."""
        self.network.eval()
        index = {part: torch.arange(size) for part, size in self.batch_sizes.items()}
        inputs = self.batches.gather([self._share(rows[None])[0] for rows in index.values()])
        _, loss = self.step(inputs, self._as_task_counts(index), 1.0, 0.0)
        if loss is not None and not loss.isfinite():
            raise NonFiniteLossError(
                f"Training did not start: the loss of {self.alignment.describe()} is {loss:g} on "
                "the first batch already. Scale the columns of X, or lower what the criterion "
                "multiplies its terms by, such as alpha and beta of DeepJDOT."
            )

    def _as_task_counts(self, index):
        """Bring indices to the device, those of labelled target rows after the source's."""
        first = {"labelled": self.batches.n_rows.get("source", 0)}
        return {part: rows.to(self.device) + first.get(part, 0) for part, rows in index.items()}

    def _share(self, index):
        """Give this process's rows of batches of shape (n_steps, batch_size)."""
        return index.chunk(n_processes(), dim=1)[rank()]

    def run_epoch(self):
        """Train for one epoch and note its losses.

        Raises
        ------
        NonFiniteLossError
            If a loss or a weight is no longer finite. The network then has the weights
            from before the epoch.
        """
        settings, n_steps = self.settings, self.steps_per_epoch
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        first_step, none = self.n_steps, torch.zeros((), device=self.device)
        losses = []
        index = {
            part: order.take(n_steps, self.batch_sizes[part]) for part, order in self.orders.items()
        }
        shares = [self._share(rows) for rows in index.values()]
        batches = self.batches.epoch(shares, first_step, rank())
        index = self._as_task_counts(index)
        self._show_target()
        self._train_mode()
        for step, inputs in enumerate(batches):
            progress = self.n_steps / (settings.max_epochs * n_steps)
            alignment_weight = settings.alignment_weight * settings.alignment_schedule(progress)
            learning_rate = settings.learning_rate * settings.learning_rate_schedule(progress)
            set_learning_rate(self.optimizer, learning_rate)
            rows = {part: rows[step] for part, rows in index.items()}
            both = self.losses(inputs, rows, alignment_weight, progress)
            self._update(both)
            losses += [none if loss is None else loss.detach() for loss in both]
            self.n_steps += 1
        self.network.eval()
        # Only here does the CPU wait for the values.
        losses = torch.stack(losses).unflatten(0, (n_steps, 2))
        problem = self._find_non_finite(losses)
        if problem is not None:
            self.network.load_state_dict(before)
            self.n_steps = first_step
            raise NonFiniteLossError(problem)
        task_mean, alignment_mean = losses.mean(0).tolist()
        self.history["task_loss"].append(task_mean)
        self.history["alignment_loss"].append(alignment_mean)
        self.history["alignment_weight"].append(alignment_weight)
        self.history["learning_rate"].append(learning_rate)

    def _train_mode(self):
        self.network.train()
        for layer in self.network.modules():
            if isinstance(layer, _BatchNorm) and is_frozen(layer):
                layer.eval()

    @torch.no_grad()
    def _show_target(self):
        """Let criteria that want to see the whole target see it as it is now."""
        listeners = [] if self.alignment is None else self.alignment.epoch_listeners
        if listeners:
            self.network.eval()
            features, outputs = self.look_at_target()
            for criterion in listeners:
                criterion.begin_epoch(features, outputs)

    def _update(self, losses):
        first, *others = (loss for loss in losses if loss is not None)
        sum(others, start=first).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _find_non_finite(self, losses):
        """Say where training went out of the finite numbers and why; None if it did not."""
        finite = losses.isfinite()
        weights = self.network.state_dict().values()
        if finite.all() and all(value.isfinite().all() for value in weights):
            return None
        bad = (~finite.all(1)).nonzero()
        step = int(bad[0]) if len(bad) else self.steps_per_epoch - 1
        task_finite, alignment_finite = finite[step].tolist()
        settings = self.settings
        if task_finite and not alignment_finite:
            cause = (
                f"the loss of {self.alignment.describe()} is not finite while the task loss is. "
                "Likely cause: a root, a logarithm or a division in the criterion, or "
                f"alignment_weight={settings.alignment_weight:g} is too high."
            )
        else:
            what = "the weights are" if task_finite else "the task loss is"
            cause = (
                f"{what} not finite. Likely cause: learning_rate={settings.learning_rate:g} is "
                "too high, or the columns of X are of very different scale."
            )
            if self.alignment is not None:
                cause += (
                    f" If the gradient of {self.alignment.describe()} was not finite a step "
                    "before, look there for a root or a logarithm at 0."
                )
        return (
            f"Training stopped in epoch {len(self.history['task_loss'])}, step {step} (counted "
            f"from 0): {cause} The weights from before that epoch are kept."
        )
