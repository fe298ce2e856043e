"""Files that are written completely or not at all, and tensors in them without pickle."""

import contextlib
import json
import os
import socket
import threading
from pathlib import Path

import torch

from domadapt._storage.fingerprints import digest_of

FORMAT = 1


def atomic_write(path, data):
    """Write text (in UTF-8) or bytes to a file, or leave the old file unchanged.

    An iterable of texts is written part by part.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full. Nothing is left behind.
    """
    path = Path(path)
    # One for each writer: several fits may store the same features at the same time.
    writer = f"{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{writer}.part")
    is_made = True
    try:
        _remove_leftovers(path)
        with open(temporary, "wb") as file:
            parts = iter([data] if isinstance(data, (str, bytes)) else data)
            while True:
                is_made = False
                part = next(parts, None)
                is_made = True
                if part is None:
                    break
                file.write(part.encode() if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        # What goes wrong where a part is made is not about this file.
        if isinstance(error, OSError) and is_made:
            # The message has to name the file that the user knows.
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def check_folder(name, value):
    """Check that a folder can be written to; one that is not there is made, in one that is.

    Raises
    ------
    OSError
        If not, with the name of the parameter.
    """
    there = next(p for p in (Path(value), *Path(value).absolute().parents) if p.exists())
    check_writable(name, value, there)


def check_writable(name, value, folder):
    """Check that a folder can be written to, which a parameter or its file is in.

    Raises
    ------
    OSError
        If not, with the name of the parameter.
    """
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise OSError(
            f"{name}={str(value)!r}: {str(folder)!r} is no folder that can be written to."
        )


def _remove_leftovers(path):
    """Remove what killed processes of this machine have left of earlier attempts."""
    if os.name != "posix":
        # There, to ask whether a process is alive would end it.
        return
    start, end = f".{path.name}.{socket.gethostname()}.", ".part"
    # One may write into some folders and not list them; and another writer may be faster.
    with contextlib.suppress(PermissionError, FileNotFoundError):
        for name in os.listdir(path.parent):
            if name.startswith(start) and name.endswith(end):
                pid = name[len(start) : -len(end)].partition("-")[0]
                if pid.isdecimal() and not _is_alive(int(pid)):
                    path.with_name(name).unlink()


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        # It is another user's.
        return True
    return True


def write_tensors(path, tensors, info, *, kind):
    """Write tensors and a JSON-serialisable dict as one safetensors file of a named kind.

    Raises
    ------
    OSError
        As :func:`atomic_write`.
    """
    from safetensors.torch import save

    # Copies, since tensors that share memory cannot be written.
    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    header = json.dumps({"kind": kind, "format": FORMAT, "info": info})
    metadata = {"domadapt": header, "digest": digest_of(copies, header)}
    # Safetensors can write a file itself, but its errors lack the message of the system.
    atomic_write(path, save(copies, metadata))


def read_tensors(path, *, kind):
    """Read the tensors (on the CPU) and the dict of :func:`write_tensors`, running no code.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is cut short, was changed, or is of another kind or format.
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
    # Checked first, since another format may have another digest.
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
