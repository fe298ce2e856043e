"""Files that are either whole or not there, and tensors in them without pickle."""

import contextlib
import json
import os
import threading
from pathlib import Path

import torch

from domadapt._storage.fingerprints import digest_of

FORMAT = 1


def atomic_write(path, data):
    """Write a file, or leave what is there as it is.

    Parameters
    ----------
    path : str or path
        What is to be written.
    data : str or bytes
        The whole content; text is written in UTF-8.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full. Nothing is left behind.
    """
    path = Path(path)
    # Of its own for each writer: several fits may keep the same features at once.
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            # The name in the message is to be the one that the person knows.
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def write_tensors(path, tensors, info, *, kind):
    """Write tensors and what goes with them as one safetensors file.

    Parameters
    ----------
    path : str or path
        What is to be written.
    tensors : dict of str to Tensor
        On any device, in any memory format.
    info : dict
        Anything that JSON can hold.
    kind : str
        What the file is, such as ``"model"``. It has to be named again to read it.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full.
    """
    from safetensors.torch import save

    # Copies, since tensors that share memory cannot be written.
    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    header = json.dumps({"kind": kind, "format": FORMAT, "info": info})
    metadata = {"domadapt": header, "digest": digest_of(copies, header)}
    # Safetensors can write a file itself, but its errors do not say what the system said.
    atomic_write(path, save(copies, metadata))


def read_tensors(path, *, kind):
    """Read what :func:`write_tensors` wrote. No code of the file is run.

    Parameters
    ----------
    path : str or path
        The file.
    kind : str
        What it has to be.

    Returns
    -------
    tensors : dict of str to Tensor
        On the CPU.
    info : dict
        What went with them.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is cut short, was changed, or is of another kind or version.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{str(path)!r} is not a file: no {kind} can be read from it.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is no whole safetensors file: {error}") from error
    if "domadapt" not in metadata:
        raise ValueError(f"{str(path)!r} holds tensors, but was not written as a {kind}.")
    changed = ValueError(
        f"{str(path)!r} has been changed since it was written: its content does not agree with "
        "its digest."
    )
    try:
        header = json.loads(metadata["domadapt"])
        version = header["format"]
    except (KeyError, RecursionError, TypeError, ValueError):
        raise changed from None
    # First of all, since another version may have another digest.
    if version != FORMAT:
        raise ValueError(
            f"{str(path)!r} is of format {version}, but this version of domadapt reads format "
            f"{FORMAT}. Read it with the version that wrote it."
        )
    if metadata.get("digest") != digest_of(tensors, metadata["domadapt"]):
        raise changed
    if header["kind"] != kind:
        raise ValueError(f"{str(path)!r} is a {header['kind']}, but a {kind} was expected.")
    return tensors, header["info"]
