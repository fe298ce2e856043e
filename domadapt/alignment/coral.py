"""Correlation alignment: the distance between two covariance matrices."""

from typing import Literal

import torch

from domadapt.alignment.protocol import Criterion
from domadapt.nn.functions import call, gradient_of_value, keep_signature, save_results

# What the squared Frobenius norm is multiplied by, for d columns.
SCALINGS = {
    "deep_coral": lambda n_columns: 1.0 / (4.0 * n_columns**2),
    "coral": lambda n_columns: 1.0,
}


class _CovarianceDistance(torch.autograd.Function):
    """Squared Frobenius distance of two covariances, by the cheaper of two forms."""

    # Let H be the samples of both domains, each centred by its domain's mean and divided by
    # the root of its n - 1, and S the diagonal matrix with 1 at source and -1 at target
    # samples. Then D = C_s - C_t = H'SH, the distance is tr(DD) = <H, S(HH')SH>, and its
    # gradient with respect to H is 4 SHD = 4 S(HH')SH. One form has d x d products, the
    # other n x n ones.
    generate_vmap_rule = True

    @staticmethod
    @keep_signature
    def forward(source, target):
        n_source = source.shape[-2]
        rows = torch.cat([_centred(source), _centred(target)], dim=-2)
        signed = torch.cat([rows[..., :n_source, :], -rows[..., n_source:, :]], dim=-2)
        if rows.shape[-2] < rows.shape[-1]:
            pull = rows @ rows.mT @ signed
            pull[..., n_source:, :].neg_()
            distance = torch.linalg.vecdot(rows.flatten(-2), pull.flatten(-2))
        else:
            difference = signed.mT @ rows
            pull = signed @ difference
            distance = difference.square().sum((-2, -1))
        return distance, pull

    @staticmethod
    def setup_context(ctx, inputs, output):
        save_results(ctx, inputs, output)
        ctx.n_source = inputs[0].shape[-2]

    @staticmethod
    @gradient_of_value(forward)
    def backward(ctx, grad, pull):
        both = pull[..., : ctx.n_source, :], pull[..., ctx.n_source :, :]
        grad = grad[..., None, None]
        return tuple(rows * (grad * (4.0 * _inverse_root(rows))) for rows in both)


def _inverse_root(rows):
    # A domain of one sample has no covariance: its only centred row is zero.
    return max(rows.shape[-2] - 1, 1) ** -0.5


def _centred(rows):
    return (rows - rows.mean(-2, keepdim=True)).mul_(_inverse_root(rows))


class CORAL(Criterion):
    r"""Squared Frobenius distance between the covariances of two domains.

    .. math:: c(d) \, \| C_s - C_t \|_F^2

    with unbiased covariances :math:`C` of the columns.

    Parameters
    ----------
    scaling : {"deep_coral", "coral"}, default="deep_coral"
        ``"deep_coral"`` divides by :math:`4 d^2` for d columns, as the Deep CORAL paper
        does; the same weight then means less and less as the features get wider.
        ``"coral"`` divides by nothing, as the CORAL paper does.

    References
    ----------
    Sun, Saenko (2016). "Deep CORAL: correlation alignment for deep domain adaptation".
    ECCV workshops.

    Sun, Feng, Saenko (2016). "Return of frustratingly easy domain adaptation". AAAI.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import CORAL
    >>> source = torch.tensor([[0.0], [2.0]])
    >>> CORAL(scaling="coral")(source, 2.0 * source)
    tensor(36.)
    >>> CORAL()(source, 2.0 * source)
    tensor(9.)
    """

    default_weight = 6.0
    takes_stacks = True

    def __init__(self, *, scaling: Literal["deep_coral", "coral"] = "deep_coral") -> None:
        super().__init__()
        if scaling not in SCALINGS:
            raise ValueError(f"scaling={scaling!r} is unknown: use one of {sorted(SCALINGS)}.")
        self.scaling = scaling

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
            The distance, 0 or more.
        """
        distance, _ = call(_CovarianceDistance, source_features, target_features)
        return SCALINGS[self.scaling](source_features.shape[-1]) * distance


class DeepCORAL(CORAL):
    """The covariance distance of the classifier's outputs, as in the Deep CORAL paper.

    The same distance as :class:`CORAL`, asked for at the logits. There d is the number
    of classes, so that one weight fits networks of any width.

    Parameters
    ----------
    scaling : {"deep_coral", "coral"}, default="deep_coral"
        As in :class:`CORAL`.

    References
    ----------
    Sun, Saenko (2016). "Deep CORAL: correlation alignment for deep domain adaptation".
    ECCV workshops.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import DeepCORAL
    >>> logits = torch.tensor([[0.0], [2.0]])
    >>> DeepCORAL()(source_logits=logits, target_logits=2.0 * logits)
    tensor(9.)
    """

    def forward(self, source_logits, target_logits):
        """Compare the logits of two mini-batches.

        Parameters
        ----------
        source_logits : Tensor of shape (n_source, n_classes)
            Logits of source samples.
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of target samples.

        Returns
        -------
        loss : Tensor of shape ()
            The distance, 0 or more.
        """
        return super().forward(source_logits, target_logits)
