"""What parameters of scores may be, as functions of arrays and as scorers alike."""

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

CONSTRAINTS: dict[str, list[Any]] = {
    "class_proportions": ["array-like", None],
    "clip": [Interval(Real, 1, None, closed="left"), None],
    "confidence": [StrOptions({"maximum", "negative_entropy"})],
    "delta": [Interval(Real, 0, 1, closed="neither")],
    "ensemble": [list, tuple],
    "larger_part": [Interval(Real, 0.5, 1, closed="neither")],
    "loss": [StrOptions({"zero_one", "log_loss"})],
    "other": [HasMethods(["predict"]), None],
    "p": [Interval(Real, 0, None, closed="neither")],
    "prior": [StrOptions({"uniform", "source", "estimated"}), "array-like"],
    "random_state": ["random_state"],
    "ridge": [Interval(Real, 0, None, closed="left")],
    "source_model": [HasMethods(["predict"]), None],
    "temperature": [Interval(Real, 0, None, closed="neither")],
}


def check_parameters(caller, **parameters):
    """Raise an error that names the parameter that is not as described."""
    constraints = {name: CONSTRAINTS[name] for name in parameters}
    validate_parameter_constraints(constraints, parameters, caller_name=caller)
