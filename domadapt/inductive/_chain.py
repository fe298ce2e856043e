"""What a chain of tasks is given and remembers: samples by task, accuracies, importances."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from domadapt.domains.explanations import explained
from domadapt.domains.samples import check_same_length
from domadapt.domains.splitting import check_samples, split_domains


@dataclass
class Chain:
    """What is remembered of the tasks that were learnt so far.

    Parameters
    ----------
    held_out : dict of str to (X, y)
        Samples on which tasks are scored.
    accuracies : dict of str to dict of str to float
        After each task, those on each task that has samples held out.
    fisher : dict of str to Tensor
        Sum over tasks of the diagonal of the Fisher information of shared parameters.
    in_fisher : list of str
        The tasks in that sum.
    """

    held_out: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    accuracies: dict[str, dict[str, float]] = field(default_factory=dict)
    fisher: dict[str, torch.Tensor] = field(default_factory=dict)
    in_fisher: list[str] = field(default_factory=list)

    def extended(self, held_out):
        """Return a copy that can change, with more samples held out."""
        return Chain(
            self.held_out | held_out, dict(self.accuracies), dict(self.fisher), list(self.in_fisher)
        )

    def add_fisher(self, task, fisher):
        """Add the Fisher information of a task."""
        # The device may be another one than that of the tasks before.
        before = {n: value.to(fisher[n]) for n, value in self.fisher.items()}
        self.fisher = {n: value + before.get(n, 0.0) for n, value in fisher.items()}
        self.in_fisher.append(task)

    def matrix(self, tasks):
        """Return the accuracies as an array, NaN where there is none."""
        rows = [[self.accuracies.get(i, {}).get(j, np.nan) for j in tasks] for i in tasks]
        return np.array(rows)


@dataclass
class Learning:
    """The task that is being learnt, how many came before it, and what there is of the chain."""

    name: str
    number: int
    chain: Chain
    training: Any = None


def check_tasks(estimator, tasks, validation, known):
    """Raise an error where tasks, or samples that are held out, are not as described.

    ``known`` are the names of tasks that the estimator has learnt, whose columns the new ones
    need.
    """
    # What is read here is remembered by a copy alone.
    probe, shape = copy.copy(estimator), estimator._sample_shape if known else None
    for name, pair in tasks.items():
        if not (isinstance(name, str) and name):
            raise TypeError(f"A task has the name {name!r}. A text was expected.")
        X, y = _pair(f"Task {name!r}", pair)
        shape = _check_samples(f"Task {name!r}", probe, X, shape)
        try:
            split_domains(probe, X, y)
        except (TypeError, ValueError) as error:
            raise _told(f"Task {name!r}", error) from error
        if estimator.validation_fraction is not None and name not in (validation or ()):
            # Whether it can be split; how is drawn when the task is learnt.
            _split(name, y, estimator.validation_fraction, random_state=0)
    if not isinstance(validation, Mapping | None):
        raise TypeError(
            f"validation is a {type(validation).__name__}. A dict of samples and labels by the "
            "name of a task was expected, such as {'first': (X, y)}."
        )
    names = [*known, *tasks]
    for name, pair in (validation or {}).items():
        if name not in names:
            raise ValueError(
                f"validation holds samples of {name!r}, which is no task out of {names}."
            )
        what = f"validation[{name!r}]"
        X, y = _pair(what, pair)
        _check_samples(what, probe, X, shape)
        check_same_length(f"y of {what}", y, "X", _num_samples(X))


def hold_back(name, X, y, sample_weight, fraction, random_state):
    """Return samples, labels and weights to learn, and samples and labels that are held out."""
    learnt, out = _split(name, y, fraction, random_state)
    to_learn = (
        None if values is None else _safe_indexing(values, learnt)
        for values in (X, y, sample_weight)
    )
    return *to_learn, (_safe_indexing(X, out), _safe_indexing(y, out))


def _split(name, y, fraction, random_state):
    """Return rows to learn and rows that are held out, with their share of every class."""
    rows = np.arange(_num_samples(y))
    try:
        return train_test_split(
            rows, test_size=fraction, stratify=np.asarray(y), random_state=random_state
        )
    except ValueError as error:
        raise ValueError(
            f"Task {name!r}: validation_fraction={fraction} of {len(rows)} samples cannot be held "
            f"back by class: {error} Pass validation={{{name!r}: (X, y)}}, or "
            "validation_fraction=None."
        ) from error


def _pair(what, pair):
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        raise TypeError(f"{what} is a {type(pair).__name__}. A pair (X, y) was expected.")
    return pair


def _check_samples(what, probe, X, shape):
    """Return the shape of samples, that of those before where there are some."""
    try:
        if shape is not None:
            return check_samples(probe, X, shape).X.shape[1:]
        filler = np.arange(_num_samples(X)) % 2
        return split_domains(probe, X, filler).source.X.shape[1:]
    except (TypeError, ValueError) as error:
        hint = "" if shape is None else " All tasks of a chain need the same columns."
        raise _told(what, explained("X", X, error), hint) from error


def _told(what, error, hint=""):
    """Return an error of the same kind that says what it is about."""
    return type(error)(f"{what}: {error}{hint}")
