"""Alignment that gives each domain private features for what the domains do not share."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_not_negative
from domadapt.nn.networks import mlp_head

# Its inverse is still a float32.
SMALLEST_SQUARE = 1e-30


class DomainSeparation(Criterion):
    r"""Private and shared features differ, and together they rebuild the inputs.

    Each domain has an encoder of its own, whose output is private. For each of both,

    .. math::
        \alpha \, \frac1{n p} \sum_i \bigl\| x_i - G(f_i + e(x_i)) \bigr\|^2
        + \beta \, \frac1{n^2} \bigl\| \hat E^\top \hat F \bigr\|_F^2

    with n samples of p inputs :math:`x_i`, the network's features :math:`f_i`, the domain's
    encoder e and a decoder G for both domains. :math:`\hat F` and :math:`\hat E` are the
    matrices of shared and private features, their columns centred and their rows
    then scaled to unit length. The first term, the reconstruction, keeps what is in the
    inputs; the second, the difference, is 0 where no private feature goes together with a
    shared one. Divided by :math:`n^2` it is at most 1 and independent of the batch size:
    as n grows it tends to the squared norm of a covariance.

    Nothing here brings the domains together: put it beside a criterion that does, such as
    ``[(1.0, DomainSeparation()), (0.25, DomainAdversarial())]``.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(32,)
        Units in each hidden layer of the encoders and of the decoder, with ReLU between.
        All layers are sized at the first mini-batch, as torch's lazy modules do: send one
        through before passing the parameters to an optimizer.
    reconstruction_weight : float, default=0.01
        Multiplies the reconstruction, :math:`\alpha`.
    difference_weight : float, default=0.075
        Multiplies the difference, :math:`\beta`.

    Attributes
    ----------
    source_encoder, target_encoder : nn.Sequential
        Map flattened inputs to private features, as many as there are shared ones.
    decoder : nn.Sequential
        Maps the sum of shared and private features to flattened inputs.

    Raises
    ------
    ValueError
        If a weight is negative or not finite.

    Notes
    -----
    A sample that is the mean of its mini-batch, up to the root of rounding, has no
    direction: it is not scaled to unit length and counts next to nothing.

    References
    ----------
    Bousmalis, Trigeorgis, Silberman, Krishnan, Erhan (2016). "Domain separation
    networks". NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import DomainSeparation
    >>> criterion = DomainSeparation()
    >>> loss = criterion(torch.zeros(4, 6), torch.ones(2, 6), torch.zeros(4, 3), torch.ones(2, 3))
    >>> loss.shape, criterion.source_encoder[-1].out_features, criterion.decoder[-1].out_features
    (torch.Size([]), 3, 6)
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] = (32,),
        reconstruction_weight: float = 0.01,
        difference_weight: float = 0.075,
    ) -> None:
        super().__init__()
        check_not_negative(
            reconstruction_weight=reconstruction_weight, difference_weight=difference_weight
        )
        self.hidden_layer_sizes = hidden_layer_sizes
        self.reconstruction_weight = reconstruction_weight
        self.difference_weight = difference_weight
        self.source_encoder = mlp_head(0, hidden_layer_sizes)
        self.target_encoder = mlp_head(0, hidden_layer_sizes)
        self.decoder = mlp_head(0, hidden_layer_sizes)

    def forward(self, source_inputs, target_inputs, source_features, target_features):
        """Separate two mini-batches.

        Parameters
        ----------
        source_inputs : Tensor of shape (n_source, ...)
            What the feature extractor was given of the source: vectors or images.
        target_inputs : Tensor of shape (n_target, ...)
            The same of the target.
        source_features : Tensor of shape (n_source, d)
            Shared features: samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.

        Returns
        -------
        loss : Tensor of shape ()
            The weighted reconstruction and difference of both domains, 0 or above.
        """
        inputs = source_inputs.flatten(1), target_inputs.flatten(1)
        shared = source_features, target_features
        encoders = self.source_encoder, self.target_encoder
        # The last layers read these when they take their sizes, at the first mini-batch.
        for encoder in encoders:
            encoder[-1].out_features = source_features.shape[1]
        self.decoder[-1].out_features = inputs[0].shape[1]
        private = [encoder(samples) for encoder, samples in zip(encoders, inputs, strict=True)]
        rebuilt = self.decoder(torch.cat(shared) + torch.cat(private)).split(
            [len(source_inputs), len(target_inputs)]
        )
        reconstruction = sum(map(F.mse_loss, rebuilt, inputs))
        difference = sum(map(_difference, private, shared))
        return self.reconstruction_weight * reconstruction + self.difference_weight * difference


def _difference(private, shared):
    """Return the squared norm of the product of two matrices of n rows, over n squared."""
    # |E'F|^2 is the sum of (EE') * (FF'): n x n entries, mostly fewer than features squared.
    return _cosines(torch.stack([private, shared])).prod(0).mean()


def _cosines(rows):
    """Return the products of all pairs of rows of each matrix, centred and of unit length."""
    centred = rows - rows.mean(1, keepdim=True)
    gram = centred @ centred.mT
    # Shorter than this there is rounding in place of a direction.
    noise = rows.detach().square().sum((1, 2)) * (torch.finfo(rows.dtype).eps / rows.shape[1])
    squares = gram.diagonal(dim1=1, dim2=2).maximum(noise[:, None]).clamp_min(SMALLEST_SQUARE)
    inverse = squares.rsqrt()
    return gram * inverse[:, :, None] * inverse[:, None, :]
