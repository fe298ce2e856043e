"""Alignment by two classifiers that disagree where the target is far from the source."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion
from domadapt.nn.layers import GradientReversal
from domadapt.nn.networks import mlp_head


class ClassifierDiscrepancy(Criterion):
    r"""Two classifiers disagree on the target; a reversed gradient makes them agree.

    .. math::
        \frac1{n_s} \sum_i w_i \, \ell\bigl(h_2(s_i), y_i\bigr)
        - \frac1{n_t C} \sum_j \bigl\| \sigma(h_1(t_j)) - \sigma(h_2(t_j)) \bigr\|_1

    where :math:`h_1` is the network's classifier, :math:`h_2` a second head that belongs
    to the criterion, :math:`\ell` the cross-entropy, :math:`\sigma` the softmax and C the
    number of classes. Both heads learn the source labels, the first by the task loss,
    and descend the second term: they disagree on the target as far as the source
    leaves them free. Through a gradient reversal, on the target alone, the feature
    extractor moves target samples to where they agree.

    The paper takes these steps in turns; here they are one loss and one backward pass.
    The network predicts by its own classifier.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=()
        Units in each hidden layer of the second head, with ReLU between. All its layers
        are sized at the first mini-batch, as torch's lazy modules do: send one through
        before passing the parameters to an optimizer.

    Attributes
    ----------
    second_head : nn.Sequential
        Maps features to logits.

    References
    ----------
    Saito, Watanabe, Ushiku, Harada (2018). "Maximum classifier discrepancy for
    unsupervised domain adaptation". CVPR.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import ClassifierDiscrepancy
    >>> criterion = ClassifierDiscrepancy()
    >>> labels = torch.tensor([0, 1, 2, 0])
    >>> loss = criterion(torch.zeros(4, 3), torch.ones(2, 3), labels, torch.nn.Linear(3, 5))
    >>> loss.shape, criterion.second_head[0].out_features
    (torch.Size([]), 5)
    """

    def __init__(self, *, hidden_layer_sizes: Sequence[int] = ()) -> None:
        super().__init__()
        self.hidden_layer_sizes = hidden_layer_sizes
        self.reversal = GradientReversal()
        self.second_head = mlp_head(0, hidden_layer_sizes)

    def forward(
        self, source_features, target_features, source_labels, classifier, source_weight=None
    ):
        """Compare the two classifiers.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_labels : Tensor of shape (n_source,), int64
            Classes of the source samples, 0 to n_classes - 1.
        classifier : callable
            The network's classifier: maps features to logits of shape (n, n_classes).
        source_weight : Tensor of shape (n_source,), or None
            Weights of the source samples in the second head's cross-entropy; None for 1.

        Returns
        -------
        loss : Tensor of shape ()
            The second head's cross-entropy in nats, minus the discrepancy, which is from
            0 to 2 / n_classes.
        """
        features = torch.cat([source_features, self.reversal(target_features)])
        n_source = len(source_features)
        logits = classifier(features[n_source:])
        # The last layer reads this when it takes its size, at the first mini-batch.
        self.second_head[-1].out_features = logits.shape[1]
        second_logits = self.second_head(features)
        losses = F.cross_entropy(second_logits[:n_source], source_labels, reduction="none")
        if source_weight is not None:
            losses = source_weight * losses
        difference = logits.softmax(dim=1) - second_logits[n_source:].softmax(dim=1)
        return losses.mean() - difference.abs().mean()
