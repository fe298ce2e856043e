"""Losses of samples, and scores of which larger is better made of them."""

import numpy as np

from domadapt.domains.arrays import (
    check_length,
    check_same_kind,
    codes_of,
    has_columns,
    read_labels,
    read_probabilities,
    read_values,
)

LOSSES = ("zero_one", "log_loss", "squared_error")
# Of scores that compare predictions with predictions.
LOSSES_OF_LABELS = ("zero_one", "squared_error")
# Probabilities of 0 have the logarithm of this.
TINY = 1e-12


def check_loss(loss, losses):
    """Raise an error for a loss that a score does not know."""
    if loss not in losses:
        raise ValueError(f"loss is {loss!r}, and one of {', '.join(losses)} was expected.")


def sample_losses(y, predicted, loss, classes=None, names=("y", "predicted"), losses=LOSSES):
    """Return the loss of each sample, of labels, probabilities or values."""
    check_loss(loss, losses)
    if loss == "squared_error":
        y, predicted = read_values(names[0], y), read_values(names[1], predicted)
        check_length(names[1], predicted, len(y))
        if y.shape != predicted.shape:
            raise ValueError(
                f"{names[1]} has {predicted.shape[1]} outputs, and {names[0]} has {y.shape[1]}: "
                "as many were expected."
            )
        return np.square(y - predicted).mean(axis=1)
    if has_columns(names[1], predicted):
        proba = read_probabilities(names[1], predicted)
        codes = codes_of(names[0], y, proba.shape, classes)
        if loss == "log_loss":
            return -np.log(np.maximum(proba[np.arange(len(codes)), codes], TINY))
        return (proba.argmax(axis=1) != codes).astype(np.float64)
    if loss == "log_loss":
        raise ValueError(
            f"{names[1]} has shape {np.shape(predicted)}, and loss='log_loss' needs probabilities "
            "of shape (n_samples, n_classes), as predict_proba returns them."
        )
    y = read_labels(names[0], y)
    predicted = read_labels(names[1], predicted, len(y))
    check_same_kind(names[1], predicted, names[0], y)
    return (y != predicted).astype(np.float64)


def as_score(risk, loss):
    """Return a risk as a score: an accuracy for the share of errors, else minus the risk."""
    return float(1 - risk if loss == "zero_one" else -risk)
