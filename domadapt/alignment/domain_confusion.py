"""Alignment by features that leave a discriminator undecided."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from domadapt.alignment.adversarial import call_fixed, two_domains
from domadapt.alignment.protocol import Criterion
from domadapt.nn.networks import mlp_head


class DomainConfusion(Criterion):
    r"""A discriminator learns the domains; the features are pulled to where it is undecided.

    .. math::
        -\sum_x w_x \log q_{d(x)}(\bar x) \; - \; \sum_x w_x \,
        \frac12 \sum_{d} \log \bar q_d(x)

    where :math:`q_d(x)` is the discriminator's probability of domain :math:`d`,
    :math:`d(x)` the domain that a sample is from, and a bar marks what takes no gradient.
    The weights :math:`w` add up to one half in each domain. In the first term the
    discriminator learns from features that are held fixed. In the second, a
    cross-entropy to the uniform distribution, the features learn from a discriminator
    that is held fixed. Unlike a reversed gradient, this pull does not vanish where the
    discriminator is sure, and it ends where the discriminator is undecided.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the discriminator, with ReLU between.
    in_features : int or None, default=None
        Columns of the features. None sizes the layers at the first mini-batch, as
        torch's lazy modules do: send one through before passing the parameters to an
        optimizer.

    References
    ----------
    Tzeng, Hoffman, Zhang, Saenko, Darrell (2014). "Deep domain confusion: maximizing for
    domain invariance". arXiv:1412.3474.

    Tzeng, Hoffman, Darrell, Saenko (2015). "Simultaneous deep transfer across domains
    and tasks". ICCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import DomainConfusion
    >>> criterion = DomainConfusion()
    >>> loss = criterion(torch.zeros(4, 3), torch.ones(2, 3))
    >>> loss.shape, criterion.discriminator[0].in_features
    (torch.Size([]), 3)
    """

    def __init__(
        self, *, hidden_layer_sizes: Sequence[int] = (256,), in_features: int | None = None
    ) -> None:
        super().__init__()
        self.hidden_layer_sizes, self.in_features = hidden_layer_sizes, in_features
        self.discriminator = mlp_head(1, hidden_layer_sizes, in_features=in_features)

    def forward(self, source_features, target_features):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The sum of both cross-entropies in nats: 2 ln 2 where the discriminator
            cannot tell. The second is never below ln 2.
        """
        features = torch.cat([source_features, target_features])
        # First, since it is this call that sizes lazy layers.
        learning = self.discriminator(features.detach()).squeeze(1)
        confused = call_fixed(self.discriminator, features).squeeze(1)
        is_source, weight = two_domains(
            len(source_features), len(target_features), learning.dtype, learning.device
        )
        return _cross_entropy(learning, is_source, weight) + _cross_entropy(
            confused, torch.full_like(is_source, 0.5), weight
        )


def _cross_entropy(logits, is_source, weight):
    return F.binary_cross_entropy_with_logits(logits, is_source, weight, reduction="sum")
