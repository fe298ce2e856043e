"""Functions in a process of their own, forked from this one, which has imported everything.

Torch takes no gradients in a fork of a process that has taken some: what trains is forked
from a process that was itself forked before the first test.
"""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import traceback

from joblib.parallel import MultiprocessingBackend


class Forks(MultiprocessingBackend):
    """Processes for joblib that have imported everything; what they return comes as it is ready."""

    supports_return_generator = True


def start_fork(function):
    """Start a function in a fork of this process and return the number of that."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return process


def end_of(process):
    """Wait for a process and return how it ended: its status, or a signal as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


class Untrained:
    """A fork in which nothing is trained, and of which others are forked that may train."""

    def __init__(self):
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = start_fork(lambda: self._serve(theirs))
        theirs.close()

    def end(self):
        """End this fork, which waits for the next function."""
        self._pipe.close()
        end_of(self._process)

    def _serve(self, theirs):
        # With this end open here, the end of the tests would not be seen.
        self._pipe.close()
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                function, arguments, path = theirs.recv()
                started = start_fork(lambda call=(function, arguments, path): print_to(*call))
                theirs.send(end_of(started))

    def run(self, function, *arguments, timeout=300):
        """Run a function of a module in a fork; return how it ended and what it printed."""
        with tempfile.NamedTemporaryFile() as printed:
            self._pipe.send((function, arguments, printed.name))
            if not self._pipe.poll(timeout):
                raise TimeoutError(f"{function.__name__} took more than {timeout} s")
            return self._pipe.recv(), printed.read().decode()


def print_to(function, arguments, path):
    """Run a function whose output, and that of its own processes, goes to a file."""
    with open(path, "a", buffering=1) as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        sys.stdout = sys.stderr = printed
        function(*arguments)
