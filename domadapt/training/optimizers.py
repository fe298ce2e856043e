"""Optimizers that a person can name, by torch's fused kernels."""

from typing import Any, ClassVar

import torch

MOMENTUM = 0.9
ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


class Sgd:
    """Stochastic gradient descent with Nesterov's momentum, as :class:`torch.optim.SGD`."""

    settings: ClassVar[dict[str, Any]] = {"momentum": MOMENTUM, "nesterov": True, "dampening": 0.0}
    names: ClassVar[tuple[str, ...]] = ("momentum_buffer",)

    @staticmethod
    def update(parameters, gradients, state, *, is_first, **settings):
        """Update parameters in place by one pass over them."""
        torch._fused_sgd_(
            parameters, gradients, *state, maximize=False, is_first_step=is_first, **settings
        )


class Adam:
    """Adam, as :class:`torch.optim.Adam`."""

    settings: ClassVar[dict[str, Any]] = ADAM
    names: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq", "step")
    kernel: ClassVar[Any] = staticmethod(torch._fused_adam_)

    @classmethod
    def update(cls, parameters, gradients, state, *, is_first, **settings):
        """Update parameters in place by one pass over them."""
        means, squares, steps = state
        torch._foreach_add_(steps, 1)
        cls.kernel(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            amsgrad=False,
            maximize=False,
            **settings,
        )


class AdamW(Adam):
    """Adam with weight decay apart from the gradient, as :class:`torch.optim.AdamW`."""

    kernel: ClassVar[Any] = staticmethod(torch._fused_adamw_)


OPTIMIZERS: dict[str, Any] = {"sgd": Sgd, "adam": Adam, "adamw": AdamW}


class Optimizer:
    """Updates parameters by torch's fused kernels, called without the wrapper around them.

    In a step of a small network :class:`torch.optim.Optimizer` takes longer than the update.

    Parameters
    ----------
    name : {"sgd", "adam", "adamw"}
        Which rule.
    groups : list of list of Parameter
        What is trained; each group at a rate of its own.
    weight_decay : float
        As torch's optimizers have it.
    """

    def __init__(self, name, groups, weight_decay):
        self.rule, self.groups = OPTIMIZERS[name], groups
        self.settings = {**self.rule.settings, "weight_decay": weight_decay}
        self.parameters = [parameter for group in groups for parameter in group]
        self.state: dict[torch.nn.Parameter, dict[str, torch.Tensor]] = {}

    @torch.no_grad()
    def step(self, rates):
        """Update all parameters that have a gradient, and take the gradients away.

        Parameters
        ----------
        rates : iterable of Tensor of shape () or float
            The learning rate of each group.
        """
        for group, rate in zip(self.groups, rates, strict=True):
            pulled = [parameter for parameter in group if parameter.grad is not None]
            new = [parameter for parameter in pulled if parameter not in self.state]
            if new:
                pulled = [parameter for parameter in pulled if parameter in self.state]
                self._begin(new)
                self._update(new, rate, is_first=True)
            if pulled:
                self._update(pulled, rate, is_first=False)
            for parameter in group:
                parameter.grad = None

    def _update(self, parameters, rate, *, is_first):
        own = [self.state[parameter] for parameter in parameters]
        self.rule.update(
            parameters,
            [parameter.grad for parameter in parameters],
            [[values[name] for values in own] for name in self.rule.names],
            is_first=is_first,
            lr=rate,
            **self.settings,
        )

    def _begin(self, parameters):
        for parameter in parameters:
            self.state[parameter] = {
                # The fused kernels count in float32, whatever they update.
                name: torch.zeros((), device=parameter.device)
                if name == "step"
                else torch.zeros_like(parameter)
                for name in self.rule.names
            }

    def restore(self, state):
        """Resume from tensors by name, for each parameter by its number that has some.

        Raises
        ------
        LookupError, RuntimeError
            If they are not those of such an optimizer.
        """
        for number, values in state.items():
            if values:
                self._begin([parameter := self.parameters[number]])
                for name, own in self.state[parameter].items():
                    # They keep the order in memory of the parameter, in which kernels read both.
                    own.copy_(values[name])
