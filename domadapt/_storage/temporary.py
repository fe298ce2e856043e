"""Temporary files for what is too large for memory: nameless, and gone with the process."""

import shutil
import tempfile


class NoRoomError(OSError):
    """There is no room for a temporary file."""


def temporary_file(n_bytes):
    """Return an open file without a name, in the temporary folder.

    Raises
    ------
    NoRoomError
        If the folder has fewer bytes than are to be written.
    """
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise NoRoomError(
            f"The temporary folder {folder!r} has {free / 1e9:.1f} GB left, and "
            f"{n_bytes / 1e9:.1f} GB are to be written there, too many for memory. Set TMPDIR to a "
            "folder with more room."
        )
    return tempfile.TemporaryFile(prefix="domadapt-")
