"""Batches by index from one tensor per domain, and pieces for prediction."""

import math

import numpy as np
import torch
from scipy import sparse

NUMPY_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}

# Rows are converted and predicted in pieces of this many numbers, 16 MiB in float32.
PIECE_VALUES = 2**22


def pieces(rows, dtype=np.float32):
    """Convert rows to floating point piece by piece.

    Parameters
    ----------
    rows : :class:`domadapt.domains.arguments.Rows`
        Rows of a dense or sparse array.
    dtype : numpy dtype, default=float32
        What to convert to.

    Yields
    ------
    piece : ndarray of shape (n, ...)
        Consecutive rows; a view where nothing had to be converted.

    Raises
    ------
    ValueError
        If a number is too large for float32.
    """
    step = max(1, PIECE_VALUES // max(1, math.prod(rows.X.shape[1:])))
    for start in range(0, len(rows), step):
        yield _convert(rows.take(slice(start, start + step)), dtype)


def _convert(X, dtype):
    if sparse.issparse(X):
        X = X.toarray()
    if X.dtype == dtype:
        # torch would warn of an array that it cannot write to.
        return np.require(X, requirements=["C", "W"])
    with np.errstate(over="ignore"):
        converted = X.astype(dtype, order="C")
    if X.dtype == np.float64 and not np.isfinite(converted).all():
        raise ValueError(
            "X holds numbers too large for float32, the precision that networks are "
            "trained in. Scale the columns first, for example with StandardScaler."
        )
    return converted


class ArrayBatches:
    """Batches gathered from arrays.

    Parameters
    ----------
    parts : dict of str to :class:`domadapt.domains.arguments.Rows`
        Rows of each part of a batch, dense or sparse, in their order.
    device : torch.device
        Where batches are wanted.
    dtype : torch.dtype
        In what floating point.

    Attributes
    ----------
    n_rows : dict of str to int
        Rows of each part.
    sample_shape : tuple of int
        Shape of one row.
    """

    def __init__(self, parts, device, dtype):
        self.rows = [
            SparseRows(rows, NUMPY_DTYPES[dtype])
            if sparse.issparse(rows.X)
            else DenseRows(rows, device, NUMPY_DTYPES[dtype])
            for rows in parts.values()
        ]
        self.n_rows = {part: len(rows) for part, rows in parts.items()}
        self.sample_shape = tuple(next(iter(parts.values())).X.shape[1:])
        self.inputs = torch.empty(0, device=device, dtype=dtype)

    def gather(self, index):
        """Gather one batch.

        Parameters
        ----------
        index : list of Tensor of shape (n,), int64
            Rows of each part.

        Returns
        -------
        inputs : Tensor of shape (n, ...)
            In the order of the parts; images in channels-last order in memory. It is overwritten
            by the next batch.
        """
        sizes = [len(rows) for rows in index]
        if len(self.inputs) != sum(sizes):
            self.inputs = self.inputs.new_empty((sum(sizes), *_in_memory(self.sample_shape)))
        parts = self.inputs.split(sizes)
        for rows, part_index, out in zip(self.rows, index, parts, strict=True):
            rows.gather(part_index.to(out.device), out=out)
        return self.inputs.movedim(-1, 1) if self.inputs.ndim == 4 else self.inputs

    def epoch(self, index, first_step, first_place=0):
        """Gather batches one after the other.

        Parameters
        ----------
        index : list of Tensor of shape (n_steps, n), int64
            For each part the rows of each step.
        first_step, first_place : int
            Of no use here: nothing is drawn.

        Yields
        ------
        inputs : Tensor of shape (n, ...)
            As :meth:`gather` gives them.
        """
        on_device = [rows.to(self.inputs.device) for rows in index]
        for step in zip(*on_device, strict=True):
            yield self.gather(step)

    def close(self):
        """Do nothing: there is no process to end."""


def _in_memory(shape):
    """Give the order of a row's axes in memory: the channels of an image come last."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else tuple(shape)


class DenseRows:
    """Rows as one tensor, on the device where that has room.

    An array is taken as it stands where it is C-contiguous, writeable and of the right
    dtype, and every row is meant; images with several channels are laid out anew.

    Parameters
    ----------
    rows : :class:`domadapt.domains.arguments.Rows`
        Rows of a dense array.
    device : torch.device
        Where batches are wanted.
    dtype : numpy dtype
        Of the tensor.
    """

    def __init__(self, rows, device, dtype):
        X = rows.X
        as_it_stands = X.flags.c_contiguous and X.flags.writeable and X.dtype == dtype
        if rows.index is not None or not as_it_stands or X.ndim == 4:
            X = np.empty((len(rows), *_in_memory(X.shape[1:])), dtype=dtype)
            start = 0
            for piece in pieces(rows, dtype):
                piece = np.moveaxis(piece, 1, -1) if piece.ndim == 4 else piece
                X[start : start + len(piece)] = piece
                start += len(piece)
        tensor = torch.from_numpy(X)
        self.tensor = tensor.to(device) if _has_room(tensor, device) else tensor

    def gather(self, index, out):
        """Write the rows that an index names into a batch.

        Parameters
        ----------
        index : Tensor of shape (n,), int64
            Which rows, on the device of ``out``.
        out : Tensor of shape (n, ...)
            Where they go; the channels of images come last.
        """
        if self.tensor.device == out.device:
            torch.index_select(self.tensor, 0, index, out=out)
        else:
            out.copy_(self.tensor[index.cpu()])


class SparseRows:
    """Rows of a CSR matrix, made dense batch by batch.

    Parameters
    ----------
    rows : :class:`domadapt.domains.arguments.Rows`
        Rows of a sparse matrix.
    dtype : numpy dtype
        Of the batches.
    """

    def __init__(self, rows, dtype):
        self.rows, self.dtype = rows, dtype

    def gather(self, index, out):
        """Write the rows that an index names into a batch.

        Parameters
        ----------
        index : Tensor of shape (n,), int64
            Which rows.
        out : Tensor of shape (n, n_features)
            Where they go.
        """
        out.copy_(torch.from_numpy(_convert(self.rows.take(index.cpu().numpy()), self.dtype)))


def _has_room(tensor, device):
    """Say whether the device can hold the tensor and keep half its free memory free."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return tensor.nbytes <= free // 2


class EndlessPermutations:
    """Indices 0 to n - 1 in shuffled order, again and again.

    A new permutation starts where the last one ends, in the middle of a batch too, so
    every row is used equally often whatever the batch size.

    Parameters
    ----------
    n_rows : int
        How many rows there are.
    seed : int
        Draws the permutations.
    """

    def __init__(self, n_rows, seed):
        self.n_rows = n_rows
        self.generator = torch.Generator().manual_seed(seed)
        self.left = torch.empty(0, dtype=torch.int64)

    def take(self, n_batches, batch_size):
        """Draw the indices of some batches.

        Parameters
        ----------
        n_batches, batch_size : int
            How many batches of how many rows.

        Returns
        -------
        index : Tensor of shape (n_batches, batch_size), int64
            The rows of each batch, on the CPU.
        """
        wanted = n_batches * batch_size
        n_permutations = math.ceil(max(0, wanted - len(self.left)) / self.n_rows)
        fresh = [
            torch.randperm(self.n_rows, generator=self.generator) for _ in range(n_permutations)
        ]
        stream = torch.cat([self.left, *fresh])
        self.left = stream[wanted:]
        return stream[:wanted].reshape(n_batches, batch_size)

    def state(self):
        """Give what it takes to go on from here.

        Returns
        -------
        state : dict of str to Tensor
            For :meth:`restore`.
        """
        return {"generator": self.generator.get_state(), "left": self.left}

    def restore(self, state):
        """Go on from where another one stood.

        Parameters
        ----------
        state : dict of str to Tensor
            What its :meth:`state` gave.
        """
        self.generator.set_state(state["generator"])
        self.left = state["left"]
