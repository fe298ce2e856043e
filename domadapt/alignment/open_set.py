"""Adaptation to a target with classes of its own: features choose to be known or unknown."""

from numbers import Real

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion
from domadapt.nn.layers import GradientReversal


class OpenSetBackpropagation(Criterion):
    r"""The classifier is kept undecided whether a target sample is known; the features decide.

    The classifier has one column more than there are source classes. The last stands
    for whatever the source does not know; no source sample has this label. With
    :math:`u_j` the softmax probability of the last column at target sample j, and the
    threshold t, the loss is

    .. math::
        -\frac1n \sum_j \bigl( t \log u_j + (1 - t) \log(1 - u_j) \bigr) .

    The classifier descends it, and holds :math:`u_j` at the threshold. Through a gradient
    reversal the feature extractor ascends it, and moves each sample to either side: towards
    a source class or away from all of them.

    Parameters
    ----------
    threshold : float, default=0.5
        The probability t, above 0 and below 1. The higher, the more samples come out as
        unknown.

    Raises
    ------
    ValueError
        If ``threshold`` is no such number.

    References
    ----------
    Saito, Yamamoto, Ushiku, Harada (2018). "Open set domain adaptation by
    backpropagation". ECCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import OpenSetBackpropagation
    >>> logits = torch.tensor([[0.25, 0.25, 0.5]]).log()  # two classes, and unknown
    >>> OpenSetBackpropagation()(logits, classifier=torch.nn.Identity())  # ln 2, the least
    tensor(0.6931)
    >>> OpenSetBackpropagation(threshold=0.9)(logits, classifier=torch.nn.Identity())
    tensor(0.6931)
    """

    # It compares probabilities, which no signature says.
    needs_classes = True
    n_extra_logits = 1

    def __init__(self, *, threshold: float = 0.5) -> None:
        super().__init__()
        if not (isinstance(threshold, (float, Real)) and 0.0 < float(threshold) < 1.0):
            raise ValueError(
                f"threshold={threshold!r}: open-set adaptation needs a threshold such as 0.5, "
                "a number above 0 and below 1."
            )
        self.threshold = threshold
        self.reversal = GradientReversal()

    def forward(self, target_features, classifier):
        """Compare the probability of being unknown with the threshold.

        Parameters
        ----------
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        classifier : callable
            The network's classifier: maps features to logits of shape
            (n, n_classes + 1), the last column for unknown.

        Returns
        -------
        loss : Tensor of shape ()
            Cross-entropy in nats: at least the entropy of the threshold, ln 2 at 0.5.

        Raises
        ------
        ValueError
            If the classifier returns fewer than two columns.
        """
        logits = classifier(self.reversal(target_features))
        if logits.shape[1] < 2:
            raise ValueError(
                f"classifier returned {logits.shape[1]} columns: open-set adaptation needs one for "
                "each source class and one more, the last, for unknown. Widen its last layer."
            )
        # The log odds of unknown: both logarithms come from them without a rounded 1 - u.
        log_odds = logits[:, -1] - logits[:, :-1].logsumexp(1)
        return F.binary_cross_entropy_with_logits(
            log_odds, torch.full_like(log_odds, float(self.threshold))
        )
