"""Central moment discrepancy: means and central moments, order by order."""

import math

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_counts

# Norms are rounded off below this length.
ROUNDING = 1e-6


class CentralMoments(Criterion):
    r"""Distances between the means and the central moments of two domains.

    .. math::
        \frac1{b - a} \big\| m_1(s) - m_1(t) \big\|
        + \sum_{k=2}^{K} \frac1{(b - a)^k} \big\| m_k(s) - m_k(t) \big\|

    where :math:`m_1` is the mean of each column, :math:`m_k` its central moment of
    order k, and :math:`(a, b)` the interval that the features lie in.

    A Euclidean norm has no gradient at zero, where the domains agree. In its place
    stands :math:`\sqrt{\|x\|^2 + \epsilon^2} - \epsilon` with :math:`\epsilon = 10^{-6}`.
    It is 0 with a gradient of 0 where x is 0, and nowhere further than
    :math:`\epsilon` below the norm.

    Parameters
    ----------
    n_moments : int, default=5
        The highest order K. With 1, only the means are compared.
    squash : bool, default=True
        Map each feature x to :math:`x / (1 + |x|)` first. The moments need bounded
        features: those of a ReLU have no bound, and high orders would see nothing but
        the largest. Unlike tanh the map still has a slope that counts at large
        features. Pass False where features are bounded already, such as by a sigmoid.
    interval : tuple of two floats, default=(0.0, 1.0)
        Where the features lie, once squashed. The default is for features of 0 and
        more, such as those of a ReLU; those of both signs lie in (-1, 1). Only the
        length counts: order k is divided by its k-th power.

    References
    ----------
    Zellinger, Grubinger, Lughofer, Natschlaeger, Saminger-Platz (2017). "Central moment
    discrepancy (CMD) for domain-invariant representation learning". ICLR.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import CentralMoments
    >>> source, target = torch.tensor([[0.2], [0.4]]), torch.tensor([[0.1], [0.5]])
    >>> CentralMoments()(source, source)
    tensor(0.)
    >>> CentralMoments(n_moments=3, squash=False)(source, target)  # the variances differ
    tensor(0.0300)
    """

    default_weight = 3.0

    def __init__(
        self, *, n_moments: int = 5, squash: bool = True, interval: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        super().__init__()
        check_counts(n_moments=n_moments)
        if not (len(interval) == 2 and 0.0 < interval[1] - interval[0] < math.inf):
            raise ValueError(
                f"interval={interval!r} must be two finite numbers, the lower one first."
            )
        self.n_moments, self.squash, self.interval = n_moments, squash, interval

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
            The sum of the distances, 0 or more.
        """
        both = source_features, target_features
        if self.squash:
            both = F.softsign(source_features), F.softsign(target_features)
        source, target = (_moments(features, self.n_moments) for features in both)
        distances = _rounded_norms(source - target)
        orders = torch.arange(1, self.n_moments + 1, dtype=source.dtype, device=source.device)
        return (distances / (self.interval[1] - self.interval[0]) ** orders).sum()


def _moments(features, n_moments):
    """Return the mean of each column, and its central moments from order 2 on, as rows."""
    mean = features.mean(0)
    centred = features - mean
    moments, power = [mean], centred
    for _ in range(n_moments - 1):
        power = power * centred
        moments.append(power.mean(0))
    return torch.stack(moments)


def _rounded_norms(rows):
    """Return sqrt(|x|^2 + e^2) - e of each row, in a form that is 0 at zero to the last digit."""
    squares = rows.square().sum(1)
    return squares / ((squares + ROUNDING**2).sqrt() + ROUNDING)
