"""Schedules that a person can name, and which parameters learn at which rate.

A schedule maps progress, from 0 at the first step towards 1 at the last, to a factor.
"""

import math
from numbers import Real


def parameter_groups(module, rates=()):
    """Return what is trained, as groups with a factor of the learning rate each.

    ``rates`` holds pairs of a part of the module and its factor, a number or a callable from
    progress to one. What is in no part has the factor 1, and what is in several that of the
    first. Parameters that need no gradient are in no group.
    """
    place: dict[int, int] = {}
    for number, (part, _) in enumerate(rates, start=1):
        for parameter in part.parameters():
            place.setdefault(id(parameter), number)
    factors = [1.0, *(factor for _, factor in rates)]
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if place.get(id(p), 0) == number], "factor": factor}
        for number, factor in enumerate(factors)
    ]
    return [group for group in groups if group["params"]]


def resolve_schedule(known, schedule):
    """Return the schedule that a name stands for, or the callable itself."""
    return known[schedule] if isinstance(schedule, str) else schedule


def check_schedule(name, schedule):
    """Check that a callable maps progress to a factor of at least 0.

    Raises
    ------
    ValueError
        If it fails at 0, 0.5 or 1, or returns something else.
    """
    for progress in (0.0, 0.5, 1.0):
        try:
            factor = schedule(progress)
        except Exception as error:  # A person's own function may raise anything.
            raise ValueError(
                f"{name}={schedule!r} failed on progress={progress}: {error}. A callable of one "
                "number, from 0 at the first step to 1 at the last, was expected."
            ) from error
        if not (isinstance(factor, Real) and 0.0 <= float(factor) < math.inf):
            raise ValueError(
                f"{name}={schedule!r} returned {factor!r} for progress={progress}. A finite "
                "number of at least 0 was expected."
            )


def constant(progress):
    """Return 1 throughout.

    Examples
    --------
    >>> constant(0.3)
    1.0
    """
    return 1.0


def linear(progress):
    """Rise from 0 to 1 in a straight line.

    Examples
    --------
    >>> linear(0.25)
    0.25
    """
    return progress


def dann_alignment(progress, steepness=10.0):
    """Rise from 0 to 1 as the DANN paper's reversal coefficient: 2 / (1 + exp(-10 p)) - 1.

    Examples
    --------
    >>> dann_alignment(0.0), round(dann_alignment(0.3), 3)
    (0.0, 0.905)
    """
    return 2.0 / (1.0 + math.exp(-steepness * progress)) - 1.0


def dann_learning_rate(progress, steepness=10.0):
    """Fall from 1 as the DANN paper's learning rate: (1 + 10 p) to the power of -0.75.

    Examples
    --------
    >>> dann_learning_rate(0.0), round(dann_learning_rate(1.0), 3)
    (1.0, 0.166)
    """
    return (1.0 + steepness * progress) ** -0.75


ALIGNMENT_SCHEDULES = {"constant": constant, "linear": linear, "dann": dann_alignment}
LEARNING_RATE_SCHEDULES = {"constant": constant, "dann": dann_learning_rate}
