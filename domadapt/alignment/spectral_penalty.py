"""Batch spectral penalty: no direction may dominate the features of a domain."""

import torch

from domadapt.alignment.protocol import Criterion, check_counts

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
        in_source = _top_energy(source_features, self.n_singular)
        return in_source + _top_energy(target_features, self.n_singular)


def _top_energy(matrix, n_singular):
    """Sum the squares of the largest singular values."""
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    energies = []
    for _ in range(min(n_singular, len(matrix))):
        direction = _top_left_vector(matrix.detach())
        along = direction @ matrix
        energies.append(torch.dot(along, along))
        # Taken off the matrix, not off its Gram matrix: where nothing is left of it but
        # rounding, the next energy is as little, whatever direction is found.
        matrix = matrix - torch.outer(direction, along)
    return sum(energies[1:], start=energies[0])


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
