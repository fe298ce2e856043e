"""Maximum mean discrepancy of features and predictions together."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from domadapt.alignment.mmd import _pair_weights
from domadapt.nn.kernels import _bandwidth_from_data


class JointMMD(nn.Module):
    r"""Squared maximum mean discrepancy of the joint distribution of features and predictions.

    .. math::
        \frac1{n_s^2}\sum_{ij} k(s_i, s_j)\, l(p_i, p_j)
        + \frac1{n_t^2}\sum_{ij} k(t_i, t_j)\, l(q_i, q_j)
        - \frac2{n_s n_t}\sum_{ij} k(s_i, t_j)\, l(p_i, q_j)

    where :math:`k` is the Gaussian family of :class:`MMD` on the features, and
    :math:`l(p, q) = \exp(-\|p - q\|^2 / b)` one Gaussian kernel on the probabilities
    :math:`p` and :math:`q` that the softmax of the logits gives. So two rows are alike
    where both their features and their predictions are.

    Parameters
    ----------
    bandwidth : float or None, default=None
        The central squared bandwidth on the features. None takes the mean squared
        distance between different rows of the batch, both domains together; no gradient
        flows through it.
    n_kernels : int, default=5
        How many kernels on the features are added up, as in :class:`MMD`.
    softmax_bandwidth : float, default=1.6928
        The squared bandwidth :math:`b` on the probabilities. The default is
        :math:`2 \cdot 0.92^2`: a standard deviation of 0.92.
    unbiased : bool, default=False
        Leave out the pairs of a row with itself and divide by :math:`n(n-1)`. The
        estimate can then be below zero. A domain of one row has no such pair and
        contributes nothing.

    References
    ----------
    Long, Zhu, Wang, Jordan (2017). "Deep transfer learning with joint adaptation
    networks". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment.joint_mmd import JointMMD
    >>> rows = torch.arange(6.0).reshape(3, 2)
    >>> JointMMD()(rows, rows, rows, rows).abs().item() < 1e-6
    True
    >>> JointMMD()(rows, rows, rows, rows.flip(1)).item() > 0.5
    True
    """

    # What an estimator multiplies the loss by unless told otherwise.
    default_weight = 0.3

    def __init__(
        self, *, bandwidth=None, n_kernels=5, softmax_bandwidth=2 * 0.92**2, unbiased=False
    ):
        super().__init__()
        _check_kernels(bandwidth, n_kernels)
        if not softmax_bandwidth > 0:
            raise ValueError(f"softmax_bandwidth={softmax_bandwidth!r} must be a number above 0.")
        self.bandwidth, self.n_kernels = bandwidth, n_kernels
        self.softmax_bandwidth, self.unbiased = softmax_bandwidth, unbiased

    def forward(self, source_features, target_features, source_logits, target_logits):
        """Compare two batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Rows of the source.
        target_features : Tensor of shape (n_target, d)
            Rows of the target.
        source_logits : Tensor of shape (n_source, n_classes)
            Logits of the source rows.
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of the target rows.

        Returns
        -------
        loss : Tensor of shape ()
            The squared discrepancy; from 0 to twice ``n_kernels`` where it is biased.
        """
        features = torch.cat([source_features, target_features])
        probabilities = F.softmax(torch.cat([source_logits, target_logits]), dim=1)
        sizes = len(source_features), len(target_features)
        weights = _pair_weights(*sizes, self.unbiased, features.dtype, features.device)
        distances = _SquaredDistances.apply(features)
        bandwidth = _central_bandwidth(self.bandwidth, features, distances)
        of_features = _gaussian_family(distances, bandwidth, self.n_kernels)
        between_predictions = _SquaredDistances.apply(probabilities)
        of_predictions = torch.exp(between_predictions * (-1.0 / self.softmax_bandwidth))
        return torch.dot((of_features * of_predictions).flatten(), weights.flatten())

    def extra_repr(self):
        """Name the settings, for ``repr``."""
        return (
            f"bandwidth={self.bandwidth}, n_kernels={self.n_kernels}, "
            f"softmax_bandwidth={self.softmax_bandwidth}, unbiased={self.unbiased}"
        )


class _SquaredDistances(torch.autograd.Function):
    """Squared distances between all rows by one Gram matrix, with the gradient of that form.

    With G the gradient at the distances, that of f_i is 2 sum_j (G_ij + G_ji)(f_i - f_j).
    G is symmetric here: so are the weights of pairs and every kernel.
    """

    @staticmethod
    def forward(ctx, rows):
        centred = rows - rows.mean(0)
        gram = centred @ centred.T
        squares = gram.diagonal().clone()
        ctx.save_for_backward(centred)
        return gram.mul_(-2.0).add_(squares).add_(squares[:, None]).clamp_min_(0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (centred,) = ctx.saved_tensors
        sums = grad.sum(1, keepdim=True)
        return torch.addcmul(grad @ centred, sums, centred, value=-1.0).mul_(-4.0)


def _gaussian_family(distances, bandwidth, n_kernels):
    """Sum Gaussian kernels of squared distances, their bandwidths in ratio 2 as in MMD."""
    largest = bandwidth * 2.0 ** ((n_kernels - 1) // 2)
    kernel = torch.exp(distances / -largest)
    total = kernel
    for _ in range(n_kernels - 1):
        # Half the bandwidth: the square of the kernel before.
        kernel = kernel.square()
        total = total + kernel
    return total


def _central_bandwidth(bandwidth, rows, distances):
    """Give the squared bandwidth that was set, or that of the data, without gradient."""
    if bandwidth is not None:
        return bandwidth
    # Summed over all pairs, distances are 2 n times the squares of the centred rows.
    return _bandwidth_from_data(rows.detach(), distances.detach().mean(1) / 2.0)


def _check_kernels(bandwidth, n_kernels):
    if bandwidth is not None and not bandwidth > 0:
        raise ValueError(f"bandwidth={bandwidth!r} must be a number above 0, or None.")
    if n_kernels < 1:
        raise ValueError(f"n_kernels={n_kernels!r} must be an integer of at least 1.")
