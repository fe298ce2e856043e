"""Statistics of batch normalisation taken anew from a target."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from domadapt.inputs.reader import stream_rows
from domadapt.nn import extract_features
from domadapt.nn.layers import SplitBatchNorm, is_frozen, one_domain


@torch.no_grad()
def adapt_batch_norm(feature_extractor, rows, precision, loader, device, dtype):
    """Replace running statistics by those of rows, in place.

    Torch's own function for this would also switch dropout on, and the statistics would
    be those of other features than prediction has.

    Parameters
    ----------
    feature_extractor : nn.Module
        Batch normalisation that takes no gradient in it stays as it is.
    rows : :class:`domadapt.domains.arguments.Rows`
        Arrays or paths of images.
    precision : torch.dtype
        What it computes in.
    loader : ImageLoader
        How images become batches.
    device : torch.device
        Where it is.
    dtype : torch.dtype
        Of its weights.

    Raises
    ------
    ValueError
        If there is no such layer, or only one row.
    """
    layers = _layers(feature_extractor)
    if not layers:
        raise ValueError(
            "alignment='batch_norm' needs batch normalisation, and the network has none that is "
            "trained. Use alignment='shot'."
        )
    if len(rows) < 2:
        raise ValueError("X_target has 1 row, which has no variance. At least 2 were expected.")
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.reset_running_stats()
            # Without a momentum, statistics are the mean over all batches.
            layer.momentum = None
            layer.train()
        with one_domain(feature_extractor):
            for batch in stream_rows(rows, loader, device, dtype):
                if len(batch) > 1:
                    extract_features(feature_extractor, batch.to(device), precision)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        feature_extractor.eval()


def _layers(module):
    """Name the layers whose statistics prediction uses."""
    unused = {id(m.first) for m in module.modules() if isinstance(m, SplitBatchNorm)}
    return [
        m
        for m in module.modules()
        if isinstance(m, _BatchNorm)
        and m.track_running_stats
        and not is_frozen(m)
        and id(m) not in unused
    ]
