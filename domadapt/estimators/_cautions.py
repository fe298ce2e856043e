"""Fits that end well and yet have hardly done what was meant: warnings, once each."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from domadapt.domains.cautions import warn

# Fewer updates than this hardly move a network from where it started.
FEW_UPDATES = 50
# A target of fewer samples may well be of a single class.
FEW_SAMPLES = 10


def warn_of_no_target(estimator, criteria):
    """Warn where a method that aligns domains was given one alone."""
    name = type(estimator).__name__
    if criteria.asks_for("source_"):
        warn(
            f"{name} was given no target, so it learns from the source alone and aligns nothing. "
            "Pass X_target or sample_domain; AlignmentClassifier(alignment=None) trains on the "
            "source without this warning."
        )


def warn_of_few_updates(estimator):
    """Warn of a training that was too short."""
    if estimator.n_steps_ < FEW_UPDATES:
        warn(
            f"The fit made {estimator.n_steps_} updates, too few for most networks. Raise "
            f"max_epochs={estimator.max_epochs} or "
            f"steps_per_epoch={estimator.steps_per_epoch}.",
            ConvergenceWarning,
        )


def warn_of_idle_criteria(history, names):
    """Warn of criteria whose loss was 0 in every step of a training."""
    for name in names:
        if history[name] and not any(history[name]):
            warn(
                f"The loss of {name} was 0 in every step, so it changed nothing. No target "
                "sample may have passed its confidence or threshold: lower it, or train longer."
            )


def warn_of_collapse(labels, n_classes, *, may_lack_classes):
    """Warn where target samples are predicted as one class, or as far fewer than there are."""
    found, n_samples = np.unique(labels), len(labels)
    if n_samples < FEW_SAMPLES:
        return
    if len(found) == 1:
        what = f"All {n_samples} target samples are predicted as {found.tolist()[0]!r}"
    elif not may_lack_classes and 2 * len(found) < min(n_classes, n_samples):
        what = f"The {n_samples} target samples are predicted as {len(found)} classes"
    else:
        return
    warn(
        f"{what}, of {n_classes} in the source: the alignment may have collapsed, or some "
        "classes have few source samples. Try class_weight='balanced' or a lower "
        "alignment_weight, and compare with AlignmentClassifier(alignment=None)."
    )
