"""Batch nuclear norm: target predictions that are certain and of many classes."""

import math

import torch

from domadapt.alignment.protocol import Criterion
from domadapt.nn.functions import gradient_of_value, keep_signature, save_results

# Singular values below this part of the Frobenius norm fade out of the gradient. In
# float32 those of pure rounding are some hundred times smaller.
SMALLEST_SINGULAR_VALUE = 1e-5
SMALLEST_NORM = 1e-30


class BNM(Criterion):
    r"""Minus the nuclear norm of a mini-batch of predictions.

    .. math:: -\frac1n \, \| P \|_* = -\frac1n \sum_k \sigma_k(P)

    where the rows of P are the softmax of the logits and :math:`\sigma_k` its singular
    values. The norm is the higher the surer the predictions are, and the more classes
    there are among them.

    Notes
    -----
    With :math:`P = U \Sigma V^\top` the gradient of the nuclear norm is
    :math:`U V^\top`, and :math:`\langle P, U V^\top \rangle` is the norm itself. So the
    loss is that product, and its gradient takes :math:`U V^\top` as given, which is right
    where singular values coincide too.

    Singular values that are zero have no direction, and rounding gives them a random
    one. Below a hundred thousandth of the norm of P they therefore count the less the
    smaller they are, and not at all at zero. No singular value decomposition is
    called for, for which a GPU would have to wait.

    References
    ----------
    Cui, Wang, Zhuo, Li, Huang, Tian (2020). "Towards discriminability and diversity:
    batch nuclear-norm maximization under label insufficient situations". CVPR.

    Nakatsukasa, Bai, Gygi (2010). "Optimizing Halley's iteration for computing the
    matrix polar decomposition". SIAM Journal on Matrix Analysis and Applications 31(5).

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import BNM
    >>> certain = 1000.0 * torch.eye(4)
    >>> BNM()(certain)
    tensor(-1.)
    >>> BNM()(certain[[0, 0, 0, 0]])
    tensor(-0.5000)
    """

    default_weight = 4.0
    # The library that solves by Cholesky factors may do part of its work on the CPU.
    capturable = False

    def forward(self, target_logits):
        """Measure a mini-batch.

        Parameters
        ----------
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of target samples.

        Returns
        -------
        loss : Tensor of shape ()
            Below 0, and at the least -1: where all predictions are certain and no two
            are alike.
        """
        p = target_logits.softmax(1)
        return -_NuclearNorm.apply(p)[0] / len(p)


class _NuclearNorm(torch.autograd.Function):
    """The nuclear norm of a matrix, with U V' as its gradient."""

    generate_vmap_rule = True

    @staticmethod
    @keep_signature
    def forward(matrix):
        factor = _polar_factor(matrix)
        return torch.dot(matrix.flatten(), factor.flatten()), factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        save_results(ctx, inputs, output)

    @staticmethod
    @gradient_of_value(forward)
    def backward(ctx, grad, factor):
        return grad * factor


def _halley_weights(smallest):
    """Return the weights of Halley's iteration that raise [smallest, 1] to 1 the fastest."""
    weights = []
    while smallest < 1.0 - 1e-12:
        square = smallest**2
        d = math.cbrt(4.0 * (1.0 - square) / square**2)
        root = math.sqrt(1.0 + d)
        a = root + 0.5 * math.sqrt(8.0 - 4.0 * d + 8.0 * (2.0 - square) / (square * root))
        b = (a - 1.0) ** 2 / 4.0
        c = a + b - 1.0
        weights.append((a, b, c))
        smallest *= (a + b * square) / (1.0 + c * square)
    return weights


WEIGHTS = _halley_weights(SMALLEST_SINGULAR_VALUE)


def _polar_factor(matrix):
    """Return U V' of a matrix U S V', by steps that bring every singular value to 1."""
    # A step maps each singular value x to x (a + b x^2) / (1 + c x^2) and leaves the
    # singular vectors as they are. The squares in it would cost a float32 half its digits,
    # so all is in float64.
    wide = matrix.shape[0] < matrix.shape[1]
    x = (matrix.T if wide else matrix).double()
    x = x / x.norm().clamp_min(SMALLEST_NORM)
    one = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    for a, b, c in WEIGHTS:
        # The form that does not look at the outcome, and so does not wait for it.
        triangle = torch.linalg.cholesky_ex(torch.addmm(one, x.T, x, alpha=c)).L
        rest = torch.cholesky_solve(x.T, triangle).T
        x = torch.add(x * (b / c), rest, alpha=a - b / c)
    return (x.T if wide else x).to(matrix.dtype)
