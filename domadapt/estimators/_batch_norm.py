"""Statistics of batch normalisation taken anew from a target."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from domadapt.nn.layers import SplitBatchNorm, extract_features, is_frozen, one_domain


@torch.no_grad()
def adapt_batch_norm(feature_extractor, samples, reader):
    """Replace running statistics of batch normalisation by those of samples, in place.

    Torch's own function for this would also switch dropout on, and the statistics would
    be those of other features than prediction has. Layers that take no gradient stay.

    Raises
    ------
    ValueError
        If there is no such layer, or only one sample.
    """
    layers = _layers(feature_extractor)
    if not layers:
        raise ValueError(
            "alignment='batch_norm' needs batch normalisation, and the network has none that is "
            "trained. Fit with batch_norm='per_domain', or use alignment='shot'."
        )
    if len(samples) < 2:
        raise ValueError("X_target has 1 sample, which has no variance. At least 2 were expected.")
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.reset_running_stats()
            # Without a momentum, statistics are the mean over all batches.
            layer.momentum = None
            layer.train()
        with one_domain(feature_extractor):
            for batch in reader.stream(samples):
                if len(batch) > 1:
                    extract_features(feature_extractor, batch, reader.precision)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        feature_extractor.eval()


def _layers(module):
    """Return the layers whose statistics prediction uses."""
    unused = {id(m.first) for m in module.modules() if isinstance(m, SplitBatchNorm)}
    return [
        m
        for m in module.modules()
        if isinstance(m, _BatchNorm)
        and m.track_running_stats
        and not is_frozen(m)
        and id(m) not in unused
    ]
