"""The one training step."""

import torch
import torch.nn.functional as F
from torch import nn

from domadapt.alignment.criteria import StepTensors
from domadapt.training.distributed import gather_rows


class TrainingStep(nn.Module):
    """One forward pass over both domains and two losses.

    Nothing here waits for a value or branches on one, so that on a GPU the steps queue
    up without a pause.

    Parameters
    ----------
    network : FeatureClassifier
        What is trained.
    alignment : WeightedCriteria or None
        The alignment term; None trains on the task alone.
    labels : Tensor of shape (n_rows,), int64
        Class of each source row.
    weight : Tensor of shape (n_rows,), float32, or None
        Weight of each source row, of mean 1.
    label_smoothing : float
        Share of each label that is spread over all classes.
    share_sizes : list of int
        Source and, with a target, target rows in every batch of this process.
    precision : torch.dtype
        What the feature extractor computes in; float32 and float64 stand for that of
        its weights.
    """

    def __init__(self, network, alignment, labels, weight, label_smoothing, share_sizes, precision):
        super().__init__()
        self.network, self.alignment = network, alignment
        # Plain attributes: they are the caller's data, no state of the module.
        self.labels, self.weight, self.label_smoothing = labels, weight, label_smoothing
        self.share_sizes, self.precision = share_sizes, precision

    def forward(self, inputs, source_index, target_index, alignment_weight, progress):
        """Compute both losses of one batch.

        Parameters
        ----------
        inputs : Tensor of shape (sum(share_sizes), ...)
            This process's share of the batch, source rows first.
        source_index, target_index : Tensor of shape (n,), int64
            Rows of the whole batch; the second is None without a target.
        alignment_weight : float
            Multiplies the gradient of the alignment term into the network.
        progress : float
            0 at the first step of training, towards 1 at the last.

        Returns
        -------
        task_loss, alignment_loss : Tensor of shape ()
            The second is None without alignment.
        """
        features = extract_features(self.network.feature_extractor, inputs, self.precision)
        features = gather_rows(features, self.share_sizes)
        logits = self.network.classifier(features)
        n_source = len(source_index)
        labels = self.labels[source_index]
        weight = None if self.weight is None else self.weight[source_index]
        task_loss = _cross_entropy(logits[:n_source], labels, weight, self.label_smoothing)
        if self.alignment is None:
            return task_loss, None
        at = StepTensors(
            n_source=n_source,
            features=features,
            logits=logits,
            labels=labels,
            weight=weight,
            source_indices=source_index,
            target_indices=target_index,
            classifier=self.network.classifier,
            progress=progress,
        )
        return task_loss, self.alignment(at, alignment_weight)


def extract_features(feature_extractor, inputs, precision):
    """Run a feature extractor, in bfloat16 where that is wanted.

    Parameters
    ----------
    feature_extractor : nn.Module
        Maps inputs to features.
    inputs : Tensor of shape (n, ...)
        A batch.
    precision : torch.dtype
        float32 and float64 stand for that of the weights.

    Returns
    -------
    features : Tensor of shape (n, d)
        In the dtype of the inputs, so that losses are computed in full precision.
    """
    if precision != torch.bfloat16:
        return feature_extractor(inputs)
    with torch.autocast(inputs.device.type, dtype=precision):
        return feature_extractor(inputs).to(inputs.dtype)


def _cross_entropy(logits, labels, weight, label_smoothing):
    if weight is None:
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)
    return torch.dot(weight, losses) / len(losses)
