"""The Gaussian kernel family by one Gram matrix, with its gradient written down."""

import torch
from torch.autograd.function import once_differentiable

# Its inverse is still a float32.
SMALLEST_BANDWIDTH = 1e-30


class _RBFPairSum(torch.autograd.Function):
    """sum_ij w_ij sum_k exp(-|f_i - f_j|^2 / b_k) for bandwidths b_k in ratio 2.

    With b_K the largest bandwidth, each kernel is the square of the one before it, so
    the family costs one exponential and K - 1 squarings. The gradient with respect to
    f_i is -4 sum_j A_ij (f_i - f_j), A_ij = w_ij sum_k (k_k)_ij / b_k.
    """

    @staticmethod
    def forward(ctx, features, pair_weights, bandwidth, n_kernels):
        centred = features - features.mean(0)
        gram = centred @ centred.T
        squares = gram.diagonal().clone()
        if bandwidth is None:
            bandwidth = _bandwidth_from_data(features, squares)
        largest = bandwidth * 2.0 ** ((n_kernels - 1) // 2)
        distances = gram.mul_(-2.0).add_(squares).add_(squares[:, None])
        kernel = distances.clamp_min_(0.0).div_(-largest).exp_()
        total, slope, rate = kernel.clone(), kernel.clone(), 1.0
        for _ in range(n_kernels - 1):
            kernel.square_()
            rate *= 2.0
            total += kernel
            slope.add_(kernel, alpha=rate)
        slope.mul_(pair_weights).div_(largest)
        ctx.save_for_backward(slope, centred)
        return total.mul_(pair_weights).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        slope, centred = ctx.saved_tensors
        pull = torch.addcmul(slope @ centred, slope.sum(1, keepdim=True), centred, value=-1.0)
        return pull.mul_(4.0 * grad), None, None, None


def _bandwidth_from_data(features, centred_squares):
    """Give the mean squared distance between different rows, and never zero.

    Rows that differ by less than rounding would give a bandwidth of pure noise, so it
    does not fall below machine epsilon times the mean square of a row.
    """
    n_rows = len(features)
    mean_distance = centred_squares.sum() * (2.0 / max(n_rows - 1, 1))
    noise = features.square().sum() * (torch.finfo(features.dtype).eps / n_rows)
    return torch.maximum(mean_distance, noise).clamp_min(SMALLEST_BANDWIDTH)


def rbf_pair_sum(features, pair_weights, *, bandwidth=None, n_kernels=5):
    r"""Weighted sum over all pairs of rows of a sum of Gaussian kernels.

    .. math:: \sum_{ij} w_{ij} \sum_{k} \exp(-\|f_i - f_j\|^2 / b_k)

    Distances come from one Gram matrix, so no array of n x n x d is made. The
    bandwidths :math:`b_k` are the central one times
    :math:`2^{-\lfloor K/2 \rfloor}, \dots, 2^{\lfloor (K-1)/2 \rfloor}`: for five
    kernels 1/4, 1/2, 1, 2 and 4.

    Parameters
    ----------
    features : Tensor of shape (n, d), float32 or float64
        One row per sample.
    pair_weights : Tensor of shape (n, n)
        Symmetric weights of the pairs.
    bandwidth : float or None, default=None
        The central squared bandwidth, in squared units of the features. None takes the
        mean squared distance between different rows; no gradient flows through it.
    n_kernels : int, default=5
        How many kernels are added up.

    Returns
    -------
    total : Tensor of shape ()
        The sum. It can be differentiated once, with respect to ``features``.

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import rbf_pair_sum
    >>> f = torch.tensor([[0.0], [1.0]])
    >>> rbf_pair_sum(f, torch.tensor([[0.0, 0.5], [0.5, 0.0]]), bandwidth=1.0, n_kernels=1)
    tensor(0.3679)
    """
    return _RBFPairSum.apply(features, pair_weights, bandwidth, n_kernels)
