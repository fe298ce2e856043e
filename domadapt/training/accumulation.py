"""Features of a large mini-batch in the memory of a small one: part by part, each run twice."""

import contextlib
import functools

import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from domadapt.nn.layers import extract_features
from domadapt.nn.random_numbers import drawn_again


def accumulate_features(feature_extractor, inputs, precision, sizes, n_parts):
    """Return the features of a mini-batch, of which one part at a time is held in memory.

    Each part has the same share of every domain. It is run without what its backward pass needs,
    and again when that pass comes to it: the whole mini-batch has features and a gradient, and
    layers in between hold one part. Batch normalisation takes its statistics from each part, and
    notes them once.

    Parameters
    ----------
    feature_extractor : nn.Module
        Maps inputs to features.
    inputs : Tensor of shape (sum of sizes, ...)
        The mini-batch, domain after domain.
    precision : torch.dtype
        As in :func:`domadapt.nn.layers.extract_features`.
    sizes : list of int
        Samples of each domain, which ``n_parts`` divides.
    n_parts : int
        How many parts.

    Returns
    -------
    features : Tensor of shape (sum of sizes, d)
        In the order of the inputs.
    """
    shares = zip(*(samples.chunk(n_parts) for samples in inputs.split(sizes)), strict=True)
    features = [
        checkpoint(
            extract_features,
            feature_extractor,
            torch.cat(share),
            precision,
            use_reentrant=False,
            context_fn=functools.partial(_contexts, feature_extractor),
        )
        for share in shares
    ]
    own = [size // n_parts for size in sizes]
    by_domain = zip(*(rows.split(own) for rows in features), strict=True)
    return torch.cat([rows for domain in by_domain for rows in domain])


def _contexts(module):
    """Return in what a part is run, and in what it is run again."""
    return contextlib.nullcontext(), _again(module, drawn_again())


@contextlib.contextmanager
def _again(module, draws):
    """Draw what was drawn before, and leave running statistics as they are, inside."""
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    counts = [m.num_batches_tracked for m in layers if m.num_batches_tracked is not None]
    before = [count.clone() for count in counts]
    for layer in layers:
        layer.momentum = 0.0
    try:
        with draws:
            yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for count, value in zip(counts, before, strict=True):
            count.copy_(value)
