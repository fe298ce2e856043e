"""What it takes to resume a training, as one file of tensors and JSON."""

import math
import textwrap

import torch

from domadapt._storage.files import read_tensors, write_tensors
from domadapt.inputs.reader import rank
from domadapt.training.distributed import wait_for_all

KIND = "checkpoint"


def save_checkpoint(path, trainer, fingerprint):
    """Write a file from which :func:`resume_from` resumes between two epochs.

    ``fingerprint`` is a text of what is trained on what, the same when it is resumed.
    """
    # All processes hold the same.
    if rank() == 0:
        _write(path, trainer, fingerprint)
    # A fit of the same settings that comes next must find the same file in all of them.
    wait_for_all(trainer.device)


def _write(path, trainer, fingerprint):
    tensors = _named("random", trainer.random_numbers.state())
    tensors |= _named("step", trainer.step.state_dict())
    for part, order in trainer.orders.items():
        tensors |= _named(f"order.{part}", order.state())
    optimizer = trainer.runner.optimizer
    for number, parameter in enumerate(optimizer.parameters):
        tensors |= _named(f"optimizer.{number}", optimizer.state.get(parameter, {}))
    info = {"fingerprint": fingerprint, "n_steps": trainer.n_steps, "history": trainer.history}
    tensors = {name: value for name, value in tensors.items() if isinstance(value, torch.Tensor)}
    write_tensors(path, tensors, info, kind=KIND)


def resume_from(path, trainer, fingerprint):
    """Resume a training: the trainer is built as the one that was saved, with no epoch run.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is not there, damaged, of another version or of another training.
    """
    try:
        tensors, info = read_tensors(path, kind=KIND)
        if info["fingerprint"] != fingerprint:
            raise ValueError(
                f"The checkpoint {str(path)!r} is of a fit with other parameters or data. Remove "
                "it to start anew, or name another file."
            )
        _restore(trainer, tensors, info)
    except (AttributeError, LookupError, OverflowError, RuntimeError, TypeError) as error:
        reason = textwrap.shorten(str(error), 500, placeholder=" ...")
        raise ValueError(f"The checkpoint {str(path)!r} does not fit together: {reason}") from error


def _check_said(trainer, info):
    """Raise a TypeError unless steps and history are those of such a training."""
    history, n_steps = info["history"], info["n_steps"]
    if not (isinstance(history, dict) and history.keys() == trainer.history.keys()):
        raise TypeError(f"a history of other losses: {history!r}")
    losses = list(history.values())
    if not all(isinstance(values, list) and len(values) == len(losses[0]) for values in losses):
        raise TypeError(f"a history of losses of different lengths: {history!r}")
    if not all(type(v) in (int, float) and math.isfinite(v) for vs in losses for v in vs):
        raise TypeError(f"a history of what is no finite number: {history!r}")
    if type(n_steps) is not int or n_steps != len(losses[0]) * trainer.steps_per_epoch:
        raise TypeError(f"{n_steps!r} steps in {len(losses[0])} epochs")


def _restore(trainer, tensors, info):
    _check_said(trainer, info)
    trainer.step.load_state_dict(_under("step", tensors))
    for part, order in trainer.orders.items():
        order.restore(_under(f"order.{part}", tensors))
    trainer.runner.optimizer.restore(
        {
            number: _under(f"optimizer.{number}", tensors)
            for number in range(len(trainer.runner.optimizer.parameters))
        }
    )
    trainer.n_steps, trainer.history = info["n_steps"], info["history"]
    trainer.random_numbers.restore(_under("random", tensors))


def _named(prefix, values):
    return {f"{prefix}.{name}": value for name, value in values.items()}


def _under(prefix, tensors):
    start = f"{prefix}."
    return {name[len(start) :]: v for name, v in tensors.items() if name.startswith(start)}
