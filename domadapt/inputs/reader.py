"""Rows of any kind, arrays or photographs, as what a network takes."""

import numpy as np
import torch

from domadapt.domains.arguments import Rows
from domadapt.inputs.arrays import NUMPY_DTYPES, ArrayBatches, pieces
from domadapt.inputs.images import ImageBatches
from domadapt.nn.layers import extract_features

# Matrix products of very few rows are rounded in another way than those of many. Filled
# up to this number, a row gets the same prediction alone as among others.
FEWEST_ROWS = 8


def make_batches(parts, loader, device, dtype, seed):
    """Make rows ready for training.

    Parameters
    ----------
    parts : dict of str to :class:`domadapt.domains.arguments.Rows`
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


def parts_of(source, target, known):
    """Name the parts of a batch, in their order.

    Parameters
    ----------
    source, target : :class:`domadapt.domains.arguments.Rows`
        Rows of each domain; ``target`` is None without a target.
    known : ndarray of shape (n_known,), int64, or None
        Positions of the target rows that are labelled.

    Returns
    -------
    parts : dict of str to :class:`domadapt.domains.arguments.Rows`
        ``"source"``, ``"labelled"`` and ``"target"``, where they are there.
    """
    parts = {"source": source}
    if known is not None:
        parts["labelled"] = target.subset(known)
    if target is not None:
        parts["target"] = target
    return parts


def leave_out_unreadable(domains, loader):
    """Drop images that cannot be read, where the loader is to skip them.

    Parameters
    ----------
    domains : Domains
        Of paths.
    loader : ImageLoader
        It says whether to skip them.

    Returns
    -------
    domains : Domains
        The rows that stay.
    n_skipped : int
        How many do not.

    Raises
    ------
    ValueError
        If no image of a domain can be read.
    """
    if loader.unreadable == "raise":
        return domains, 0
    readable = {
        name: _find_readable(rows.take(slice(None)), loader)
        for name, rows in (("source", domains.source), ("target", domains.target))
        if rows is not None
    }
    return domains.keep(**readable), sum(int((~found).sum()) for found in readable.values())


def _find_readable(paths, loader):
    readable = loader.find_readable(paths)
    if not readable.any():
        raise ValueError(
            f"None of the {len(paths)} images of a domain can be read, such as {paths[0]!r}."
        )
    return readable


def features_and_outputs(network, rows, precision, loader, device, dtype):
    """Compute features and outputs of rows as a network is now.

    Parameters
    ----------
    network : FeatureClassifier
        In evaluation mode.
    rows : :class:`domadapt.domains.arguments.Rows`
        Arrays or paths of images.
    precision : torch.dtype
        What its feature extractor computes in.
    loader : ImageLoader
        How images become batches.
    device : torch.device
        Where it is.
    dtype : torch.dtype
        Of its weights.

    Returns
    -------
    features : Tensor of shape (len(rows), d)
        On the device.
    outputs : Tensor of shape (len(rows), n_outputs)
        Logits or values.
    """

    def both(batch):
        features = extract_features(network.feature_extractor, batch, precision)
        return torch.cat([features, network.classifier(features)], dim=1)

    values = torch.from_numpy(run_over(both, rows, loader, device, dtype)).to(device)
    n_features = network.classifier[0].in_features
    return values[:, :n_features], values[:, n_features:]


@torch.inference_mode()
def run_over(function, rows, loader, device, dtype):
    """Apply a function to rows, piece by piece.

    Parameters
    ----------
    function : callable
        Maps a tensor of rows to a tensor with as many.
    rows : :class:`domadapt.domains.arguments.Rows`
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
    rows : :class:`domadapt.domains.arguments.Rows`
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
    rows : :class:`domadapt.domains.arguments.Rows`
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
