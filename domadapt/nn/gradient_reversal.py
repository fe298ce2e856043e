"""Identities whose backward pass scales or reverses the gradient."""

import torch
from torch import nn


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor, max_norm):
        ctx.factor, ctx.max_norm = factor, max_norm
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        grad = ctx.factor * grad
        if ctx.max_norm is not None:
            grad = grad * (ctx.max_norm / grad.norm()).clamp_max(1.0)
        return grad, None, None


def scale_gradient(x, factor, *, max_norm=None):
    """Return ``x`` unchanged, and multiply the gradient that flows back by a factor.

    Parameters
    ----------
    x : Tensor
        Any tensor.
    factor : float
        Multiplies the gradient; a negative one reverses it.
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
    return _ScaleGradient.apply(x, factor, max_norm)


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
        """Name the settings, for ``repr``."""
        return f"coefficient={self.coefficient}"
