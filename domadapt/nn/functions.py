"""What functions with a gradient of their own share: a value, and results that backward reads."""

import functools
import inspect

import torch

from domadapt.nn.precision import is_in_autocast, without_autocast


def keep_signature(forward):
    """Read the signature of a ``forward`` once, which torch else does at every call."""
    forward.__signature__ = inspect.signature(forward)
    return forward


def call(function, *inputs):
    """Call a :class:`torch.autograd.Function`.

    Its own ``apply`` binds what it is given to a signature, which takes longer than most
    operations on a mini-batch. Only transforms such as :func:`torch.func.vmap` need that.
    """
    if torch._C._are_functorch_transforms_active():
        return function.apply(*inputs)
    return super(torch.autograd.Function, function).apply(*inputs)


def save_results(ctx, inputs, output):
    """Save the inputs, and all outputs of ``forward`` but the first, which is the value."""
    # Else backward would be given zeros in their shapes.
    ctx.set_materialize_grads(False)
    # A tensor has to be saved for vmap to find it, and nothing else can be.
    ctx.settings = [None if isinstance(v, torch.Tensor) else v for v in inputs]
    ctx.save_for_backward(
        *[v if isinstance(v, torch.Tensor) else None for v in inputs], *output[1:]
    )


def gradient_of_value(forward, *, once=None):
    """Let a ``backward`` take the gradient of the value, and the other results of ``forward``.

    Where the gradient is to be differentiated in turn, these results are computed once more,
    as functions of the inputs. ``forward`` and ``backward`` then run under autograd, so neither
    may write into a tensor that an operation has kept. ``once`` names what has no second
    derivative, and raises an error there.
    """

    def decorate(backward):
        @functools.wraps(backward)
        def of_value(ctx, grad, *_):
            n_inputs = len(ctx.settings)
            if grad is None:
                return (None,) * n_inputs
            saved = ctx.saved_tensors
            # So it is with create_graph=True alone.
            if torch.is_grad_enabled():
                return once_more(ctx, grad, saved[:n_inputs], saved[n_inputs:])
            if not is_in_autocast(grad):
                return backward(ctx, grad, *saved[n_inputs:])
            with without_autocast(grad):
                return backward(ctx, grad, *saved[n_inputs:])

        def once_more(ctx, grad, tensors, results):
            with without_autocast(grad):
                if once is None:
                    both = zip(tensors, ctx.settings, strict=True)
                    _, *results = forward(*(v if t is None else t for t, v in both))
                else:
                    _refuse(once)
                return backward(ctx, grad, *results)

        return of_value

    return decorate


def _refuse(name):
    # torch.func.grad asks for a second derivative always, whether it is used or not.
    if not torch._C._are_functorch_transforms_active():
        raise RuntimeError(
            f"{name} can be differentiated only once, and create_graph=True asks for the "
            f"derivative of its gradient. Leave {name} out of a gradient penalty."
        )
