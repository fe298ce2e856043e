"""What a file says of an estimator, checked before anything is built of it.

A file may have been made to do harm: small itself, but of networks that fill the memory.
"""

import math

import numpy as np

# Values of a sample on which a network with a backbone takes its sizes: 64 MiB in float32, or
# a photograph of 2300 pixels each way.
LARGEST_SAMPLE = 2**24
# Texts of labels may stand in wider arrays than they need, up to so many times and bytes.
WIDER, SPARE_BYTES = 16, 2**16


def check_said(info):
    """Raise a TypeError where shapes, histories or attributes are of the wrong kind."""
    for name in ("input_shape", "sample_shape"):
        shape = info[name]
        if not (isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)):
            raise TypeError(f"{name} {shape!r}")
    if math.prod(info["input_shape"]) > LARGEST_SAMPLE:
        raise TypeError(f"samples of shape {info['input_shape']}")
    check_history("history", info["history"])
    if info["adaptation_history"] is not None:
        check_history("adaptation_history", info["adaptation_history"])
    if type(info["n_steps"]) is not int or info["n_steps"] < 0:
        raise TypeError(f"n_steps {info['n_steps']!r}")
    for name, value in info["attributes"].items():
        names = isinstance(value, list) and all(isinstance(text, str) for text in value)
        if name == "batch_norm_":
            fits = value in ("per_domain", "joint", None)
        else:
            fits = names if name == "feature_names_in_" else type(value) is int
        if not fits:
            raise TypeError(f"{name} {value!r}")


def check_history(name, history):
    """Raise a TypeError unless a history has lists of numbers by name."""
    for losses in history.values():
        if not (isinstance(losses, list) and all(type(v) in (int, float) for v in losses)):
            raise TypeError(f"{name} {history!r}")


def check_numbers(state):
    """Raise a RuntimeError where a weight is not finite."""
    for name, values in state.items():
        if not bool(values.isfinite().all()):
            raise RuntimeError(f"the weights {name} are not finite")


def check_fits(module, state):
    """Raise an error unless tensors have the names, shapes and dtypes of a module's."""
    own = {name: _kind_of(values) for name, values in module.state_dict().items()}
    came = {name: _kind_of(values) for name, values in state.items()}
    names = sorted(own.keys() | came.keys())
    differ = [
        f"{name} is {came.get(name, 'not there')} in place of {own.get(name, 'nothing')}"
        for name in names
        if came.get(name) != own.get(name)
    ]
    if differ:
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise LookupError(f"weights of another network: {'; '.join(differ[:3])}{more}")


def _kind_of(tensor):
    return f"{tuple(tensor.shape)} in {str(tensor.dtype).removeprefix('torch.')}"


def check_label_width(values, dtype):
    """Raise a TypeError where labels would need far more memory than their texts."""
    needed = np.dtype(f"U{max((len(str(value)) for value in values), default=1)}").itemsize
    spare = dtype.itemsize * len(values) - WIDER * needed * len(values)
    if dtype.kind == "U" and spare > SPARE_BYTES:
        raise TypeError(f"{len(values)} labels of the kind {dtype.str!r}")
