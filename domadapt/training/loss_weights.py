"""Loss weights of the task and the criteria that are found in training."""

import functools
import math

import torch
from torch import nn

from domadapt.nn.layers import scale_gradient

# A loss of less than this counts as this much, so that no weight goes out of bounds.
SMALLEST_LOSS = 1e-8
# A weight grows no further than to so many times its start: that of a loss which goes to
# zero would grow for ever, and with it the steps that it makes.
LARGEST_GROWTH = 10.0
# How far below and above its first value a loss can come to count.
SMALLEST_RATIO, LARGEST_RATIO = 0.01, 100.0


class UncertaintyWeights(nn.Module):
    r"""Weights that are learnt as the inverse of each loss's own noise.

    Loss i has the weight :math:`e^{-s_i}`. Its logarithm of a variance :math:`s_i` is
    learnt by descent of

    .. math:: \sum_i e^{-s_i} |L_i| + s_i ,

    which is least where :math:`e^{-s_i} = 1 / |L_i|`: every loss then counts alike,
    whatever its scale.

    The paper starts from :math:`s = 0`. Here s starts at that least value for the first
    losses: where one of them is a thousand times too large, a learning rate that is small
    takes thousands of steps to get there, and one that is large throws s off in the first.
    And no weight grows beyond ten times its start, for that of a task which is learnt to
    the last sample would grow for ever. A criterion's loss may be negative; its size then
    stands for its scale.

    Parameters
    ----------
    n_losses : int
        How many losses there are.

    Raises
    ------
    ValueError
        If ``n_losses`` is below 1, or ``penalty`` is given another number of losses.

    References
    ----------
    Kendall, Gal, Cipolla (2018). "Multi-task learning using uncertainty to weigh losses
    for scene geometry and semantics". CVPR.

    Examples
    --------
    >>> import torch
    >>> from domadapt.training import UncertaintyWeights
    >>> weights = UncertaintyWeights(2)
    >>> penalty = weights.penalty(torch.tensor([100.0, 0.5]))
    >>> round(penalty.item(), 3)  # 1 + 1 + ln 100 + ln 0.5
    5.912
    >>> weights.factors()
    tensor([0.0100, 2.0000])
    """

    started: torch.Tensor
    lowest: torch.Tensor

    def __init__(self, n_losses):
        super().__init__()
        _check_number(n_losses)
        self.log_variance = nn.Parameter(torch.zeros(n_losses))
        self.register_buffer("lowest", torch.zeros(n_losses))
        self.register_buffer("started", torch.tensor(False))

    def factors(self):
        """Return the weights, without a gradient; ones before the first call of ``penalty``."""
        return torch.exp(-torch.maximum(self.log_variance.detach(), self.lowest))

    def forward(self, task_loss, criteria, tensors, factors):
        """Weigh the losses of a training step.

        Parameters
        ----------
        task_loss : Tensor of shape ()
            The first loss.
        criteria : WeightedCriteria
            Their losses are the others.
        tensors : StepTensors
            What the step has at hand.
        factors : list of Tensor of shape ()
            Multiply the gradient of each criterion into the network, beside the weight
            that is found.

        Returns
        -------
        losses : tuple of Tensor of shape ()
            Of the task, of the alignment, and of each criterion: as they are, with the
            gradients of weighted ones.
        """
        task_factor, *found = self.factors()
        losses = criteria(tensors, _multiplied(found, factors))
        penalty = self.penalty(torch.stack([task_loss, *losses]))
        # Of the penalty only the gradient counts.
        alignment_loss = torch.stack(losses).sum() + (penalty - penalty.detach())
        return scale_gradient(task_loss, task_factor), alignment_loss, *losses

    def weigh(self, losses, features):
        """Weigh the losses of several tasks.

        Parameters
        ----------
        losses : list of Tensor of shape ()
            Of each task.
        features : Tensor of shape (n_samples, n_features)
            What they share; not needed here.

        Returns
        -------
        loss : Tensor of shape ()
            The sum of the losses as they are, with the gradient of the weighted ones.
        """
        factors = self.factors()
        penalty = self.penalty(torch.stack(losses))
        return _scaled_sum(losses, factors) + (penalty - penalty.detach())

    def penalty(self, losses):
        """Return what the weights learn by.

        Parameters
        ----------
        losses : Tensor of shape (n_losses,)
            Of one step, not weighted.

        Returns
        -------
        penalty : Tensor of shape ()
            To be added to what is trained on. It pulls at ``log_variance`` alone.
        """
        _check_losses(losses, self.log_variance)
        size = losses.detach().to(self.log_variance).abs().clamp_min(SMALLEST_LOSS)
        with torch.no_grad():
            # By a choice between values, so that nothing waits for the flag.
            self.log_variance.copy_(torch.where(self.started, self.log_variance, size.log()))
            lowest = size.log() - math.log(LARGEST_GROWTH)
            self.lowest.copy_(torch.where(self.started, self.lowest, lowest))
            self.started.fill_(True)
        return (torch.exp(-self.log_variance) * size + self.log_variance).sum()


class GradNormWeights(nn.Module):
    r"""Weights by which the gradients of several losses come to be of like size.

    With :math:`G_i` the norm of the gradient of loss i, not weighted, in what the losses
    share, the weights go towards the fixed point

    .. math::
        w_i G_i = r_i^{\alpha} \; \frac1n \sum_j w_j G_j, \qquad
        r_i = \frac{L_i / L_i(0)}{\frac1n \sum_j L_j / L_j(0)}, \qquad \sum_i w_i = n .

    A loss that has come down less than the others has :math:`r_i > 1` and pulls harder.

    The paper descends the absolute deviations from the fixed point. Here each weight goes
    the share ``rate`` of its way there, in the logarithm: it stays positive, and the pace
    does not depend on the scale of anything. The first step goes all the way. A weight whose
    gradient is zero or not finite stays as it is, and the others share what it leaves of n.

    In an estimator the limit on how hard a criterion pulls is off: gradients are measured
    as they are.

    A loss that is not above 0 at first has no training rate: its :math:`r_i` is 1, and it
    has no part in the mean. The ratio :math:`L_i / L_i(0)` of another one is kept from
    0.01 to 100, also where it falls below 0 later.

    Parameters
    ----------
    n_losses : int
        How many losses there are.
    asymmetry : float, default=0.12
        The power :math:`\alpha`. With 0 all weighted gradients come to be of one size.
    rate : float, default=0.1
        Share of the way to the fixed point that is gone in one step, above 0 to 1.

    Raises
    ------
    ValueError
        If a setting is out of range, or ``update`` is given another number of losses.

    References
    ----------
    Chen, Badrinarayanan, Lee, Rabinovich (2018). "GradNorm: gradient normalization for
    adaptive loss balancing in deep multitask networks". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.training import GradNormWeights
    >>> weights = GradNormWeights(2, rate=1.0)
    >>> for _ in range(3):
    ...     weights.update(torch.tensor([5.0, 2.0]), norms=torch.tensor([30.0, 10.0]))
    >>> weights.factors()
    tensor([0.5000, 1.5000])
    """

    log_weight: torch.Tensor
    first_losses: torch.Tensor
    started: torch.Tensor

    def __init__(self, n_losses, *, asymmetry=0.12, rate=0.1):
        super().__init__()
        _check_number(n_losses)
        if not 0.0 <= asymmetry < math.inf:
            raise ValueError(f"asymmetry={asymmetry!r} must be a finite number of at least 0.")
        if not 0.0 < rate <= 1.0:
            raise ValueError(f"rate={rate!r} must be a number above 0 and of at most 1.")
        self.asymmetry, self.rate = asymmetry, rate
        self.register_buffer("log_weight", torch.zeros(n_losses))
        self.register_buffer("first_losses", torch.zeros(n_losses))
        self.register_buffer("started", torch.tensor(False))

    def factors(self):
        """Return the weights, which are above 0 and add up to ``n_losses``."""
        return self.log_weight.exp()

    def forward(self, task_loss, criteria, tensors, factors):
        """Weigh the losses of a training step by their gradients at the features.

        Parameters
        ----------
        task_loss : Tensor of shape ()
            The first loss.
        criteria : WeightedCriteria
            Their losses are the others.
        tensors : StepTensors
            What the step has at hand.
        factors : list of Tensor of shape ()
            Multiply the gradient of each criterion into the network, beside the weight
            that is found.

        Returns
        -------
        losses : tuple of Tensor of shape ()
            Of the task, of the alignment, and of each criterion: as they are, with the
            gradients of weighted ones.
        """
        # Read when a gradient flows: 1 for the norms, then what is found.
        current = [torch.ones_like(task_loss)] * len(factors)
        later = [functools.partial(current.__getitem__, i) for i in range(len(current))]
        losses = criteria(tensors, later, limited=False)
        self._measure([task_loss, *losses], tensors.features)
        task_factor, *found = self.factors()
        current[:] = _multiplied(found, factors)
        return scale_gradient(task_loss, task_factor), torch.stack(losses).sum(), *losses

    def weigh(self, losses, features):
        """Weigh the losses of several tasks by their gradients at the features.

        Parameters
        ----------
        losses : list of Tensor of shape ()
            Of each task.
        features : Tensor of shape (n_samples, n_features)
            What they share.

        Returns
        -------
        loss : Tensor of shape ()
            The sum of the losses as they are, with the gradient of the weighted ones.
        """
        self._measure(losses, features)
        return _scaled_sum(losses, self.factors())

    def _measure(self, losses, features):
        """Take one step by the gradients of losses at the features."""
        # The rehearsal of a step, in evaluation mode, is not to count.
        if self.training and features.requires_grad and torch.is_grad_enabled():
            norms = [_gradient_norm(loss, features) for loss in losses]
            self.update(torch.stack(losses).detach(), torch.stack(norms))

    @torch.no_grad()
    def update(self, losses, norms):
        """Take one step.

        Parameters
        ----------
        losses : Tensor of shape (n_losses,)
            Of one step, not weighted.
        norms : Tensor of shape (n_losses,)
            Norm of each one's gradient, not weighted.
        """
        _check_losses(losses, self.log_weight)
        _check_losses(norms, self.log_weight, name="norms")
        losses, norms = losses.to(self.log_weight), norms.to(self.log_weight)
        self.first_losses.copy_(torch.where(self.started, self.first_losses, losses))
        rate = 1.0 - (1.0 - self.rate) * self.started.to(losses)
        self.started.fill_(True)
        pulling = norms.isfinite() & (norms > 0.0)
        log_pull = torch.where(pulling, self.log_weight + norms.log(), -math.inf)
        # By logarithms throughout: the sum of very large norms would be infinite.
        log_mean = log_pull.logsumexp(0) - pulling.sum().log()
        way = log_mean + self.asymmetry * self._log_rates(losses) - log_pull
        moved = self.log_weight + rate * torch.where(pulling, way, 0.0)
        # The sum over the weights that move is what it was before.
        left = torch.where(pulling, self.log_weight, -math.inf).logsumexp(0)
        taken = torch.where(pulling, moved, -math.inf).logsumexp(0)
        self.log_weight.copy_(torch.where(pulling, moved + left - taken, self.log_weight))

    def _log_rates(self, losses):
        """Return the logarithm of each relative inverse training rate; 0 where it has none."""
        known = self.first_losses.isfinite() & (self.first_losses > 0.0) & losses.isfinite()
        ratio = (losses / self.first_losses).clamp(SMALLEST_RATIO, LARGEST_RATIO)
        mean = torch.where(known, ratio, 0.0).sum() / known.sum()
        return torch.where(known, (ratio / mean).log(), 0.0)

    def extra_repr(self):
        """Return the settings, for ``repr``."""
        return f"asymmetry={self.asymmetry}, rate={self.rate}"


# By their names in an estimator's ``loss_weights``.
LOSS_WEIGHTS = {"uncertainty": UncertaintyWeights, "gradnorm": GradNormWeights}


def _multiplied(found, factors):
    return [factor.to(weight) * weight for weight, factor in zip(found, factors, strict=True)]


def _scaled_sum(losses, factors):
    """Return the sum of losses as they are, the gradient of each times its factor."""
    first, *others = (scale_gradient(loss, f) for loss, f in zip(losses, factors, strict=True))
    return sum(others, start=first)


def _gradient_norm(loss, features):
    (gradient,) = torch.autograd.grad(
        loss, features, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient.norm()


def _check_number(n_losses):
    if n_losses < 1:
        raise ValueError(f"n_losses={n_losses!r} must be an integer of at least 1.")


def _check_losses(values, expected, name="losses"):
    if values.shape != expected.shape:
        raise ValueError(
            f"{name} has the shape {tuple(values.shape)}: one number for each of the "
            f"{len(expected)} losses was expected. Stack them in one tensor."
        )
