"""Alignment by a discriminator that a reversed gradient works against."""

import functools

import torch
import torch.nn.functional as F
from torch import nn

from domadapt.nn.gradient_reversal import GradientReversal
from domadapt.nn.heads import mlp_head


class DomainAdversarial(nn.Module):
    r"""A discriminator tells the domains apart; a reversed gradient works against it.

    The loss is the cross-entropy of the discriminator's logits, both domains counting
    alike however many rows each has. The discriminator descends it; through a gradient
    reversal the feature extractor ascends it.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the discriminator, with ReLU between.
    in_features : int or None, default=None
        Columns of the features. None sizes the layers at the first batch, as
        torch's lazy modules do: send one batch through before handing the parameters
        to an optimizer.

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

    def __init__(self, *, hidden_layer_sizes=(256,), in_features=None):
        super().__init__()
        self.reversal = GradientReversal()
        self.discriminator = mlp_head(1, hidden_layer_sizes, in_features=in_features)

    def forward(self, source_features, target_features):
        """Compare two batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Rows of the source.
        target_features : Tensor of shape (n_target, d)
            Rows of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The discriminator's cross-entropy in nats: ln 2 where it cannot tell.
        """
        features = torch.cat([source_features, target_features])
        logits = self.discriminator(self.reversal(features)).squeeze(1)
        is_source, weight = _domains(
            len(source_features), len(target_features), logits.dtype, logits.device
        )
        return F.binary_cross_entropy_with_logits(logits, is_source, weight, reduction="sum")


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def _domains(n_source, n_target, dtype, device):
    """Give the domain of each row, and weights by which both domains count one half."""
    is_source = torch.zeros(n_source + n_target, dtype=dtype, device=device)
    is_source[:n_source] = 1.0
    weight = torch.full_like(is_source, 0.5 / n_target)
    weight[:n_source] = 0.5 / n_source
    return is_source, weight
