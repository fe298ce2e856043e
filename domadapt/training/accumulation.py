"""Features of a large mini-batch in the memory of a small one: part by part, each run twice."""

import contextlib
import functools

import torch
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
            _features,
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


def _features(feature_extractor, part, precision):
    # A backbone may write into its input, of which the second run needs what came.
    return extract_features(feature_extractor, part.clone(), precision)


def _contexts(module):
    """Return in what a part is run, and in what it is run again."""
    return contextlib.nullcontext(), _Again(module)


class _Again:
    """Where a module runs as it is about to now, and leaves its buffers as they are by then.

    Random numbers come again, and buffers, such as running statistics, have the values of now.
    It may be entered several times, as where a gradient is taken more than once.

    Parameters
    ----------
    module : nn.Module
        What is run.
    """

    def __init__(self, module):
        self.draws = drawn_again()
        self.places = [
            (layer._buffers, name, buffer)
            for layer in module.modules()
            for name, buffer in layer._buffers.items()
            if buffer is not None
        ]
        # One tensor may be a buffer of several layers.
        self.values = {buffer: buffer.clone() for _, _, buffer in self.places}

    def __enter__(self):
        self.left = contextlib.ExitStack()
        self.left.enter_context(self.draws())
        copies = {buffer: value.clone() for buffer, value in self.values.items()}
        for buffers, name, buffer in self.places:
            self.left.callback(buffers.__setitem__, name, buffers[name])
            buffers[name] = copies[buffer]

    def __exit__(self, *error):
        self.left.close()
