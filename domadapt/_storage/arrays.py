"""Arrays in npz files, read without running code and without trusting what a file claims."""

import math
import struct
import zipfile
from pathlib import Path

import numpy as np

from domadapt._storage.temporary import NoRoomError, temporary_file

# Deflate makes nothing smaller than by this.
LARGEST_RATIO = 1032
# Booleans, integers, floats, texts and bytes, as numpy calls them.
KINDS = "biufUS"
# Bytes that are unpacked at once.
BLOCK = 2**24
# What stands before the data of an array in a zip file, up to the lengths of its name and more.
LOCAL_HEADER = struct.Struct("<26x2H")


def read_arrays(path, names, largest=math.inf):
    """Read arrays of numbers or text by their names.

    Parameters
    ----------
    path : str or path
        An npz file.
    names : sequence of str
        The arrays that are wanted.
    largest : int, default=math.inf
        Arrays of several axes and of more bytes than this are mapped: from the file itself,
        or where it is compressed from a temporary one, to which they are unpacked.

    Returns
    -------
    arrays : list of ndarray
        In the order of the names, each with one entry at least.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no npz file, is damaged, lacks one of the arrays, or one of them is empty or
        holds anything but numbers and text.
    OSError
        If there is no room for a temporary file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{str(path)!r} is not there, or is no file.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            missing = [name for name in names if name not in entries]
            if not missing:
                return [_read_entry(archive, entries[name], path, largest) for name in names]
    except (BadArrayError, NoRoomError):
        raise
    # Damaged files raise errors of a dozen types, of zip, of its compressions and of numpy.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{str(path)!r} is no npz file that can be read: {reason}.") from error
    raise ValueError(
        f"{str(path)!r} lacks {' and '.join(missing)}. It holds: {', '.join(entries) or 'nothing'}."
    )


class BadArrayError(ValueError):
    """An array that is whole, but not one that can be used."""


def _read_entry(archive, entry, path, largest):
    name = entry.filename.removesuffix(".npy")
    packed = entry.compress_size
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArrayError(f"{str(path)!r} is packed in a way that numpy does not write.")
    # Before there is memory for it: what a file claims of itself may be anything.
    if packed > Path(path).stat().st_size or entry.file_size > LARGEST_RATIO * packed:
        raise BadArrayError(
            f"{str(path)!r} is damaged: {name} is said to have {entry.file_size} bytes, for which "
            "the file is too small."
        )
    with archive.open(entry) as file:
        shape, order, dtype = _read_header(file)
        _check_kind(path, name, shape, dtype)
        begin = file.tell()
        size = entry.file_size - begin
        if size != math.prod(shape) * dtype.itemsize:
            raise BadArrayError(
                f"{str(path)!r} is damaged: {name} should have the shape {shape} of {dtype}, but "
                f"there are {size} bytes of it."
            )
    if size > largest and len(shape) > 1:
        file, offset = _unpacked(archive, entry, path)
        return np.memmap(file, dtype, "r", offset=offset + begin, shape=shape, order=order)
    with archive.open(entry) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        # Reads to the end, where the checksum is compared.
        file.read()
    return array


def _read_header(file):
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, "F" if is_fortran else "C", dtype


def _unpacked(archive, entry, path):
    """Return a file that holds the bytes of an entry as they are, and where they begin."""
    is_packed = entry.compress_type != zipfile.ZIP_STORED
    target = temporary_file(entry.file_size) if is_packed else None
    with archive.open(entry) as packed:
        # To the end also of what is not packed: there, the checksum is compared.
        while block := packed.read(BLOCK):
            if target is not None:
                target.write(block)
    if target is not None:
        target.flush()
        return target, 0
    with open(path, "rb") as file:
        file.seek(entry.header_offset)
        lengths = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    return path, entry.header_offset + LOCAL_HEADER.size + sum(lengths)


def _check_kind(path, name, shape, dtype):
    if dtype.hasobject:
        raise BadArrayError(
            f"{str(path)!r} holds Python objects in {name}, which only pickle could read, and "
            "that may run any code. Save numbers or text: np.array(y.tolist())."
        )
    if dtype.kind not in KINDS:
        raise BadArrayError(
            f"{str(path)!r} holds {dtype} in {name}. Numbers or text were expected."
        )
    if min(shape, default=1) <= 0 or dtype.itemsize == 0:
        raise BadArrayError(
            f"{str(path)!r} has an empty {name}, of shape {shape}. At least one entry was expected."
        )


def check_samples_and_labels(path, X, y):
    """Check that there are samples and one label for each.

    Raises
    ------
    ValueError
        If the arrays have other shapes than that.
    """
    for name, array in (("X", X), ("y", y)):
        if array.ndim == 0:
            raise ValueError(
                f"{str(path)!r} has a single value in {name}. One entry for each sample was "
                "expected."
            )
    if len(X) != len(y):
        raise ValueError(f"{str(path)!r} has {len(X)} samples in X, but {len(y)} labels in y.")


def check_samples(path, X, first_row=0):
    """Check that samples are rows of finite numbers, as a network takes them.

    They may be a part of more, the first of which has a number of its own.

    Raises
    ------
    ValueError
        If they are not.
    """
    if X.dtype.kind not in "biuf":
        raise ValueError(f"{str(path)!r} holds text in X. Numbers were expected.")
    if X.ndim < 2:
        raise ValueError(
            f"{str(path)!r} has an X of shape {X.shape}. A row for each sample was expected."
        )
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        row, *column = np.argwhere(~np.isfinite(X))[0].tolist()
        place = f"row {first_row + row}, column {', '.join(map(str, column))}"
        raise ValueError(
            f"{str(path)!r} has numbers in X that are missing or infinite, such as in {place} "
            "(counted from 0). Leave such rows out or fill them."
        )
