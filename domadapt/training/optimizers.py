"""The optimizers that a person can name."""

from collections.abc import Callable

import torch

MOMENTUM = 0.9


def _sgd(parameters, **settings):
    return torch.optim.SGD(parameters, momentum=MOMENTUM, nesterov=True, **settings)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def make_optimizer(name, parameters, *, learning_rate, weight_decay):
    """Build an optimizer in its fused form, which makes one pass over the parameters.

    Parameters
    ----------
    name : {"sgd", "adam", "adamw"}
        ``"sgd"`` has Nesterov momentum 0.9; the others have torch's defaults.
    parameters : list of Tensor
        What is trained, on the CPU or on a CUDA device.
    learning_rate : float
        Step size before any schedule.
    weight_decay : float
        L2 penalty, decoupled in ``"adamw"``.

    Returns
    -------
    optimizer : torch.optim.Optimizer
        The optimizer.
    """
    return OPTIMIZERS[name](parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
