"""Other kernels and another estimate for the maximum mean discrepancy."""

import torch
from torch import nn

from domadapt.alignment.joint_mmd import (
    _central_bandwidth,
    _check_kernels,
    _gaussian_family,
    _SquaredDistances,
)
from domadapt.alignment.mmd import _pair_weights
from domadapt.nn.kernels import _bandwidth_from_data

# Below this ratio two rows count as equal: a root has no finite slope at zero.
SMALLEST_RATIO = 1e-24

# Kernels as functions of the squared distance divided by the squared bandwidth.
RADIAL_KERNELS = {
    "laplacian": lambda ratio: torch.exp(-ratio.clamp_min(SMALLEST_RATIO).sqrt()),
    "rational_quadratic": lambda ratio: torch.reciprocal(1.0 + ratio),
}


class KernelMMD(nn.Module):
    r"""Squared maximum mean discrepancy with a kernel other than the Gaussian family.

    .. math::
        \mathrm{MMD}^2 = \frac1{n_s^2}\sum_{ij} k(s_i, s_j) + \frac1{n_t^2}\sum_{ij}
        k(t_i, t_j) - \frac2{n_s n_t}\sum_{ij} k(s_i, t_j)

    :class:`MMD` is the one with Gaussian kernels.

    Parameters
    ----------
    kernel : {"linear", "laplacian", "rational_quadratic"}, default="rational_quadratic"
        ``"linear"`` is :math:`x^\top y`, which leaves the squared distance between the
        means of the domains; ``"laplacian"`` is :math:`\exp(-\|x - y\| / \sqrt b)` with
        the Euclidean norm; ``"rational_quadratic"`` is
        :math:`(1 + \|x - y\|^2 / b)^{-1}`, which falls so slowly that rows far from
        each other still feel a pull.
    bandwidth : float or None, default=None
        The squared bandwidth :math:`b`. None takes the mean squared distance between
        different rows of the batch, both domains together; no gradient flows through
        it. The linear kernel has none.
    unbiased : bool, default=False
        Leave out the pairs of a row with itself and divide by :math:`n(n-1)`. The
        estimate can then be below zero. A domain of one row has no such pair and
        contributes nothing.

    Notes
    -----
    The linear kernel takes rows relative to the mean of both batches. That changes only
    the unbiased result of one-row domains, and keeps it independent of the origin. The
    Laplacian kernel has a kink where two rows are equal; there its gradient is 0.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schoelkopf, Smola (2012). "A kernel two-sample test".
    JMLR 13.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment.mean_embedding import KernelMMD
    >>> rows = torch.tensor([[0.0], [4.0]])
    >>> KernelMMD(kernel="linear")(rows, rows + 2.0)
    tensor(4.)
    >>> KernelMMD(kernel="laplacian")(rows, rows + 20.0).item() > 0.5
    True
    """

    # What an estimator multiplies the loss by unless told otherwise.
    default_weight = 1.0

    def __init__(self, *, kernel="rational_quadratic", bandwidth=None, unbiased=False):
        super().__init__()
        if kernel != "linear" and kernel not in RADIAL_KERNELS:
            known = sorted(["linear", *RADIAL_KERNELS])
            raise ValueError(
                f"kernel={kernel!r} is unknown: use one of {known}, or MMD for Gaussian kernels."
            )
        _check_kernels(bandwidth, n_kernels=1)
        if kernel == "linear" and bandwidth is not None:
            raise ValueError(
                f"bandwidth={bandwidth!r} came with kernel='linear', which has none: leave "
                "it None or choose another kernel."
            )
        self.kernel, self.bandwidth, self.unbiased = kernel, bandwidth, unbiased

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
            The squared discrepancy; 0 or more where it is biased.
        """
        rows = torch.cat([source_features, target_features])
        sizes = len(source_features), len(target_features)
        weights = _pair_weights(*sizes, self.unbiased, rows.dtype, rows.device)
        if self.kernel == "linear":
            centred = rows - rows.mean(0)
            return torch.dot((weights @ centred).flatten(), centred.flatten())
        distances = _SquaredDistances.apply(rows)
        bandwidth = _central_bandwidth(self.bandwidth, rows, distances)
        return (weights * RADIAL_KERNELS[self.kernel](distances / bandwidth)).sum()

    def extra_repr(self):
        """Name the settings, for ``repr``."""
        return f"kernel={self.kernel!r}, bandwidth={self.bandwidth}, unbiased={self.unbiased}"


class LinearTimeMMD(nn.Module):
    r"""Squared maximum mean discrepancy from pairs of neighbouring rows, in linear time.

    .. math::
        \frac1m \sum_{i=1}^{m} k(s_{2i-1}, s_{2i}) + k(t_{2i-1}, t_{2i})
        - k(s_{2i-1}, t_{2i}) - k(s_{2i}, t_{2i-1})

    with :math:`m = \lfloor \min(n_s, n_t) / 2 \rfloor` and the Gaussian family of
    :class:`MMD` as :math:`k`. The estimate is unbiased, and so can be below zero. It is
    noisier than that of all pairs, at a cost that grows with the rows and not with their
    square. With one row in a domain there is no pair: the loss is 0 with zero gradient.

    Parameters
    ----------
    bandwidth : float or None, default=None
        The central squared bandwidth. None takes the mean squared distance between
        different rows of the batch, paired or not, both domains together.
    n_kernels : int, default=5
        How many kernels are added up, as in :class:`MMD`.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schoelkopf, Smola (2012). "A kernel two-sample test".
    JMLR 13, section 6.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment.mean_embedding import LinearTimeMMD
    >>> rows = torch.arange(8.0).reshape(4, 2)
    >>> LinearTimeMMD()(rows, rows).item()
    0.0
    >>> LinearTimeMMD()(rows, rows + 10.0).item() > 1.0
    True
    """

    # What an estimator multiplies the loss by unless told otherwise.
    default_weight = 1.0

    def __init__(self, *, bandwidth=None, n_kernels=5):
        super().__init__()
        _check_kernels(bandwidth, n_kernels)
        self.bandwidth, self.n_kernels = bandwidth, n_kernels

    def forward(self, source_features, target_features):
        """Compare two batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Rows of the source, in random order.
        target_features : Tensor of shape (n_target, d)
            Rows of the target, in random order.

        Returns
        -------
        loss : Tensor of shape ()
            The squared discrepancy, from minus to plus twice ``n_kernels``.
        """
        n_pairs = min(len(source_features), len(target_features)) // 2
        source, source_next = _neighbours(source_features, n_pairs)
        target, target_next = _neighbours(target_features, n_pairs)
        within = source - source_next, target - target_next
        between = source - target_next, source_next - target
        distances = torch.stack([*within, *between]).square().sum(2)
        bandwidth = self.bandwidth
        if bandwidth is None:
            rows = torch.cat([source_features, target_features]).detach()
            bandwidth = _bandwidth_from_data(rows, (rows - rows.mean(0)).square())
        kernels = _gaussian_family(distances, bandwidth, self.n_kernels)
        return (kernels[:2].sum() - kernels[2:].sum()) / max(n_pairs, 1)

    def extra_repr(self):
        """Name the settings, for ``repr``."""
        return f"bandwidth={self.bandwidth}, n_kernels={self.n_kernels}"


def _neighbours(rows, n_pairs):
    return rows[: 2 * n_pairs : 2], rows[1 : 2 * n_pairs : 2]
