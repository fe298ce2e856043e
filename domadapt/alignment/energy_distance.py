"""Energy distance: how much farther apart samples are between the domains than within them."""

import torch

from domadapt.alignment.protocol import Criterion
from domadapt.nn.kernels import pair_weights, squared_distances

# Below this squared distance two samples count as equal: a root has no finite slope at zero.
SMALLEST_SQUARE = 1e-24


class EnergyDistance(Criterion):
    r"""Mean distance between the domains, less the mean distances within them.

    .. math::
        \frac2{n_s n_t}\sum_{ij} \|s_i - t_j\|
        - \frac1{n_s(n_s - 1)}\sum_{i \ne j} \|s_i - s_j\|
        - \frac1{n_t(n_t - 1)}\sum_{i \ne j} \|t_i - t_j\|

    It is the squared maximum mean discrepancy of the kernel :math:`-\|x - y\|`, which has no
    bandwidth: far samples are pulled as hard as near ones.

    Parameters
    ----------
    unbiased : bool, default=True
        As in :class:`MMD`. The biased estimate divides by the squares of the numbers of
        samples.

    References
    ----------
    Székely, Rizzo (2013). "Energy statistics: a class of statistics based on distances".
    Journal of Statistical Planning and Inference 143(8).

    Sejdinovic, Sriperumbudur, Gretton, Fukumizu (2013). "Equivalence of distance-based and
    RKHS-based statistics in hypothesis testing". Annals of Statistics 41(5).

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import EnergyDistance
    >>> samples = torch.tensor([[0.0], [2.0]])
    >>> EnergyDistance()(samples, samples + 10.0)
    tensor(16.)
    """

    def __init__(self, *, unbiased: bool = True) -> None:
        super().__init__()
        self.unbiased = unbiased

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
            The distance, in the units of the features; 0 or more where it is biased.
        """
        features = torch.cat([source_features, target_features])
        weights = pair_weights(source_features, target_features, self.unbiased)
        distances = squared_distances(features).clamp_min(SMALLEST_SQUARE).sqrt()
        return -(weights * distances).sum()
