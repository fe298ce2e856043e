"""Alignment by a discriminator for a target that has only some of the source classes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from domadapt.alignment.protocol import Criterion, check_not_negative
from domadapt.nn.layers import GradientReversal
from domadapt.nn.networks import mlp_head
from domadapt.nn.precision import in_full_precision

# Weights of less mean than this count as none; its inverse is a float32.
SMALLEST_MEAN = 1e-30


class PartialAdversarial(Criterion):
    r"""A discriminator that looks away from source classes which the target lacks.

    A class that is not in the target is rarely predicted there, so the weight of class k
    is its mean probability over all m target samples, and that of the likeliest class is 1:

    .. math::
        \bar p_k = \frac1m \sum_j p_{jk}, \qquad \gamma_k = \frac{\bar p_k}{\max_l \bar p_l} .

    It is taken before every epoch, before the first from a network that has learnt nothing
    yet, so let the weight of the criterion rise with training, as an estimator does. With
    :math:`\bar\gamma` the mean of :math:`\gamma_{y_i}` over the source samples of the mini-batch,
    :math:`w_i` their weights and :math:`\ell` the cross-entropy, the loss is

    .. math::
        - \frac{1}{2 n_s} \sum_i \frac{\gamma_{y_i}}{\bar\gamma} \log D(s_i)
        - \frac{1}{2 n_t} \sum_j \log\bigl(1 - D(t_j)\bigr)
        + \frac{1}{n_s} \sum_i (\gamma_{y_i} - 1) \, w_i \, \ell\bigl(h(s_i), y_i\bigr) .

    The discriminator :math:`D` descends the first two terms; through a gradient reversal
    the feature extractor ascends ``adversarial_weight`` times them. The last one is no loss
    of its own. The method weighs the classes in the task loss too, but that is computed
    elsewhere, over all classes alike; the term replaces each :math:`w_i \ell` in it by
    :math:`\gamma_{y_i} w_i \ell` when both are added. It does so in full where the weight
    of the criterion is 1, in part where it is less, and without regard to label smoothing.
    A weight above 1 would have classes that are absent unlearnt: keep it at 1 or below.

    Parameters
    ----------
    adversarial_weight : float, default=0.1
        Multiplies the reversed gradient into the features, beside the weight of the whole
        criterion. The discriminator learns at the full rate.
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each hidden layer of the discriminator, with ReLU between.
    in_features : int or None, default=None
        Columns of the features. None sizes the layers at the first mini-batch, as
        torch's lazy modules do: send one through before passing the parameters to an
        optimizer.

    Attributes
    ----------
    discriminator : nn.Sequential
        Maps features to one logit, positive for the source.
    class_weight : Tensor of shape (n_classes,)
        The weights :math:`\gamma`; of no length before the first epoch. No part of the
        saved state, for every epoch makes them anew.

    References
    ----------
    Cao, Ma, Long, Wang (2018). "Partial adversarial domain adaptation". ECCV.

    Examples
    --------
    >>> import torch
    >>> from domadapt.alignment import PartialAdversarial
    >>> criterion = PartialAdversarial()
    >>> likely = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    >>> criterion.begin_epoch(torch.ones(2, 3), likely.log())
    >>> criterion.class_weight
    tensor([0.8000, 1.0000, 0.2000])
    >>> labels = torch.tensor([0, 1, 2, 0])
    >>> loss = criterion(torch.zeros(4, 3), torch.ones(2, 3), torch.zeros(4, 3), labels)
    >>> loss.shape, criterion.discriminator[0].in_features
    (torch.Size([]), 3)
    """

    class_weight: torch.Tensor

    def __init__(
        self,
        *,
        adversarial_weight: float = 0.1,
        hidden_layer_sizes: Sequence[int] = (256,),
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        check_not_negative(adversarial_weight=adversarial_weight)
        self.adversarial_weight = adversarial_weight
        self.hidden_layer_sizes, self.in_features = hidden_layer_sizes, in_features
        self.reversal = GradientReversal(adversarial_weight)
        self.discriminator = mlp_head(1, hidden_layer_sizes, in_features=in_features)
        self.register_buffer("class_weight", torch.empty(0), persistent=False)

    @torch.inference_mode(False)  # What is made in inference mode would be of no use in training.
    @torch.no_grad()
    def begin_epoch(self, target_features, target_logits):
        """Weigh the classes by how often the target is taken for them.

        Parameters
        ----------
        target_features : Tensor of shape (n_target, d)
            All samples of the target. They are not used.
        target_logits : Tensor of shape (n_target, n_classes)
            The classifier's logits of these samples.
        """
        class_weight = _relative_shares(target_logits)
        if self.class_weight.shape == class_weight.shape:
            # In place: a recorded training step reads from where the weights were before.
            self.class_weight.copy_(class_weight)
        else:
            self.class_weight = class_weight

    def forward(
        self, source_features, target_features, source_logits, source_labels, source_weight=None
    ):
        """Compare two mini-batches.

        Parameters
        ----------
        source_features : Tensor of shape (n_source, d)
            Samples of the source.
        target_features : Tensor of shape (n_target, d)
            Samples of the target.
        source_logits : Tensor of shape (n_source, n_classes)
            The classifier's logits of the source samples.
        source_labels : Tensor of shape (n_source,), int64
            Classes of the source samples, 0 to n_classes - 1.
        source_weight : Tensor of shape (n_source,), or None
            Weights of the source samples in the task loss; None for 1.

        Returns
        -------
        loss : Tensor of shape ()
            The discriminator's weighted cross-entropy in nats, minus what the class
            weights take off the task loss.
        """
        if len(self.class_weight) == 0:
            row_weight = torch.ones_like(source_logits[:, 0])
        else:
            row_weight = self.class_weight[source_labels]
        adversarial = self._adversarial(source_features, target_features, row_weight)
        losses = F.cross_entropy(source_logits, source_labels, reduction="none")
        if source_weight is not None:
            losses = source_weight * losses
        return adversarial + ((row_weight - 1.0) * losses).mean()

    def _adversarial(self, source_features, target_features, row_weight):
        """Return the discriminator's cross-entropy, each domain counting one half."""
        features = torch.cat([source_features, target_features])
        logits = self.discriminator(self.reversal(features)).squeeze(1)
        on_source, on_target = logits[: len(source_features)], logits[len(source_features) :]
        # All samples may be of classes whose probability has come to zero.
        relative = row_weight / row_weight.mean().clamp_min(SMALLEST_MEAN)
        source_part = (relative * F.logsigmoid(on_source)).mean()
        return -0.5 * (source_part + F.logsigmoid(-on_target).mean())


@in_full_precision
def _relative_shares(logits):
    """Return each class's share of the predictions, divided by the largest."""
    share = logits.softmax(dim=1).mean(0)
    return share / share.max()
