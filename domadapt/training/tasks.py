"""What a network learns from labelled rows: classes or numbers."""

import torch
import torch.nn.functional as F


class Classification:
    """Cross-entropy with the classes of the labelled rows.

    Parameters
    ----------
    labels : Tensor of shape (n_rows,), int64
        Class of each row: the source's, then those of labelled rows of the target.
    weight : Tensor of shape (n_rows,) or None, default=None
        Weight of each row, of mean 1 over the source.
    label_smoothing : float, default=0.0
        Share of each label that is spread over all classes.
    """

    def __init__(self, labels, weight=None, label_smoothing=0.0):
        self.labels, self.weight, self.label_smoothing = labels, weight, label_smoothing

    def loss(self, logits, index):
        """Compare predictions with the labels.

        Parameters
        ----------
        logits : Tensor of shape (n, n_classes)
            Predictions.
        index : Tensor of shape (n,), int64
            Which rows they are for.

        Returns
        -------
        loss : Tensor of shape ()
            In nats.
        """
        labels, smoothing = self.labels[index], self.label_smoothing
        if self.weight is None:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        return torch.dot(self.weight[index], losses) / len(losses)


class Regression:
    """Mean squared error with the values of the labelled rows.

    Parameters
    ----------
    labels : Tensor of shape (n_rows, n_outputs)
        Values of each row: the source's, then those of labelled rows of the target.
    weight : Tensor of shape (n_rows,) or None, default=None
        Weight of each row, of mean 1 over the source.
    """

    def __init__(self, labels, weight=None):
        self.labels, self.weight = labels, weight

    def loss(self, predictions, index):
        """Compare predictions with the values.

        Parameters
        ----------
        predictions : Tensor of shape (n, n_outputs)
            Predictions.
        index : Tensor of shape (n,), int64
            Which rows they are for.

        Returns
        -------
        loss : Tensor of shape ()
            Mean over rows and outputs, in squared units of the values.
        """
        values = self.labels[index]
        if self.weight is None:
            return F.mse_loss(predictions, values)
        losses = F.mse_loss(predictions, values, reduction="none").mean(1)
        return torch.dot(self.weight[index], losses) / len(losses)
