"""Maximum mean discrepancy."""

import torch

from domadapt.alignment.protocol import Criterion
from domadapt.nn.kernels import check_kernels, pair_weights, rbf_pair_sum


class MMD(Criterion):
    r"""Squared maximum mean discrepancy with a family of Gaussian kernels.

    .. math::
        \mathrm{MMD}^2 = \frac1{n_s(n_s - 1)}\sum_{i \ne j} k(s_i, s_j)
        + \frac1{n_t(n_t - 1)}\sum_{i \ne j} k(t_i, t_j)
        - \frac2{n_s n_t}\sum_{ij} k(s_i, t_j)

    where :math:`k` is the sum of ``n_kernels`` Gaussian kernels whose squared bandwidths
    are in ratio 2 around a central one.

    Parameters
    ----------
    bandwidth : float or None, default=None
        The central squared bandwidth. None takes the mean squared distance between
        different samples of the mini-batch, both domains together, as DAN does.
    n_kernels : int, default=5
        How many kernels are added up. Five have the bandwidths 1/4, 1/2, 1, 2 and 4
        times the central one.
    unbiased : bool, default=True
        Leave out the pairs of a sample with itself, as above. The estimate can then be
        below zero, and a domain of one sample, which has no such pair, contributes
        nothing. False takes the mean over all pairs: it also pulls the samples of a
        mini-batch together, the more the fewer they are.

    Notes
    -----
    A bandwidth of None counts as constant in every derivative. For
    :func:`torch.autograd.gradcheck`, whose small steps move it, pass a number.

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
    >>> samples = torch.arange(6.0).reshape(3, 2)
    >>> MMD(unbiased=False)(samples, samples).abs().item() < 1e-6
    True
    >>> MMD()(samples, samples + 10.0).item() > 1.0
    True
    """

    default_weight = 2.5
    takes_stacks = True

    def __init__(
        self, *, bandwidth: float | None = None, n_kernels: int = 5, unbiased: bool = True
    ) -> None:
        super().__init__()
        check_kernels(bandwidth, n_kernels)
        self.bandwidth, self.n_kernels, self.unbiased = bandwidth, n_kernels, unbiased

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
            The squared discrepancy; from 0 to twice ``n_kernels`` where it is biased.
        """
        features = torch.cat([source_features, target_features], dim=-2)
        weights = pair_weights(source_features, target_features, self.unbiased)
        return rbf_pair_sum(features, weights, bandwidth=self.bandwidth, n_kernels=self.n_kernels)
