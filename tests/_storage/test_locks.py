"""A lock is held by one process at a time, and ends with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from domadapt._storage import locks

# Processes import the file alone: the whole package takes seconds.
ALONE = os.environ | {"PYTHONPATH": str(Path(locks.__file__).parent)}
HOLD = """
import sys
from locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(locks.fcntl is None, reason="there are no locks here")
def test_a_killed_process_leaves_no_lock(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=ALONE, **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError, match="is in use: another process"):
            locks.locked(tmp_path).__enter__()
        process.send_signal(signal.SIGKILL)
    with locks.locked(tmp_path), pytest.raises(BlockingIOError), locks.locked(tmp_path):
        pass
    with locks.locked(tmp_path):
        assert os.listdir(tmp_path) == [locks.LOCK]


FORK = """
import os, signal, sys, time
from locks import locked
with locked(sys.argv[1]):
    if os.fork() == 0:
        print("forked", flush=True)
        sys.stdin.read()
        os._exit(0)
    time.sleep(600)
"""


@pytest.mark.skipif(locks.fcntl is None, reason="there are no locks here")
def test_processes_that_a_killed_one_has_forked_hold_no_lock(tmp_path):
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=ALONE, **pipes) as process:
        assert process.stdout.readline() == b"forked\n"
        with pytest.raises(BlockingIOError):
            locks.locked(tmp_path).__enter__()
        process.send_signal(signal.SIGKILL)
        process.wait()
        # The forked one waits until its input ends.
        with locks.locked(tmp_path):
            pass


def test_where_there_are_no_locks_nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    with locks.locked(tmp_path), locks.locked(tmp_path):
        assert os.listdir(tmp_path) == []
