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


class Episodes:
    """Tasks drawn from many classes: rows of a few of them, the same number of each.

    Every mini-batch is an episode: first all rows of one class, then all of the next. So the
    place of a row tells which class of the episode it is of.

    Parameters
    ----------
    labels : Tensor of shape (n_samples,), int64
        The class of each sample, from 0.
    n_ways : int
        Classes in an episode.
    seed : int
        Draws classes and rows.
    """

    def __init__(self, labels, n_ways, seed):
        self.rows = [(labels == label).nonzero().flatten() for label in labels.unique()]
        self.n_ways = n_ways
        self.generator = torch.Generator().manual_seed(seed)

    def take(self, n_batches, batch_size):
        """Draw indices of shape (n_batches, batch_size), on the CPU."""
        n_rows = batch_size // self.n_ways
        episodes = [
            self._draw(rows, n_rows)
            for _ in range(n_batches)
            for rows in self._draw(torch.arange(len(self.rows)), self.n_ways).tolist()
        ]
        return torch.stack(episodes).reshape(n_batches, batch_size)

    def _draw(self, rows, n):
        """Draw some rows, or of a class by its number, without repeating any."""
        rows = self.rows[rows] if isinstance(rows, int) else rows
        return rows[torch.randperm(len(rows), generator=self.generator)[:n]]

    def state(self):
        """Return what it takes to resume from here, as tensors by name."""
        return {"generator": self.generator.get_state()}

    def restore(self, state):
        """Resume from where another one's :meth:`state` was taken."""
        self.generator.set_state(state["generator"])
