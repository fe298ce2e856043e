"""Modules applied in other ways than by a plain call."""

import contextlib

import torch
from torch import nn
from torch.func import functional_call

from domadapt.nn.gradient_reversal import scale_gradient
from domadapt.nn.split_batch_norm import one_domain


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
    all rows of a batch as those of one domain.

    Parameters
    ----------
    module : nn.Module
        Any module; it is not copied.
    factor : float or Tensor of shape ()
        Multiplies the gradient into the parameters. A tensor is read when the gradient
        flows.
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
        # What a layer notes down of this batch goes into copies.
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
