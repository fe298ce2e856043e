"""Minimum class confusion: target samples that a classifier shares out between classes."""

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_positive

# A class of less mass than this counts as one without any; its inverse is a float32.
SMALLEST_MASS = 1e-30


class MCC(Criterion):
    r"""Share of each class's predictions that goes to other classes.

    With :math:`p_i` the softmax of sample i's logits divided by a temperature, and weights
    :math:`w_i = 1 + e^{-H(p_i)}` that trust a sample the more the lower its entropy H is,
    the class correlation and the loss are

    .. math::
        C_{jk} = \sum_i w_i \, p_{ij} \, p_{ik}, \qquad
        \frac1K \sum_{j} \sum_{k \ne j} \frac{C_{jk}}{\sum_l C_{jl}} .

    Parameters
    ----------
    temperature : float, default=2.5
        Divides the logits. Above 1 it takes away from the certainty of a network that
        is surer than it is right.

    Notes
    -----
    Only the diagonal of C is needed: a row of C has the sum
    :math:`\sum_i w_i \, p_{ij}`, because the predictions of a sample add up to
    1. A class without any mass contributes nothing. No gradient flows through the weights,
    and their scale cancels.

    References
    ----------
    Jin, Wang, Long, Wang (2020). "Minimum class confusion for versatile domain
    adaptation". ECCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import MCC
    >>> MCC()(torch.zeros(4, 2))
    tensor(0.5000)
    >>> MCC()(1000.0 * torch.eye(2)).item()
    0.0
    """

    default_weight = 4.0
    takes_stacks = True

    def __init__(self, *, temperature: float = 2.5) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        self.temperature = temperature

    def forward(self, target_logits):
        """Measure the confusion in a mini-batch.

        Parameters
        ----------
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of target samples.

        Returns
        -------
        loss : Tensor of shape ()
            The confusion: 0 where every prediction is certain, 1 - 1 / n_classes where
            every one is uniform.
        """
        log_p = F.log_softmax(target_logits / self.temperature, dim=-1)
        p = log_p.exp()
        weighted = p * _row_weights(p.detach(), log_p.detach())
        mass = weighted.sum(-2)
        confused = (weighted * (1.0 - p)).sum(-2)
        return (confused / mass.clamp_min(SMALLEST_MASS)).mean(-1)


def _row_weights(p, log_p):
    """Return one plus the exponential of minus the entropy, as a column."""
    return torch.exp((p * log_p).sum(-1, keepdim=True)) + 1.0
