"""What is learnt from labels: the losses of labelled samples, by their outputs."""

from collections.abc import Mapping
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F


class Task:
    """Base of the tasks: one loss of all labelled samples of a mini-batch together."""

    # Of several losses, as they are noted.
    names: tuple[str, ...] = ()
    # How the samples of a part come, where that is not shuffled: see training/orders.py.
    orders: Mapping[str, Any] = MappingProxyType({})

    def losses(self, outputs, parts):
        """Return the losses of a mini-batch.

        Parameters
        ----------
        outputs : Tensor of shape (n_samples, n_outputs)
            Of all samples, the labelled ones first; of several networks with an axis of
            these before all others, here and below.
        parts : list of Tensor of shape (n,), int64
            The labelled samples of each part of the mini-batch, one part after the other.

        Returns
        -------
        losses : list of Tensor of shape ()
        """
        index = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        return [self.loss(outputs[..., : index.shape[-1], :], index)]

    def loss(self, outputs, index):
        """Return the mean loss of the samples that the index names."""
        raise NotImplementedError


class Classification(Task):
    r"""Cross-entropy with the classes of the labelled samples, or its focal form.

    .. math::
        \frac1n \sum_i w_i \, (1 - p_i(y_i))^\gamma
        \Bigl(- \sum_k q_{ik} \log p_i(k) \Bigr), \qquad
        q_{ik} = (1 - \epsilon) [k = y_i] + \frac{\epsilon}{C}

    where :math:`p_i` is the softmax of the logits, :math:`w_i` the weight of a sample,
    :math:`\epsilon` the label smoothing and C the number of classes. The gradient flows
    through the focal factor too.

    Parameters
    ----------
    labels : Tensor of shape (n_samples,), int64
        Classes from 0: the source's, then those of labelled samples of the target.
    weight : Tensor of shape (n_samples,) or None, default=None
        Weight of each sample, of mean 1 over the source.
    label_smoothing : float, default=0.0
        Share of each label that is spread evenly over all classes.
    focal_gamma : float, default=0.0
        Power of the focal factor. With 0 there is none: it is the cross-entropy to the bit.

    References
    ----------
    Lin, Goyal, Girshick, He, Dollar (2017). "Focal loss for dense object detection". ICCV.
    """

    def __init__(self, labels, weight=None, label_smoothing=0.0, focal_gamma=0.0):
        self.labels, self.weight, self.label_smoothing = labels, weight, label_smoothing
        self.focal_gamma = focal_gamma

    def loss(self, logits, index):
        """Return the mean cross-entropy in nats of the samples that the index names."""
        labels, smoothing = self.labels[index], self.label_smoothing
        if index.ndim == 1 and self.weight is None and self.focal_gamma == 0:
            return _cross_entropy(logits, labels, smoothing)
        # Classes come second, where those of several networks are not the last axis.
        by_class = logits.movedim(-1, 1)
        losses = F.cross_entropy(by_class, labels, reduction="none", label_smoothing=smoothing)
        if self.focal_gamma != 0:
            losses = _focal_factor(by_class, labels, self.focal_gamma) * losses
        return _mean(losses, self.weight, index)


def _cross_entropy(logits, labels, smoothing):
    """Return the mean cross-entropy: torch's own, which takes longer where labels are smoothed."""
    if smoothing == 0:
        return F.cross_entropy(logits, labels)
    log_p, (n_samples, n_classes) = logits.log_softmax(1), logits.shape
    even = log_p.sum() / n_samples
    return F.nll_loss(log_p, labels) * (1 - smoothing) - even * (smoothing / n_classes)


def _mean(losses, weight, index):
    """Return the mean of the losses of samples, of each network where there are several."""
    if weight is None:
        return losses.mean(-1)
    return torch.linalg.vecdot(weight[index], losses) / losses.shape[-1]


def _focal_factor(logits, labels, gamma):
    """Return the probability of all other classes than the label, to a power."""
    classes = torch.arange(logits.shape[1], device=labels.device)
    is_label = (labels[..., None] == classes).movedim(-1, 1)
    # As a sum of the others: 1 minus a probability that rounds to 1 has no finite slope.
    others = logits.masked_fill(is_label, -torch.inf).logsumexp(1)
    return (gamma * (others - logits.logsumexp(1))).exp()


class Regression(Task):
    """Mean squared error with the values of the labelled samples.

    Parameters
    ----------
    labels : Tensor of shape (n_samples, n_outputs)
        The source's values, then those of labelled samples of the target.
    weight : Tensor of shape (n_samples,) or None, default=None
        Weight of each sample, of mean 1 over the source.
    """

    def __init__(self, labels, weight=None):
        self.labels, self.weight = labels, weight

    def loss(self, predictions, index):
        """Return the mean over samples and outputs, in squared units of the values."""
        values = self.labels[index]
        if index.ndim == 1 and self.weight is None:
            return F.mse_loss(predictions, values)
        losses = F.mse_loss(predictions, values, reduction="none").mean(-1)
        return _mean(losses, self.weight, index)


class SeveralTasks(Task):
    """Tasks learnt at once, each from a part of the mini-batch and by outputs of its own.

    Parameters
    ----------
    tasks : dict of str to Task
        By name, in the order of the parts; samples of each are counted from 0.
    n_samples : list of int
        Samples of each in all.
    n_outputs : list of int
        Columns of each in the outputs, one task after the other.
    """

    def __init__(self, tasks, n_samples, n_outputs):
        self.tasks, self.names = list(tasks.values()), tuple(tasks)
        self.first = [0, *accumulate(n_samples)]
        self.columns = [slice(*pair) for pair in pairwise([0, *accumulate(n_outputs)])]

    def losses(self, outputs, parts):
        """Return the mean loss of each task over the samples of its part."""
        sizes = [len(index) for index in parts]
        own = outputs[: sum(sizes)].split(sizes)
        return [
            task.loss(rows[:, columns], index - first)
            for task, rows, columns, index, first in zip(
                self.tasks, own, self.columns, parts, self.first, strict=False
            )
        ]
