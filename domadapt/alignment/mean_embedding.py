"""Other kernels and another estimate for the maximum mean discrepancy."""

from typing import Literal

import torch

from domadapt.alignment.protocol import Criterion
from domadapt.nn.kernels import (
    RADIAL_KERNELS,
    bandwidth_from_data,
    central_bandwidth,
    check_kernels,
    gaussian_family,
    pair_weights,
    squared_distances,
)


class KernelMMD(Criterion):
    r"""Squared maximum mean discrepancy with a kernel other than the Gaussian family.

    .. math::
        \mathrm{MMD}^2 = \frac1{n_s(n_s - 1)}\sum_{i \ne j} k(s_i, s_j)
        + \frac1{n_t(n_t - 1)}\sum_{i \ne j} k(t_i, t_j)
        - \frac2{n_s n_t}\sum_{ij} k(s_i, t_j)

    :class:`MMD` is the one with Gaussian kernels.

    Parameters
    ----------
    kernel : {"linear", "laplacian", "rational_quadratic"}, default="rational_quadratic"
        ``"linear"`` is :math:`x^\top y`, which leaves the squared distance between the
        means of the domains; ``"laplacian"`` is :math:`\exp(-\|x - y\| / \sqrt b)` with
        the Euclidean norm; ``"rational_quadratic"`` is
        :math:`(1 + \|x - y\|^2 / b)^{-1}`, which falls so slowly that samples far
        from each other still feel a pull.
    bandwidth : float or None, default=None
        The squared bandwidth :math:`b`. None takes the mean squared distance between
        different samples of the mini-batch, both domains together; no gradient flows
        through it. The linear kernel has none.
    unbiased : bool, default=True
        As in :class:`MMD`.

    Notes
    -----
    The linear kernel takes samples relative to the mean of both mini-batches. That changes
    only the unbiased result of domains of one sample, and keeps it independent of the
    origin. The Laplacian kernel has a kink where two samples are equal; there its gradient
    is 0.

    A bandwidth of None counts as constant in every derivative. For
    :func:`torch.autograd.gradcheck`, whose small steps move it, pass a number.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schoelkopf, Smola (2012). "A kernel two-sample test".
    JMLR 13.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import KernelMMD
    >>> samples = torch.tensor([[0.0], [4.0]])
    >>> KernelMMD(kernel="linear", unbiased=False)(samples, samples + 2.0)
    tensor(4.)
    >>> KernelMMD(kernel="laplacian")(samples, samples + 20.0).item() > 0.5
    True
    """

    def __init__(
        self,
        *,
        kernel: Literal["linear", "laplacian", "rational_quadratic"] = "rational_quadratic",
        bandwidth: float | None = None,
        unbiased: bool = True,
    ) -> None:
        super().__init__()
        if kernel != "linear" and kernel not in RADIAL_KERNELS:
            known = sorted(["linear", *RADIAL_KERNELS])
            raise ValueError(
                f"kernel={kernel!r} is unknown: use one of {known}, or MMD for Gaussian kernels."
            )
        check_kernels(bandwidth)
        if kernel == "linear" and bandwidth is not None:
            raise ValueError(
                f"bandwidth={bandwidth!r} came with kernel='linear', which has none: leave "
                "it None or choose another kernel."
            )
        self.kernel, self.bandwidth, self.unbiased = kernel, bandwidth, unbiased

    def forward(self, source_features, target_features):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The squared discrepancy; 0 or more where it is biased.
        """
        features = torch.cat([source_features, target_features])
        weights = pair_weights(source_features, target_features, self.unbiased)
        if self.kernel == "linear":
            centred = features - features.mean(0)
            return torch.dot((weights @ centred).flatten(), centred.flatten())
        distances = squared_distances(features)
        bandwidth = central_bandwidth(self.bandwidth, features, distances)
        return (weights * RADIAL_KERNELS[self.kernel](distances / bandwidth)).sum()


class LinearTimeMMD(Criterion):
    r"""Squared maximum mean discrepancy from pairs of neighbouring samples, in linear time.

    .. math::
        \frac1m \sum_{i=1}^{m} k(s_{2i-1}, s_{2i}) + k(t_{2i-1}, t_{2i})
        - k(s_{2i-1}, t_{2i}) - k(s_{2i}, t_{2i-1})

    with :math:`m = \lfloor \min(n_s, n_t) / 2 \rfloor` and the Gaussian family of
    :class:`MMD` as :math:`k`. The estimate is unbiased, and so can be below zero. It is
    noisier than that of all pairs, at a cost that grows with the samples and not with their
    square. With one sample in a domain there is no pair: the loss is 0 with zero gradient.

    Parameters
    ----------
    bandwidth : float or None, default=None
        The central squared bandwidth. None takes the mean squared distance between
        different samples of the mini-batch, paired or not, both domains together.
    n_kernels : int, default=5
        How many kernels are added up, as in :class:`MMD`.

    Notes
    -----
    A bandwidth of None counts as constant in every derivative. For
    :func:`torch.autograd.gradcheck`, whose small steps move it, pass a number.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schoelkopf, Smola (2012). "A kernel two-sample test".
    JMLR 13, section 6.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import LinearTimeMMD
    >>> samples = torch.arange(8.0).reshape(4, 2)
    >>> LinearTimeMMD()(samples, samples).item()
    0.0
    >>> LinearTimeMMD()(samples, samples + 10.0).item() > 1.0
    True
    """

    def __init__(self, *, bandwidth: float | None = None, n_kernels: int = 5) -> None:
        super().__init__()
        check_kernels(bandwidth, n_kernels)
        self.bandwidth, self.n_kernels = bandwidth, n_kernels

    def forward(self, source_features, target_features):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source, in random order.
        target_features : Tensor of shape (n_target, d)
            Samples of the target, in random order.

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
            features = torch.cat([source_features, target_features]).detach()
            bandwidth = bandwidth_from_data(features, (features - features.mean(0)).square().sum(1))
        kernels = gaussian_family(distances, bandwidth, self.n_kernels)
        return (kernels[:2].sum() - kernels[2:].sum()) / max(n_pairs, 1)


def _neighbours(features, n_pairs):
    return features[: 2 * n_pairs : 2], features[1 : 2 * n_pairs : 2]
