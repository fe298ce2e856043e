"""Maximum mean discrepancy of features and predictions together."""

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_positive
from domadapt.nn.kernels import (
    central_bandwidth,
    check_kernels,
    gaussian_family,
    pair_weights,
    squared_distances,
)


class JointMMD(Criterion):
    r"""Squared maximum mean discrepancy of the joint distribution of features and predictions.

    .. math::
        \frac1{n_s(n_s - 1)}\sum_{i \ne j} k(s_i, s_j)\, l(p_i, p_j)
        + \frac1{n_t(n_t - 1)}\sum_{i \ne j} k(t_i, t_j)\, l(q_i, q_j)
        - \frac2{n_s n_t}\sum_{ij} k(s_i, t_j)\, l(p_i, q_j)

    where :math:`k` is the Gaussian family of :class:`MMD` on the features, and
    :math:`l(p, q) = \exp(-\|p - q\|^2 / b)` one Gaussian kernel on the probabilities
    :math:`p` and :math:`q` that the softmax of the logits gives. So two samples are alike
    where both their features and their predictions are.

    Parameters
    ----------
    bandwidth : float or None, default=None
        The central squared bandwidth on the features. None takes the mean squared
        distance between different samples of the mini-batch, both domains together; no
        gradient flows through it.
    n_kernels : int, default=5
        How many kernels on the features are added up, as in :class:`MMD`.
    softmax_bandwidth : float, default=0.3
        The squared bandwidth :math:`b` on the probabilities. The published scripts use
        :math:`2 \cdot 0.92^2`, a standard deviation of 0.92.
    unbiased : bool, default=True
        As in :class:`MMD`.

    Notes
    -----
    A bandwidth of None counts as constant in every derivative. For
    :func:`torch.autograd.gradcheck`, whose small steps move it, pass a number.

    References
    ----------
    Long, Zhu, Wang, Jordan (2017). "Deep transfer learning with joint adaptation
    networks". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import JointMMD
    >>> samples, criterion = torch.arange(6.0).reshape(3, 2), JointMMD(unbiased=False)
    >>> criterion(samples, samples, samples, samples).abs().item() < 1e-6
    True
    >>> criterion(samples, samples, samples, samples.flip(1)).item() > 0.5
    True
    """

    default_weight = 0.3

    def __init__(
        self,
        *,
        bandwidth: float | None = None,
        n_kernels: int = 5,
        softmax_bandwidth: float = 0.3,
        unbiased: bool = True,
    ) -> None:
        super().__init__()
        check_kernels(bandwidth, n_kernels)
        check_positive(softmax_bandwidth=softmax_bandwidth)
        self.bandwidth, self.n_kernels = bandwidth, n_kernels
        self.softmax_bandwidth, self.unbiased = softmax_bandwidth, unbiased

    def forward(self, source_features, target_features, source_logits, target_logits):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_logits : Tensor of shape (n_source, n_classes)
            Logits of the source samples.
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of the target samples.

        Returns
        -------
        loss : Tensor of shape ()
            The squared discrepancy; from 0 to twice ``n_kernels`` where it is biased.
        """
        features = torch.cat([source_features, target_features])
        probabilities = F.softmax(torch.cat([source_logits, target_logits]), dim=1)
        weights = pair_weights(source_features, target_features, self.unbiased)
        distances = squared_distances(features)
        bandwidth = central_bandwidth(self.bandwidth, features, distances)
        of_features = gaussian_family(distances, bandwidth, self.n_kernels)
        between_predictions = squared_distances(probabilities)
        of_predictions = torch.exp(between_predictions * (-1.0 / self.softmax_bandwidth))
        return torch.dot((of_features * of_predictions).flatten(), weights.flatten())
