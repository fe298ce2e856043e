"""Batch spectral penalty: no direction may dominate the features of a domain."""

import torch

from domadapt.alignment.protocol import Criterion, check_counts
from domadapt.nn.functions import gradient_of_value, keep_signature, save_results

# Each costs a matrix product and doubles the power.
N_SQUARINGS = 14
SMALLEST_TRACE = 1e-30


class BSP(Criterion):
    r"""Squares of the largest singular values of the features of each domain.

    .. math:: \sum_{j=1}^k \sigma_j(F_s)^2 + \sigma_j(F_t)^2

    Adversarial alignment works in the few directions in which features vary most, and
    starves those that tell the classes apart. This penalty shrinks the former. It aligns
    nothing by itself: put it beside an adversarial criterion.

    Parameters
    ----------
    n_singular : int, default=1
        How many singular values k of each domain are penalised.

    Notes
    -----
    Let u be the left singular vector of the largest singular value. Then
    :math:`\sigma_1^2 = \|u^\top F\|^2`, which u maximises among all vectors of length 1.
    At a maximum the value does not change with u to first order, so u may be taken as
    given: :math:`2 u u^\top F` is the gradient, exactly so wherever
    :math:`\sigma_1 > \sigma_2`. The next singular value is the largest one of what is
    left, :math:`F - u u^\top F`, and so on.

    The vector is read from :math:`F F^\top`, or :math:`F^\top F` where that is smaller,
    squared 14 times over. Where two singular values are so close that not even this
    power tells them apart, it is a vector between theirs, and the loss is too small by
    some hundred thousandths at most. No decomposition is called for, so that a GPU does
    not have to wait for one.

    References
    ----------
    Chen, Wang, Long, Wang (2019). "Transferability vs. discriminability: batch spectral
    penalization for adversarial domain adaptation". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import BSP
    >>> source, target = torch.diag(torch.tensor([3.0, 2.0])), torch.ones(1, 2)
    >>> BSP()(source, target)  # 3^2 + 2
    tensor(11.)
    >>> BSP(n_singular=2)(source, target)  # 3^2 + 2^2 + 2
    tensor(15.)
    """

    default_weight = 1e-4

    def __init__(self, *, n_singular: int = 1) -> None:
        super().__init__()
        check_counts(n_singular=n_singular)
        self.n_singular = n_singular

    def forward(self, source_features, target_features):
        """Measure two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The sum of squares, 0 or more. A mini-batch with fewer singular values than
            ``n_singular`` has all of them in it.
        """
        return _TopEnergy.apply(source_features, target_features, self.n_singular)[0]


class _TopEnergy(torch.autograd.Function):
    """The sum of |u'F|^2 over the leading left singular vectors u, with slope 2 uu'F."""

    generate_vmap_rule = True

    @staticmethod
    @keep_signature
    def forward(source, target, n_singular):
        (on_source, *of_source), (on_target, *of_target) = (
            _top_directions(matrix, n_singular) for matrix in (source, target)
        )
        return on_source + on_target, *of_source, *of_target

    @staticmethod
    def setup_context(ctx, inputs, output):
        save_results(ctx, inputs, output)
        ctx.tall = [_is_tall(matrix) for matrix in inputs[:2]]

    @staticmethod
    @gradient_of_value(forward)
    def backward(ctx, grad, *results):
        of_each = zip(ctx.tall, results[::2], results[1::2], strict=True)
        slopes = [(tall, directions @ (2.0 * grad * rows)) for tall, directions, rows in of_each]
        return *(slope.T if tall else slope for tall, slope in slopes), None


def _is_tall(matrix):
    return matrix.shape[0] > matrix.shape[1]


def _top_directions(matrix, n_singular):
    """Return the sum of squares, the leading left vectors u as columns, and the rows u'F."""
    if _is_tall(matrix):
        matrix = matrix.T
    energies, directions, rows = [], [], []
    for _ in range(min(n_singular, len(matrix))):
        direction = _top_left_vector(matrix)
        along = direction @ matrix
        energies.append(torch.dot(along, along))
        directions.append(direction[:, None])
        rows.append(along[None])
        # Taken off the matrix, not off its Gram matrix: where nothing is left of it but
        # rounding, the next energy is as little, whatever direction is found.
        matrix = matrix - torch.outer(direction, along)
    total = sum(energies[1:], start=energies[0])
    if len(rows) == 1:
        return total, directions[0], rows[0]
    return total, torch.cat(directions, dim=1), torch.cat(rows)


def _top_left_vector(matrix):
    """Return the left singular vector of the largest singular value, or zeros for zeros."""
    power = _at_trace_one(matrix @ matrix.T)
    for _ in range(N_SQUARINGS):
        power = _at_trace_one(power @ power)
    # Now uu', or a projection on several such vectors. Its longest column is in their span.
    longest = power.diagonal().argmax(keepdim=True)
    vector = power.index_select(1, longest).squeeze(1)
    return vector / vector.norm().clamp_min(SMALLEST_TRACE)


def _at_trace_one(matrix):
    return matrix / matrix.trace().clamp_min(SMALLEST_TRACE)
