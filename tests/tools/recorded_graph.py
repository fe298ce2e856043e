"""A graph like those of CUDA, on the CPU: what a call did, done again in the same memory."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

# Operations that wait for a value, or whose result has a size that depends on one; and that by
# which a constant comes from the CPU.
NOT_IN_A_GRAPH = {
    "_linalg_eigh",
    "_linalg_svd",
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "lift_fresh",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}


class RecordedGraph(TorchDispatchMode):
    """Stands for :class:`domadapt.training.captured.CudaGraph`.

    As there, Python runs once: numbers that it holds stay as they were, tensors are where they
    were, and what cannot stand in a graph stops the capture. What is done while it is recorded
    is undone.
    """

    def __init__(self, random_numbers):
        super().__init__()
        self.random_numbers = random_numbers
        self.n_warm = self.n_captures = self.n_replays = 0

    def warm_up(self, function):
        self.n_warm += 1
        return function()

    def capture(self, function):
        self.calls, self.made, self.before = [], {}, {}
        states = [numbers.state() for numbers in self.random_numbers]
        of_others = torch.get_rng_state()
        try:
            with self:
                result = function()
        finally:
            with torch.no_grad():
                for tensor, values in self.before.values():
                    tensor.copy_(values)
            for numbers, state in zip(self.random_numbers, states, strict=True):
                numbers.restore(state)
            torch.set_rng_state(of_others)
        self.n_captures += 1
        return result

    @torch.no_grad()
    def replay(self):
        self.n_replays += 1
        for function, args, kwargs, results in self.calls:
            again = tree_leaves(function(*args, **kwargs))
            for result, value in zip(results, again, strict=True):
                if isinstance(result, torch.Tensor) and result.data_ptr() != value.data_ptr():
                    result.copy_(value)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        if name in NOT_IN_A_GRAPH:
            raise RuntimeError(f"{name} cannot stand in a graph")
        self._note((args, kwargs))
        # An operation such as squeeze_ changes the shape of a tensor, not what stands there.
        as_given = tree_map(_alias, (args, kwargs))
        results = function(*args, **kwargs)
        found = tree_leaves(results)
        for result in found:
            if isinstance(result, torch.Tensor):
                # Kept, so that no other comes to the same place.
                self.made[result.untyped_storage().data_ptr()] = result
        self.calls.append((function, *as_given, [_alias(result) for result in found]))
        return results

    def _note(self, given):
        """Keep what stands in tensors from before; not all operations say which they write to."""
        for tensor in tree_leaves(given):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage().data_ptr()
                if storage not in self.made:
                    self.before.setdefault(storage, (tensor, tensor.clone()))


def _alias(value):
    return value.detach() if isinstance(value, torch.Tensor) else value
