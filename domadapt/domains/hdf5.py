"""Datasets of HDF5 files as samples: rows are read when they are asked for."""

import sys

import numpy as np


def is_dataset(X):
    """Return whether samples are a dataset of h5py, which need not be installed."""
    # Whoever has a dataset has imported it.
    kind = getattr(sys.modules.get("h5py"), "Dataset", ())
    return isinstance(X, kind)


class DatasetRows:
    """The rows of a dataset, each read as an array when it is asked for.

    Parameters
    ----------
    name : str
        The parameter as which the dataset came.
    dataset : h5py.Dataset
        Of an open file.

    Raises
    ------
    ValueError
        If its file is closed, or it has no rows.
    """

    def __init__(self, name, dataset):
        if not dataset:
            raise ValueError(
                f"{name} is a dataset of an HDF5 file that is closed. Keep the file open until fit "
                "or predict returns."
            )
        if not dataset.shape:
            raise ValueError(
                f"{name} is the HDF5 dataset {dataset.name!r} of shape {dataset.shape}, which has "
                "no rows. A row for each sample was expected."
            )
        self.dataset = dataset
        self.shape, self.dtype, self.ndim = dataset.shape, dataset.dtype, dataset.ndim

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return the rows of a slice or of an array of numbers, in any order and repeated."""
        if isinstance(rows, slice) or len(rows) == 0:
            return self.dataset[rows]
        # As h5py wants them: in order, and each once.
        found, place = np.unique(rows, return_inverse=True)
        first, end = int(found[0]), int(found[-1]) + 1
        values = self.dataset[slice(first, end) if end - first == len(found) else found]
        return values if np.array_equal(found, rows) else values[place]
