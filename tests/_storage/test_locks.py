"""A lock is held by one process at a time, and ends with it."""

import os
import signal
import subprocess
import sys

import pytest

from domadapt._storage import locks

HOLD = """
import sys
from domadapt._storage.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(locks.fcntl is None, reason="there are no locks here")
def test_a_killed_process_leaves_no_lock(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=os.environ, **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError, match="is in use: another process"):
            locks.locked(tmp_path).__enter__()
        process.send_signal(signal.SIGKILL)
    with locks.locked(tmp_path), pytest.raises(BlockingIOError), locks.locked(tmp_path):
        pass
    with locks.locked(tmp_path):
        assert os.listdir(tmp_path) == [locks.LOCK]


def test_where_there_are_no_locks_nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    with locks.locked(tmp_path), locks.locked(tmp_path):
        assert os.listdir(tmp_path) == []
