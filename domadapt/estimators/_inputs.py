"""Rows of any kind, arrays or photographs, as what a network takes."""

import numpy as np
import torch

from domadapt.domains import Rows
from domadapt.training.batches import NUMPY_DTYPES, ArrayBatches, pieces
from domadapt.training.images import ImageBatches

# Matrix products of very few rows are rounded in another way than those of many. Filled
# up to this number, a row gets the same prediction alone as among others.
FEWEST_ROWS = 8


def make_batches(source, target, loader, device, dtype, seed):
    """Make the rows of both domains ready for training.

    Parameters
    ----------
    source, target : :class:`domadapt.domains.Rows`
        Arrays or paths of images; ``target`` is None without a target.
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
        Of both domains.
    """
    if not source.are_paths:
        return ArrayBatches(source, target, device, dtype)
    source, target = (rows and rows.take(slice(None)) for rows in (source, target))
    return ImageBatches(source, target, loader, device, dtype, seed)


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
    inputs = _stream(rows, loader, device, dtype)
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
    return next(iter(_stream(first, loader, device, dtype))).to(device)


def _stream(rows, loader, device, dtype):
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
