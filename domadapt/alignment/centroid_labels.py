"""Labels for target samples by the nearest of the class centroids in their features."""

import math

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion
from domadapt.nn.precision import in_full_precision


class CentroidLabels(Criterion):
    r"""Cross-entropy of target samples against the class whose centroid is nearest.

    Before every epoch each target sample gets a label. With :math:`f_i` its features, a
    1 appended and brought to unit length, and :math:`p_{ik}` its class probabilities,

    .. math::
        c_k = \frac{\sum_i p_{ik} \, f_i}{\sum_i p_{ik}}, \qquad
        \hat y_i = \operatorname*{arg\,max}_k \cos(f_i, c_k) .

    Both are done once more with the labels in place of the probabilities; a class that
    no sample has is left out then. During the epoch the loss is the cross-entropy of the
    mini-batch with these labels. The structure of the target features thus corrects single
    predictions, as long as most of them are right: begin with a network that has learnt
    from the source.

    Attributes
    ----------
    labels : Tensor of shape (n_target,), int64
        Class of each target sample; of no length before the first epoch. No part of the
        saved state, for every epoch makes them anew.

    References
    ----------
    Liang, Hu, Feng (2020). "Do we really need to access the source data? Source
    hypothesis transfer for unsupervised domain adaptation". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import CentroidLabels
    >>> criterion = CentroidLabels()
    >>> features = torch.tensor([[9.0, 0.0], [8.0, 1.0], [0.0, 9.0], [1.0, 9.0]])
    >>> logits = torch.tensor([[3.0, 0.0], [0.0, 0.1], [0.0, 3.0], [0.0, 3.0]])
    >>> criterion.begin_epoch(features, logits)
    >>> criterion.labels  # The second sample is not what it was predicted to be.
    tensor([0, 0, 1, 1])
    >>> criterion(logits[1:2], target_indices=torch.tensor([1]))
    tensor(0.7444)
    """

    default_weight = 0.3

    labels: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("labels", torch.empty(0, dtype=torch.int64), persistent=False)

    @torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
    @torch.no_grad()
    def begin_epoch(self, target_features, target_logits):
        """Label the target.

        Parameters
        ----------
        target_features : Tensor of shape (n_target, d)
            All samples of the target, in the order that ``target_indices`` counts in.
        target_logits : Tensor of shape (n_target, n_classes)
            The classifier's logits of these samples.
        """
        labels = _nearest_centroids(target_features, F.log_softmax(target_logits, dim=1))
        if self.labels.shape == labels.shape:
            # In place: a recorded training step reads from where the labels were before.
            self.labels.copy_(labels)
        else:
            self.labels = labels

    def forward(self, target_logits, target_indices):
        """Compare a mini-batch with its labels.

        Parameters
        ----------
        target_logits : Tensor of shape (n_batch, n_classes)
            Logits of target samples.
        target_indices : Tensor of shape (n_batch,), int64
            Position of each of them among all target samples.

        Returns
        -------
        loss : Tensor of shape ()
            Mean cross-entropy in nats; 0, with a gradient of zero, before the first
            epoch.
        """
        if len(self.labels) == 0:
            # The sum of nothing, which still hangs on the logits.
            return target_logits[:0].sum()
        return F.cross_entropy(target_logits, self.labels[target_indices])


@in_full_precision
def _nearest_centroids(features, log_p):
    """Return the class of the centroid that is nearest to each sample, in two rounds."""
    # With the 1 appended no sample has the length zero, and no mean of samples either.
    rows = F.normalize(F.pad(features, (0, 1), value=1.0), dim=1)
    # A softmax over the samples: weights of sum 1 also where a class has next to no mass.
    labels = _cosines(rows, log_p.softmax(dim=0)).argmax(1)
    members = F.one_hot(labels, log_p.shape[1])
    cosines = _cosines(rows, members.to(rows.dtype))
    return cosines.masked_fill(members.sum(0) == 0, -math.inf).argmax(1)


def _cosines(rows, weight):
    """Return the cosines of rows of unit length with the centroid of each column of weights."""
    return rows @ F.normalize(weight.T @ rows, dim=1).T
