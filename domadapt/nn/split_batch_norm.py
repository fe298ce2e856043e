"""Batch normalisation with statistics of their own for two parts of a batch."""

import contextlib
import copy

import torch
from torch import nn


class SplitBatchNorm(nn.Module):
    """Normalise the first rows of a batch and the other rows each by their own statistics.

    Scale and shift are shared. In evaluation mode every row is normalised by the running
    statistics of the second part.

    Parameters
    ----------
    batch_norm : nn.BatchNorm1d, nn.BatchNorm2d or nn.BatchNorm3d
        The layer whose settings, scale, shift and statistics both parts start from.
    n_first : int
        How many rows the first part has in training; with 0 all are of the second.

    References
    ----------
    Chang, You, Seo, Kwak, Han (2019). "Domain-specific batch normalization for
    unsupervised domain adaptation". CVPR.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn import SplitBatchNorm
    >>> layer = SplitBatchNorm(nn.BatchNorm1d(1), n_first=2)
    >>> layer(torch.tensor([[0.0], [2.0], [10.0], [12.0]])).round().flatten().tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """

    def __init__(self, batch_norm, n_first):
        super().__init__()
        self.n_first = n_first
        self.first = batch_norm
        self.second = copy.deepcopy(batch_norm)
        self.second.weight, self.second.bias = batch_norm.weight, batch_norm.bias

    def forward(self, x):
        if not self.training or self.n_first == 0:
            return self.second(x)
        return torch.cat([self.first(x[: self.n_first]), self.second(x[self.n_first :])])

    def extra_repr(self):
        """Name the settings, for ``repr``."""
        return f"n_first={self.n_first}"


def split_batch_norm(module, n_first):
    """Replace the batch normalisation layers of a module by split ones, in place.

    Frozen layers, whose scale takes no gradient, stay as they are.

    Parameters
    ----------
    module : nn.Module
        Any module. A batch normalisation layer itself comes back wrapped.
    n_first : int
        How many rows the first part of a batch has in training.

    Returns
    -------
    module : nn.Module
        The same module, with every layer of :class:`SplitBatchNorm` kind.

    Examples
    --------
    >>> from torch import nn
    >>> from domadapt.nn import split_batch_norm
    >>> net = split_batch_norm(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), 8)
    >>> type(net[1]).__name__
    'SplitBatchNorm'
    """
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return module if is_frozen(module) else SplitBatchNorm(module, n_first)
    for name, child in module.named_children():
        setattr(module, name, split_batch_norm(child, n_first))
    return module


@contextlib.contextmanager
def one_domain(module):
    """Let the split layers of a module treat all rows of a batch as their second part.

    Parameters
    ----------
    module : nn.Module
        Any module.

    Yields
    ------
    None
        Inside, rows of a batch share their statistics.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn.split_batch_norm import SplitBatchNorm, one_domain
    >>> layer = SplitBatchNorm(nn.BatchNorm1d(1), n_first=1)
    >>> with one_domain(layer):
    ...     layer(torch.tensor([[0.0], [2.0]])).round().flatten().tolist()
    [-1.0, 1.0]
    """
    layers = [layer for layer in module.modules() if isinstance(layer, SplitBatchNorm)]
    sizes = [layer.n_first for layer in layers]
    for layer in layers:
        layer.n_first = 0
    try:
        yield
    finally:
        for layer, size in zip(layers, sizes, strict=True):
            layer.n_first = size


def is_frozen(batch_norm):
    """Say whether a batch normalisation layer is to stay as it is in training.

    Parameters
    ----------
    batch_norm : nn.BatchNorm1d, nn.BatchNorm2d or nn.BatchNorm3d
        A layer.

    Returns
    -------
    frozen : bool
        True where it has a scale and this takes no gradient.

    Examples
    --------
    >>> from torch import nn
    >>> from domadapt.nn.split_batch_norm import is_frozen
    >>> is_frozen(nn.BatchNorm1d(3)), is_frozen(nn.BatchNorm1d(3).requires_grad_(False))
    (False, True)
    """
    return batch_norm.weight is not None and not batch_norm.weight.requires_grad
