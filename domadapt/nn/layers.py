"""Layers and calls that treat gradients, domains or precision in a way of their own."""

import contextlib
import copy

import torch
from torch import nn
from torch.func import functional_call

from domadapt.nn.functions import call, keep_signature


class _ScaleGradient(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    @keep_signature
    def forward(x, factor, max_norm):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, factor, ctx.max_norm = inputs
        # A tensor has to be saved for vmap to find it; what is called is read in backward.
        ctx.factor = None if isinstance(factor, torch.Tensor) else factor
        ctx.save_for_backward(factor if ctx.factor is None else None)

    @staticmethod
    def backward(ctx, grad):
        factor = ctx.saved_tensors[0] if ctx.factor is None else ctx.factor
        factor = factor() if callable(factor) else factor
        if isinstance(factor, torch.Tensor) and factor.ndim:
            # One factor and one limit for each of several networks.
            factor = factor.to(grad.dtype).view(-1, *[1] * (grad.ndim - 1))
            axes = tuple(range(1, grad.ndim))
        else:
            axes = None
        grad = factor * grad
        if ctx.max_norm is not None:
            norm = torch.linalg.vector_norm(grad, dim=axes, keepdim=axes is not None)
            if torch.is_grad_enabled():
                # The slope of a quotient by zero is not finite.
                norm = norm.clamp_min(torch.finfo(norm.dtype).tiny)
                grad = grad * (ctx.max_norm / norm).clamp_max(1.0)
            else:
                grad *= norm.reciprocal_().mul_(ctx.max_norm).clamp_max_(1.0)
        return grad, None, None


def scale_gradient(x, factor, *, max_norm=None):
    """Return ``x`` unchanged, and multiply the gradient that flows back by a factor.

    Parameters
    ----------
    x : Tensor
        Any tensor.
    factor : float, Tensor of shape () or (n_networks,), or callable
        Multiplies the gradient; a negative one reverses it. Several stand for as many networks
        along the first axis. A callable is called when the gradient flows, and returns the
        factor.
    max_norm : float or None, default=None
        The product is shortened to this Euclidean norm where it is longer.

    Returns
    -------
    x : Tensor
        The same values.

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import scale_gradient
    >>> x = torch.ones(2, requires_grad=True)
    >>> scale_gradient(x, 0.5).sum().backward()
    >>> x.grad
    tensor([0.5000, 0.5000])
    """
    return call(_ScaleGradient, x, factor, max_norm)


class GradientReversal(nn.Module):
    """Identity in the forward pass, minus the gradient in the backward pass.

    What stands above the layer descends its loss; what stands below ascends it.

    Parameters
    ----------
    coefficient : float, default=1.0
        Multiplies the reversed gradient.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
    "Domain-adversarial training of neural networks". JMLR 17(59).

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import GradientReversal
    >>> x = torch.ones(2, requires_grad=True)
    >>> GradientReversal()(x).sum().backward()
    >>> x.grad
    tensor([-1., -1.])
    """

    def __init__(self, coefficient=1.0):
        super().__init__()
        self.coefficient = coefficient

    def forward(self, x):
        return scale_gradient(x, -self.coefficient)

    def extra_repr(self):
        """Return the settings, for ``repr``."""
        return f"coefficient={self.coefficient}"


class SplitBatchNorm(nn.Module):
    """Normalise the first samples of a mini-batch and the others each by their own statistics.

    Scale and shift are shared. In evaluation mode every sample is normalised by the running
    statistics of the second part.

    Parameters
    ----------
    batch_norm : nn.BatchNorm1d, nn.BatchNorm2d or nn.BatchNorm3d
        The layer whose settings, scale, shift and statistics both parts start from.
    n_first : int
        How many samples the first part has in training; with 0 all are of the second.

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
        """Return the settings, for ``repr``."""
        return f"n_first={self.n_first}"


def split_batch_norm(module, n_first):
    """Replace the batch normalisation layers of a module by split ones, in place.

    Frozen layers, whose scale takes no gradient, stay as they are.

    Parameters
    ----------
    module : nn.Module
        Any module. A batch normalisation layer itself comes back wrapped.
    n_first : int
        How many samples the first part of a mini-batch has in training.

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


def as_first_domain(module):
    """Return a copy of a module that predicts with the statistics of the first part.

    Parameters
    ----------
    module : nn.Module
        Any module.

    Returns
    -------
    module : nn.Module
        A copy, in which a plain layer stands for each split one.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn.layers import SplitBatchNorm, as_first_domain
    >>> layer = SplitBatchNorm(nn.BatchNorm1d(1), n_first=2).eval()
    >>> layer.first.running_mean.fill_(1.0)
    tensor([1.])
    >>> as_first_domain(layer)(torch.tensor([[1.0]])).item()
    0.0
    """
    return _with_first(copy.deepcopy(module))


def _with_first(module):
    if isinstance(module, SplitBatchNorm):
        return module.first
    for name, child in module.named_children():
        setattr(module, name, _with_first(child))
    return module


@contextlib.contextmanager
def one_domain(module):
    """Let the split layers of a module treat all samples of a mini-batch as their second part.

    Parameters
    ----------
    module : nn.Module
        Any module.

    Yields
    ------
    None
        Inside, samples of a mini-batch share their statistics.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn.layers import SplitBatchNorm, one_domain
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
    """Return whether a batch normalisation layer is to stay as it is in training.

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
    >>> from domadapt.nn.layers import is_frozen
    >>> is_frozen(nn.BatchNorm1d(3)), is_frozen(nn.BatchNorm1d(3).requires_grad_(False))
    (False, True)
    """
    return batch_norm.weight is not None and not batch_norm.weight.requires_grad


def extract_features(feature_extractor, inputs, precision):
    """Run a feature extractor, in bfloat16 where that is wanted.

    Parameters
    ----------
    feature_extractor : nn.Module
        Maps inputs to features.
    inputs : Tensor of shape (n, ...)
        A batch.
    precision : torch.dtype
        float32 and float64 stand for that of the weights.

    Returns
    -------
    features : Tensor of shape (n, d)
        In the dtype of the inputs, so that losses are computed in full precision.
    """
    with _computing_in(precision, inputs):
        return feature_extractor(inputs).to(inputs.dtype)


def _computing_in(precision, inputs):
    if precision != torch.bfloat16:
        return contextlib.nullcontext()
    return torch.autocast(inputs.device.type, dtype=precision)


class ScaledModule(nn.Module):
    """A module that feels a multiple of the gradient, and is otherwise left as it is.

    Running statistics of batch normalisation stay what they are, and split layers treat
    all samples of a mini-batch as those of one domain.

    Parameters
    ----------
    module : nn.Module
        Any module; it is not copied.
    factor : float, Tensor of shape () or callable
        Multiplies the gradient into the parameters, as in :func:`scale_gradient`.
    precision : torch.dtype, default=torch.float32
        What it computes in, as in :func:`extract_features`.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from domadapt.nn import ScaledModule
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> ScaledModule(layer, 0.5)(torch.ones(1, 1)).sum().backward()
    >>> layer.weight.grad
    tensor([[0.5000]])
    """

    def __init__(self, module, factor, precision=torch.float32):
        super().__init__()
        self.module, self.factor, self.precision = module, factor, precision

    def forward(self, inputs):
        parameters = {
            name: scale_gradient(parameter, self.factor)
            for name, parameter in self.module.named_parameters()
        }
        # What a layer notes down of this mini-batch goes into copies.
        notes = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        with one_domain(self.module), _computing_in(self.precision, inputs):
            outputs = functional_call(self.module, parameters | notes, (inputs,))
        return outputs.to(inputs.dtype)


@contextlib.contextmanager
def without_gradient(module):
    """Keep the parameters of a module as they are for a while.

    Parameters
    ----------
    module : nn.Module
        Any module.

    Yields
    ------
    None
        Inside, its parameters take no gradient.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
