"""The training loop: epochs of steps, schedules, history, and a watch over the losses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from domadapt.nn.split_batch_norm import split_batch_norm
from domadapt.training.batches import EndlessPermutations
from domadapt.training.optimizers import make_optimizer
from domadapt.training.step import TrainingStep


@dataclass(frozen=True)
class TrainingSettings:
    """What a person chose about training.

    Parameters
    ----------
    batch_size : int
        Rows of each domain in a batch; a smaller domain gives all its rows.
    max_epochs : int
        Passes over the larger domain.
    optimizer : str
        As in :func:`domadapt.training.optimizers.make_optimizer`.
    learning_rate, weight_decay : float
        As in :func:`domadapt.training.optimizers.make_optimizer`.
    label_smoothing : float
        Share of each label that is spread over all classes.
    batch_norm : {"per_domain", "joint"} or None
        Whether each domain is normalised by its own statistics.
    alignment_weight : float
        What the alignment schedule is multiplied by.
    alignment_schedule, learning_rate_schedule : callable
        From progress, 0 to 1, to a factor.
    """

    batch_size: int
    max_epochs: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    batch_norm: str | None
    alignment_weight: float
    alignment_schedule: Callable[[float], float]
    learning_rate_schedule: Callable[[float], float]


class NonFiniteLossError(FloatingPointError, ValueError):
    """Training was stopped because a loss or a weight was no longer a finite number.

    The estimator keeps the weights of the last epoch that ended with finite ones.
    """


class Trainer:
    """Trains a network epoch by epoch.

    An epoch is one pass over the larger domain, in batches of rows of both; the smaller
    one comes round as often as it must.

    Parameters
    ----------
    network : FeatureClassifier
        Trained in place.
    alignment : WeightedCriteria or None
        The alignment term, trained in place where it has parameters.
    source, target : DenseRows or SparseRows
        Rows of each domain; ``target`` is None without a target.
    labels : Tensor of shape (n_rows,), int64
        Class of each source row, on the device of the network.
    weight : Tensor of shape (n_rows,), float32, or None
        Weight of each source row, of mean 1.
    settings : TrainingSettings
        What a person chose.
    seed : int
        Draws the order of rows.

    Attributes
    ----------
    history : dict of str to list of float
        For each epoch the means of ``task_loss`` and, with alignment,
        ``alignment_loss``, and the ``alignment_weight`` and ``learning_rate`` of its
        last step.
    n_steps : int
        Updates so far.
    """

    def __init__(self, network, alignment, source, target, labels, weight, settings, seed):
        self.network, self.alignment, self.settings = network, alignment, settings
        self.device = labels.device
        domains = [source] if target is None else [source, target]
        self.batch_sizes = [min(settings.batch_size, rows.shape[0]) for rows in domains]
        self.orders = [
            EndlessPermutations(rows.shape[0], seed + number) for number, rows in enumerate(domains)
        ]
        self.steps_per_epoch = max(
            rows.shape[0] // size for rows, size in zip(domains, self.batch_sizes, strict=True)
        )
        if sum(self.batch_sizes) == 1 and any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()
        ):
            raise ValueError(
                f"batch_size={settings.batch_size} leaves batch normalisation with one row, "
                "which has no variance. Use at least 2, or batch_norm=None."
            )
        # One row has no statistics of its own, so it shares those of the other domain.
        if settings.batch_norm == "per_domain" and len(domains) == 2 and min(self.batch_sizes) > 1:
            split_batch_norm(network, self.batch_sizes[0])
        self.step = TrainingStep(
            network,
            alignment,
            source,
            target,
            labels,
            weight,
            settings.label_smoothing,
            self.batch_sizes,
        )
        self._rehearse()
        # The criterion's initial weights have been drawn by now. What is drawn during
        # training, such as dropout, must not depend on whether there was a criterion.
        torch.manual_seed(seed)
        modules = nn.ModuleList([network] if alignment is None else [network, alignment])
        self.optimizer = make_optimizer(
            settings.optimizer,
            modules.parameters(),
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

    @torch.no_grad()
    def _rehearse(self):
        """Run one batch without training: lazy layers take their sizes, misfits show."""
        self.network.eval()
        index = [torch.arange(size, device=self.device) for size in self.batch_sizes]
        source_index, target_index = _source_and_target(index)
        _, loss = self.step.losses(source_index, target_index, 1.0, 0.0)
        if loss is not None and not (isinstance(loss, torch.Tensor) and loss.ndim == 0):
            came = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
            raise TypeError(
                f"The alignment criterion {self.alignment.describe()} returned {came}. "
                "A scalar tensor was expected, such as values.mean()."
            )

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
        first_step = self.n_steps
        task_losses, alignment_losses = [], []
        index = [
            order.take(n_steps, size).to(self.device)
            for order, size in zip(self.orders, self.batch_sizes, strict=True)
        ]
        self.network.train()
        for step in range(n_steps):
            progress = self.n_steps / (settings.max_epochs * n_steps)
            alignment_weight = settings.alignment_weight * settings.alignment_schedule(progress)
            learning_rate = settings.learning_rate * settings.learning_rate_schedule(progress)
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate
            source_index, target_index = _source_and_target([batch[step] for batch in index])
            task_loss, alignment_loss = self.step.update(
                self.optimizer, source_index, target_index, alignment_weight, progress
            )
            task_losses.append(task_loss.detach())
            if alignment_loss is not None:
                alignment_losses.append(alignment_loss.detach())
            self.n_steps += 1
        self.network.eval()
        # Only here does the CPU wait for the values.
        task = torch.stack(task_losses)
        alignment = torch.stack(alignment_losses) if alignment_losses else torch.zeros_like(task)
        losses = torch.stack([task, alignment], dim=1)
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


def _source_and_target(pair):
    return (pair[0], pair[1]) if len(pair) == 2 else (pair[0], None)
