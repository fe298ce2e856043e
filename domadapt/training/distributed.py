"""One training in several processes: shares of a mini-batch, gathered features, shared statistics.

Each process runs the feature extractor on its share of the mini-batch. The features of all
are then gathered, and what comes after, the classifier and the criterion, every process
computes on the whole. So a criterion sees the mini-batch that one process would see.
"""

import torch
from torch import distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from domadapt.inputs.reader import n_processes, rank


def wait_for_all(device):
    """Wait until all processes have come here."""
    if n_processes() > 1:
        # A barrier would have to guess the GPU. The value is what is waited for.
        _summed(torch.zeros((), device=device)).item()


def in_any_process(flag):
    """Return whether a boolean tensor of shape () is true in this process or another."""
    return bool(flag if n_processes() == 1 else _summed(flag.to(torch.int64)))


def gather_rows(rows, sizes):
    """Return the samples of all processes, with gradient: the first domain whole, then the next.

    ``sizes`` are how many samples of each domain are in this process's share, the same in all.
    """
    shares = _Gather.apply(rows)
    # As many samples of each domain came from every process.
    domains = shares.unflatten(0, (n_processes(), sum(sizes))).split(sizes, dim=1)
    return torch.cat([domain.flatten(0, 1) for domain in domains])


class _Gather(torch.autograd.Function):
    """Concatenate the samples of all processes.

    Every process computes the same loss from them then, so each has the whole
    gradient at hand and keeps that of its own samples. Averaging over processes, as
    DistributedDataParallel does, divides by their number; so it is multiplied by it.
    """

    @staticmethod
    def forward(rows):
        shares = [torch.empty_like(rows) for _ in range(n_processes())]
        distributed.all_gather(shares, rows.contiguous())
        return torch.cat(shares)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Save nothing: the gradient alone is enough."""

    @staticmethod
    def backward(ctx, grad):
        return grad.chunk(n_processes())[rank()] * n_processes()


class _Sum(torch.autograd.Function):
    """Add up a tensor over the processes; its gradient is added up likewise."""

    @staticmethod
    def forward(values):
        return _summed(values)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Save nothing: the gradient alone is enough."""

    @staticmethod
    def backward(ctx, grad):
        return _summed(grad)


def _summed(values):
    total = values.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


class SyncedBatchNorm(_BatchNorm):
    """Batch normalisation by the statistics of all processes, on the CPU too.

    Torch's own layer for this is for CUDA alone.

    Parameters
    ----------
    batch_norm : nn.BatchNorm1d, nn.BatchNorm2d or nn.BatchNorm3d
        The layer whose settings, weights and running statistics it takes over.
    """

    def __init__(self, batch_norm):
        super().__init__(
            batch_norm.num_features,
            batch_norm.eps,
            batch_norm.momentum,
            affine=False,
            track_running_stats=False,
        )
        self.affine, self.track_running_stats = batch_norm.affine, batch_norm.track_running_stats
        self.weight, self.bias = batch_norm.weight, batch_norm.bias
        for name, buffer in batch_norm.named_buffers():
            setattr(self, name, buffer)

    def _check_input_dim(self, x):
        if x.ndim < 2:
            raise ValueError(f"Batch normalisation needs rows of features, but {x.ndim}-D came.")

    def forward(self, x):
        if not self.training or n_processes() == 1:
            return super().forward(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        n_values = n_processes() * x.numel() // x.shape[1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        # Sums of many numbers need more digits than bfloat16 has.
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = _Sum.apply(values.sum(axes)) / n_values
        centred = values - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / n_values
        self._track(mean, variance, n_values)
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = torch.addcmul(self.bias.view(shape), normalised, self.weight.view(shape))
        return normalised.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean, variance, n_values):
        buffers = dict(self.named_buffers())
        if not buffers:
            return
        buffers["num_batches_tracked"] += 1
        # Without a momentum, statistics are the mean over all batches.
        momentum = self.momentum
        if momentum is None:
            momentum = 1.0 / buffers["num_batches_tracked"].item()
        buffers["running_mean"].lerp_(mean, momentum)
        buffers["running_var"].lerp_(variance * (n_values / (n_values - 1)), momentum)


def synchronise_batch_norm(module):
    """Let batch normalisation of a module use the statistics of all processes, in place.

    Returns the module; a batch normalisation layer itself comes back as another.
    """
    if isinstance(module, _BatchNorm):
        on_cuda = module.running_mean is not None and module.running_mean.is_cuda
        if on_cuda:
            return nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return SyncedBatchNorm(module)
    for name, child in module.named_children():
        setattr(module, name, synchronise_batch_norm(child))
    return module
