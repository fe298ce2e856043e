"""Alignment by a discriminator that a reversed gradient works against."""

import torch
from torch import nn

from domadapt.alignment._domain_discriminator import (
    domain_cross_entropy,
    domain_logits,
    n_outputs_for,
)
from domadapt.nn.layers import GradientReversal
from domadapt.nn.networks import mlp_head


class DomainAdversarial(nn.Module):
    r"""A discriminator tells the domains apart; a reversed gradient works against it.

    The loss is the cross-entropy of the discriminator's logits, both domains counting
    alike however many rows each has. The discriminator descends it; through a gradient
    reversal the feature extractor ascends it.

    With several sources the discriminator tells each of them from the others and from the
    target: a softmax over k sources and the target, each of them counting 1 / (k + 1).
    A source without rows in the batch counts nothing.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the discriminator, with ReLU between.
    in_features : int or None, default=None
        Columns of the features. None sizes the layers at the first batch, as
        torch's lazy modules do: send one batch through before handing the parameters
        to an optimizer.
    n_sources : int, default=1
        How many sources there are. Read only beside ``in_features``: without it, the
        first batch decides this too.

    Raises
    ------
    ValueError
        If ``n_sources`` is below 1, or the first batch is left to decide it.

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

    # What an estimator multiplies the reversed gradient by unless told otherwise.
    default_weight = 0.3

    def __init__(self, *, hidden_layer_sizes=(256,), in_features=None, n_sources=1):
        super().__init__()
        if n_sources < 1:
            raise ValueError(f"n_sources={n_sources!r} must be an integer of at least 1.")
        if n_sources > 1 and in_features is None:
            raise ValueError(
                f"n_sources={n_sources!r} came without in_features: give both, or neither to "
                "have the layers sized at the first batch."
            )
        self.reversal = GradientReversal()
        n_outputs = n_outputs_for(n_sources)
        self.discriminator = mlp_head(n_outputs, hidden_layer_sizes, in_features=in_features)

    def forward(self, source_features, target_features, source_domains=None):
        """Compare two batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Rows of the source.
        target_features : Tensor of shape (n_target, d)
            Rows of the target.
        source_domains : Tensor of shape (n_source, n_sources), or None
            Which source each source row is from, one-hot; None where there is one source.

        Returns
        -------
        loss : Tensor of shape ()
            The discriminator's cross-entropy in nats: ln 2 where it cannot tell, and
            ln (k + 1) with k > 1 sources, all of them in the batch.

        Raises
        ------
        ValueError
            If the discriminator was made for another number of sources.
        """
        features = self.reversal(torch.cat([source_features, target_features]))
        logits = domain_logits(self.discriminator, features, source_domains)
        return domain_cross_entropy(logits, len(source_features), source_domains)
