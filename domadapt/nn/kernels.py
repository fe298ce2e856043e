"""Kernels of pairs of samples by one Gram matrix, with their gradients written down."""

import functools
from numbers import Integral, Real

import torch

from domadapt.nn.functions import call, gradient_of_value, keep_signature, save_results
from domadapt.nn.precision import in_full_precision

# Its inverse is still a float32.
SMALLEST_BANDWIDTH = 1e-30
# Below this ratio two samples count as equal: a root has no finite slope at zero.
SMALLEST_RATIO = 1e-24

# Kernels as functions of the squared distance divided by the squared bandwidth.
RADIAL_KERNELS = {
    "laplacian": lambda ratio: torch.exp(-ratio.clamp_min(SMALLEST_RATIO).sqrt()),
    "rational_quadratic": lambda ratio: torch.reciprocal(1.0 + ratio),
}


@in_full_precision
def rbf_pair_sum(features, pair_weights, *, bandwidth=None, n_kernels=5):
    r"""Return the weighted sum over all pairs of samples of a sum of Gaussian kernels.

    .. math:: \sum_{ij} w_{ij} \sum_{k} \exp(-\|f_i - f_j\|^2 / b_k)

    Distances come from one Gram matrix, so no array of n x n x d is made. The
    bandwidths :math:`b_k` are the central one times
    :math:`2^{-\lfloor K/2 \rfloor}, \dots, 2^{\lfloor (K-1)/2 \rfloor}`: for five
    kernels 1/4, 1/2, 1, 2 and 4.

    Parameters
    ----------
    features : Tensor of shape (n, d) or (n_networks, n, d)
        Features of the samples, of one network or of several, in float32 or float64; in half
        precision they count as float32.
    pair_weights : Tensor of shape (n, n)
        Symmetric weights of the pairs.
    bandwidth : float or None, default=None
        The central squared bandwidth, in squared units of the features. None takes the
        mean squared distance between different samples; no gradient flows through it.
    n_kernels : int, default=5
        How many kernels are added up.

    Returns
    -------
    total : Tensor of shape () or (n_networks,)
        The sum. It can be differentiated, more than once too, with respect to ``features``.

    Notes
    -----
    A bandwidth of None counts as constant in every derivative. For
    :func:`torch.autograd.gradcheck`, whose small steps move it, pass a number.

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import rbf_pair_sum
    >>> f = torch.tensor([[0.0], [1.0]])
    >>> rbf_pair_sum(f, torch.tensor([[0.0, 0.5], [0.5, 0.0]]), bandwidth=1.0, n_kernels=1)
    tensor(0.3679)
    """
    return call(_RBFPairSum, features, pair_weights, bandwidth, n_kernels)[0]


class _RBFPairSum(torch.autograd.Function):
    """sum_ij w_ij sum_k exp(-|f_i - f_j|^2 / b_k) for bandwidths b_k in ratio 2."""

    # From the largest bandwidth on, each kernel is the square of the one before it, so the
    # family costs one exponential and K - 1 squarings. The gradient with respect to f_i is
    # -4 sum_j A_ij (f_i - f_j), A_ij = w_ij sum_k (k_k)_ij / b_k.
    generate_vmap_rule = True

    @staticmethod
    @keep_signature
    def forward(features, pair_weights, bandwidth, n_kernels):
        centred, squares, distances = _centred_squares_distances(features)
        if bandwidth is None:
            bandwidth = bandwidth_from_data(features.detach(), squares.detach())[..., None, None]
        largest = bandwidth * 2.0 ** ((n_kernels - 1) // 2)
        kernel = distances.div_(-largest).exp_()
        total, slope, rate = kernel.clone(), kernel.clone(), 1.0
        for _ in range(n_kernels - 1):
            # Autograd needs every kernel; without it one array does for all of them.
            kernel = kernel * kernel if torch.is_grad_enabled() else kernel.mul_(kernel)
            rate *= 2.0
            total += kernel
            slope.add_(kernel, alpha=rate)
        slope.mul_(pair_weights).div_(largest)
        return total.mul_(pair_weights).sum((-2, -1)), slope, centred

    @staticmethod
    def setup_context(ctx, inputs, output):
        save_results(ctx, inputs, output)

    @staticmethod
    @gradient_of_value(forward)
    def backward(ctx, grad, slope, centred):
        pull = torch.addcmul(slope @ centred, slope.sum(-1, keepdim=True), centred, value=-1.0)
        return pull.mul_(4.0 * grad[..., None, None]), None, None, None


class _SquaredDistances(torch.autograd.Function):
    """The distances of ``squared_distances``, and the centred rows."""

    # With G the gradient at the distances, that of f_i is 2 sum_j (G_ij + G_ji)(f_i - f_j).
    # G is symmetric here: so are the weights of pairs and every kernel.
    generate_vmap_rule = True

    @staticmethod
    @keep_signature
    def forward(rows):
        centred, _, distances = _centred_squares_distances(rows)
        return distances, centred

    @staticmethod
    def setup_context(ctx, inputs, output):
        save_results(ctx, inputs, output)

    @staticmethod
    @gradient_of_value(forward)
    def backward(ctx, grad, centred):
        if torch.is_grad_enabled():
            # What is found of a symmetric G is right; its derivative is to be symmetric too.
            grad = 0.5 * (grad + grad.mT)
        sums = grad.sum(1, keepdim=True)
        return torch.addcmul(grad @ centred, sums, centred, value=-1.0).mul_(-4.0)


def squared_distances(rows):
    """Return the squared distances between all rows, for losses that are symmetric in them."""
    return call(_SquaredDistances, rows)[0]


def _centred_squares_distances(rows):
    """Return rows less their mean, their squared norms and squared distances."""
    centred = rows - rows.mean(-2, keepdim=True)
    gram = centred @ centred.mT
    squares = gram.diagonal(dim1=-2, dim2=-1).clone()
    gram.mul_(-2.0).add_(squares.unsqueeze(-2)).add_(squares.unsqueeze(-1))
    return centred, squares, gram.clamp_min_(0.0)


def gaussian_family(distances, bandwidth, n_kernels):
    """Sum Gaussian kernels of squared distances, their bandwidths in ratio 2 as in MMD."""
    largest = bandwidth * 2.0 ** ((n_kernels - 1) // 2)
    kernel = torch.exp(distances / -largest)
    total = kernel
    for _ in range(n_kernels - 1):
        # Half the bandwidth: the square of the kernel before.
        kernel = kernel.square()
        total = total + kernel
    return total


def central_bandwidth(bandwidth, rows, distances):
    """Return the squared bandwidth that was set, or that of the data, without gradient."""
    if bandwidth is not None:
        return bandwidth
    # Summed over all pairs, distances are 2 n times the squares of the centred rows.
    return bandwidth_from_data(rows.detach(), distances.detach().mean(1) / 2.0)


def bandwidth_from_data(features, centred_squares):
    """Return the mean squared distance between different samples, and never zero.

    ``centred_squares`` are the squared norms of the samples less their mean.
    """
    n_rows = features.shape[-2]
    mean_distance = centred_squares.sum(-1) * (2.0 / max(n_rows - 1, 1))
    # Samples that differ by less than rounding would have a bandwidth of pure noise.
    noise = features.square().sum((-2, -1)) * (torch.finfo(features.dtype).eps / n_rows)
    return torch.maximum(mean_distance, noise).clamp_min(SMALLEST_BANDWIDTH)


def check_kernels(bandwidth, n_kernels=1):
    """Raise a ValueError for a bandwidth or a number of kernels that makes no kernel."""
    if bandwidth is not None and not (isinstance(bandwidth, Real) and float(bandwidth) > 0):
        raise ValueError(f"bandwidth={bandwidth!r} must be a number above 0, or None.")
    if not (isinstance(n_kernels, Integral) and int(n_kernels) >= 1):
        raise ValueError(f"n_kernels={n_kernels!r} must be an integer of at least 1.")


def pair_weights(source, target, unbiased):
    """Return the weights of all pairs in the squared mean discrepancy; do not write into them."""
    return _pair_weights(source.shape[-2], target.shape[-2], unbiased, source.dtype, source.device)


# Batches keep their size, and to build the weights anew costs as much as a matrix product.
@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def _pair_weights(n_source, n_target, unbiased, dtype, device):
    signs = torch.full((n_source + n_target,), 1.0 / n_source, dtype=dtype, device=device)
    signs[n_source:] = -1.0 / n_target
    weights = torch.outer(signs, signs)
    if unbiased:
        weights.fill_diagonal_(0.0)
        weights[:n_source, :n_source] *= n_source / max(n_source - 1, 1)
        weights[n_source:, n_source:] *= n_target / max(n_target - 1, 1)
    return weights
