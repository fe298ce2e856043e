"""Arrays mapped into memory from files: checked block by block, and given back once read."""

import mmap
from typing import Any

import numpy as np
from sklearn.utils.validation import assert_all_finite

# Bytes that are checked at once.
BLOCK = 2**25


def is_mapped(X):
    """Return whether an array is, or is a view of, a file that is mapped into memory."""
    return _file_of(X) is not None


def give_back(X):
    """Let go of the pages of a mapped file that were read: they need no memory any more.

    What was written to them is not lost, since they are the file's; a private copy, of the
    mode "c", is left alone.
    """
    file: Any = _file_of(X)
    if file is not None and file.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        file._mmap.madvise(mmap.MADV_DONTNEED)


def check_whole(name, X):
    """Raise an error where the file of a mapped array has become shorter than the array.

    To read what is no longer there would end the process, without a word.
    """
    file: Any = _file_of(X)
    if file is None:
        return
    mapped = file.offset - file.offset % mmap.ALLOCATIONGRANULARITY + len(file._mmap)
    # Of the file that was mapped, though another may have its name by now, or none.
    there = file._mmap.size()
    if there < mapped:
        raise ValueError(
            f"{name} is mapped from the file {str(file.filename)!r}, which was cut short since: it "
            f"has {there} bytes, and {mapped} were mapped. Write the file anew, and map it again."
        )


def check_finite(X, *, allow_nan):
    """Raise scikit-learn's error where numbers are not finite, in little memory."""
    n_rows = max(1, BLOCK // max(1, X[:1].nbytes))
    for start in range(0, len(X), n_rows):
        block = X[start : start + n_rows]
        try:
            assert_all_finite(block, allow_nan=allow_nan)
        except ValueError as error:
            wrong = np.isinf(block) if allow_nan else ~np.isfinite(block)
            row, *column = np.argwhere(wrong)[0].tolist()
            place = f"row {start + row}, column {', '.join(map(str, column))}"
            raise ValueError(f"{error} It stands in {place} (counted from 0).") from error
        give_back(X)


def _file_of(X):
    while isinstance(X, np.ndarray):
        # What is computed from a mapped array is of its kind too, and has no file.
        if isinstance(X, np.memmap) and getattr(X, "_mmap", None) is not None:
            return X
        X = X.base
    return None
