"""Alignment by a critic that estimates the Wasserstein distance of the domains."""

from collections.abc import Sequence

import torch
from torch import nn

from domadapt.alignment.protocol import Criterion, check_not_negative
from domadapt.nn.layers import GradientReversal
from domadapt.nn.networks import mlp_head
from domadapt.nn.random_numbers import generator_on


class WassersteinCritic(Criterion):
    r"""A critic estimates the Wasserstein distance; a reversed gradient works against it.

    .. math::
        -\Bigl(\frac1{n_s}\sum_i c(s_i) - \frac1{n_t}\sum_j c(t_j)\Bigr)
        + \gamma \, \frac1m \sum_x \bigl(\|\nabla c(x)\|_2 - 1\bigr)^2

    where :math:`x` runs over the samples of both domains and one point on the line between
    each source sample and a target sample. The critic :math:`c` descends this: it drives the
    domains' means apart under a slope of about 1. Through a gradient reversal the
    feature extractor brings them together; the penalty on the slope is the critic's alone.

    The slope of a network with ReLU is a product of its weights, so it is written down
    and not differentiated for: the loss takes one backward pass. The penalty is steep:
    under SGD with momentum 0.9, learning rates of 0.1 and more let the critic run away.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(100,)
        Units in each hidden layer of the critic, with ReLU between.
    gradient_penalty : float, default=10.0
        The factor :math:`\gamma`.
    in_features : int or None, default=None
        Columns of the features. None sizes the layers at the first mini-batch, as
        torch's lazy modules do: send one through before passing the parameters to an
        optimizer.

    Raises
    ------
    ValueError
        If ``gradient_penalty`` is negative.

    References
    ----------
    Shen, Qu, Zhang, Yu (2018). "Wasserstein distance guided representation learning for
    domain adaptation". AAAI.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import WassersteinCritic
    >>> criterion = WassersteinCritic(gradient_penalty=0.0)
    >>> samples = torch.arange(6.0).reshape(3, 2)
    >>> criterion(samples, samples).abs().item() < 1e-6
    True
    """

    default_weight = 0.1
    draws = True

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] = (100,),
        gradient_penalty: float = 10.0,
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        check_not_negative(gradient_penalty=gradient_penalty)
        self.hidden_layer_sizes, self.in_features = hidden_layer_sizes, in_features
        self.gradient_penalty = gradient_penalty
        self.reversal = GradientReversal()
        self.critic = mlp_head(1, hidden_layer_sizes, in_features=in_features)

    def forward(self, source_features, target_features):
        """Compare two mini-batches.

        In training mode the points between the domains are drawn from torch's default
        generator; in evaluation mode they are the midpoints.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target. The shorter mini-batch is repeated to pair its samples with those
            of the longer.

        Returns
        -------
        loss : Tensor of shape ()
            The weighted penalty minus the estimated distance.
        """
        features = torch.cat([source_features, target_features])
        scores, active = _scores(self.critic, self.reversal(features))
        n_source = len(source_features)
        distance = scores[:n_source].mean() - scores[n_source:].mean()
        with torch.no_grad():
            between = self._points_between(source_features, target_features)
            _, active_between = _scores(self.critic, between)
        active = [torch.cat(both) for both in zip(active, active_between, strict=True)]
        steepness = torch.linalg.vector_norm(_slopes(self.critic, active), dim=1)
        return self.gradient_penalty * (steepness - 1.0).square().mean() - distance

    def _points_between(self, source, target):
        n_pairs = max(len(source), len(target))
        source, target = _repeated(source, n_pairs), _repeated(target, n_pairs)
        if not self.training:
            return torch.lerp(source, target, 0.5)
        share = torch.rand(
            (n_pairs, 1),
            dtype=source.dtype,
            device=source.device,
            generator=generator_on(source.device),
        )
        return torch.lerp(source, target, share)


def _repeated(samples, n):
    return samples if len(samples) == n else samples.repeat(-(-n // len(samples)), 1)[:n]


def _scores(critic, samples):
    """Return the critic's output, and for each hidden layer which units are active."""
    *hidden, last = critic
    active = []
    for layer in hidden:
        samples = layer(samples)
        if isinstance(layer, nn.ReLU):
            active.append(samples > 0)
    return last(samples).squeeze(1), active


def _slopes(critic, active):
    """Return the critic's gradient at each sample, as a function of its weights."""
    # By the chain rule it is the product of the weights, with the units left out that are
    # not active at the sample. Which ones are is constant almost everywhere, so it takes no
    # gradient. A linear critic has one slope for all samples.
    *hidden, last = (layer for layer in critic if isinstance(layer, nn.Linear))
    slopes = last.weight
    for layer, units in zip(reversed(hidden), reversed(active), strict=True):
        slopes = (slopes * units) @ layer.weight
    return slopes
