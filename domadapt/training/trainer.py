"""The training loop: epochs of steps, their order, history, and a watch over the losses."""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from domadapt.inputs.reader import n_processes, rank
from domadapt.nn.layers import is_frozen, split_batch_norm
from domadapt.training.captured import with_capture
from domadapt.training.checkpoint import resume_from, save_checkpoint
from domadapt.training.distributed import synchronise_batch_norm
from domadapt.training.finite import NonFiniteLossError, find_non_finite, find_wild_outputs
from domadapt.training.optimization import parameter_groups
from domadapt.training.optimizers import Optimizer
from domadapt.training.orders import EndlessPermutations, steps_in_epoch
from domadapt.training.rehearsal import rehearse
from domadapt.training.step import EagerRunner, TrainingStep

# Each part of a mini-batch draws its samples from a seed of its own; others come after these.
PARTS = ("source", "target", "labelled")


def check_batch_norm(network, criteria, n_samples, batch_size, accumulate=1):
    """Check that batch normalisation is given no single sample, which has no variance.

    Parameters
    ----------
    network : FeatureClassifier
        Any.
    criteria : WeightedCriteria or None
        Some run the network on the samples of a domain by themselves.
    n_samples : dict of str to int
        Samples of each part.
    batch_size : int
        Samples of each part in a mini-batch, or all that there are.
    accumulate : int, default=1
        In how many parts the features of a mini-batch are computed.

    Raises
    ------
    ValueError
        If there is a layer that would be given a single sample.
    """
    if not any(isinstance(m, _BatchNorm) and not is_frozen(m) for m in network.modules()):
        return
    sizes = {part: min(batch_size, n) for part, n in n_samples.items()}
    by_itself = [] if criteria is None else criteria.running_on_target
    if by_itself and sizes.get("target") == 1:
        raise ValueError(
            f"{by_itself[0]} runs the network on the target samples of a mini-batch by themselves, "
            f"and with batch_size={batch_size} and {n_samples['target']} samples in X_target "
            "there is one, of which batch normalisation can take no variance. Use at least 2 of "
            "both, or batch_norm=None."
        )
    if sum(size // accumulate for size in sizes.values()) == 1:
        parts = f", accumulate={accumulate}" if accumulate > 1 else ""
        raise ValueError(
            f"batch_size={batch_size}{parts} and {max(n_samples.values())} samples of the "
            f"{' and '.join(sizes)} leave batch normalisation with one sample, which has no "
            "variance. Use at least 2 of both, or batch_norm=None."
        )


def _place_of(part, parts):
    return PARTS.index(part) if part in PARTS else len(PARTS) + list(parts).index(part)


@dataclass(frozen=True)
class Epoch:
    """What an epoch runs on.

    Parameters
    ----------
    shares : list of Tensor of shape (n_steps, n), int64
        For each part the samples in this process's mini-batches.
    index : dict of str to Tensor of shape (n_steps, n), int64
        Samples of each part in the whole mini-batches, as the task counts them.
    scalars, rates : Tensors of shape (n_steps, n_scalars) and (n_steps, n_groups), float64
        What each step is passed, and the learning rates.
    last : dict of str to float
        The alignment weight and the learning rate of the last step.
    before : dict of str to Tensor
        The state of the network.
    """

    shares: list[torch.Tensor]
    index: dict[str, torch.Tensor]
    scalars: torch.Tensor
    rates: torch.Tensor
    last: dict[str, float]
    before: dict[str, torch.Tensor]


def run_all(fitting):
    """Run every epoch for which a fit yields its trainer; None is to go on."""
    for trainer in fitting:
        try:
            if trainer is not None:
                trainer.run_epoch()
        except BaseException as error:
            # The fit is to see it where it waits for the epoch.
            fitting.throw(error)
            raise


class Trainer:
    """Trains a network epoch by epoch.

    An epoch is one pass over the larger domain, in mini-batches of samples of both, but at
    least eight of them; the smaller one comes round as often as it must. Where
    torch.distributed is set up, every process takes its share of every mini-batch.

    Parameters
    ----------
    network : FeatureClassifier
        Trained in place.
    criteria : WeightedCriteria or None
        The alignment term, trained in place where it has parameters.
    batches : ArrayBatches or ImageBatches
        Samples of both domains, or of one alone.
    task : Task or None
        What is learnt from labels, on the device of the network; None trains on the
        alignment alone.
    settings : TrainingSettings
        What a person chose.
    seed : int
        Draws the order of samples.
    random_numbers : RandomNumbers
        What else is drawn, such as dropout.
    rates : list of (nn.Module, float or callable), default=()
        Parts of the network, each with what multiplies its learning rate: a number, or a
        callable from progress to one.
    source_domains : Tensor of shape (n_samples, n_sources) or None, default=None
        For every source sample a one in the column of its domain.
    loss_weights : nn.Module or None, default=None
        Finds weights for the task and the criteria.
    see_target : callable or None, default=None
        Returns features and outputs of all target samples, for criteria that look at them
        before every epoch.

    Attributes
    ----------
    history : dict of str to list of float
        For each epoch the means of ``task_loss`` and ``alignment_loss``, 0 where there is
        none, the ``alignment_weight`` and ``learning_rate`` of its last step, and the mean
        loss of each criterion, or of each of several tasks, by its name.
    n_steps : int
        Updates so far.
    """

    def __init__(
        self,
        network,
        criteria,
        batches,
        task,
        settings,
        seed,
        random_numbers,
        *,
        rates=(),
        source_domains=None,
        loss_weights=None,
        see_target=None,
    ):
        self.network, self.criteria, self.settings = network, criteria, settings
        self.batches, self.device, self.see_target = batches, network.device, see_target
        n_samples = batches.n_samples
        self.batch_sizes = {part: self._batch_size(n) for part, n in n_samples.items()}
        self.share_sizes = {part: n // n_processes() for part, n in self.batch_sizes.items()}
        self.orders = {
            part: EndlessPermutations(n, seed + _place_of(part, n_samples))
            for part, n in n_samples.items()
        }
        self.orders |= {} if task is None else task.orders
        self.steps_per_epoch = settings.steps_per_epoch or steps_in_epoch(
            n_samples.values(), settings.batch_size
        )
        self._prepare_batch_norm()
        self.step = TrainingStep(
            network,
            criteria,
            task,
            self.share_sizes,
            settings.precision,
            source_domains=source_domains,
            loss_weights=loss_weights,
            accumulate=settings.accumulate,
        )
        self.random_numbers = random_numbers
        with random_numbers.drawn():
            self._rehearse()
        # The criteria's initial weights have been drawn by now. What is drawn during
        # training, such as dropout, must not depend on whether there was a criterion.
        random_numbers.seed(seed)
        groups = parameter_groups(self.step, rates)
        self.rate_factors = [group["factor"] for group in groups]
        trained = [group["params"] for group in groups]
        optimizer = Optimizer(settings.optimizer, trained, settings.weight_decay)
        self.runner = with_capture(EagerRunner(self.step, optimizer), [self])
        names = ["task_loss", "alignment_loss", "alignment_weight", "learning_rate"]
        names += self.step.names
        self.history: dict[str, list[float]] = {name: [] for name in names}
        self.n_steps = 0

    @property
    def n_epochs(self):
        """Epochs so far."""
        return len(self.history["task_loss"])

    @property
    def shows_target(self):
        """Whether criteria look at the whole target before every epoch."""
        return self.criteria is not None and bool(self.criteria.epoch_listeners)

    def _batch_size(self, n_samples):
        """Return how many samples of a domain are in a mini-batch, as many in every part of it."""
        settings, n_parts = self.settings, n_processes() * self.settings.accumulate
        size = min(settings.batch_size, n_samples)
        size -= size % n_parts
        if size == 0:
            raise ValueError(
                f"batch_size={settings.batch_size} with a domain of {n_samples} samples leaves "
                f"none for some of the {n_parts} parts of a mini-batch: {n_processes()} processes, "
                f"accumulate={settings.accumulate}. Use fewer of them."
            )
        return size

    def _prepare_batch_norm(self):
        network, settings = self.network, self.settings
        n_samples, n_parts = self.batches.n_samples, settings.accumulate
        check_batch_norm(network, self.criteria, n_samples, settings.batch_size, n_parts)
        # One sample has no statistics of its own, so it shares those of the other domain.
        n_source, n_all = self.batch_sizes.get("source", 0), sum(self.batch_sizes.values())
        both = min(n_source, n_all - n_source) > n_parts
        if settings.batch_norm == "per_domain" and both:
            split_batch_norm(network, self.share_sizes["source"] // n_parts)
        if n_processes() > 1:
            synchronise_batch_norm(network)

    def _rehearse(self):
        """Run one mini-batch without training: lazy layers take their sizes, misfits show."""
        self.network.eval()
        index = {part: torch.arange(size) for part, size in self.batch_sizes.items()}
        inputs = self.batches.gather([self._share(rows[None])[0] for rows in index.values()])
        n_criteria = 0 if self.criteria is None else len(self.criteria.terms)
        scalars = torch.tensor([0.0] + [1.0] * n_criteria, dtype=torch.float64, device=self.device)
        loss = rehearse(self.step, inputs, self._as_task_counts(index), scalars)
        if loss is not None and not loss.isfinite():
            raise NonFiniteLossError(
                f"Training did not start: the loss of {self.criteria.describe()} is {loss:g} on "
                "the first mini-batch already. Scale the columns of X, or lower what the "
                "criterion multiplies its terms by, such as alpha and beta of DeepJDOT."
            )

    def _as_task_counts(self, index):
        """Return indices on the device, those of labelled samples one part after the other."""
        labelled = [part for part in index if part != "target"]
        before = accumulate([0, *(self.batches.n_samples[part] for part in labelled)])
        first = dict(zip(labelled, before, strict=False))
        return {part: rows.to(self.device) + first.get(part, 0) for part, rows in index.items()}

    def _share(self, index):
        """Return this process's part of mini-batches of shape (n_steps, batch_size)."""
        return index.chunk(n_processes(), dim=1)[rank()]

    def epochs(self, watch, checkpoint=None, fingerprint=None, verbose=False):
        """Yield the trainer for each epoch that is left, and write a checkpoint after each.

        Whoever iterates runs the epoch, see :func:`run_all`.
        """
        try:
            while self.n_epochs < self.settings.max_epochs and not watch.ended:
                with watch.epoch():
                    yield self
                    if verbose and rank() == 0:
                        means = (f"{name} {v[-1]:.4g}" for name, v in self.history.items())
                        print(f"Epoch {self.n_epochs}/{self.settings.max_epochs}", *means, sep="  ")
                if checkpoint is not None:
                    save_checkpoint(checkpoint, self, fingerprint)
        finally:
            # Whatever ends the training, an interrupt too.
            self.network.eval()
            self.batches.close()

    def resume(self, checkpoint, fingerprint):
        """Resume from a checkpoint, if the file is there."""
        if checkpoint is not None and checkpoint.exists():
            resume_from(checkpoint, self, fingerprint)

    def run_epoch(self):
        """Train for one epoch and note its losses.

        Raises
        ------
        NonFiniteLossError
            If a loss or a weight is no longer finite. The network then has the weights
            from before the epoch.
        """
        with self.random_numbers.drawn():
            epoch = self.begin_epoch()
            losses = torch.empty(0)
            batches = self.batches.epoch(epoch.shares, self.n_steps, rank())
            for step, inputs in enumerate(batches):
                rows = {part: rows[step] for part, rows in epoch.index.items()}
                scalars, rates = epoch.scalars[step], epoch.rates[step]
                of_step = self.runner(inputs, rows, scalars, rates)
                if step == 0:
                    losses = of_step.new_empty(self.steps_per_epoch, *of_step.shape)
                # Kept, they would hold on to the memory between them, of step after step.
                losses[step] = of_step
                self.n_steps += 1
            self.end_epoch(epoch, losses, inputs)

    def begin_epoch(self):
        """Return what an epoch runs on; the network is then in training mode."""
        index = {
            part: order.take(self.steps_per_epoch, self.batch_sizes[part])
            for part, order in self.orders.items()
        }
        scalars, rates, last = self._schedule(self.steps_per_epoch)
        self._show_target()
        self._train_mode()
        self.runner.begin_epoch(is_renewed=self.shows_target)
        return Epoch(
            shares=[self._share(rows) for rows in index.values()],
            index=self._as_task_counts(index),
            scalars=scalars,
            rates=rates,
            last=last,
            before={name: value.clone() for name, value in self.network.state_dict().items()},
        )

    def end_epoch(self, epoch, losses, inputs):
        """Note the losses of an epoch, of shape (n_steps, n_losses).

        Raises
        ------
        NonFiniteLossError
            As :meth:`run_epoch`.
        """
        self.network.eval()
        # Only here does the CPU wait for the values.
        problem = find_non_finite(self, losses)
        if problem is None and self.n_epochs + 1 == self.settings.max_epochs:
            # Nothing that comes after would notice that the last update went too far.
            problem = find_wild_outputs(self, inputs)
        if problem is not None:
            self.network.load_state_dict(epoch.before)
            self.n_steps -= len(losses)
            raise NonFiniteLossError(problem)
        task_mean, alignment_mean, *means = losses.mean(0).tolist()
        of_criteria = dict(zip(self.step.names, means, strict=True))
        noted = {"task_loss": task_mean, "alignment_loss": alignment_mean} | epoch.last
        # A function of a person's own may be called alignment_loss: the sum stands there.
        for name, value in (of_criteria | noted).items():
            self.history[name].append(value)

    def _schedule(self, n_steps):
        """Return what changes from step to step in an epoch, and what its last step has."""
        settings, scalars, rates = self.settings, [], []
        for step in range(self.n_steps, self.n_steps + n_steps):
            progress = step / (settings.max_epochs * n_steps)
            weight = settings.alignment_weight * settings.alignment_schedule(progress)
            rate = settings.learning_rate * settings.learning_rate_schedule(progress)
            own = [] if self.criteria is None else self.criteria.own_weights(progress)
            scalars.append([progress, *(weight * w for w in own)])
            factors = [f(progress) if callable(f) else f for f in self.rate_factors]
            rates.append([rate * factor for factor in factors])
        # A fused update on CUDA reads rates in float32; elsewhere they lose no digit.
        of_rates = torch.float32 if self.device.type == "cuda" else torch.float64
        both = (
            torch.tensor(values, dtype=dtype).to(self.device)
            for values, dtype in ((scalars, torch.float64), (rates, of_rates))
        )
        return *both, {"alignment_weight": weight, "learning_rate": rate}

    def _train_mode(self):
        self.network.train()
        for layer in self.network.modules():
            if isinstance(layer, _BatchNorm) and is_frozen(layer):
                layer.eval()

    @torch.no_grad()
    def _show_target(self):
        """Let criteria that want to see the whole target see it as it is now."""
        if self.shows_target:
            self.network.eval()
            features, outputs = self.see_target()
            for criterion in self.criteria.epoch_listeners:
                criterion.begin_epoch(features, outputs)
