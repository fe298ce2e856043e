"""Fingerprints: texts by which data, weights and settings are known again in another process."""

import functools
import hashlib
import os
import re
import types

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from torch import nn
from torch.utils.hooks import RemovableHandle


def digest_of(tensors, text=""):
    """Give a digest of tensors by name, and of a text.

    Parameters
    ----------
    tensors : dict of str to Tensor
        On any device. Their order does not count.
    text : str, default=""
        What else counts.

    Returns
    -------
    digest : str
        Hexadecimal.

    Examples
    --------
    >>> import torch
    >>> from domadapt._storage.fingerprints import digest_of
    >>> digest_of({"a": torch.zeros(2)}) == digest_of({"a": torch.zeros(3)})
    False
    """
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().resolve_conj().contiguous()
        # Squeezed, since axes of length 1 may have any stride.
        raw = values.squeeze().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy())
    return digest.hexdigest()


def digest_of_rows(rows):
    """Give a digest of the rows of an array, or of the files that paths name.

    Of files, their names, sizes and times count, not their content.

    Parameters
    ----------
    rows : :class:`domadapt.domains.arguments.Rows`
        Rows of a dense or sparse array, or paths.

    Returns
    -------
    digest : str
        Hexadecimal.
    """
    taken = rows.take(slice(None))
    if taken.dtype.kind == "U":
        states = [(path, os.stat(path)) for path in taken.tolist()]
        text = "\n".join(f"{path} {s.st_size} {s.st_mtime_ns}" for path, s in states)
        return hashlib.sha256(text.encode()).hexdigest()
    return digest_of_array(taken)


def digest_of_array(array):
    """Give a digest of an array or a sparse matrix.

    Parameters
    ----------
    array : ndarray or CSR matrix
        Of any dtype.

    Returns
    -------
    digest : str
        Hexadecimal.
    """
    if sparse.issparse(array):
        parts = (array.data, array.indices, array.indptr)
        text = f"{array.format} {array.shape} {''.join(map(digest_of_array, parts))}"
        return hashlib.sha256(text.encode()).hexdigest()
    if array.dtype == object:
        return hashlib.sha256(repr(array.tolist()).encode()).hexdigest()
    digest = hashlib.sha256(f"{array.dtype} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


# What repr says of where an object lies in memory.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
PLAIN = (bool, int, float, complex, str, bytes, type(None))
# Hooks, and whether it is in training mode, are no part of what a module is.
OF_ANY_MODULE = frozenset(vars(nn.Module())) - {"_parameters", "_buffers", "_modules"}


def describe(value):
    """Say what a parameter is, in a text that does not change from process to process.

    Of a function, its code counts, with its defaults, what it encloses, and the plain
    values and functions of its own module that it uses. Of a module or another object
    that can be called, the code of its class and its attributes count. Other classes
    count by name.

    Parameters
    ----------
    value : object
        A number, a text, an array, a module, a function, an estimator, or a list or dict
        of such.

    Returns
    -------
    text : str
        Two values with the same text are taken for the same.
    """
    return _describe(value, ())


def _describe(value, outer):
    """Describe a value that is part of others, whose objects end a circle."""
    if isinstance(value, PLAIN):
        return repr(value)
    if any(value is other for other in outer):
        return f"{_name_of(value)} again"
    tell = functools.partial(_describe, outer=(*outer, value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(tell, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(tell, value)))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{tell(k)}: {tell(v)}' for k, v in value.items())}}}"
    if nn.parameter.is_lazy(value):
        return f"{_name_of(value)} {value.requires_grad}"
    if isinstance(value, torch.Tensor):
        return f"tensor {value.requires_grad} {digest_of({'': value})}"
    if isinstance(value, np.ndarray) or sparse.issparse(value):
        return f"array {digest_of_array(value)}"
    if isinstance(value, BaseEstimator):
        return f"{_name_of(value)} {tell(value.get_params(deep=False))}"
    if isinstance(value, functools.partial):
        return f"partial {tell([value.func, value.args, value.keywords])}"
    if isinstance(value, (type, types.ModuleType)):
        return _name_of(value)
    if isinstance(value, RemovableHandle):
        # Its number, which lazy layers keep, counts all hooks of the process so far.
        return "hook"
    if isinstance(value, nn.Module):
        own = {name: v for name, v in vars(value).items() if name not in OF_ANY_MODULE}
        return f"{_describe_class(type(value), tell)} {tell(own)}"
    if hasattr(value, "__code__"):
        return f"{_name_of(value)} {_describe_function(value, tell)}"
    if callable(value):
        # That which a built-in method belongs to, such as a dict with its get.
        owner = getattr(value, "__self__", None)
        return f"{_describe_class(type(value), tell)} {tell([owner, _state_of(value)])}"
    return f"{_name_of(value)} {tell(_state_of(value))}"


def _describe_function(function, tell):
    """Describe what a function does; it may be changed and keep its name."""
    used = [function.__defaults__, function.__kwdefaults__, getattr(function, "__self__", None)]
    for cell in function.__closure__ or ():
        try:
            used.append(cell.cell_contents)
        except ValueError:  # Nothing in it yet.
            used.append(None)
    for name in sorted(_names_in(function.__code__)):
        found = function.__globals__.get(name)
        is_beside = getattr(found, "__globals__", None) is function.__globals__
        if isinstance(found, PLAIN) or is_beside:
            used += [name, found]
    return f"{_describe_code(function.__code__, tell)} {tell(used)}"


def _describe_code(code, tell):
    # Functions within have an address in their repr.
    constants = [
        _describe_code(c, tell) if isinstance(c, types.CodeType) else tell(c)
        for c in code.co_consts
    ]
    return f"({code.co_code.hex()} {code.co_names} {constants})"


def _names_in(code):
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


def _describe_class(kind, tell):
    """Describe a class whose objects are used: its plain attributes and its functions."""
    parts = [_name_of(kind)]
    for base in kind.__mro__:
        if base in (nn.Module, object):
            continue
        for name, value in sorted(vars(base).items()):
            value = getattr(value, "fget", getattr(value, "__func__", value))
            is_data = isinstance(value, PLAIN) and not name.startswith("__")
            if is_data or hasattr(value, "__code__"):
                parts.append(f"{name} {tell(value)}")
    return " ".join(parts)


def _state_of(value):
    """Give the attributes of an object, or what it says of itself where it has no way."""
    if callable(value) and getattr(value, "__dict__", None):
        return vars(value)
    if type(value).__repr__ is object.__repr__:
        return getattr(value, "__dict__", {})
    return ADDRESS.sub("", repr(value))


def _name_of(value):
    named = value if hasattr(value, "__qualname__") else type(value)
    if isinstance(value, types.ModuleType):
        return value.__name__
    return f"{named.__module__}.{named.__qualname__}"
