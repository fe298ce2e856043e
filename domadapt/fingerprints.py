"""Fingerprints: texts by which data, weights and settings are known again in another process."""

import functools
import hashlib
import os

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from torch import nn


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
    >>> from domadapt.fingerprints import digest_of
    >>> digest_of({"a": torch.zeros(2)}) == digest_of({"a": torch.zeros(3)})
    False
    """
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy())
    return digest.hexdigest()


def digest_of_rows(rows):
    """Give a digest of the rows of an array, or of the files that paths name.

    Of files, their names, sizes and times count, not their content.

    Parameters
    ----------
    rows : :class:`domadapt.domains.Rows`
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
        return hashlib.sha256("".join(map(digest_of_array, parts)).encode()).hexdigest()
    if array.dtype == object:
        return hashlib.sha256(repr(array.tolist()).encode()).hexdigest()
    digest = hashlib.sha256(f"{array.dtype} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def describe(value):
    """Say what a parameter is, in a text that does not change from process to process.

    Parameters
    ----------
    value : object
        A number, a text, a module, a function, an estimator, or a list or dict of such.

    Returns
    -------
    text : str
        Two values with the same text are taken for the same.
    """
    if isinstance(value, nn.Module):
        return f"{_name_of(value)} {value!r} {digest_of(value.state_dict())}"
    if isinstance(value, BaseEstimator):
        parameters = value.get_params(deep=False).items()
        return f"{_name_of(value)} {[(name, describe(v)) for name, v in parameters]}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(describe, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {describe(v)}' for k, v in value.items())}}}"
    if isinstance(value, functools.partial):
        return f"partial {describe([value.func, list(value.args), value.keywords])}"
    if hasattr(value, "__code__"):
        # A function may be changed and keep its name.
        code = value.__code__
        return f"{_name_of(value)} {code.co_code.hex()} {code.co_names} {len(code.co_consts)}"
    if callable(value):
        return f"{_name_of(value)} {describe(getattr(value, '__dict__', {}))}"
    return repr(value)


def _name_of(value):
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
