"""The one training step."""

import torch
from torch import nn

from domadapt.alignment.protocol import StepTensors
from domadapt.nn.layers import extract_features
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
    task : Classification, Regression or None
        What is learnt from labelled rows; None trains on the alignment alone.
    share_sizes : dict of str to int
        Rows of each part in every batch of this process, in the order in which they
        stand in a batch: ``"source"``, ``"labelled"`` rows of the target and
        ``"target"``, where they are there.
    precision : torch.dtype
        What the feature extractor computes in; float32 and float64 stand for that of
        its weights.
    source_domains : Tensor of shape (n_rows, n_sources) or None, default=None
        For every source row a one in the column of its domain.
    balance : nn.Module or None, default=None
        Finds weights for the task and the criteria; None leaves them as they are.
    """

    def __init__(
        self,
        network,
        alignment,
        task,
        share_sizes,
        precision,
        *,
        source_domains=None,
        balance=None,
    ):
        super().__init__()
        self.network, self.alignment, self.balance = network, alignment, balance
        # Plain attributes: they are the caller's data, no state of the module.
        self.task, self.source_domains = task, source_domains
        self.share_sizes, self.precision = list(share_sizes.values()), precision

    def forward(self, inputs, index, alignment_weight, progress):
        """Compute both losses of one batch.

        Parameters
        ----------
        inputs : Tensor of shape (sum of share_sizes, ...)
            This process's share of the batch, in the order of ``share_sizes``.
        index : dict of str to Tensor of shape (n,), int64
            Rows of each part of the whole batch; ``"labelled"`` ones are counted as the
            task counts them, after the source's.
        alignment_weight : float
            Multiplies the gradient of the alignment term into the network.
        progress : float
            0 at the first step of training, towards 1 at the last.

        Returns
        -------
        task_loss, alignment_loss : Tensor of shape () or None
            None without a task, or without alignment.
        """
        features = extract_features(self.network.feature_extractor, inputs, self.precision)
        features = gather_rows(features, self.share_sizes)
        outputs = self.network.classifier(features)
        nothing = torch.empty(0, dtype=torch.int64, device=features.device)
        source_index = index.get("source", nothing)
        task_loss = None
        if self.task is not None:
            parts = [index[part] for part in ("source", "labelled") if part in index]
            supervised = parts[0] if len(parts) == 1 else torch.cat(parts)
            task_loss = self.task.loss(outputs[: len(supervised)], supervised)
        if self.alignment is None:
            return task_loss, None
        task = self.task
        has_weight = task is not None and task.weight is not None
        at = StepTensors(
            n_source=len(source_index),
            features=features,
            outputs=outputs,
            labels=None if task is None else task.labels[source_index],
            weight=task.weight[source_index] if has_weight else None,
            source_indices=source_index,
            target_indices=index["target"],
            classifier=self.network.classifier,
            progress=progress,
            feature_extractor=self.network.feature_extractor,
            gather_inputs=lambda: gather_rows(inputs, self.share_sizes),
            source_domains=self.source_domains,
            n_labelled=len(index.get("labelled", nothing)),
            precision=self.precision,
        )
        if self.balance is None:
            return task_loss, self.alignment(at, alignment_weight)
        return self.balance(task_loss, self.alignment, at, alignment_weight)
