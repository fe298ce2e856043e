"""Maximum mean discrepancy within each class."""

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion
from domadapt.nn.kernels import check_kernels, rbf_pair_sum


class LocalMMD(Criterion):
    r"""Squared maximum mean discrepancy of each class, averaged over the classes.

    .. math::
        \frac1{|C|} \sum_{c \in C} \Big\| \sum_i a_{ic}\, \phi(s_i)
        - \sum_j b_{jc}\, \phi(t_j) \Big\|^2, \qquad
        a_{ic} = \frac{[y_i = c]}{\sum_k [y_k = c]}, \quad
        b_{jc} = \frac{p_{jc}}{\sum_k p_{kc}}

    where :math:`\phi` is the feature map of the Gaussian family of :class:`MMD`,
    :math:`p` are the predicted probabilities of the target samples, and :math:`C` the
    classes that the source samples of the mini-batch have. No gradient flows through the
    probabilities: the features move, the weights do not.

    Parameters
    ----------
    bandwidth : float or None, default=None
        The central squared bandwidth. None takes the mean squared distance between
        different samples of the mini-batch, both domains together.
    n_kernels : int, default=5
        How many kernels are added up, as in :class:`MMD`.

    Notes
    -----
    A bandwidth of None counts as constant in every derivative. For
    :func:`torch.autograd.gradcheck`, whose small steps move it, pass a number.

    References
    ----------
    Zhu, Zhuang, Wang, Ke, Chen, Bian, Xiong, He (2021). "Deep subdomain adaptation network
    for image classification". IEEE Transactions on Neural Networks and Learning Systems.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import LocalMMD
    >>> samples = torch.tensor([[0.0], [1.0]])
    >>> labels = torch.tensor([0, 1])
    >>> sure = torch.tensor([[20.0, -20.0], [-20.0, 20.0]])
    >>> LocalMMD()(samples, samples, labels, target_logits=sure).abs().item() < 1e-6
    True
    >>> LocalMMD()(samples, samples, labels, target_logits=-sure).item() > 1.0
    True
    """

    def __init__(self, *, bandwidth: float | None = None, n_kernels: int = 5) -> None:
        super().__init__()
        check_kernels(bandwidth, n_kernels)
        self.bandwidth, self.n_kernels = bandwidth, n_kernels

    def forward(self, source_features, target_features, source_labels, target_logits):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_labels : Tensor of shape (n_source,), int64
            Classes of the source samples, 0 to n_classes - 1.
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of the target samples.

        Returns
        -------
        loss : Tensor of shape ()
            The mean squared discrepancy, from 0 to twice ``n_kernels``.
        """
        features = torch.cat([source_features, target_features])
        weights = _pair_weights_of_classes(source_labels, target_logits)
        return rbf_pair_sum(features, weights, bandwidth=self.bandwidth, n_kernels=self.n_kernels)


@torch.no_grad()
def _pair_weights_of_classes(source_labels, target_logits):
    """Return the mean over classes c of w_c w_c', w_c the signed weights of its samples."""
    classes = torch.arange(target_logits.shape[1], device=target_logits.device)
    is_of_class = (source_labels[:, None] == classes).to(target_logits.dtype)
    counts = is_of_class.sum(0)
    # In logarithms, so that a class whose probability vanishes in every sample has a sum too.
    share_of_class = F.log_softmax(target_logits, dim=1).softmax(dim=0)
    is_present = counts.clamp_max(1.0)
    signed = torch.cat([is_of_class / counts.clamp_min(1.0), -share_of_class * is_present])
    return (signed @ signed.T).div_(is_present.sum())
