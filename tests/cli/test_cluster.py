"""``domadapt bench --backend dask``: cells on workers that share nothing with the command."""

import os
import signal
import socket

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

import domadapt
from domadapt import AlignmentClassifier, AutoAdaptClassifier, DANNClassifier
from domadapt.experiments import cluster as cluster_module
from domadapt.experiments import run as run_module

PAIRS = ("--pairs", "A:W,W:A", "--device", "cpu")
SHORT = (*PAIRS, "--methods", "source,dan,lr", "--seeds", 2, "--epochs", 2)
PHOTOGRAPHS = ("--backbone", "shufflenet_v2_x0_5", "--weights", "random", "--image-size", 32)
PHOTOGRAPHS += ("--methods", "dann", "--seeds", 1, "--epochs", 2, "--device", "cpu")


@pytest.fixture(scope="module")
def cluster():
    """Two workers in processes of their own."""
    # Anything but a port that is free is chosen by no one.
    options = {"host": "127.0.0.1", "dashboard_address": None, "processes": True}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as started:
        yield started


@pytest.fixture
def client(cluster):
    """A person's own connection, beside that of the command."""
    cluster.wait_for_workers(2)
    with Client(cluster, set_as_default=False) as connected:
        yield connected


@pytest.fixture
def on_cluster(bench, cluster, client):
    """Run ``domadapt bench`` on the workers and return its status."""
    address = cluster.scheduler_address
    return lambda *arguments: bench(*arguments, "--backend", "dask", "--scheduler", address)


def assert_same(one, two):
    assert sorted(one.results, key=str) == sorted(two.results, key=str)
    assert one.cells == two.cells
    assert one.settings == two.settings


def test_a_table_is_complete_and_the_same_when_a_worker_is_killed(
    features, tmp_path, bench, read_run, on_cluster, client, monkeypatch
):
    processes, log, killed = client.run(os.getpid), run_module.log, []

    def kill_one(text):
        at_work = [address for address, cells in client.processing().items() if cells]
        if not killed and at_work:
            killed.append(at_work[0])
            os.kill(processes[at_work[0]], signal.SIGKILL)
        log(text)

    monkeypatch.setattr(run_module, "log", kill_one)
    arguments = ("features", "--root", features, *SHORT)
    assert on_cluster(*arguments, "--out", tmp_path / "cluster") == 0
    assert killed
    assert bench(*arguments, "--out", tmp_path / "here") == 0
    run = read_run(tmp_path / "cluster")
    assert len(run.results) == 2 * 3 * 2
    assert_same(run, read_run(tmp_path / "here"))
    # Nothing is left that a worker would have to write here.
    names = {path.name for path in (tmp_path / "cluster").iterdir()}
    assert names == {".lock", "settings.json", "results.json", "cells"}


def test_data_need_not_be_where_workers_are(
    features, photographs, tmp_path, bench, read_run, on_cluster, client
):
    hide = "import domadapt.experiments.tasks as t; t.PHOTOGRAPHS = {}; t.datasets = None"
    client.run(exec, hide)
    frozen = ("folder", "--root", photographs, *PHOTOGRAPHS, "--freeze", "--workers", 0)
    vectors = ("features", "--root", features, *PAIRS, "--methods", "lr", "--seeds", 1)
    try:
        assert on_cluster(*frozen, "--out", tmp_path / "frozen") == 0
        assert on_cluster(*vectors, "--out", tmp_path / "vectors") == 0
    finally:
        client.restart()
    assert bench(*frozen, "--out", tmp_path / "frozen_here") == 0
    assert_same(read_run(tmp_path / "frozen"), read_run(tmp_path / "frozen_here"))
    assert len(read_run(tmp_path / "vectors").results) == 2


def test_backbones_are_trained_on_photographs_that_every_worker_has(
    photographs, tmp_path, bench, read_run, on_cluster, client, capsys
):
    arguments = ("folder", "--root", photographs, *PHOTOGRAPHS, "--steps-per-epoch", 1)
    assert on_cluster(*arguments, "--out", tmp_path / "cluster") == 0
    assert bench(*arguments, "--workers", 0, "--out", tmp_path / "here") == 0
    assert_same(read_run(tmp_path / "cluster"), read_run(tmp_path / "here"))
    # On one worker they are others.
    other = list(client.scheduler_info()["workers"])[1]
    client.run(
        exec,
        "import domadapt.experiments.cluster as c; c.digest_of_data = lambda *data: 'other'",
        workers=[other],
    )
    capsys.readouterr()
    try:
        assert on_cluster(*arguments, "--out", tmp_path / "refused") == 2
    finally:
        client.restart()
    message = f"the worker at {other} cannot train these cells: '{photographs}' holds other photog"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


def test_a_worker_with_another_version_is_told_before_work(
    features, tmp_path, on_cluster, client, capsys
):
    other = list(client.scheduler_info()["workers"])[1]
    change = "import domadapt; domadapt.__version__ = {!r}"
    client.run(exec, change.format("0.0.1"), workers=[other])
    try:
        assert on_cluster("features", "--root", features, *SHORT, "--out", tmp_path / "run") == 2
    finally:
        client.run(exec, change.format(domadapt.__version__), workers=[other])
    message = f"the worker at {other} has domadapt 0.0.1, and this is {domadapt.__version__}."
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_candidates_of_a_search_spread(blobs, client):
    X, y, X_target, _ = blobs
    grid = {"alignment_weight": [0.1, 1.0], "alignment": ["dann", "coral"]}
    search = GridSearchCV(AlignmentClassifier(max_epochs=2, random_state=0), grid, cv=2)
    with joblib.parallel_config("dask", client=client):
        spread = search.fit(X, y, X_target=X_target).cv_results_["mean_test_score"]
    here = search.fit(X, y, X_target=X_target).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(spread, here)


def test_candidates_of_the_automatic_choice_spread(blobs, client):
    X, y, X_target, _ = blobs
    adapted = [DANNClassifier(max_epochs=2), AlignmentClassifier(max_epochs=2)]
    auto = AutoAdaptClassifier(adapted, random_state=0)
    here = auto.fit(X, y, X_target=X_target).predict_proba(X_target)
    with joblib.parallel_config("dask", client=client):
        spread = auto.set_params(n_jobs=-1).fit(X, y, X_target=X_target).predict_proba(X_target)
    np.testing.assert_array_equal(spread, here)


@pytest.fixture
def silent():
    """The address of something that listens and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "no scheduler of dask answers at {} within 0.2 s"),
        ("127.0.0.1:1", "no scheduler of dask answers at {} within 0.2 s"),
        ("nowhere", "'{}' is no address of a scheduler of dask, such as 10.0.0.5:8786"),
        ("tls://127.0.0.1:1", "'{}' is no address of a scheduler of dask, such as 10.0.0.5:8786"),
    ],
)
def test_a_scheduler_that_does_not_answer_is_told_by_its_address(
    features, tmp_path, bench, capsys, monkeypatch, silent, address, message
):
    monkeypatch.setattr(cluster_module, "SECONDS_TO_ANSWER", 0.2)
    address = address or silent
    out = ("--out", tmp_path / "run", "--backend", "dask", "--scheduler", address)
    assert bench("features", "--root", features, *SHORT, *out) == 2
    complaint = capsys.readouterr().err
    assert message.format(address) in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_scheduler_without_workers_and_a_worker_are_told(
    features, tmp_path, bench, capsys, cluster
):
    arguments = ("features", "--root", features, *SHORT, "--out", tmp_path / "run")
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as empty:
        address = empty.scheduler_address
        assert bench(*arguments, "--backend", "dask", "--scheduler", address) == 2
    assert f"the scheduler at {address} has no worker" in capsys.readouterr().err
    address = next(iter(cluster.scheduler_info["workers"]))
    assert bench(*arguments, "--backend", "dask", "--scheduler", address) == 2
    assert f"a worker answers at {address}, and not the scheduler" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "dask"], "--backend dask and --scheduler ADDRESS go together"),
        (["--scheduler", "10.0.0.5:8786"], "--backend dask and --scheduler ADDRESS go together"),
        (["--jobs", 2], "--backend dask does not go with --jobs"),
        (["--together"], "--backend dask does not go with --together"),
    ],
)
def test_ways_of_training_that_exclude_each_other_are_told(
    features, tmp_path, bench, capsys, options, message
):
    if message.startswith("--backend dask does"):
        options = [*options, "--backend", "dask", "--scheduler", "127.0.0.1:1"]
    arguments = ("features", "--root", features, *SHORT, "--out", tmp_path / "run")
    assert bench(*arguments, *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
