"""What functions with a gradient of their own share: a value, and results that backward reads."""

import functools
import inspect

from torch.autograd.function import once_differentiable


def keep_signature(forward):
    """Read the signature of a ``forward`` once, which torch else does at every call."""
    forward.__signature__ = inspect.signature(forward)
    return forward


def save_results(ctx, output):
    """Save all outputs of ``forward`` but the first, which is the value."""
    # Else backward would be given zeros in their shapes.
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*output[1:])


def gradient_of_value(backward):
    """Let a ``backward`` take the gradient of the value alone, and differentiate it once."""

    @once_differentiable
    @functools.wraps(backward)
    def of_value(ctx, grad, *_):
        return (None,) * len(ctx.needs_input_grad) if grad is None else backward(ctx, grad)

    return of_value
