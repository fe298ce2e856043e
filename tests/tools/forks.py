"""Functions in a process of their own, forked from this one, which has imported everything.

Nothing that trains: torch takes no gradients in a fork of a process that has taken some.
"""

import os
import traceback


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
