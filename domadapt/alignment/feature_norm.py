"""Adaptive feature norm: features of both domains that grow step by step."""

import torch

from domadapt.alignment.protocol import Criterion, check_positive


class AFN(Criterion):
    r"""Squared distance of each sample's norm from a little more than that norm.

    .. math::
        \frac1{n_s + n_t} \sum_i \bigl(\overline{\|f_i\|} + \Delta - \|f_i\|\bigr)^2

    over the samples of both domains, the bar taking its norm as given. Each step so draws
    every sample outwards by the same pull. Target samples tend to have short features, which a
    classifier tells apart badly.

    Parameters
    ----------
    step_size : float, default=1.0
        By how much :math:`\Delta` a norm is to grow. The pull is proportional to it.

    Notes
    -----
    The loss is :math:`\Delta^2` at every mini-batch: what it has to say is in its gradient,
    :math:`-2 \Delta / (n_s + n_t)` times the sample at length 1. A sample of zeros has no
    direction and stays where it is. The weight decay of the optimizer is what ends the
    growth.

    The usual weight, 0.05, is for the sum of a mean over the source and one over the target.

    References
    ----------
    Xu, Li, Yang, Lin (2019). "Larger norm more transferable: an adaptive feature norm
    approach for unsupervised domain adaptation". ICCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import AFN
    >>> source = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> AFN()(source, torch.zeros(1, 2)).backward()
    >>> source.grad
    tensor([[-0.6000, -0.8000]])
    """

    def __init__(self, *, step_size: float = 1.0) -> None:
        super().__init__()
        check_positive(step_size=step_size)
        self.step_size = step_size

    def forward(self, source_features, target_features):
        """Pull the samples of two mini-batches outwards.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The square of ``step_size``, up to rounding.
        """
        features = torch.cat([source_features, target_features])
        # The gradient at a sample of zeros is zero: torch takes that one out of the many.
        norms = torch.linalg.vector_norm(features, dim=1)
        # This difference first: a long norm would swallow a short step.
        return (norms.detach() - norms + self.step_size).square().mean()
