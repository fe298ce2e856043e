"""A lock on a folder that ends with the process that holds it, however that ends."""

import contextlib
import errno
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
# Some file systems of networks have no locks.
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


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
    with open(Path(folder) / LOCK, "ab") as file:
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
        yield
