"""Weights and dropout from a generator of a fit's own: what torch itself would draw."""

import os
import signal
import threading
import time

import pytest
import torch
from torch import nn

from domadapt.nn.random_numbers import (
    Dropout,
    LazyLinear,
    RandomNumbers,
    generator_on,
    make_layer,
    normal_like,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("kind", "sizes", "settings"),
    [
        (nn.Linear, (5, 3), {}),
        (nn.Linear, (5, 3), {"bias": False}),
        (nn.Conv2d, (2, 4, 3), {"padding": 1}),
        (nn.Linear, (0, 3), {}),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_layers_are_drawn_as_torch_draws_them(kind, sizes, settings):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = kind(*sizes, **settings)
    with RandomNumbers(3, CPU).drawn():
        layer = make_layer(kind, *sizes, **settings)
    assert torch.equal(layer.weight, expected.weight)
    if layer.bias is None or not layer.weight.numel():
        assert (layer.bias is None) == (expected.bias is None)
    else:
        assert torch.equal(layer.bias, expected.bias)


def test_a_layer_sized_late_is_drawn_as_torch_draws_it():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = nn.LazyLinear(4)
        expected(torch.zeros(2, 5))
    layer = LazyLinear(4)
    with RandomNumbers(3, CPU).drawn():
        layer(torch.zeros(2, 5))
    assert torch.equal(layer.weight, expected.weight)
    assert torch.equal(layer.bias, expected.bias)


def test_dropout_and_noise_are_those_of_torch():
    x = torch.linspace(-1, 1, 60).reshape(6, 10)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = nn.Dropout(0.4)(x), torch.randn_like(x)
    with RandomNumbers(3, CPU).drawn():
        drawn = Dropout(0.4)(x), normal_like(x)
    assert all(map(torch.equal, drawn, expected))
    assert torch.equal(Dropout(0.4).eval()(x), x)


@pytest.mark.parametrize("lends_global", [False, True])
def test_numbers_continue_from_a_state(lends_global):
    def draw(numbers):
        with numbers.drawn():
            return torch.rand(3, generator=generator_on(CPU))

    numbers = RandomNumbers(0, CPU, lends_global=lends_global)
    first, state = draw(numbers), numbers.state()
    second = draw(numbers)
    other = RandomNumbers(1, CPU, lends_global=lends_global)
    other.restore(state)
    assert torch.equal(draw(other), second)
    assert not torch.equal(first, second)
    numbers.seed(0)
    assert torch.equal(draw(numbers), first)


@pytest.mark.parametrize("lends_global", [False, True])
def test_an_error_leaves_the_global_generator_as_it_was(lends_global):
    def fail():
        with RandomNumbers(0, CPU, lends_global=lends_global).drawn():
            torch.rand(3, generator=generator_on(CPU))
            raise KeyError

    before = torch.get_rng_state()
    with pytest.raises(KeyError):
        fail()
    assert torch.equal(torch.get_rng_state(), before)
    assert generator_on(CPU) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_waits_for_no_thread_of_its_parent():
    lent, released = threading.Event(), threading.Event()

    def hold():
        with RandomNumbers(0, CPU, lends_global=True).drawn():
            lent.set()
            released.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    lent.wait()
    child = os.fork()
    if child == 0:
        with RandomNumbers(1, CPU, lends_global=True).drawn():
            os._exit(7)
    for _ in range(500):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    released.set()
    thread.join()
    assert done == child
    assert os.waitstatus_to_exitcode(status) == 7
