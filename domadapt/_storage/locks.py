"""A lock on a folder that ends with the process that holds it, however that ends."""

import contextlib
import errno
import os
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
# Some file systems of networks have no locks, or none for files that cannot be written to.
UNSUPPORTED = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_held: set[IO[bytes]] = set()


def _leave_to_parent():
    """Close the locks in a forked process, which may live for longer than the one it is from."""
    for file in _held:
        file.close()


if fcntl is not None:
    os.register_at_fork(after_in_child=_leave_to_parent)


@contextlib.contextmanager
def locked(folder):
    """Hold the lock of a folder; where the system has no locks, do nothing.

    The file of the lock stays in the folder, empty: removing it could take it from another
    process that has just opened it.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    OSError
        If the folder cannot be written to.
    """
    if fcntl is None:
        yield
        return
    with _open(Path(folder) / LOCK) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"{str(folder)!r} is in use: another process runs in it. Wait until that has "
                "ended, or name another folder."
            ) from None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        _held.add(file)
        try:
            yield
        finally:
            _held.discard(file)


def _open(path):
    try:
        return open(path, "ab")
    except PermissionError:
        # In a folder that several people share, it may be another's.
        return open(path, "rb")
