"""Wasserstein distance along random directions."""

import functools

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_counts
from domadapt.nn.random_numbers import generator_on


class SlicedWasserstein(Criterion):
    r"""Squared 2-Wasserstein distance in one dimension, averaged over random directions.

    .. math::
        \frac1L \sum_{l=1}^{L} W_2^2(S\theta_l, T\theta_l), \qquad
        W_2^2(u, v) = \int_0^1 \big( F_u^{-1}(\tau) - F_v^{-1}(\tau) \big)^2 d\tau

    where the samples :math:`S` and :math:`T` are projected on unit vectors
    :math:`\theta`. The quantile functions :math:`F^{-1}` step through the sorted
    projections, and the integral over the steps of both is exact: in mini-batches of one
    size it is the mean squared difference of the sorted projections.

    The directions are drawn anew in each call, from torch's generator of the device that
    the features are on.

    Parameters
    ----------
    n_projections : int, default=64
        How many directions L are drawn.

    References
    ----------
    Bonneel, Rabin, Peyre, Pfister (2015). "Sliced and Radon Wasserstein barycenters of
    measures". Journal of Mathematical Imaging and Vision 51.

    Lee, Batra, Baig, Ulbricht (2019). "Sliced Wasserstein discrepancy for unsupervised
    domain adaptation". CVPR. There the distance is between the outputs of two classifiers;
    here it is between the features of the domains.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import SlicedWasserstein
    >>> source, target = torch.tensor([[0.0], [4.0]]), torch.tensor([[5.0], [1.0]])
    >>> SlicedWasserstein()(source, target)
    tensor(1.)
    """

    default_weight = 3.0
    draws = True

    def __init__(self, *, n_projections: int = 64) -> None:
        super().__init__()
        check_counts(n_projections=n_projections)
        self.n_projections = n_projections

    def forward(self, source_features, target_features, directions=None):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        directions : Tensor of shape (n_projections, d), or None, default=None
            Unit vectors to project on; None draws them.

        Returns
        -------
        loss : Tensor of shape ()
            The mean squared distance, 0 or more.
        """
        if directions is None:
            directions = self.draw_directions(source_features)
        source = (directions @ source_features.T).sort(dim=1).values
        target = (directions @ target_features.T).sort(dim=1).values
        if len(source_features) == len(target_features):
            return F.mse_loss(source, target)
        of_source, of_target, width = _common_steps(
            len(source_features), len(target_features), source.dtype, source.device
        )
        source, target = source.index_select(1, of_source), target.index_select(1, of_target)
        return ((source - target).square() @ width).mean()

    def draw_directions(self, features):
        """Draw unit vectors, each direction as likely as any other.

        Parameters
        ----------
        features : Tensor of shape (n, d)
            What they are for, and of whose d, dtype and device they are.

        Returns
        -------
        directions : Tensor of shape (n_projections, d)
            One unit vector per row.
        """
        shape = self.n_projections, features.shape[1]
        drawn = torch.randn(
            shape,
            dtype=features.dtype,
            device=features.device,
            generator=generator_on(features.device),
        )
        return F.normalize(drawn, dim=1)


# Batches keep their size, and so do the steps.
@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def _common_steps(n_source, n_target, dtype, device):
    """Return the steps on which both quantile functions are constant: sample, sample and width."""
    # Counted in units of 1 / (n_source n_target), sorted source sample i ends at
    # (i + 1) n_target and target sample j at (j + 1) n_source. Where both end at once, a
    # step of no width comes out, which does no harm.
    source_ends = torch.arange(1, n_source + 1, device=device) * n_target
    target_ends = torch.arange(1, n_target + 1, device=device) * n_source
    ends = torch.cat([source_ends, target_ends]).sort().values
    starts = F.pad(ends[:-1], (1, 0))
    of_source = (starts // n_target).clamp_max(n_source - 1)
    of_target = (starts // n_source).clamp_max(n_target - 1)
    return of_source, of_target, (ends - starts).to(dtype) / (n_source * n_target)
