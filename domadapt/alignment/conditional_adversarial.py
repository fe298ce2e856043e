"""Alignment by a discriminator that sees features together with the predicted classes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from domadapt.alignment.adversarial import domain_cross_entropy, domain_logits
from domadapt.alignment.protocol import Criterion, check_counts
from domadapt.nn.layers import GradientReversal
from domadapt.nn.networks import mlp_head
from domadapt.nn.random_numbers import generator_on

PROJECTIONS = ("feature_projection", "class_projection")


class ConditionalAdversarial(Criterion):
    r"""A discriminator of features and predicted classes; a reversed gradient works against it.

    The discriminator :math:`D` sees the outer product :math:`f \otimes p` of a sample's
    features and its class probabilities, flattened, so that it tells the domains apart
    class by class. The loss is its cross-entropy in which each domain counts one half:

    .. math::
        -\frac12 \sum_i w^s_i \log D(s_i \otimes p^s_i)
        - \frac12 \sum_j w^t_j \log\bigl(1 - D(t_j \otimes p^t_j)\bigr),
        \qquad \sum_i w^s_i = \sum_j w^t_j = 1

    The discriminator descends it; through a gradient reversal the feature extractor
    ascends it. No gradient flows through the probabilities. With k > 1 sources the
    discriminator tells all k + 1 domains apart by a softmax, each counting 1 / (k + 1)
    in place of one half. Where the outer product would be too wide, a product of two random
    projections stands for it,

    .. math:: \frac1{\sqrt m} \, (R_f f) \odot (R_p p)

    with standard normal entries, whose inner products have those of the outer product
    as their mean. The projections are drawn at the first mini-batch and then stay.

    All sizes are taken at the first mini-batch, as torch's lazy modules do: send one through
    before passing the parameters to an optimizer.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the discriminator, with ReLU between.
    entropy : bool, default=True
        Weigh samples by :math:`1 + \exp(-H(p))`, H the entropy in nats, so that those of
        a sure class count up to twice as much as the others (CDAN+E); else all alike (CDAN).
    max_product : int, default=512
        The outer product is used as long as it has no more columns than this: features
        times classes.
    n_random : int, default=256
        Columns :math:`m` of the random projections.

    Attributes
    ----------
    discriminator : nn.Sequential
        Maps products to one logit, positive for the source; with several sources, to one
        for each of them and, last, one for the target.
    product : nn.Module
        Maps features and probabilities to their product; the projections are its buffers.

    Raises
    ------
    ValueError
        If ``max_product`` is negative or ``n_random`` is below 1.

    References
    ----------
    Long, Cao, Wang, Jordan (2018). "Conditional adversarial domain adaptation". NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import ConditionalAdversarial
    >>> criterion = ConditionalAdversarial()
    >>> loss = criterion(torch.zeros(4, 3), torch.ones(2, 3), torch.ones(4, 5), torch.ones(2, 5))
    >>> loss.shape, criterion.discriminator[0].in_features
    (torch.Size([]), 15)
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        entropy: bool = True,
        max_product: int = 512,
        n_random: int = 256,
    ) -> None:
        super().__init__()
        if max_product < 0:
            raise ValueError(
                f"max_product={max_product!r} must be an integer of at least 0; with 0 the "
                "random projections are always used."
            )
        check_counts(n_random=n_random)
        self.hidden_layer_sizes, self.entropy = hidden_layer_sizes, entropy
        self.max_product, self.n_random = max_product, n_random
        self.reversal = GradientReversal()
        self.product = _Product(max_product, n_random)
        self.discriminator = mlp_head(1, hidden_layer_sizes)

    def forward(
        self, source_features, target_features, source_logits, target_logits, source_domains=None
    ):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_logits : Tensor of shape (n_source, n_classes)
            The classifier's logits of the source samples.
        target_logits : Tensor of shape (n_target, n_classes)
            The classifier's logits of the target samples.
        source_domains : Tensor of shape (n_source, n_sources), or None
            Which source each source sample is from, one-hot; None where there is one
            source. A source without samples in the mini-batch counts nothing.

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
        features = self.reversal(torch.cat([source_features, target_features]))
        log_classes = F.log_softmax(torch.cat([source_logits, target_logits]).detach(), dim=1)
        classes = log_classes.exp()
        product = self.product(features, classes)
        logits = domain_logits(self.discriminator, product, source_domains)
        certainty = _certainty(classes, log_classes) if self.entropy else None
        return domain_cross_entropy(logits, len(source_features), source_domains, certainty)


def _certainty(classes, log_classes):
    """Return 1 + exp(-H) of each sample."""
    # Log-probabilities of a log-softmax are finite, so 0 log 0 comes out as 0.
    return 1.0 + (classes * log_classes).sum(1).exp()


class _Product(nn.Module):
    """Outer product of the rows of two matrices, or random projections in its place."""

    feature_projection: torch.Tensor
    class_projection: torch.Tensor

    def __init__(self, max_product, n_random):
        super().__init__()
        self.max_product, self.n_random = max_product, n_random
        # Empty until the first mini-batch, and for good where the outer product is used.
        for name in PROJECTIONS:
            self.register_buffer(name, torch.empty(0, n_random))

    def forward(self, features, classes):
        if features.shape[1] * classes.shape[1] <= self.max_product:
            return (features[:, :, None] * classes[:, None, :]).flatten(1)
        if len(self.feature_projection) == 0:
            self._draw(features.shape[1], classes.shape[1])
        scaled = (classes @ self.class_projection) * self.n_random**-0.5
        return (features @ self.feature_projection) * scaled

    @torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
    def _draw(self, *n_rows):
        for name, n in zip(PROJECTIONS, n_rows, strict=True):
            empty = getattr(self, name)
            drawn = empty.new_empty(n, self.n_random).normal_(generator=generator_on(empty.device))
            setattr(self, name, drawn)

    def _load_from_state_dict(self, state_dict, prefix, *others):
        # Before the first mini-batch the projections have no size: they take that of the saved.
        for name in PROJECTIONS:
            own, saved = getattr(self, name), state_dict.get(prefix + name)
            if len(own) == 0 and saved is not None:
                setattr(self, name, own.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *others)
