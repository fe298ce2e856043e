"""Rows of any kind, arrays or photographs, as what a network takes."""

import numpy as np
import torch

from domadapt.domains import Rows
from domadapt.training.batches import NUMPY_DTYPES, ArrayBatches, pieces
from domadapt.training.images import ImageBatches

# Matrix products of very few rows are rounded in another way than those of many. Filled
# up to this number, a row gets the same prediction alone as among others.
FEWEST_ROWS = 8


def make_batches(parts, loader, device, dtype, seed):
    """Make rows ready for training.

    Parameters
    ----------
    parts : dict of str to :class:`domadapt.domains.Rows`
        Arrays or paths of images for each part of a batch, in their order.
    loader : ImageLoader
        How images become batches.
    device : torch.device
        Where batches are wanted.
    dtype : torch.dtype
        In what floating point.
    seed : int
        Draws the transforms of images.

    Returns
    -------
    batches : ArrayBatches or ImageBatches
        Of all parts.
    """
    if not next(iter(parts.values())).are_paths:
        return ArrayBatches(parts, device, dtype)
    paths = {part: rows.take(slice(None)) for part, rows in parts.items()}
    return ImageBatches(paths, loader, device, dtype, seed)


@torch.inference_mode()
def run_over(function, rows, loader, device, dtype):
    """Apply a function to rows, piece by piece.

    Parameters
    ----------
    function : callable
        Maps a tensor of rows to a tensor with as many.
    rows : :class:`domadapt.domains.Rows`
        Arrays or paths of images.
    loader : ImageLoader
        How images become batches.
    device : torch.device
        Where the function works.
    dtype : torch.dtype
        In what floating point.

    Returns
    -------
    outputs : ndarray of shape (len(rows), ...)
        What it returned.
    """
    inputs = stream_rows(rows, loader, device, dtype)
    return np.concatenate([_run(function, batch, device) for batch in inputs])


def take_sample(rows, loader, device, dtype):
    """Give two rows, to see by them what a network is to take.

    Parameters
    ----------
    rows : :class:`domadapt.domains.Rows`
        Arrays or paths of images.
    loader : ImageLoader
        How images become batches.
    device : torch.device
        Where they are wanted.
    dtype : torch.dtype
        In what floating point.

    Returns
    -------
    sample : Tensor of shape (2, ...)
        As in prediction.
    """
    first = Rows(rows.take(slice(0, 2)))
    return next(iter(stream_rows(first, loader, device, dtype))).to(device)


def stream_rows(rows, loader, device, dtype):
    """Give rows piece by piece, as in prediction.

    Parameters
    ----------
    rows : :class:`domadapt.domains.Rows`
        Arrays or paths of images.
    loader : ImageLoader
        How images become batches.
    device : torch.device
        Where they are wanted; arrays are yet to be moved there.
    dtype : torch.dtype
        In what floating point.

    Returns
    -------
    pieces : iterator of Tensor of shape (n, ...)
        Consecutive rows.
    """
    if rows.are_paths:
        return loader.stream(rows.take(slice(None)), device, dtype)
    return (torch.from_numpy(piece) for piece in pieces(rows, NUMPY_DTYPES[dtype]))


def _run(function, batch, device):
    n_rows = len(batch)
    if n_rows < FEWEST_ROWS:
        batch = batch[torch.arange(FEWEST_ROWS) % n_rows]
    if batch.ndim == 4:
        batch = batch.contiguous(memory_format=torch.channels_last)
    return function(batch.to(device))[:n_rows].cpu().numpy()
