"""A dict of tasks as it is given to ``fit``: read, checked, and labelled samples made of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from domadapt.domains.samples import Domains
from domadapt.domains.splitting import split_domains

# A task of such a name would hide what else stands in the history.
TAKEN = ("task_loss", "alignment_loss", "alignment_weight", "learning_rate")
KINDS = ("classes", "values")


@dataclass(frozen=True)
class TaskDomains(Domains):
    """The labelled samples of several tasks; those of the first stand for what is asked of one.

    Parameters
    ----------
    by_task : dict of str to Domains
        The samples and labels of each task, as a source.
    learners : dict of str to BaseDeepEstimator
        An unfitted estimator for each, which reads labels and decides by outputs.
    """

    by_task: dict[str, Domains] = field(default_factory=dict)
    learners: dict[str, Any] = field(default_factory=dict)


def _split(name, learner, X, y, weight):
    """Return the samples and labels of a task."""
    try:
        return split_domains(learner, X, y, sample_weight=weight)
    except ValueError as error:
        if "Unknown label type: continuous" not in str(error):
            raise
        raise ValueError(
            "y holds numbers that are no classes. To learn them as values pass learns="
            f"{{{name!r}: 'values'}}, else round them."
        ) from error


def of_tasks(by_task, learners):
    """Return labelled samples by task as one object."""
    first = next(iter(by_task.values()))
    given = (first.source, first.y, first.sample_weight, None)
    return TaskDomains(*given, by_task=by_task, learners=learners)


def read_tasks(estimator, tasks):
    """Return what ``fit`` was given, validated.

    Raises
    ------
    TypeError, ValueError
        If it is no dict of samples and labels by name, or samples, labels or columns of a
        task are not as they have to be.
    """
    entries = entries_of(estimator, tasks)
    kinds = _kinds_of(estimator, entries)
    by_task, learners = {}, {}
    for name, (X, y, weight) in entries.items():
        learners[name] = estimator._learner(kinds[name])
        split = told(name, _split)
        by_task[name] = split(name, learners[name], X, y, weight)
        _check_same_columns(name, by_task, learners)
    first = next(iter(learners.values()))
    for attribute in ("n_features_in_", "feature_names_in_"):
        vars(estimator).pop(attribute, None)
        if hasattr(first, attribute):
            setattr(estimator, attribute, getattr(first, attribute))
    return of_tasks(by_task, learners)


def check_alone(estimator, method, tasks, too_many):
    """Raise a TypeError where samples and labels came by themselves, and no dict of tasks."""
    if too_many:
        raise TypeError(
            f"{type(estimator).__name__}.{method} takes one dict of tasks, and {1 + len(too_many)} "
            "arguments came. Pass samples and labels of each task by its name: "
            "{'digit': (X1, y1), 'parity': (X2, y2)}."
        )


def entries_of(estimator, tasks):
    """Return samples, labels and weights or None of each task.

    Raises
    ------
    TypeError, ValueError
        If it is no dict of such by name.
    """
    kind = type(estimator).__name__
    if not isinstance(tasks, Mapping):
        raise TypeError(
            f"{kind} takes a dict of tasks, and a {type(tasks).__name__} came. Pass samples and "
            "labels of each by its name: {'digit': (X1, y1), 'parity': (X2, y2)}."
        )
    if not tasks:
        raise ValueError(f"{kind} was given no task: the dict is empty.")
    entries = {}
    for name, given in tasks.items():
        if not isinstance(name, str) or not name or name in TAKEN:
            raise ValueError(
                f"A task is called {name!r}. A text was expected, other than {', '.join(TAKEN)}, "
                "which stand in history_."
            )
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            raise TypeError(
                f"task {name!r} holds a {type(given).__name__}. A tuple (X, y) was expected, or "
                "(X, y, sample_weight)."
            )
        entries[name] = (*given, None) if len(given) == 2 else tuple(given)
    return entries


def told(name, function):
    """Return a function whose errors name a task."""

    def telling(*given, **named):
        try:
            return function(*given, **named)
        except (TypeError, ValueError) as error:
            raise type(error)(f"task {name!r}: {error}") from error

    return telling


def check_known(parameter, names, tasks):
    """Raise a ValueError where names are not those of tasks."""
    tasks = list(tasks)
    unknown = [name for name in names if name not in tasks]
    if unknown:
        raise ValueError(f"{parameter} names {unknown}, which is no task. The tasks are {tasks}.")


def _kinds_of(estimator, tasks):
    """Return for each task whether classes or values are learnt."""
    learns = estimator.learns or {}
    check_known("learns", learns, tasks)
    for name, kind in learns.items():
        if kind not in KINDS:
            raise ValueError(f"learns[{name!r}]={kind!r} must be 'classes' or 'values'.")
    return {name: learns.get(name, estimator._learns) for name in tasks}


def check_task_weights(weights, names):
    """Return the weight of each task, 1 where none are given.

    Raises
    ------
    ValueError
        If a task is missing or unknown, or a weight is no number of at least 0.
    """
    if weights is None:
        return [1.0] * len(names)
    check_known("task_weights", weights, names)
    missing = [name for name in names if name not in weights]
    if missing:
        raise ValueError(
            f"task_weights={weights!r} has no weight for {missing}. Name every task, or pass None "
            "for 1 each."
        )
    values = [weights[name] for name in names]
    usable = [isinstance(v, Real) and 0.0 <= float(v) < math.inf for v in values]
    if not all(usable) or not any(values):
        raise ValueError(
            f"task_weights={weights!r} must hold finite numbers of at least 0, one of them above."
        )
    return [float(v) for v in values]


def _check_same_columns(name, by_task, learners):
    """Raise a ValueError where samples of a task are not like those of the first."""
    first = next(iter(by_task))
    shapes = [by_task[task].source.X.shape[1:] for task in (first, name)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"task {name!r} has samples of shape {shapes[1]}, and task {first!r} of shape "
            f"{shapes[0]}. All tasks need the same columns, since layers are shared: choose those "
            "that they have in common, or fit an estimator for each."
        )
    names = [list(getattr(learners[task], "feature_names_in_", [])) for task in (first, name)]
    if all(names) and names[0] != names[1]:
        raise ValueError(
            f"task {name!r} has the columns {names[1]}, and task {first!r} {names[0]}. All tasks "
            "need the same columns in the same order."
        )
