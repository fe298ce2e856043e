"""Losses in full precision, whatever precision the network around them computes in."""

import contextlib
import functools

import torch
from torch import nn

HALF = (torch.float16, torch.bfloat16)


def in_full_precision(function):
    """Let a function compute in full precision, as :func:`call_in_full_precision` does."""

    @functools.wraps(function)
    def in_full(*args, **kwargs):
        return call_in_full_precision(function, args, kwargs)

    return in_full


def call_in_full_precision(function, args, kwargs):
    """Call a function in float32 at least: without autocast, and on no half precision.

    Tensors in half precision come to it as float32, and gradients flow back to them. Modules
    whose weights are in half precision take and return float32.
    """
    one = None
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            one = value if one is None else one
            if value.dtype in HALF:
                break
    else:
        # All are on one device, so that one is enough to ask.
        if one is None or not is_in_autocast(one):
            return function(*args, **kwargs)
    args = [_in_float32(value) for value in args]
    kwargs = {name: _in_float32(value) for name, value in kwargs.items()}
    with without_autocast(*args, *kwargs.values()):
        return _in_float32(function(*args, **kwargs))


def is_in_autocast(tensor):
    """Return whether autocast would choose the dtype of operations on a tensor."""
    # Tensors without storage know no autocast, and asking for it is an error.
    return not tensor.is_meta and torch.is_autocast_enabled(tensor.device.type)


@contextlib.contextmanager
def without_autocast(*values):
    """Turn autocast off for a while on the devices of those values that are tensors."""
    with contextlib.ExitStack() as stack:
        for value in values:
            if isinstance(value, torch.Tensor) and is_in_autocast(value):
                stack.enter_context(torch.autocast(value.device.type, enabled=False))
        yield


def _in_float32(value):
    if isinstance(value, torch.Tensor):
        return value.float() if value.dtype in HALF else value
    if isinstance(value, nn.Module):
        dtype = next((p.dtype for p in value.parameters() if p.is_floating_point()), None)
        return _HalfInside(value, dtype) if dtype in HALF else value
    return value


class _HalfInside(nn.Module):
    """A module with weights in half precision, which takes and returns float32."""

    def __init__(self, module, dtype):
        super().__init__()
        self.module, self.dtype = module, dtype

    def forward(self, inputs):
        return self.module(inputs.to(self.dtype)).float()
