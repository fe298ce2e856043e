"""What discriminators of domains share: an output for them, and a fair cross-entropy."""

import functools

import torch
import torch.nn.functional as F
from torch import nn


def n_outputs_for(n_sources):
    """Give the outputs of a discriminator.

    Parameters
    ----------
    n_sources : int
        How many sources there are.

    Returns
    -------
    n_outputs : int
        One tells a source from the target; several sources take one each, and the target one.
    """
    return 1 if n_sources == 1 else n_sources + 1


def domain_logits(discriminator, rows, source_domains):
    """Run a discriminator that has one output, or one for each of several sources and the target.

    Parameters
    ----------
    discriminator : nn.Sequential
        Ends in a linear layer; a lazy one takes its size here.
    rows : Tensor of shape (n, d)
        What it sees.
    source_domains : Tensor of shape (n_source, n_sources), or None
        One-hot sources of the source rows; None for one source.

    Returns
    -------
    logits : Tensor of shape (n, 1) or (n, n_sources + 1)
        High in the one column for the source; else high in the column of the domain, the
        target's being the last.

    Raises
    ------
    ValueError
        If the discriminator was made for another number of sources.
    """
    last, n_sources = discriminator[-1], _n_sources(source_domains)
    n_outputs = n_outputs_for(n_sources)
    is_sized = not isinstance(last.weight, nn.parameter.UninitializedParameter)
    if is_sized and len(last.weight) != n_outputs:
        raise ValueError(
            f"source_domains came for {n_sources} source(s), and the discriminator has "
            f"{len(last.weight)} output(s) where {n_outputs} were expected. Use a new criterion: "
            f"with in_features it takes n_sources={n_sources} too, without it the first batch "
            "decides."
        )
    # The last layer reads this when it takes its size, at the first batch.
    last.out_features = n_outputs
    return discriminator(rows)


def domain_cross_entropy(logits, n_source, source_domains, trust=None):
    """Compare logits with the domains, each domain counting alike.

    Parameters
    ----------
    logits : Tensor of shape (n_source + n_target, n_outputs)
        Output of ``domain_logits``.
    n_source : int
        Rows that are source; they come first.
    source_domains : Tensor of shape (n_source, n_sources), or None
        As for ``domain_logits``.
    trust : Tensor of shape (n_source + n_target,), or None
        How much rows count beside the others of their domain, at least 1; None for all alike.

    Returns
    -------
    loss : Tensor of shape ()
        The cross-entropy in nats. A source that is absent from the batch counts nothing.
    """
    if _n_sources(source_domains) > 1:
        return _of_several_sources(logits, source_domains, trust)
    is_source, weight = two_domains(n_source, len(logits) - n_source, logits.dtype, logits.device)
    if trust is not None:
        parts = trust[:n_source], trust[n_source:]
        weight = weight * torch.cat([part / part.mean() for part in parts])
    logits = logits.squeeze(1)
    return F.binary_cross_entropy_with_logits(logits, is_source, weight, reduction="sum")


def _n_sources(source_domains):
    return 1 if source_domains is None else source_domains.shape[1]


def _of_several_sources(logits, source_domains, trust):
    """Give the softmax cross-entropy in which rows of each domain have weights of equal sum."""
    n_domains = logits.shape[1]
    is_from = torch.zeros_like(logits)
    is_from[: len(source_domains), :-1] = source_domains
    is_from[len(source_domains) :, -1] = 1.0
    counts = is_from if trust is None else is_from * trust[:, None]
    # A row counts at least 1, so the clamp changes nothing but the 0 of an absent source.
    weight = counts / (counts.sum(0).clamp_min(1.0) * n_domains)
    return -(weight * F.log_softmax(logits, dim=1)).sum()


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def two_domains(n_source, n_target, dtype, device):
    """Give the domain of each row, and weights by which both domains count one half.

    Parameters
    ----------
    n_source, n_target : int
        Rows of each domain.
    dtype : torch.dtype
        Of the result.
    device : torch.device
        Of the result.

    Returns
    -------
    is_source, weight : Tensor of shape (n_source + n_target,)
        Kept for the next call: do not write into them.
    """
    is_source = torch.zeros(n_source + n_target, dtype=dtype, device=device)
    is_source[:n_source] = 1.0
    weight = torch.full_like(is_source, 0.5 / n_target)
    weight[:n_source] = 0.5 / n_source
    return is_source, weight
