"""Runs and fits that are killed at any time, and end as one without a stop."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from domadapt._storage.files import read_tensors

FIT = Path(__file__).parent / "fit_with_checkpoint.py"
# Of runs and of fits, in two tests each. The suite has a few others among the tests of each.
N_KILLS = 20
pytestmark = [
    pytest.mark.many,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals"),
]


@pytest.fixture
def data(tmp_path):
    """A folder of two domains."""
    root = tmp_path / "data"
    root.mkdir()
    for number, name in enumerate(("left", "right")):
        rng = np.random.default_rng(number)
        y = np.arange(600) % 3
        X = rng.normal(size=(600, 8)) + y[:, None] + number
        np.savez(root / f"{name}.npz", X=X.astype(np.float32), y=y)
    return root


def wait_for_cells(process, out, n_cells, seconds):
    """Let a run go on until it has so many cells, and a little longer."""
    results = out / "results.json"
    while process.poll() is None:
        if results.exists() and len(json.loads(results.read_text())) >= n_cells:
            break
        time.sleep(0.01)
    time.sleep(seconds)


def bench(data, out, *more):
    command = [sys.executable, "-m", "domadapt", "bench", "features", "--root", data, "--out", out]
    command += ["--methods", "source,dan,dann,pada", "--seeds", "3", "--epochs", "2", *more]
    return subprocess.Popen([*map(str, command), "--device", "cpu"], stderr=subprocess.PIPE)


def killed_runs(data, out, n_kills, rng):
    """Kill a run again and again, each time a little further on; return its last status."""
    more = []
    for _ in range(n_kills):
        done = len(json.loads((out / "results.json").read_text())) if more else 0
        process = bench(data, out, *more)
        wait_for_cells(process, out, min(done + 1, 23), rng.uniform(0, 0.2))
        process.kill()
        process.communicate()
        if (out / "results.json").exists():
            more = ["--resume"]
    last = bench(data, out, *more)
    _, told = last.communicate()
    return last.returncode, told


def check_killed_runs(data, tmp_path, n_kills, seed):
    straight = bench(data, tmp_path / "straight")
    straight.communicate()
    status, told = killed_runs(data, tmp_path / "killed", n_kills, random.Random(seed))
    assert (straight.returncode, status) == (0, 0), told
    results = [
        json.loads((tmp_path / name / "results.json").read_text())
        for name in ("straight", "killed")
    ]
    assert results[0] == results[1]
    assert len(results[0]) == 24
    for path in (tmp_path / "straight" / "cells").iterdir():
        other = tmp_path / "killed" / "cells" / path.name
        assert json.loads(path.read_text()) == json.loads(other.read_text()), path.name
    assert not list((tmp_path / "killed").rglob("*.part"))


def fit(path, *, kill_after=None):
    process = subprocess.Popen([sys.executable, FIT, path])
    if kill_after is None:
        assert process.wait() == 0
        return
    checkpoint = Path(path)
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    while process.poll() is None:
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
            break
        time.sleep(0.005)
    time.sleep(kill_after)
    process.send_signal(signal.SIGKILL)
    process.wait()


def check_killed_fits(tmp_path, n_kills, seed):
    rng = random.Random(seed)
    fit(tmp_path / "straight")
    for _ in range(n_kills):
        fit(tmp_path / "killed", kill_after=rng.uniform(0, 0.05))
    fit(tmp_path / "killed")
    (tensors, info), (others, other_info) = (
        read_tensors(tmp_path / name, kind="checkpoint") for name in ("straight", "killed")
    )
    assert info == other_info
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        assert torch.equal(value, others[name]), name
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_run_ends_as_one_without_a_stop(data, tmp_path, seed):
    check_killed_runs(data, tmp_path, N_KILLS, seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_fit_ends_as_one_without_a_stop(tmp_path, seed):
    check_killed_fits(tmp_path, N_KILLS, seed)
