"""Digests and descriptions that identify data, weights and settings in any process."""

import functools
import hashlib
import math
import os
import re
import types

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from torch import nn
from torch.utils.hooks import RemovableHandle

# Bytes of samples that are read at once.
BLOCK = 2**25


def digest_of(tensors, text=""):
    """Return a hexadecimal digest of tensors by name, in any order, and of a text."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().resolve_conj().contiguous()
        # Squeezed, since axes of length 1 may have any stride.
        raw = values.squeeze().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy())
    return digest.hexdigest()


def digest_of_samples(samples):
    """Return a digest of the samples of an array, or of the names, sizes and times of files."""
    X = samples.X
    if not sparse.issparse(X) and X.dtype.kind in "biuf":
        return _digest_of_numbers(samples.take, (len(samples), *X.shape[1:]), X.dtype)
    taken = samples.take(slice(None))
    if taken.dtype.kind == "U":
        states = [(path, os.stat(path)) for path in taken.tolist()]
        text = "\n".join(f"{path} {s.st_size} {s.st_mtime_ns}" for path, s in states)
        return hashlib.sha256(text.encode()).hexdigest()
    return digest_of_array(taken)


def digest_of_files(paths):
    """Return a digest of the contents of files in order; their names and times do not count."""
    digest = hashlib.sha256()
    for path in paths:
        if not os.path.isfile(path):
            # To read a pipe would be to wait for ever.
            raise FileNotFoundError(f"{str(path)!r} is not there, or no regular file.")
        with open(path, "rb") as file:
            # A digest for each file, so that it counts where one ends and the next begins.
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def digest_of_array(array):
    """Return a digest of a dense array or a sparse matrix."""
    if sparse.issparse(array):
        parts = (array.data, array.indices, array.indptr)
        text = f"{array.format} {array.shape} {''.join(map(digest_of_array, parts))}"
        return hashlib.sha256(text.encode()).hexdigest()
    if array.dtype == object:
        return hashlib.sha256(repr(array.tolist()).encode()).hexdigest()
    digest = hashlib.sha256(f"{array.dtype} {array.shape}\n".encode())
    # As it lies in memory: an array may be larger than a copy of it could be.
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _digest_of_numbers(take, shape, dtype):
    """Return what :func:`digest_of_array` returns, of rows that are taken in blocks."""
    digest = hashlib.sha256(f"{dtype} {shape}\n".encode())
    step = max(1, BLOCK // max(1, math.prod(shape[1:]) * dtype.itemsize))
    for start in range(0, shape[0], step):
        rows = np.ascontiguousarray(take(slice(start, start + step)))
        digest.update(rows.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


# The address of an object in its repr.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
PLAIN = (bool, int, float, complex, str, bytes, type(None))
# Hooks and the training mode do not count, nor how torch.compile runs a module.
ATTRIBUTES_OF_ANY_MODULE = frozenset(vars(nn.Module())) - {"_parameters", "_buffers", "_modules"}
ATTRIBUTES_OF_ANY_MODULE |= {"_compiled_call_impl", "_is_torch_compile"}
WRAPPED_BY_COMPILE = "_orig_mod"


def describe(value):
    """Describe a parameter in a text that is the same in every process."""
    # Of a function, its code counts, with its defaults, its closure, and the plain values and
    # functions of its own module that it uses. Of a module or another callable object, the code
    # of its class and its attributes count. Other classes count by name.
    return _describe(value, ())


def _describe(value, enclosing):
    """Describe a value within others; a reference back to one of these ends there."""
    if isinstance(value, PLAIN):
        return repr(value)
    if any(value is other for other in enclosing):
        return f"{_name_of(value)} again"
    describe_part = functools.partial(_describe, enclosing=(*enclosing, value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(describe_part, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(describe_part, value)))}}}"
    if isinstance(value, dict):
        items = (f"{describe_part(k)}: {describe_part(v)}" for k, v in value.items())
        return f"{{{', '.join(items)}}}"
    if nn.parameter.is_lazy(value):
        return f"{_name_of(value)} {value.requires_grad}"
    if isinstance(value, torch.Tensor):
        return f"tensor {value.requires_grad} {digest_of({'': value})}"
    if isinstance(value, np.ndarray) or sparse.issparse(value):
        return f"array {digest_of_array(value)}"
    if isinstance(value, BaseEstimator):
        return f"{_name_of(value)} {describe_part(value.get_params(deep=False))}"
    if isinstance(value, functools.partial):
        return f"partial {describe_part([value.func, value.args, value.keywords])}"
    if isinstance(value, (type, types.ModuleType)):
        return _name_of(value)
    if isinstance(value, RemovableHandle):
        # Its number, which lazy layers store, counts all hooks of the process so far.
        return "hook"
    if isinstance(value, nn.Module) and WRAPPED_BY_COMPILE in value._modules:
        return _describe(value._modules[WRAPPED_BY_COMPILE], enclosing)
    if isinstance(value, nn.Module):
        own = {name: v for name, v in vars(value).items() if name not in ATTRIBUTES_OF_ANY_MODULE}
        return f"{_describe_class(type(value), describe_part)} {describe_part(own)}"
    if hasattr(value, "__code__"):
        return f"{_name_of(value)} {_describe_function(value, describe_part)}"
    if callable(value):
        # The object of a built-in method, such as the dict of its get.
        state = [getattr(value, "__self__", None), _state_of(value)]
        return f"{_describe_class(type(value), describe_part)} {describe_part(state)}"
    return f"{_name_of(value)} {describe_part(_state_of(value))}"


def _describe_function(function, describe_part):
    """Describe the code of a function and the values that it uses."""
    used = [function.__defaults__, function.__kwdefaults__, getattr(function, "__self__", None)]
    for cell in function.__closure__ or ():
        try:
            used.append(cell.cell_contents)
        except ValueError:  # The cell is still empty.
            used.append(None)
    for name in sorted(_names_in(function.__code__)):
        found = function.__globals__.get(name)
        in_same_module = getattr(found, "__globals__", None) is function.__globals__
        if isinstance(found, PLAIN) or in_same_module:
            used += [name, found]
    return f"{_describe_code(function.__code__, describe_part)} {describe_part(used)}"


def _describe_code(code, describe_part):
    # The repr of the code of an inner function has an address.
    constants = [
        _describe_code(c, describe_part) if isinstance(c, types.CodeType) else describe_part(c)
        for c in code.co_consts
    ]
    return f"({code.co_code.hex()} {code.co_names} {constants})"


def _names_in(code):
    nested = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*map(_names_in, nested))


def _describe_class(kind, describe_part):
    """Describe a class by its name, its plain attributes and its functions."""
    parts = [_name_of(kind)]
    for base in kind.__mro__:
        if base in (nn.Module, object):
            continue
        for name, value in sorted(vars(base).items()):
            value = getattr(value, "fget", getattr(value, "__func__", value))
            is_data = isinstance(value, PLAIN) and not name.startswith("__")
            if is_data or hasattr(value, "__code__"):
                parts.append(f"{name} {describe_part(value)}")
    return " ".join(parts)


def _state_of(value):
    """Return the attributes of an object, or its repr."""
    own = dict(getattr(value, "__dict__", {}))
    # A function of numpy keeps its signature, once somebody has asked for it.
    own.pop("__signature__", None)
    if callable(value) and own:
        return own
    if type(value).__repr__ is object.__repr__:
        return own
    return ADDRESS.sub("", repr(value))


def _name_of(value):
    named = value if hasattr(value, "__qualname__") else type(value)
    if isinstance(value, types.ModuleType):
        return value.__name__
    return f"{named.__module__}.{named.__qualname__}"
