"""Maximum mean discrepancy."""

import functools

import torch
from torch import nn

from domadapt.nn.kernels import rbf_pair_sum


class MMD(nn.Module):
    r"""Squared maximum mean discrepancy with a family of Gaussian kernels.

    .. math::
        \mathrm{MMD}^2 = \frac1{n_s^2}\sum_{ij} k(s_i, s_j) + \frac1{n_t^2}\sum_{ij}
        k(t_i, t_j) - \frac2{n_s n_t}\sum_{ij} k(s_i, t_j)

    where :math:`k` is the sum of ``n_kernels`` Gaussian kernels whose squared bandwidths
    are in ratio 2 around a central one.

    Parameters
    ----------
    bandwidth : float or None, default=None
        The central squared bandwidth. None takes the mean squared distance between
        different rows of the batch, both domains together, as DAN does.
    n_kernels : int, default=5
        How many kernels are added up. Five have the bandwidths 1/4, 1/2, 1, 2 and 4
        times the central one.
    unbiased : bool, default=False
        Leave out the pairs of a row with itself and divide by :math:`n(n-1)`. The
        estimate can then be below zero. A domain of one row has no such pair and
        contributes nothing.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schoelkopf, Smola (2012). "A kernel two-sample test".
    JMLR 13.

    Long, Cao, Wang, Jordan (2015). "Learning transferable features with deep adaptation
    networks". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import MMD
    >>> rows = torch.arange(6.0).reshape(3, 2)
    >>> MMD()(rows, rows).abs().item() < 1e-6
    True
    >>> MMD()(rows, rows + 10.0).item() > 1.0
    True
    """

    # What an estimator multiplies the loss by unless told otherwise.
    default_weight = 2.5

    def __init__(self, *, bandwidth=None, n_kernels=5, unbiased=False):
        super().__init__()
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"bandwidth={bandwidth!r} must be a number above 0, or None.")
        if n_kernels < 1:
            raise ValueError(f"n_kernels={n_kernels!r} must be an integer of at least 1.")
        self.bandwidth = bandwidth
        self.n_kernels = n_kernels
        self.unbiased = unbiased

    def forward(self, source_features, target_features):
        """Compare two batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Rows of the source.
        target_features : Tensor of shape (n_target, d)
            Rows of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The squared discrepancy; from 0 to twice ``n_kernels`` where it is biased.
        """
        features = torch.cat([source_features, target_features])
        weights = _pair_weights(
            len(source_features),
            len(target_features),
            self.unbiased,
            features.dtype,
            features.device,
        )
        return rbf_pair_sum(features, weights, bandwidth=self.bandwidth, n_kernels=self.n_kernels)

    def extra_repr(self):
        """Name the settings, for ``repr``."""
        return f"bandwidth={self.bandwidth}, n_kernels={self.n_kernels}, unbiased={self.unbiased}"


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
