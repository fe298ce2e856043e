"""Representation subspace distance: the directions of the features, not their scale."""

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_counts, check_not_negative
from domadapt.nn.functions import gradient_of_value, keep_signature, save_results

# Shares of the sum of all squared singular values. Below the first, or ten rounding errors,
# a direction counts as missing; closer than the second two are not told apart.
SMALLEST_ENERGY, SMALLEST_GAP = 1e-8, 1e-5
# Below this the sine of an angle, or the mismatch, fades out of the gradient.
SMALLEST_ROOT = 1e-4
SMALLEST_NORM = 1e-15


class RSD(Criterion):
    r"""Angles between the subspaces that the features of two domains lie in.

    Let the columns of :math:`U_s` and :math:`U_t` be the leading k right singular vectors
    of the features of each domain, which are not centred. With the singular value
    decomposition :math:`U_s^\top U_t = P_s \, \mathrm{diag}(\cos\theta) \, P_t^\top` the
    loss is

    .. math::
        \sum_{i=1}^k \sin\theta_i + \gamma \, \bigl\| |P_s| - |P_t| \bigr\|_F .

    The first term is 0 where both subspaces are the same, the second where their directions
    are in the same order too. Neither looks at the scale, which a regression needs as it is.

    Parameters
    ----------
    n_components : int or None, default=None
        How many directions k of each domain are compared, at most the samples of either
        mini-batch and the columns. None takes half of that. Subspaces of more than half of the
        columns always meet, and those of all columns are the whole space. The paper, with
        far more columns than samples, takes as many directions as samples.
    mismatch_weight : float, default=0.1
        The factor :math:`\gamma`.

    Notes
    -----
    A singular vector turns at a rate of one over the distance of its squared singular
    value from the others. In the gradient such a 1 / x is taken as
    :math:`x / (x^2 + \epsilon^2)`: right where x is well above :math:`\epsilon`, and zero
    at zero, where the direction is arbitrary. So is the slope of the root at angle zero.

    A direction that holds next to nothing of the sum of squares is one of rounding. In
    its place comes one outside the space of the features, the same for both domains:
    missing in both it adds nothing, missing in one it adds 1. On a GPU each step waits
    for the decompositions.

    It can be differentiated once: asked for with ``create_graph=True``, its gradient is an error.

    References
    ----------
    Chen, Wang, Wang, Long (2021). "Representation subspace distance for domain
    adaptation regression". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import RSD
    >>> source = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> RSD()(source, 100.0 * source)
    tensor(0.)
    >>> RSD(n_components=2, mismatch_weight=0.0)(source, source[:, [2, 1, 0]])
    tensor(1.)
    """

    default_weight = 0.1
    # On a GPU each step waits for the decompositions.
    capturable = False

    def __init__(self, *, n_components: int | None = None, mismatch_weight: float = 0.1) -> None:
        super().__init__()
        if n_components is not None:
            check_counts(n_components=n_components)
        check_not_negative(mismatch_weight=mismatch_weight)
        self.n_components, self.mismatch_weight = n_components, mismatch_weight

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
            The distance, 0 or more; NaN where a feature is not finite or too large to square.
        """
        most = min(*source_features.shape, len(target_features))
        k = max(most // 2, 1) if self.n_components is None else min(self.n_components, most)
        weight = self.mismatch_weight
        return _SubspaceDistance.apply(source_features, target_features, k, weight)[0]


class _SubspaceDistance(torch.autograd.Function):
    """The loss with its slope written down, which saves a good part of the work."""

    generate_vmap_rule = True

    @staticmethod
    @keep_signature
    def forward(source, target, k, mismatch_weight):
        # Samples of zeros, which the shorter mini-batch is filled up with, change no direction.
        n = max(len(source), len(target))
        rows = torch.stack([F.pad(part, (0, 0, 0, n - len(part))) for part in (source, target)])
        norm = torch.linalg.vector_norm(rows, dim=(1, 2), keepdim=True)
        # The decompositions would raise an error where they are to give a loss of NaN.
        rows = torch.where(norm.isfinite(), rows / norm.clamp_min(SMALLEST_NORM), 0.0)
        axes = _LeadingAxes(rows, k)
        loss, slope = _compare(axes, mismatch_weight)
        slope = axes.slope_in_rows(slope).div_(norm.clamp_min(SMALLEST_NORM))
        return loss + (0.0 * norm).sum(), slope

    @staticmethod
    def setup_context(ctx, inputs, output):
        save_results(ctx, inputs, output)
        ctx.sizes = len(inputs[0]), len(inputs[1])

    @staticmethod
    @gradient_of_value(forward, once="RSD")
    def backward(ctx, grad, slope):
        return *(grad * part[:n] for part, n in zip(slope, ctx.sizes, strict=True)), None, None


class _LeadingAxes:
    """The k first right singular vectors of two matrices, by the smaller Gram matrix.

    They are the columns of ``axes``, shortened as far as they are ``missing``.
    """

    def __init__(self, rows, k):
        self.rows = rows
        self.wide = rows.shape[1] < rows.shape[2]
        gram = rows @ rows.mT if self.wide else rows.mT @ rows
        energy, vectors = torch.linalg.eigh(gram)
        self.energy, self.vectors = energy.flip(1), vectors.flip(2)
        # A batched product of what is not contiguous takes three times as long.
        axes = self.first = self.vectors[:, :, :k].contiguous()
        if self.wide:
            axes = rows.mT @ self.first
            self.inverse_length = 1.0 / axes.norm(dim=1, keepdim=True).clamp_min(SMALLEST_NORM)
            axes *= self.inverse_length
        share = self.energy[:, None, :k].clamp_min(0.0)
        noise = max(SMALLEST_ENERGY, 10.0 * torch.finfo(share.dtype).eps)
        self.present = share * _soft_inverse(share, noise)
        self.axes = axes * self.present
        self.missing = (1.0 - self.present.square()).clamp_min(0.0).sqrt().squeeze(1)

    def slope_in_rows(self, slope):
        """Turn the slope of a loss in the axes into the one in the rows."""
        slope = slope * self.present
        if not self.wide:
            return self.rows @ self._slope_in_gram(slope)
        # What points along an axis only changes its length, which is brought to 1.
        slope -= self.axes * (self.axes * slope).sum(1, keepdim=True)
        slope *= self.inverse_length
        through_vectors = self._slope_in_gram(self.rows @ slope) @ self.rows
        return torch.baddbmm(through_vectors, self.first, slope.mT)

    def _slope_in_gram(self, slope):
        """Return twice the symmetric part: the rows are in a Gram matrix two times."""
        turns = _turn_rates(self.energy)[:, :, : slope.shape[2]] * (self.vectors.mT @ slope)
        half = self.vectors @ turns @ self.first.mT
        return half + half.mT


def _compare(axes, mismatch_weight):
    """Return the loss of both domains' axes and its slope in each."""
    source, target = axes.axes
    product = source.T @ target + torch.diag(axes.missing[0] * axes.missing[1])
    left, cosines, right = torch.linalg.svd(product)
    sines = (1.0 - cosines.square()).clamp_min(0.0).sqrt()
    slope = torch.diag(-cosines * _soft_inverse(sines, SMALLEST_ROOT))
    loss = sines.sum()
    if mismatch_weight:
        rotations = torch.stack([left, right.T])
        difference = rotations[0].abs() - rotations[1].abs()
        mismatch = difference.norm()
        loss = loss + mismatch_weight * mismatch
        pull = difference * (mismatch_weight * _soft_inverse(mismatch, SMALLEST_ROOT))
        turns = rotations.mT @ (rotations.sign() * torch.stack([pull, -pull]))
        turns *= _turn_rates(cosines.square())
        turns = (turns + turns.mT) * cosines
        slope += turns[0] + turns[1].T
    slope = left @ slope @ right
    return loss, torch.stack([target @ slope.T, source @ slope])


def _turn_rates(values):
    """Return how fast eigenvector j turns towards i: one over the distance of their values."""
    return _soft_inverse(values[..., None, :] - values[..., None], SMALLEST_GAP)


def _soft_inverse(x, smallest):
    return x / (x.square() + smallest**2)
