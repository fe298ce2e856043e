"""Entropy of the target predictions, of each sample and of all samples together."""

import math

import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_not_negative


class EntropyMinimization(Criterion):
    r"""Mean entropy of the predictions, and minus that of the mean prediction.

    With p the softmax of the logits and H the Shannon entropy in nats,

    .. math:: \frac1n \sum_i H(p_i) - \gamma \, H\Bigl(\frac1n \sum_i p_i\Bigr) .

    The first term moves the boundaries between classes away from target samples. It is
    content with putting all of them into one class; the second term, left out unless
    asked for, is not. With :math:`\gamma = 1` the loss is minus the mutual information
    between sample and prediction.

    Parameters
    ----------
    diversity : float, default=0.0
        The factor :math:`\gamma`. It wants the classes of a mini-batch to be equally
        frequent, so take it only where they more or less are.

    References
    ----------
    Grandvalet, Bengio (2004). "Semi-supervised learning by entropy minimization". NIPS.

    Krause, Perona, Gomes (2010). "Discriminative clustering by regularized information
    maximization". NIPS.

    Liang, Hu, Feng (2020). "Do we really need to access the source data? Source
    hypothesis transfer for unsupervised domain adaptation". ICML.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import EntropyMinimization
    >>> EntropyMinimization()(torch.zeros(4, 2))
    tensor(0.6931)
    >>> sure = 1000.0 * torch.eye(2)
    >>> EntropyMinimization()(sure).item()
    0.0
    >>> EntropyMinimization(diversity=1.0)(sure)
    tensor(-0.6931)
    """

    default_weight = 0.1

    def __init__(self, *, diversity: float = 0.0) -> None:
        super().__init__()
        check_not_negative(diversity=diversity)
        self.diversity = diversity

    def forward(self, target_logits):
        """Measure the uncertainty in a mini-batch.

        Parameters
        ----------
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of target samples.

        Returns
        -------
        loss : Tensor of shape ()
            Nats: from 0 to ln n_classes without diversity, and down to minus
            ``diversity`` times ln n_classes with it.
        """
        log_p = F.log_softmax(target_logits, dim=1)
        loss = _entropy(log_p) / len(log_p)
        if self.diversity == 0.0:
            return loss
        # The logarithm of the mean, never of a probability that has come to zero.
        log_mean = log_p.logsumexp(0) - math.log(len(log_p))
        return loss - self.diversity * _entropy(log_mean)


def _entropy(log_p):
    """Sum the entropies of distributions of which the logarithms came."""
    return (log_p.exp() * -log_p).sum()
