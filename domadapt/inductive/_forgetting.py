"""The table of forgetting: how well each task is done after each later one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ForgettingTable:
    r"""Accuracies on each task of a chain after each later one, and what they come to.

    With :math:`R_{ij}` the accuracy on task j once task i was learnt, of T tasks, the average
    accuracy is :math:`\frac1T \sum_j R_{Tj}`, and the backward transfer

    .. math::
        \frac{1}{T-1} \sum_{j<T} (R_{Tj} - R_{jj}) ,

    which is negative where earlier tasks were forgotten.

    Parameters
    ----------
    tasks : sequence of str
        Names of the tasks, in the order in which they were learnt.
    accuracies : array-like of shape (n_tasks, n_tasks)
        In row i the accuracies on held-out rows once task i was learnt; NaN for tasks that
        were still to come, and where no rows were held out.

    Raises
    ------
    ValueError
        If the accuracies are not one row and one column for each task.

    References
    ----------
    Lopez-Paz, Ranzato (2017). "Gradient episodic memory for continual learning". NeurIPS.

    Chaudhry, Dokania, Ajanthan, Torr (2018). "Riemannian walk for incremental learning:
    understanding forgetting and intransigence". ECCV.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.inductive import ForgettingTable
    >>> table = ForgettingTable(["first", "second"], [[0.9, np.nan], [0.5, 0.8]])
    >>> round(table.average_accuracy, 2), round(table.backward_transfer, 2)
    (0.65, -0.4)
    >>> print(table)
    after      first   second
    first      0.900
    second     0.500    0.800
    average accuracy 0.650, backward transfer -0.400
    """

    tasks: Sequence[str]
    accuracies: np.ndarray

    def __post_init__(self):
        accuracies, n_tasks = np.array(self.accuracies, dtype=np.float64), len(self.tasks)
        if n_tasks == 0 or accuracies.shape != (n_tasks, n_tasks):
            raise ValueError(
                f"accuracies has shape {accuracies.shape}, and tasks holds {n_tasks} names. One "
                "row and one column were expected for each task, and one task at least."
            )
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "accuracies", accuracies)

    @property
    def average_accuracy(self) -> float:
        """The mean over tasks after the last one."""
        return _mean(self.accuracies[-1])

    @property
    def backward_transfer(self) -> float:
        """The mean change of earlier tasks since each was learnt; NaN for a single task."""
        change = self.accuracies[-1] - self.accuracies.diagonal()
        return _mean(change[:-1])

    @property
    def forgetting(self) -> dict[str, float]:
        """For each task but the last, how far it has come down from its best."""
        earlier = np.where(np.isnan(self.accuracies[:-1]), -np.inf, self.accuracies[:-1])
        down = earlier.max(axis=0, initial=-np.inf) - self.accuracies[-1]
        down = np.where(np.isfinite(down), down, np.nan)
        return dict(zip(self.tasks[:-1], down[:-1].tolist(), strict=True))

    def __str__(self):
        width = max(8, *map(len, self.tasks))
        lines = [
            "  ".join([f"{'after':{width}}", *(f"{name:>{width - 1}}" for name in self.tasks)])
        ]
        for name, row in zip(self.tasks, self.accuracies, strict=True):
            cells = ("" if np.isnan(value) else f"{value:.3f}" for value in row)
            lines.append(
                "  ".join([f"{name:{width}}", *(f"{cell:>{width - 1}}" for cell in cells)])
            )
        means = f"{self.average_accuracy:.3f}", f"{self.backward_transfer:.3f}"
        lines.append("average accuracy {}, backward transfer {}".format(*means))
        return "\n".join(line.rstrip() for line in lines)


def _mean(values):
    """Return the mean of those that are known, NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
