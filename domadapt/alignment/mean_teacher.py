"""Mean teacher: a network that agrees with the average of its own past."""

import copy
from collections.abc import Callable
from typing import Any

import torch

from domadapt.alignment.protocol import Criterion, check_confidence
from domadapt.nn.networks import FeatureClassifier
from domadapt.nn.random_numbers import normal_like

# Standard deviation of the noise where there is no augmentation, as a share of a column's.
NOISE = 0.5


class MeanTeacher(Criterion):
    r"""Squared distance of the network's target predictions to those of its running mean.

    .. math::
        \frac1{n_t C} \sum_j w_j \, \bigl\| \sigma(h(a(t_j))) - \sigma(\bar h(a'(t_j)))
        \bigr\|_2^2, \qquad
        w_j = \bigl[\max_k \sigma_k(\bar h(a'(t_j))) \ge c\bigr]

    where h is the network from inputs to logits, :math:`\bar h` its teacher,
    :math:`\sigma` the softmax, C the number of classes, :math:`a` and :math:`a'` two
    draws of a random augmentation, and c the confidence. The teacher is the network with
    weights that are averaged over training,

    .. math::
        \bar\theta \leftarrow m \, \bar\theta + (1 - m) \, \theta ,

    once a step, with momentum m. It takes no gradient. Where the teacher is sure, the
    network learns to predict the same under another augmentation.

    The teacher is a copy of the network that is made at the first mini-batch: send one
    through before loading a saved state. One criterion serves one network.

    Parameters
    ----------
    augmentation : callable or None, default=None
        Maps a batch of inputs to one of the same shape that means the same, at random.
        None adds Gaussian noise, of a standard deviation of 0.5 times that of each column
        (or pixel) over the mini-batch, from torch's default generator.
    momentum : float, default=0.99
        What the teacher keeps of itself in a step, at least 0 and below 1.
    confidence : float, default=0.8
        The least probability, from 0 to 1, of the teacher's prediction at which a sample
        is learnt from. The paper has 0.968, which a network that learns from smoothed labels
        may never come to.

    Attributes
    ----------
    teacher : FeatureClassifier or None
        The averaged network, from inputs to logits; None before the first mini-batch. A layer
        of it is in training mode where the network's is.

    Raises
    ------
    TypeError
        If ``augmentation`` is not callable or returns no tensor.
    ValueError
        If ``momentum`` or ``confidence`` is out of its range, or ``augmentation``
        returns another shape.

    References
    ----------
    French, Mackiewicz, Fisher (2018). "Self-ensembling for visual domain adaptation".
    ICLR.

    Tarvainen, Valpola (2017). "Mean teachers are better role models: weight-averaged
    consistency targets improve semi-supervised deep learning results". NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import MeanTeacher
    >>> inputs, classifier = torch.eye(3), torch.nn.Linear(3, 3)
    >>> criterion = MeanTeacher(augmentation=lambda batch: batch, confidence=0.0)
    >>> criterion(inputs, torch.nn.Identity(), classifier).item()  # The teacher is a copy.
    0.0
    >>> with torch.no_grad():
    ...     bias = classifier.bias.add_(torch.tensor([1.0, 0.0, 0.0]))
    >>> bool(criterion(inputs, torch.nn.Identity(), classifier) > 0)
    True
    """

    default_weight = 30.0
    draws = True
    # It compares probabilities, which no signature says.
    needs_classes = True

    def __init__(
        self,
        *,
        augmentation: Callable[[Any], Any] | None = None,
        momentum: float = 0.99,
        confidence: float = 0.8,
    ) -> None:
        super().__init__()
        if not (augmentation is None or callable(augmentation)):
            raise TypeError(
                f"augmentation={augmentation!r} must be None or a callable from a batch of "
                "inputs to one of the same shape."
            )
        if not 0.0 <= momentum < 1.0:
            raise ValueError(
                f"momentum={momentum!r} must be a number of at least 0 and below 1, where the "
                "teacher would never learn."
            )
        check_confidence(confidence=confidence)
        self.augmentation, self.momentum, self.confidence = augmentation, momentum, confidence
        # Nothing is known of an augmentation: it may draw on the CPU, or branch on values.
        self.stackable = self.capturable = augmentation is None  # type: ignore[misc]
        self.teacher: FeatureClassifier | None = None

    def forward(self, target_inputs, feature_extractor, classifier):
        """Compare the network with its teacher, and let the teacher follow.

        The teacher moves before the comparison, in training mode alone and only where
        gradients are taken.

        Parameters
        ----------
        target_inputs : Tensor of shape (n_target, ...)
            What the feature extractor was given, such as vectors or images.
        feature_extractor : nn.Module
            Maps inputs to features of shape (n, d).
        classifier : nn.Module
            Maps features to logits of shape (n, n_classes).

        Returns
        -------
        loss : Tensor of shape ()
            Mean squared distance over samples and classes, from 0 to 2 / n_classes. Those of
            which the teacher is not sure count 0, with a gradient of zero.
        """
        student = FeatureClassifier(feature_extractor, classifier)
        # The student comes first: layers that are sized at the first mini-batch have to be, to
        # be copied.
        p = student(self._augment(target_inputs)).softmax(dim=1)
        if self.teacher is None:
            self.teacher = _copy_without_gradient(student)
        elif self.training and torch.is_grad_enabled():
            _move_towards(self.teacher, student, 1.0 - self.momentum)
        _share_mode(self.teacher, student)
        with torch.no_grad():
            taught = self.teacher(self._augment(target_inputs)).softmax(dim=1)
            sure = (taught.amax(1) >= self.confidence).to(taught.dtype)
        return (sure * (p - taught).square().mean(1)).mean()

    def _augment(self, inputs):
        if self.augmentation is None:
            deviation = inputs.detach().std(0, correction=0)
            return inputs + NOISE * deviation * normal_like(inputs)
        augmented = self.augmentation(inputs)
        expected = f"a tensor of the shape of the batch, {tuple(inputs.shape)}, was expected."
        if not isinstance(augmented, torch.Tensor):
            raise TypeError(f"augmentation returned {type(augmented).__name__}: {expected}")
        if augmented.shape != inputs.shape:
            raise ValueError(f"augmentation returned shape {tuple(augmented.shape)}: {expected}")
        return augmented


@torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
def _copy_without_gradient(network):
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def _move_towards(teacher, student, share):
    """Move weights and running statistics a share of the way, in place."""
    taught, own = _averaged(teacher), _averaged(student)
    _LerpInPlace.apply(share, len(taught), *taught, *own)


class _LerpInPlace(torch.autograd.Function):
    """Moves some tensors towards others in one call, which vmap has no rule for."""

    @staticmethod
    def forward(share, n, *tensors):
        torch._foreach_lerp_(tensors[:n], tensors[n:], share)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep nothing: no gradient flows here."""

    @staticmethod
    def vmap(info, in_dims, share, n, *tensors):
        """Move those of all networks at once."""
        stacked = [
            tensor if at is None else tensor.movedim(at, 0)
            for tensor, at in zip(tensors, in_dims[2:], strict=True)
        ]
        return _LerpInPlace.apply(share, n, *stacked), None


def _averaged(network):
    """Return all tensors of floating point: counters and the like stand for themselves."""
    tensors = (*network.parameters(), *network.buffers())
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]


def _share_mode(teacher, student):
    """Set each layer to training or evaluation mode as the student's is, frozen ones too."""
    for taught, own in zip(teacher.modules(), student.modules(), strict=True):
        taught.training = own.training
