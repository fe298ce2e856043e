"""A training step that is captured once as a CUDA graph, and then replayed."""

from typing import Any

import torch

from domadapt.domains.cautions import warn
from domadapt.inputs.reader import n_processes

# Where steps can be captured.
DEVICES = ("cuda",)
# Steps before the capture: by then every tensor that stays is there, and what the libraries
# below torch set up.
WARM_UP = 3


def with_capture(runner, trainers):
    """Return what captures the steps of a runner where a CUDA graph can hold them, or the runner.

    Parameters
    ----------
    runner : EagerRunner or StackedRunner
        What takes the steps of all trainers at once.
    trainers : list of Trainer
        One or several, on one device.
    """
    if any(reason_against_capture(trainer.step) is not None for trainer in trainers):
        return runner
    graph = CudaGraph(trainers[0].device, [trainer.random_numbers for trainer in trainers])
    return CapturedRunner(runner, graph)


def reason_against_capture(step):
    """Return why a CUDA graph cannot hold a training step; None where one can."""
    if step.network.device.type not in DEVICES:
        return "it does not run on CUDA"
    if n_processes() > 1:
        return "several processes share its mini-batches"
    if step.accumulate > 1:
        return "its mini-batches are run in parts"
    unable = [] if step.criteria is None else step.criteria.lacking("capturable")
    unable += [type(m).__name__ for m in step.modules() if not getattr(m, "capturable", True)]
    return f"{unable[0]} says that no graph can hold it" if unable else None


class CapturedRunner:
    """Takes some steps operation by operation, then captures one, and replays that.

    A GPU is then given one graph in place of a hundred kernels. What a step is passed is
    copied to where it was in the step that was captured. What stops the capture is told once,
    and steps are taken as before.

    Parameters
    ----------
    runner : EagerRunner or StackedRunner
        What takes a step, and is captured.
    graph : CudaGraph
        Holds it.
    """

    def __init__(self, runner, graph):
        self.runner, self.graph = runner, graph
        self.n_warm, self.failed = 0, False
        # Where the captured step reads what it is passed; empty where none is captured.
        self.fixed: list[torch.Tensor] = []
        self.losses = torch.empty(0)
        self.known: tuple[list, ...] = ()

    @property
    def step(self):
        """What is run."""
        return self.runner.step

    @property
    def optimizer(self):
        """What updates the weights."""
        return self.runner.optimizer

    def begin_epoch(self, *, is_renewed):
        """Let go of the captured step where the tensors that it reads are no longer in use.

        ``is_renewed`` says that a criterion may have made new ones.
        """
        if is_renewed or self.known != self._layout():
            self.fixed = []

    def __call__(self, inputs, index, scalars, rates):
        """Take one step, and return its losses."""
        if self.failed:
            return self.runner(inputs, index, scalars, rates)
        if self.n_warm < WARM_UP:
            self.n_warm += 1
            return self.graph.warm_up(lambda: self.runner(inputs, index, scalars, rates))
        if not self.fixed and not self._capture(inputs, index, scalars, rates):
            return self.runner(inputs, index, scalars, rates)
        for fixed, given in zip(self.fixed, [inputs, *index.values(), scalars, rates], strict=True):
            if fixed.data_ptr() != given.data_ptr():
                fixed.copy_(given)
        self.graph.replay()
        # The next replay writes into the same memory.
        return self.losses.clone()

    def _capture(self, inputs, index, scalars, rates):
        """Capture a step, which trains nothing yet; return whether that succeeded."""
        # Samples of arrays are gathered into the same memory each time.
        index = {part: rows.clone() for part, rows in index.items()}
        scalars, rates = scalars.clone(), rates.clone()
        try:
            self.losses = self.graph.capture(lambda: self.runner(inputs, index, scalars, rates))
        except RuntimeError as error:
            self.failed = True
            for parameter in self.step.parameters():
                parameter.grad = None
            warn(
                f"The training step could not be captured as a CUDA graph, and goes on without: "
                f"{error}. A criterion or layer that waits for a value or runs on the CPU says so "
                "by an attribute capturable = False, and nothing is tried."
            )
            return False
        self.fixed = [inputs, *index.values(), scalars, rates]
        self.known = self._layout()
        return True

    def _layout(self):
        """Return where the tensors are that stay, and what else the operations depend on."""
        modes = [module.training for module in self.step.modules()]
        trained = [parameter.requires_grad for parameter in self.step.parameters()]
        return [tensor.data_ptr() for tensor in self.runner.tensors()], modes, trained


class CudaGraph:
    """A CUDA graph of what a function does, and the stream on which it was captured.

    Parameters
    ----------
    device : torch.device
        A GPU.
    random_numbers : list of RandomNumbers
        What the function draws from, which goes on from replay to replay.
    """

    def __init__(self, device, random_numbers):
        self.device = device
        self.generators = [numbers.generators[device.type] for numbers in random_numbers]
        self.stream = torch.cuda.Stream(device)
        self.graph: Any = None

    def warm_up(self, function):
        """Return what the function returns, called on the stream of the capture."""
        before = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(before)
        with torch.cuda.stream(self.stream):
            result = function()
        before.wait_stream(self.stream)
        result.record_stream(before)
        return result

    def capture(self, function):
        """Capture a call of the function, and return the tensor that each replay writes.

        Raises
        ------
        RuntimeError
            If the function does what no graph can hold, or memory runs out.
        """
        # The memory of one that was captured before is free first.
        self.graph = None
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        with (
            torch.cuda.device(self.device),
            # Other threads, which pin memory for images, are free to.
            torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"),
        ):
            result = function()
        self.graph = graph
        return result

    def replay(self):
        """Do again what was captured."""
        self.graph.replay()
