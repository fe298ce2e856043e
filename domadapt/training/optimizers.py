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


def make_optimizer(name, groups, *, learning_rate, weight_decay):
    """Build an optimizer in its fused form, which makes one pass over the parameters.

    Parameters
    ----------
    name : {"sgd", "adam", "adamw"}
        ``"sgd"`` has Nesterov momentum 0.9; the others have torch's defaults.
    groups : list of dict
        ``params``, a list of what is trained, on the CPU or on a CUDA device; and
        ``factor``, which :func:`set_learning_rate` multiplies the learning rate by.
    learning_rate : float
        Step size before any schedule.
    weight_decay : float
        L2 penalty, decoupled in ``"adamw"``.

    Returns
    -------
    optimizer : torch.optim.Optimizer
        The optimizer.
    """
    return OPTIMIZERS[name](groups, lr=learning_rate, weight_decay=weight_decay, fused=True)


def set_learning_rate(optimizer, learning_rate):
    """Set the step size of every group to its own share of a learning rate.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        As :func:`make_optimizer` built it.
    learning_rate : float
        What the factors are multiplied by.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["factor"]


def parameter_groups(module, backbone=None, backbone_factor=1.0):
    """Sort what is trained into groups with a learning rate of their own.

    Parameters
    ----------
    module : nn.Module
        Everything that is trained.
    backbone : nn.Module or None, default=None
        A part of it.
    backbone_factor : float, default=1.0
        What the learning rate of that part is multiplied by.

    Returns
    -------
    groups : list of dict
        For :func:`make_optimizer`. Parameters that need no gradient are in none.
    """
    slow = {id(p) for p in backbone.parameters()} if backbone is not None else set()
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in slow], "factor": 1.0},
        {"params": [p for p in trained if id(p) in slow], "factor": backbone_factor},
    ]
    return [group for group in groups if group["params"]]
