"""The order in which samples come, and how many mini-batches an epoch has."""

import math

import torch

# An epoch of a few hundred samples goes over them several times.
FEWEST_STEPS = 8


def steps_in_epoch(n_samples, batch_size):
    """Return the updates in an epoch over domains of so many samples."""
    return max(FEWEST_STEPS, *(n // min(batch_size, n) for n in n_samples))


class EndlessPermutations:
    """Indices 0 to n - 1 in shuffled order, again and again.

    A new permutation starts where the last one ends, in the middle of a mini-batch too, so
    every sample is used equally often whatever the batch size.
    """

    def __init__(self, n_samples, seed):
        self.n_samples = n_samples
        self.generator = torch.Generator().manual_seed(seed)
        self.left = torch.empty(0, dtype=torch.int64)

    def take(self, n_batches, batch_size):
        """Draw indices of shape (n_batches, batch_size), on the CPU."""
        wanted = n_batches * batch_size
        n_permutations = math.ceil(max(0, wanted - len(self.left)) / self.n_samples)
        fresh = [
            torch.randperm(self.n_samples, generator=self.generator) for _ in range(n_permutations)
        ]
        stream = torch.cat([self.left, *fresh])
        self.left = stream[wanted:]
        return stream[:wanted].reshape(n_batches, batch_size)

    def state(self):
        """Return what it takes to resume from here, as tensors by name."""
        return {"generator": self.generator.get_state(), "left": self.left}

    def restore(self, state):
        """Resume from where another one's :meth:`state` was taken."""
        self.generator.set_state(state["generator"])
        self.left = state["left"]
