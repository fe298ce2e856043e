"""Alignment of several sources and the target by the moments of their features."""

import torch

from domadapt.alignment.protocol import Criterion, check_counts


class MomentMatching(Criterion):
    r"""Distances between the moments of every two domains, for several sources.

    With :math:`m^k_i` the mean over samples of source i of their features to the power k, taken
    column by column, :math:`m^k_t` that of the target, and N sources,

    .. math::
        \sum_{k=1}^K \Bigl( \frac1N \sum_i \bigl\| m^k_i - m^k_t \bigr\|_2
        + \binom N2^{-1} \sum_{i < j} \bigl\| m^k_i - m^k_j \bigr\|_2 \Bigr)

    The sources come closer to the target and to each other. Sources without samples in the
    mini-batch are left out, N being how many there are.

    Parameters
    ----------
    n_moments : int, default=2
        The highest power K.

    Attributes
    ----------
    needs_several_sources : bool
        True: with a single source there is nothing for this criterion to do that others
        do not do better.

    Raises
    ------
    ValueError
        If ``n_moments`` is no integer of at least 1.

    Notes
    -----
    Powers grow fast: high moments are for features of about unit size.

    Where two moments are equal their distance has a kink; its gradient there is 0.

    References
    ----------
    Peng, Bai, Xia, Huang, Saenko, Wang (2019). "Moment matching for multi-source domain
    adaptation". ICCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import MomentMatching
    >>> source, target = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[1.0]])
    >>> source_domains = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> MomentMatching(n_moments=1)(source, target, source_domains)  # (0 + 3) / 2 + 3
    tensor(4.5000)
    """

    default_weight = 0.1
    # Read before training, so that the message comes early.
    needs_several_sources = True

    def __init__(self, *, n_moments: int = 2) -> None:
        super().__init__()
        check_counts(n_moments=n_moments)
        self.n_moments = n_moments

    def forward(self, source_features, target_features, source_domains):
        """Compare the domains of two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the sources.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_domains : Tensor of shape (n_source, n_sources)
            Which source each source sample is from, one-hot.

        Returns
        -------
        loss : Tensor of shape ()
            The sum of the mean distances: 0 where all moments agree.

        Raises
        ------
        ValueError
            If ``source_domains`` has fewer than two columns.
        """
        if source_domains.shape[1] < 2:
            raise ValueError(
                f"source_domains came for {source_domains.shape[1]} source; MomentMatching "
                "needs at least two. Name them 1, 2, ... in sample_domain, or use MMD for one."
            )
        is_from = source_domains.to(source_features.dtype)
        counts = is_from.sum(0)
        shares = is_from / counts.clamp_min(1.0)
        source_moments = shares.T @ _powers(source_features, self.n_moments)
        target_moments = _powers(target_features, self.n_moments).mean(0)
        moments = torch.cat([source_moments, target_moments[None]])
        moments = moments.unflatten(1, (self.n_moments, -1))
        one, other = _pairs(len(moments), moments.device)
        distances = torch.linalg.vector_norm(moments[one] - moments[other], dim=2).sum(1)
        return torch.dot(_weights_of_pairs(counts, one, other), distances)


def _powers(features, highest):
    """Return the powers of all entries side by side, shape (n, highest * d)."""
    powers = [features]
    for _ in range(highest - 1):
        powers.append(powers[-1] * features)
    return torch.cat(powers, dim=1)


def _pairs(n_domains, device):
    return torch.triu_indices(n_domains, n_domains, offset=1, device=device)


def _weights_of_pairs(counts, one, other):
    """Return each pair's share in its mean; the target is the last domain."""
    n_sources = len(counts)
    present = torch.cat([(counts > 0).to(counts.dtype), counts.new_ones(1)])
    both = present[one] * present[other]
    with_target = other == n_sources
    n_with_target = (both * with_target).sum().clamp_min(1.0)
    n_others = (both * ~with_target).sum().clamp_min(1.0)
    return both / torch.where(with_target, n_with_target, n_others)
