"""Adaptive feature norm: features of both domains that grow step by step."""

import torch
from torch import nn


class AFN(nn.Module):
    r"""Squared distance of each row's norm from a little more than that norm.

    .. math::
        \frac1{n_s + n_t} \sum_i \bigl(\overline{\|f_i\|} + \Delta - \|f_i\|\bigr)^2

    over the rows of both domains, the bar taking its norm as given. Each step so draws
    every row outwards by the same pull. Target rows tend to have short features, which a
    classifier tells apart badly.

    Parameters
    ----------
    step_size : float, default=1.0
        By how much :math:`\Delta` a norm is to grow. The pull is proportional to it.

    Notes
    -----
    The loss is :math:`\Delta^2` at every batch: what it has to say is in its gradient,
    :math:`-2 \Delta / (n_s + n_t)` times the row at length 1. A row of zeros has no
    direction and stays where it is. The weight decay of the optimizer is what ends the
    growth.

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

    # What an estimator multiplies the loss by unless told otherwise. The usual 0.05 is
    # for the sum of a mean over the source and one over the target.
    default_weight = 1.0

    def __init__(self, *, step_size=1.0):
        super().__init__()
        if not 0.0 < step_size < float("inf"):
            raise ValueError(f"step_size={step_size!r} must be a finite number above 0.")
        self.step_size = step_size

    def forward(self, source_features, target_features):
        """Pull the rows of two batches outwards.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Rows of the source.
        target_features : Tensor of shape (n_target, d)
            Rows of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The square of ``step_size``, up to rounding.
        """
        features = torch.cat([source_features, target_features])
        # The gradient at a row of zeros is zero: torch takes that one out of the many.
        norms = torch.linalg.vector_norm(features, dim=1)
        # This difference first: a long norm would swallow a short step.
        return (norms.detach() - norms + self.step_size).square().mean()

    def extra_repr(self):
        """Name the settings, for ``repr``."""
        return f"step_size={self.step_size}"
