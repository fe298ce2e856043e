"""The one training step."""

import torch
import torch.nn.functional as F

from domadapt.alignment.criteria import StepTensors


class TrainingStep:
    """Gather rows, one forward pass over both domains, two losses, one update.

    Nothing here waits for a value or branches on one, so that on a GPU the steps queue
    up without a pause.

    Parameters
    ----------
    network : FeatureClassifier
        What is trained.
    alignment : WeightedCriteria or None
        The alignment term; None trains on the task alone.
    source, target : DenseRows or SparseRows
        Rows of each domain; ``target`` is None without a target.
    labels : Tensor of shape (n_rows,), int64
        Class of each source row.
    weight : Tensor of shape (n_rows,), float32, or None
        Weight of each source row, of mean 1.
    label_smoothing : float
        Share of each label that is spread over all classes.
    batch_sizes : list of int
        Source and, with a target, target rows in every batch.
    """

    def __init__(
        self,
        network,
        alignment,
        source,
        target,
        labels,
        weight,
        label_smoothing,
        batch_sizes,
    ):
        self.network, self.alignment = network, alignment
        self.source, self.target = source, target
        self.labels, self.weight, self.label_smoothing = labels, weight, label_smoothing
        self.n_source = batch_sizes[0]
        self.inputs = torch.empty(
            (sum(batch_sizes), *source.shape[1:]), device=labels.device, dtype=network.dtype
        )

    def update(self, optimizer, source_index, target_index, alignment_weight, progress):
        """Train on one batch.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            Updates the network and the alignment term's own parameters.
        source_index, target_index : Tensor of shape (n,), int64
            Rows of the batch; the second is None without a target.
        alignment_weight : float
            Multiplies the gradient of the alignment term into the network.
        progress : float
            0 at the first step of training, towards 1 at the last.

        Returns
        -------
        task_loss, alignment_loss : Tensor of shape ()
            The losses before the update; the second is None without alignment.
        """
        task_loss, alignment_loss = self.losses(
            source_index, target_index, alignment_weight, progress
        )
        loss = task_loss if alignment_loss is None else task_loss + alignment_loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return task_loss, alignment_loss

    def losses(self, source_index, target_index, alignment_weight, progress):
        """Compute both losses of one batch.

        Parameters
        ----------
        source_index, target_index, alignment_weight, progress
            As in :meth:`update`.

        Returns
        -------
        task_loss, alignment_loss : Tensor of shape ()
            The second is None without alignment.
        """
        n_source = self.n_source
        self.source.gather(source_index, out=self.inputs[:n_source])
        if self.target is not None:
            self.target.gather(target_index, out=self.inputs[n_source:])
        features = self.network.feature_extractor(self.inputs)
        logits = self.network.classifier(features)
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


def _cross_entropy(logits, labels, weight, label_smoothing):
    if weight is None:
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)
    return torch.dot(weight, losses) / len(losses)
