"""Self-training: target samples with the classes that are predicted for them."""

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_confidence


class PseudoLabels(Criterion):
    r"""Cross-entropy of target samples against the classes that are predicted for them.

    .. math::
        \frac1{\sum_i w_i} \sum_i -w_i \log p_i(\hat y_i), \qquad
        \hat y_i = \operatorname*{arg\,max}_k p_i(k)

    where p is the softmax of the logits. Samples whose :math:`p_i(\hat y_i)` is below the
    threshold have the weight 0. The others have 1 or, balanced, 1 divided by how many
    of them have the same :math:`\hat y`. Neither weights nor classes carry a gradient.

    It strengthens what the model believes already, and its mistakes with it: the loss
    has no look at the truth. Let the classifier be good on some of the target first, by
    another criterion beside this one, or by the ramp.

    Parameters
    ----------
    threshold : float, default=0.8
        The least probability, from 0 to 1, at which a prediction is learnt from.
    balanced : bool, default=True
        Let each class that occurs among those predictions count alike. Without it,
        classes that are easy crowd out the others.
    ramp_up : bool, default=True
        Multiply the loss by the progress of training.

    References
    ----------
    Lee (2013). "Pseudo-label: the simple and efficient semi-supervised learning method
    for deep neural networks". ICML workshop on challenges in representation learning.

    Zou, Yu, Kumar, Wang (2018). "Unsupervised domain adaptation for semantic
    segmentation via class-balanced self-training". ECCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import PseudoLabels
    >>> logits = torch.tensor([[0.9, 0.1], [0.4, 0.6]]).log()
    >>> PseudoLabels(threshold=0.8)(logits, progress=1.0)  # -ln 0.9
    tensor(0.1054)
    >>> PseudoLabels(threshold=0.8)(logits, progress=0.5)
    tensor(0.0527)
    >>> PseudoLabels(threshold=0.95)(logits, progress=1.0).item()
    0.0
    """

    default_weight = 3.0

    def __init__(
        self, *, threshold: float = 0.8, balanced: bool = True, ramp_up: bool = True
    ) -> None:
        super().__init__()
        check_confidence(threshold=threshold)
        self.threshold, self.balanced, self.ramp_up = threshold, balanced, ramp_up

    def forward(self, target_logits, progress):
        """Compare a mini-batch with its own predictions.

        Parameters
        ----------
        target_logits : Tensor of shape (n_target, n_classes)
            Logits of target samples.
        progress : float or Tensor of shape ()
            0 at the first step of training, towards 1 at the last. It is only used with
            ``ramp_up``.

        Returns
        -------
        loss : Tensor of shape ()
            Mean cross-entropy in nats of the samples above the threshold; 0, with a
            gradient of zero, where there is none.
        """
        # The gradient of a maximum flows to nothing but the class in which it was found.
        log_p, labels = F.log_softmax(target_logits, dim=1).max(1)
        weight = (log_p.detach().exp() >= self.threshold).to(log_p.dtype)
        if self.balanced:
            weight = weight / _samples_of_same_label(weight, labels, target_logits.shape[1])
        # The weights add up to the confident samples, or to their classes: 1 at least.
        loss = torch.dot(weight, -log_p) / weight.sum().clamp_min(1.0)
        if not self.ramp_up:
            return loss
        # Progress in float64 would be of as many dimensions, and make the loss one.
        return torch.as_tensor(progress, dtype=loss.dtype) * loss


def _samples_of_same_label(confident, labels, n_classes):
    """Count for each sample the confident ones of its label; 1 at least, to divide by."""
    counts = confident.new_zeros(n_classes).index_add_(0, labels, confident)
    return counts[labels].clamp_min(1.0)
