"""Virtual adversarial training: predictions that small steps of the input cannot change."""

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_counts, check_positive
from domadapt.nn.random_numbers import normal_like


class VirtualAdversarial(Criterion):
    r"""Change of the predictions under the small step of each input that changes them most.

    .. math::
        \frac1{n_t} \sum_j \mathrm{KL}\bigl(p(t_j) \,\|\, p(t_j + r_j)\bigr), \qquad
        r_j \approx \operatorname*{arg\,max}_{\|r\|_2 = \rho s}
        \mathrm{KL}\bigl(p(t_j) \,\|\, p(t_j + r)\bigr), \qquad
        s^2 = \frac1{n_t} \sum_j \|t_j - \bar t\|_2^2

    where :math:`p(t)` is the softmax of the network's logits at the input t,
    :math:`\bar t` the mini-batch's mean and :math:`\rho` the radius. A power iteration finds
    :math:`r_j`: from a random direction, each step goes along the gradient of the
    divergence at a point nearby. No gradient flows through :math:`p(t_j)` and
    :math:`r_j`.

    A network whose predictions change where samples are dense costs the most, so that the boundary
    between classes moves to where target samples are few. It keeps the predictions that it
    has: on its own it brings no domains together. The VADA paper has it beside a
    discriminator and the entropy of the target's predictions.

    Parameters
    ----------
    radius : float, default=0.25
        Length of the steps :math:`\rho`, as a share of the root mean square distance s
        of the mini-batch's inputs from their mean: at 1 a step is as long as a sample is
        typically far from the middle of the data. Whatever the unit of the data, it
        means the same. One sample alone, or samples that are all alike, have steps of
        length 0. Steps that reach into other classes leave one prediction for all samples
        as the only steady one.
    probe_length : float, default=0.01
        How far from the input the gradient is taken, as a share of s too. Short, so that
        the divergence is close to a quadratic; not so short that its gradient drowns in
        rounding.
    n_power_iterations : int, default=1
        Gradients that are taken. Each costs one forward and one backward pass.

    Raises
    ------
    ValueError
        If a length is not a finite number above 0, or there is no iteration.

    Notes
    -----
    Steps are as long in one column as in another. Columns of very different scale want
    to be standardised before.

    The random directions are drawn from torch's default generator.

    References
    ----------
    Shu, Bui, Narui, Ermon (2018). "A DIRT-T approach to unsupervised domain adaptation".
    ICLR.

    Miyato, Maeda, Koyama, Ishii (2019). "Virtual adversarial training: a regularization
    method for supervised and semi-supervised learning". IEEE TPAMI 41(8).

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import VirtualAdversarial
    >>> inputs, classifier = torch.eye(4), torch.nn.Linear(4, 3)
    >>> logits = classifier(inputs)
    >>> loss = VirtualAdversarial()(inputs, logits, torch.nn.Identity(), classifier)
    >>> loss.shape, bool(loss > 0)
    (torch.Size([]), True)
    """

    default_weight = 0.1
    draws = True

    def __init__(
        self, *, radius: float = 0.25, probe_length: float = 0.01, n_power_iterations: int = 1
    ) -> None:
        super().__init__()
        check_positive(radius=radius, probe_length=probe_length)
        check_counts(n_power_iterations=n_power_iterations)
        self.radius, self.probe_length = radius, probe_length
        self.n_power_iterations = n_power_iterations

    def forward(self, target_inputs, target_logits, feature_extractor, classifier):
        """Perturb a mini-batch and compare.

        Parameters
        ----------
        target_inputs : Tensor of shape (n_target, ...)
            What the feature extractor was given, such as vectors or images.
        target_logits : Tensor of shape (n_target, n_classes)
            The network's logits of these inputs. They take no gradient.
        feature_extractor : nn.Module
            Maps inputs to features of shape (n, d).
        classifier : nn.Module
            Maps features to logits of shape (n, n_classes).

        Returns
        -------
        loss : Tensor of shape ()
            Mean divergence in nats: 0 where no step changes anything. The gradient flows
            through the perturbed pass alone.
        """
        log_p = F.log_softmax(target_logits.detach(), dim=1)

        def log_q(inputs):
            return F.log_softmax(classifier(feature_extractor(inputs)), dim=1)

        perturbed = self._perturb(target_inputs.detach(), log_p, log_q)
        # The divergence by itself: vmap has no rule for torch's.
        return (log_p.exp() * (log_p - log_q(perturbed))).sum() / len(log_p)

    # Whoever calls may take no gradient; the search needs one all the same.
    @torch.inference_mode(False)
    @torch.enable_grad()
    def _perturb(self, inputs, log_p, log_q):
        """Move each sample by the step that changes its prediction most."""
        p, distance = log_p.exp(), _distance_from_mean(inputs)
        direction = normal_like(inputs)

        def cross_entropy(step):
            # It differs from the divergence by the entropy of p, which has no slope here.
            return -(p * log_q(inputs + step)).sum()

        for _ in range(self.n_power_iterations):
            direction = _slope(cross_entropy, self.probe_length * distance * _unit(direction))
        return inputs + self.radius * distance * _unit(direction)


def _slope(function, at):
    """Return the gradient in the argument alone: those of the weights stay as they are."""
    try:
        at.requires_grad_()
    except RuntimeError:
        # Only this works inside of vmap. It takes longer.
        with torch.no_grad():
            return torch.func.grad(function)(at)
    return torch.autograd.grad(function(at), at)[0]


def _distance_from_mean(inputs):
    """Return the root mean square distance of samples from their mean; 0 for one sample."""
    return inputs.flatten(1).var(0, correction=0).sum().sqrt()


def _unit(samples):
    """Scale each sample to length 1; zeros stay zeros."""
    flat, tiny = samples.flatten(1), torch.finfo(samples.dtype).tiny
    # The gradient of a sure prediction is so small that its square would be 0.
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(tiny)
    length = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    return (flat / length.clamp_min(tiny)).view_as(samples)
