"""How the alignment weight and the learning rate change as training goes on.

A schedule maps progress, from 0 at the first step towards 1 at the last, to a factor.
"""

import math


def constant(progress):
    """Give 1 throughout.

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
