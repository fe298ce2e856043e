"""Alignment by a discriminator of domains that a reversed gradient works against."""

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from domadapt.alignment.protocol import Criterion, check_counts
from domadapt.nn.layers import GradientReversal
from domadapt.nn.networks import mlp_head


class DomainAdversarial(Criterion):
    r"""A discriminator tells the domains apart; a reversed gradient works against it.

    The loss is the cross-entropy of the discriminator's logits, both domains counting
    alike however many samples each has. The discriminator descends it; through a gradient
    reversal the feature extractor ascends it.

    With several sources the discriminator tells each of them from the others and from the
    target: a softmax over k sources and the target, each of them counting 1 / (k + 1).
    A source without samples in the mini-batch counts nothing.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the discriminator, with ReLU between.
    in_features : int or None, default=None
        Columns of the features. None sizes the layers at the first mini-batch, as
        torch's lazy modules do: send one through before passing the parameters to an
        optimizer.
    n_sources : int, default=1
        How many sources there are. Read only beside ``in_features``: without it, the
        first mini-batch decides this too.

    Raises
    ------
    ValueError
        If ``n_sources`` is below 1, or the first mini-batch is left to decide it.

    References
    ----------
    Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
    "Domain-adversarial training of neural networks". JMLR 17(59).

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import DomainAdversarial
    >>> criterion = DomainAdversarial()
    >>> loss = criterion(torch.zeros(4, 3), torch.ones(2, 3))
    >>> loss.shape, criterion.discriminator[0].in_features
    (torch.Size([]), 3)
    """

    default_weight = 0.3
    takes_stacks = True

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        in_features: int | None = None,
        n_sources: int = 1,
    ) -> None:
        super().__init__()
        check_counts(n_sources=n_sources)
        if n_sources > 1 and in_features is None:
            raise ValueError(
                f"n_sources={n_sources!r} came without in_features: set both, or neither to "
                "have the layers sized at the first mini-batch."
            )
        self.hidden_layer_sizes, self.in_features = hidden_layer_sizes, in_features
        self.n_sources = n_sources
        self.reversal = GradientReversal()
        n_outputs = _n_outputs_for(n_sources)
        self.discriminator = mlp_head(n_outputs, hidden_layer_sizes, in_features=in_features)

    def forward(self, source_features, target_features, source_domains=None):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_domains : Tensor of shape (n_source, n_sources), or None
            Which source each source sample is from, one-hot; None where there is one source.

        Returns
        -------
        loss : Tensor of shape ()
            The discriminator's cross-entropy in nats: ln 2 where it cannot tell, and
            ln (k + 1) with k > 1 sources, all of them in the mini-batch.

        Raises
        ------
        ValueError
            If the discriminator was made for another number of sources.
        """
        features = self.reversal(torch.cat([source_features, target_features], dim=-2))
        logits = domain_logits(self.discriminator, features, source_domains)
        return domain_cross_entropy(logits, source_features.shape[-2], source_domains)


def domain_logits(discriminator, samples, source_domains):
    """Run a discriminator whose last layer, where lazy, takes its outputs from the sources.

    Its one logit is high for the source. With several sources, of which ``source_domains``
    has one column each, there is a logit for every source and, last, one for the target.
    """
    last, n_sources = discriminator[-1], _n_sources(source_domains)
    n_outputs = _n_outputs_for(n_sources)
    is_sized = not isinstance(last.weight, nn.parameter.UninitializedParameter)
    if is_sized and last.weight.shape[-2] != n_outputs:
        raise ValueError(
            f"source_domains came for {n_sources} source(s), and the discriminator has "
            f"{last.weight.shape[-2]} output(s) where {n_outputs} were expected. Use a new "
            f"criterion: with in_features it takes n_sources={n_sources} too, without it the "
            "first mini-batch decides."
        )
    # The last layer reads this when it takes its size, at the first mini-batch.
    last.out_features = n_outputs
    return discriminator(samples)


def domain_cross_entropy(logits, n_source, source_domains, trust=None):
    """Return the cross-entropy of ``domain_logits`` in nats, each domain counting alike.

    The first ``n_source`` samples are the source's. ``trust``, of at least 1, is how much a
    sample counts beside others of its domain. An absent source counts nothing.
    """
    if _n_sources(source_domains) > 1:
        return _of_several_sources(logits, source_domains, trust)
    n_target = logits.shape[-2] - n_source
    is_source, weight = two_domains(n_source, n_target, logits.dtype, logits.device)
    if trust is not None:
        parts = trust[:n_source], trust[n_source:]
        weight = weight * torch.cat([part / part.mean() for part in parts])
    logits = logits.squeeze(-1)
    losses = F.binary_cross_entropy_with_logits(
        logits, is_source.expand_as(logits), weight, reduction="none"
    )
    return losses.sum(-1)


def call_fixed(module, inputs):
    """Call a module with its parameters held fixed: gradients flow to the inputs alone."""
    fixed = {name: parameter.detach() for name, parameter in module.named_parameters()}
    return functional_call(module, fixed, (inputs,))


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def two_domains(n_source, n_target, dtype, device):
    """Return 1 for source samples and 0 for others, and weights by which both domains count 1/2.

    They are kept for the next call: do not write into them.
    """
    is_source = torch.zeros(n_source + n_target, dtype=dtype, device=device)
    is_source[:n_source] = 1.0
    weight = torch.full_like(is_source, 0.5 / n_target)
    weight[:n_source] = 0.5 / n_source
    return is_source, weight


def _n_sources(source_domains):
    return 1 if source_domains is None else source_domains.shape[-1]


def _n_outputs_for(n_sources):
    """Return one for a single source, else one for each source and one for the target."""
    return 1 if n_sources == 1 else n_sources + 1


def _of_several_sources(logits, source_domains, trust):
    """Return the softmax cross-entropy with weights of equal sum in each domain."""
    n_source, n_domains = source_domains.shape[-2], logits.shape[-1]
    is_from = F.pad(source_domains.to(logits.dtype), (0, 1, 0, logits.shape[-2] - n_source))
    is_from[..., n_source:, -1] = 1.0
    counts = is_from if trust is None else is_from * trust[:, None]
    # A sample counts at least 1, so the clamp changes only the 0 of an absent source.
    weight = counts / (counts.sum(-2, keepdim=True).clamp_min(1.0) * n_domains)
    return -(weight * F.log_softmax(logits, dim=-1)).sum((-2, -1))
