"""A watch over the numbers of a training: where they stop being finite, and the likely cause."""

import torch

from domadapt.nn.layers import extract_features
from domadapt.training.distributed import in_any_process

# Logits, and values in standard deviations, of this size come from no training that went well.
LARGEST_OUTPUT = 1e10


class NonFiniteLossError(FloatingPointError, ValueError):
    """Training was stopped because a loss or a weight was no longer a finite number.

    The estimator keeps the weights of the last epoch that ended with finite ones.
    """


def find_non_finite(trainer, losses):
    """Return where training went out of the finite numbers and why; None if it did not.

    ``losses`` are those of each step of an epoch, of shape (n_steps, n_losses).
    """
    finite = losses.isfinite()
    weights = trainer.network.state_dict().values()
    if finite.all() and all(value.isfinite().all() for value in weights):
        return None
    bad = (~finite.all(1)).nonzero()
    step = int(bad[0]) if len(bad) else trainer.steps_per_epoch - 1
    task_finite, alignment_finite = finite[step, :2].tolist()
    if task_finite and not alignment_finite:
        cause = (
            f"the loss of {trainer.criteria.describe()} is not finite while the task loss is. "
            "Likely cause: a root, a logarithm or a division in the criterion, or "
            f"alignment_weight={trainer.settings.alignment_weight:g} is too high."
        )
    else:
        cause = f"{'the weights are' if task_finite else 'the task loss is'} {_too_far(trainer)}"
    return _stopped(trainer, f"step {step} (counted from 0)", cause)


@torch.no_grad()
def find_wild_outputs(trainer, inputs):
    """Return that weights which are finite predict what is beyond all bounds; None if not."""
    network, settings = trainer.network.eval(), trainer.settings
    parts = [
        network.classifier(extract_features(network.feature_extractor, part, settings.precision))
        for part in inputs.chunk(settings.accumulate)
    ]
    outputs = torch.cat(parts)
    # What is no number is not below, either.
    if not in_any_process(~(outputs.abs() < LARGEST_OUTPUT).all()):
        return None
    return _stopped(trainer, "the last step", f"what the network predicts is {_too_far(trainer)}")


def _too_far(trainer):
    cause = (
        f"not finite. Likely cause: learning_rate={trainer.settings.learning_rate:g} is "
        "too high, or the columns of X are of very different scale."
    )
    if trainer.criteria is not None:
        cause += (
            f" If the gradient of {trainer.criteria.describe()} was not finite a step "
            "before, look there for a root or a logarithm at 0."
        )
    return cause


def _stopped(trainer, where, cause):
    return (
        f"Training stopped in epoch {trainer.n_epochs}, {where}: {cause} The weights from before "
        "that epoch are kept."
    )
