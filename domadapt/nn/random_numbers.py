"""Random numbers of a fit: out of generators of its own, which no other thread touches."""

import contextlib
import math
import os
import threading

import torch
from torch import nn
from torch.nn.utils import skip_init

_of_thread = threading.local()


# Torch's global generators serve one fit at a time.
_global_generators = threading.RLock()


def _renew_lock():
    global _global_generators
    _global_generators = threading.RLock()


if hasattr(os, "register_at_fork"):
    # In a forked process nobody is left to release it.
    os.register_at_fork(after_in_child=_renew_lock)


class RandomNumbers:
    """Where the random numbers of one fit come from: the same from the same seed.

    What domadapt draws itself, it draws from generators of the fit's own, so that fits in
    several threads do not disturb each other. What the modules of others draw, such as
    dropout in a backbone, comes from torch's global generators and can come from nowhere else.
    With ``lends_global`` these are set to the fit's numbers for a while, and then put back.
    Other fits that need them wait.

    Parameters
    ----------
    seed : int
        What the numbers start from.
    device : torch.device
        Where a network is trained; weights are drawn on the CPU.
    lends_global : bool, default=False
        Whether modules of others draw.

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn.random_numbers import RandomNumbers
    >>> numbers = RandomNumbers(0, torch.device("cpu"), lends_global=True)
    >>> with numbers.drawn():
    ...     first = torch.rand(())
    >>> numbers.seed(0)
    >>> with numbers.drawn():
    ...     bool(torch.rand(()) == first)
    True
    """

    def __init__(self, seed, device, *, lends_global=False):
        devices = {"cpu": torch.device("cpu"), device.type: device}
        self.generators = {kind: torch.Generator(place) for kind, place in devices.items()}
        self.device, self.lends_global = device, lends_global
        self.seed(seed)

    def seed(self, seed):
        """Start anew, between two uses."""
        for generator in self.generators.values():
            generator.manual_seed(seed)

    @contextlib.contextmanager
    def drawn(self):
        """Let what is drawn in this thread, inside, be these numbers."""
        lent = self._lent() if self.lends_global else contextlib.nullcontext()
        with _drawn_from(None if self.lends_global else self.generators), lent:
            yield

    @contextlib.contextmanager
    def _lent(self):
        with _global_generators:
            found = {kind: _get_state(self.device, kind) for kind in self.generators}
            for kind, generator in self.generators.items():
                _set_state(self.device, kind, generator.get_state())
            try:
                yield
            finally:
                for kind, generator in self.generators.items():
                    generator.set_state(_get_state(self.device, kind))
                    _set_state(self.device, kind, found[kind])

    def state(self):
        """Return what it takes to continue from here, as a tensor for each kind of device."""
        return {kind: generator.get_state() for kind, generator in self.generators.items()}

    def restore(self, state):
        """Continue from where another one's :meth:`state` was taken."""
        for kind, generator in self.generators.items():
            # A training that began on the CPU has drawn nothing on a GPU.
            if kind == "cpu" or kind in state:
                generator.set_state(state[kind])


def _get_state(device, kind):
    return torch.get_rng_state() if kind == "cpu" else torch.cuda.get_rng_state(device)


def _set_state(device, kind, state):
    if kind == "cpu":
        torch.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state, device)


def generator_on(device):
    """Return the generator to draw from on a device; None stands for torch's global one."""
    generators = getattr(_of_thread, "generators", None)
    return None if generators is None else generators.get(device.type)


def drawn_again():
    """Return what makes a context in which the numbers that are drawn from now on come again.

    It may be entered in another thread, as in a backward pass. Numbers of torch's global
    generators are not among them.
    """
    now = _copies(getattr(_of_thread, "generators", None))
    return lambda: contextlib.nullcontext() if now is None else _drawn_from(_copies(now))


def _copies(generators):
    if generators is None:
        return None
    return {kind: generator.clone_state() for kind, generator in generators.items()}


@contextlib.contextmanager
def _drawn_from(generators):
    before = getattr(_of_thread, "generators", None)
    _of_thread.generators = generators
    try:
        yield
    finally:
        _of_thread.generators = before


def normal_like(x):
    """Return standard normal numbers in the shape of a tensor, as :func:`torch.randn_like`."""
    return torch.empty_like(x).normal_(generator=generator_on(x.device))


def make_layer(kind, *sizes, **settings):
    """Return a linear or convolutional layer, drawn as torch draws it."""
    layer = skip_init(kind, *sizes, **settings, device=torch.get_default_device())
    draw_weights(layer)
    return layer


def draw_weights(layer):
    """Draw the weights of a linear or convolutional layer as torch's own constructor does."""
    generator, fan_in = generator_on(layer.weight.device), layer.weight[:1].numel()
    if fan_in == 0:
        return
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    if layer.bias is not None:
        bound = 1 / math.sqrt(fan_in)
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


class LazyLinear(nn.LazyLinear):
    """A linear layer that takes its width from the first mini-batch."""

    def reset_parameters(self):
        """Draw the weights, once they have their sizes."""
        if not self.has_uninitialized_params():
            draw_weights(self)


class Dropout(nn.Dropout):
    """Dropout whose units are chosen by the generator of the fit."""

    def forward(self, x):
        generator = generator_on(x.device)
        if generator is None or not self.training:
            return super().forward(x)
        kept = torch.empty_like(x).bernoulli_(1.0 - self.p, generator=generator)
        return x * kept.div_(1.0 - self.p)
