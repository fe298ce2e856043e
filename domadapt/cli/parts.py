"""Samples in blocks of rows, so that files larger than memory are never whole in it."""

import math

import numpy as np

from domadapt._storage.temporary import temporary_file
from domadapt.domains.mapped import give_back

# Bytes of samples that are taken at once, and what more than the first is read and kept in.
WHOLE, BLOCK = 2**28, 2**25


class LargeTable:
    """A table of numbers and booleans, whose columns are mapped from a file.

    Parameters
    ----------
    values : dict of str to ndarray of shape (n_rows,)
        Each column by its name.
    """

    def __init__(self, values):
        self.values, self.columns = values, list(values)
        self.shape = (len(next(iter(values.values()), ())), len(values))

    def __len__(self):
        return self.shape[0]

    def __contains__(self, name):
        return name in self.values

    def __getitem__(self, names):
        """Return the table of some columns."""
        return LargeTable({name: self.values[name] for name in names})

    def drop(self, *, columns):
        """Return the table without a column."""
        return self[[name for name in self.columns if name != columns]]

    def rows(self, start=None, end=None):
        """Return a DataFrame of some rows."""
        import pandas as pd

        return pd.DataFrame({name: np.array(v[start:end]) for name, v in self.values.items()})


def n_bytes_of(samples):
    """Return the bytes that samples take as numbers in float64."""
    return 8 * math.prod(samples.shape)


def blocks(samples, most_rows=None):
    """Yield samples in blocks, each with the number of its first row; small ones as a whole.

    Parameters
    ----------
    samples : DataFrame, LargeTable, ndarray or h5py.Dataset
        Arrays may be mapped from files.
    most_rows : int, default=None
        Of a block, however few columns there are.
    """
    n_rows, size = len(samples), n_bytes_of(samples)
    step = n_rows if size <= WHOLE else max(1, BLOCK * n_rows // size)
    step = step if most_rows is None else min(step, most_rows)
    for start in range(0, n_rows, step):
        end = start + step
        if isinstance(samples, LargeTable):
            yield start, samples.rows(start, end)
            # All columns are in one file.
            give_back(samples.values[samples.columns[0]])
        else:
            yield start, samples.iloc[start:end] if hasattr(samples, "iloc") else samples[start:end]
            give_back(samples)


def are_large(tables):
    """Return whether tables are too large to be stacked in memory."""
    return any(isinstance(t, LargeTable) for t in tables) or sum(map(n_bytes_of, tables)) > WHOLE


def encoded(encoder, table):
    """Return a table as a fitted encoder turns it into numbers: in a mapped file where large.

    Raises
    ------
    OSError
        If there is no room for the file.
    """
    parts = (encoder.transform(rows) for _, rows in blocks(table))
    return _joined(parts, (len(table), len(encoder.get_feature_names_out())))


def joined(arrays):
    """Return arrays one after the other: in a mapped file where they are large."""
    if len(arrays) == 1:
        return arrays[0]
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    parts = (rows for array in arrays for _, rows in blocks(array))
    return _joined(parts, (sum(map(len, arrays)), *arrays[0].shape[1:]))


def _joined(parts, shape):
    if 8 * math.prod(shape) <= WHOLE:
        return np.concatenate(list(parts))
    file = temporary_file(4 * math.prod(shape))
    for part in parts:
        # What is too large for float32 is told by fit, as infinite.
        with np.errstate(over="ignore"):
            file.write(np.ascontiguousarray(part, dtype=np.float32).data)
    file.flush()
    return np.memmap(file, np.float32, "r", shape=shape)
