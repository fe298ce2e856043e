"""A deep estimator out of what a file holds: its class, its parameters, what it has learnt."""

import warnings

from domadapt import estimators
from domadapt.estimators._encoding import decode, is_lacking
from domadapt.inputs.reader import resolve_device
from domadapt.methods import CLASSES

# What a prediction cannot do without; other parameters may be set anew before a fit.
NEEDED = ("backbone", "hidden_layer_sizes", "image_loader", "source")


# The deep estimators, by name.
DEEP = {name: getattr(estimators, name) for name in CLASSES}


def read_estimator(path, tensors, info, given, kinds=DEEP):
    """Return the fitted estimator that a file holds, which is of one of the kinds."""
    estimator = _build_estimator(path, info, given, kinds)
    estimator._restore(tensors, info, has_own_backbone="backbone" in given)
    return estimator


def _build_estimator(path, info, given, kinds):
    """Return the estimator, unfitted, with the parameters of the file and those given."""
    if info["class"] not in kinds:
        raise ValueError(f"{str(path)!r} holds a {info['class']!r}, which is not known here.")
    if not isinstance(info["parameters"], dict):
        raise TypeError(f"parameters {info['parameters']!r}")
    estimator = kinds[info["class"]]()
    known = set(estimator.get_params(deep=False))
    unknown = (set(given) | set(info["parameters"])) - known
    if unknown:
        raise ValueError(f"{info['class']} has no parameters {sorted(unknown)}.")
    saved = {name: v for name, v in info["parameters"].items() if name not in given}
    lacking = [name for name, value in saved.items() if is_lacking(value)]
    for name in lacking:
        what = saved.pop(name)["lacking"]
        if name in NEEDED:
            raise ValueError(
                f"{str(path)!r} was saved with {name}={what}, which the file cannot hold. "
                f"Pass it: load(path, {name}=...)."
            )
        warnings.warn(
            f"{name}={what} was not saved and has its default. That does not matter for "
            "predictions; set it before you fit again.",
            stacklevel=4,
        )
    estimator.set_params(**{name: decode(name, value) for name, value in saved.items()}, **given)
    estimator._validate_params()
    if estimator.image_loader is not None:
        estimator.image_loader._validate_params()
    if "device" not in given:
        try:
            resolve_device(estimator.device)
        except ValueError:
            estimator.device = "auto"
    return estimator
