"""Alignment of a target extractor with a source extractor that stays as it was."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from domadapt.alignment.adversarial import call_fixed
from domadapt.alignment.protocol import Criterion
from domadapt.nn.networks import mlp_head


class UntiedAdversarial(Criterion):
    r"""Target features become like source features of a frozen copy of the feature extractor.

    .. math::
        -\frac1{2 n_s} \sum_i \log D\bigl(\bar M_s(x^s_i)\bigr)
        - \frac1{2 n_t} \sum_j \log \bigl(1 - D(\bar t_j)\bigr)
        - \frac1{n_t} \sum_j \log \bar D(t_j)

    where :math:`t_j` are the target features, :math:`M_s` is the feature extractor as it
    was at the first mini-batch, D the discriminator's probability of the source, and a bar
    marks what takes no gradient. By the first two terms the discriminator learns to tell
    the domains apart, each counting alike. By the third the target features learn from
    the labels inverted: that pull, unlike a reversed gradient, does not vanish where the
    discriminator is sure.

    It is for a second stage: the feature extractor has been trained on the source and
    from here on serves the target alone, and the classifier is fixed. With a task loss
    beside it, the extractor has to serve both domains.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the discriminator, with ReLU between.
    in_features : int or None, default=None
        Columns of the features. None sizes the layers at the first mini-batch, as
        torch's lazy modules do: send one through before passing the parameters to an
        optimizer.

    Attributes
    ----------
    source_extractor : nn.Module or None
        The frozen copy, in evaluation mode always; None before the first mini-batch. Send one
        through before loading a saved state.
    discriminator : nn.Sequential
        Maps features to one logit, positive for the source.

    References
    ----------
    Tzeng, Hoffman, Saenko, Darrell (2017). "Adversarial discriminative domain
    adaptation". CVPR.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import UntiedAdversarial
    >>> criterion, extractor = UntiedAdversarial(), torch.nn.Linear(3, 2)
    >>> source, target = torch.zeros(4, 3), torch.ones(2, 3)
    >>> loss = criterion(source, extractor(target), extractor)
    >>> loss.backward()
    >>> extractor.weight.grad is None, criterion.source_extractor.weight.grad is None
    (False, True)
    """

    default_weight = 0.1

    source_extractor: nn.Module | None

    def __init__(
        self, *, hidden_layer_sizes: Sequence[int] = (256,), in_features: int | None = None
    ) -> None:
        super().__init__()
        self.hidden_layer_sizes, self.in_features = hidden_layer_sizes, in_features
        self.register_module("source_extractor", None)
        self.discriminator = mlp_head(1, hidden_layer_sizes, in_features=in_features)

    def forward(self, source_inputs, target_features, feature_extractor):
        """Compare target features with the frozen copy's features of the source.

        Parameters
        ----------
        source_inputs : Tensor of shape (n_source, ...)
            Samples of the source, as the feature extractor takes them.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        feature_extractor : nn.Module
            Maps inputs to features. It is copied at the first call and not used after.

        Returns
        -------
        loss : Tensor of shape ()
            The sum of both cross-entropies in nats: 2 ln 2 where the discriminator
            cannot tell.
        """
        if self.source_extractor is None:
            self.source_extractor = _frozen_copy(feature_extractor)
        with torch.no_grad():
            source_features = self.source_extractor(source_inputs)
        # First, since it is this call that sizes lazy layers.
        learning = self.discriminator(torch.cat([source_features, target_features.detach()]))
        inverted = call_fixed(self.discriminator, target_features)
        on_source, on_target = learning.split([len(source_features), len(target_features)])
        # softplus(-z) is -log D and softplus(z) is -log(1 - D), safe at any logit z.
        told_apart = (F.softplus(-on_source).mean() + F.softplus(on_target).mean()) / 2.0
        return told_apart + F.softplus(-inverted).mean()

    def train(self, mode=True):
        """Set the mode of all but the frozen copy.

        Parameters
        ----------
        mode : bool, default=True
            Training mode, or evaluation mode.

        Returns
        -------
        self : UntiedAdversarial
            This module.
        """
        super().train(mode)
        if self.source_extractor is not None:
            self.source_extractor.eval()
        return self


@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def _frozen_copy(module):
    return copy.deepcopy(module).requires_grad_(False).eval()
