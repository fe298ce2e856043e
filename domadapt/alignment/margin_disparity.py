"""Alignment by a head that disagrees with the classifier on the target alone."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_positive
from domadapt.nn.layers import GradientReversal
from domadapt.nn.networks import mlp_head


class MarginDisparity(Criterion):
    r"""A head disagrees with the classifier on the target; a reversed gradient opposes it.

    .. math::
        - \frac{\gamma}{n_s} \sum_i \log \sigma_{\hat y(s_i)}\bigl(f'(s_i)\bigr)
        - \frac1{n_t} \sum_j \log\Bigl(1 - \sigma_{\hat y(t_j)}\bigl(f'(t_j)\bigr)\Bigr)

    where :math:`f'` is the criterion's own head, :math:`\sigma` the softmax and
    :math:`\hat y(x)` the class that the network's classifier predicts. The head
    descends it: it learns the classifier's decisions on the source and their opposite
    on the target, which it can where the domains lie apart. Through a gradient reversal
    the feature extractor ascends it.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the head, with ReLU between. All its layers are
        sized at the first mini-batch, as torch's lazy modules do: send one through
        before passing the parameters to an optimizer.
    margin : float, default=4.0
        The factor :math:`\gamma`. Its logarithm is the margin by which the head is to
        disagree.

    Attributes
    ----------
    head : nn.Sequential
        Maps features to logits.

    Raises
    ------
    ValueError
        If ``margin`` is not above 0, or, at a mini-batch, there are fewer than two classes.

    References
    ----------
    Zhang, Liu, Long, Jordan (2019). "Bridging theory and algorithm for domain
    adaptation". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import MarginDisparity
    >>> criterion = MarginDisparity()
    >>> loss = criterion(torch.zeros(4, 3), torch.ones(2, 3), torch.ones(4, 5), torch.ones(2, 5))
    >>> loss.shape, criterion.head[-1].out_features
    (torch.Size([]), 5)
    """

    default_weight = 0.1

    def __init__(self, *, hidden_layer_sizes: Sequence[int] = (256,), margin: float = 4.0) -> None:
        super().__init__()
        check_positive(margin=margin)
        self.hidden_layer_sizes, self.margin = hidden_layer_sizes, margin
        self.reversal = GradientReversal()
        self.head = mlp_head(0, hidden_layer_sizes)

    def forward(self, source_features, target_features, source_logits, target_logits):
        """Compare the head with the classifier.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_logits : Tensor of shape (n_source, n_classes)
            The classifier's logits of the source samples. Only the largest of each
            sample counts, so no gradient flows back through them.
        target_logits : Tensor of shape (n_target, n_classes)
            The classifier's logits of the target samples, likewise.

        Returns
        -------
        loss : Tensor of shape ()
            In nats, 0 or more.
        """
        n_classes = source_logits.shape[1]
        if n_classes < 2:
            raise ValueError(
                f"source_logits has {n_classes} columns: MarginDisparity needs 2 classes or "
                "more, since a head cannot disagree about one."
            )
        # The last layer reads this when it takes its size, at the first mini-batch.
        self.head[-1].out_features = n_classes
        features = self.reversal(torch.cat([source_features, target_features]))
        on_source, on_target = self.head(features).split(
            [len(source_features), len(target_features)]
        )
        agreement = F.cross_entropy(on_source, source_logits.argmax(dim=1))
        return self.margin * agreement + _disagreement(on_target, target_logits.argmax(dim=1))


def _disagreement(logits, labels):
    """Return the mean of -log(1 - softmax) at the labels."""
    # 1 - softmax is the logistic function of the logarithm of the odds of all other
    # classes against the labelled one, whose logarithm has no cancellation and no log 0.
    labels = labels[:, None]
    others = logits.scatter(1, labels, float("-inf")).logsumexp(dim=1)
    return -F.logsigmoid(others - logits.gather(1, labels).squeeze(1)).mean()
