"""``domadapt bench --backend dask``: cells on workers that share nothing with the command."""

import contextlib
import os
import signal
import socket

import dask
import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from distributed.utils import get_mp_context
from sklearn.model_selection import GridSearchCV

import domadapt
from domadapt import AlignmentClassifier, AutoAdaptClassifier, DANNClassifier
from domadapt.experiments import cluster as cluster_module
from domadapt.experiments import run as run_module
from domadapt.experiments.tasks import Experiment

PAIRS = ("--pairs", "A:W,W:A", "--device", "cpu")
SHORT = (*PAIRS, "--methods", "source,dan,lr", "--seeds", 2, "--epochs", 2)
PHOTOGRAPHS = ("--backbone", "shufflenet_v2_x0_5", "--weights", "random", "--image-size", 32)
PHOTOGRAPHS += ("--methods", "dann", "--seeds", 1, "--epochs", 2, "--device", "cpu")
AT_ANY_PORT = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def cluster():
    """Two workers in processes of their own, forks of one that has imported everything once."""
    forked = {"distributed.worker.multiprocessing-method": "forkserver"}
    with dask.config.set(forked | {"distributed.worker.profile.enabled": False}):
        get_mp_context().set_forkserver_preload(["distributed", "torchvision", "domadapt"])
        with LocalCluster(n_workers=2, threads_per_worker=1, **AT_ANY_PORT) as started:
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


@pytest.fixture
def changed(client):
    """Change what a module of some workers holds, as text, for as long as a block runs."""

    @contextlib.contextmanager
    def change(module, name, text, workers=None):
        there = f"import {module} as module; module.{name}"
        kept = f"import {module} as module; module.kept = module.{name}"
        client.run(exec, f"{kept}; module.{name} = {text}", workers=workers)
        try:
            yield
        finally:
            client.run(exec, f"{there} = module.kept", workers=workers)

    return change


def assert_same(one, two):
    assert sorted(one.results, key=str) == sorted(two.results, key=str)
    assert one.cells == two.cells
    assert one.settings == two.settings


@pytest.fixture
def kill_one(client, monkeypatch):
    """Kill a worker that is training when the first cell is written down."""
    processes, log, killed = client.run(os.getpid), run_module.log, []

    def log_and_kill(text):
        at_work = [address for address, cells in client.processing().items() if cells]
        if not killed and at_work:
            killed.append(at_work[0])
            os.kill(processes[at_work[0]], signal.SIGKILL)
        log(text)

    monkeypatch.setattr(run_module, "log", log_and_kill)
    return killed


def test_a_table_is_complete_and_the_same_when_a_worker_is_killed(
    features, tmp_path, bench, read_run, on_cluster, kill_one
):
    arguments = ("features", "--root", features, *SHORT)
    assert on_cluster(*arguments, "--out", tmp_path / "cluster") == 0
    assert kill_one
    assert bench(*arguments, "--out", tmp_path / "here") == 0
    run = read_run(tmp_path / "cluster")
    assert len(run.results) == 2 * 3 * 2
    assert_same(run, read_run(tmp_path / "here"))
    # Nothing is left that a worker would have to write here.
    names = {path.name for path in (tmp_path / "cluster").iterdir()}
    assert names == {".lock", "settings.json", "results.json", "cells"}


def test_a_run_that_is_interrupted_resumes_to_what_it_would_have_been(
    features, tmp_path, bench, read_run, on_cluster, monkeypatch
):
    def interrupt(text):
        if text.startswith("[2/"):
            raise KeyboardInterrupt

    arguments = ("features", "--root", features, *SHORT)
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "log", interrupt)
        assert on_cluster(*arguments, "--out", tmp_path / "stopped") == 130
    assert len(read_run(tmp_path / "stopped").results) == 2
    late = (*arguments, "--out", tmp_path / "stopped", "--resume")
    assert on_cluster(*late, "--time-limit", 1e-9) == 3
    assert len(read_run(tmp_path / "stopped").results) == 2
    assert on_cluster(*late) == 0
    monkeypatch.setattr(run_module, "on_workers", None)
    assert bench(*arguments, "--out", tmp_path / "whole") == 0
    assert_same(read_run(tmp_path / "stopped"), read_run(tmp_path / "whole"))


# One more worker has to start and to import everything.
@pytest.mark.many
def test_a_cell_that_ends_workers_fails_alone(
    features, tmp_path, read_run, on_cluster, kill_one, cluster, monkeypatch, capsys
):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    arguments = ("features", "--root", features, *SHORT, "--out", tmp_path / "run")
    assert on_cluster(*arguments) == 1
    assert kill_one
    assert "failed: Attempted to run task" in capsys.readouterr().err
    assert 6 <= len(read_run(tmp_path / "run").results) < 12


def test_vectors_and_features_go_where_cells_are_trained(
    features, photographs, tmp_path, bench, read_run, on_cluster, changed
):
    frozen = ("folder", "--root", photographs, *PHOTOGRAPHS, "--freeze", "--workers", 0)
    vectors = ("features", "--root", features, *PAIRS, "--methods", "lr", "--seeds", 1)
    with changed("domadapt.experiments.tasks", "load_data", "None"):
        assert on_cluster(*frozen, "--out", tmp_path / "frozen") == 0
        assert on_cluster(*vectors, "--out", tmp_path / "vectors") == 0
    assert bench(*frozen, "--out", tmp_path / "frozen_here") == 0
    assert_same(read_run(tmp_path / "frozen"), read_run(tmp_path / "frozen_here"))
    assert len(read_run(tmp_path / "vectors").results) == 2


def test_backbones_are_trained_on_photographs_that_every_worker_has(
    photographs, tmp_path, bench, read_run, on_cluster, client, changed, capsys
):
    arguments = ("folder", "--root", photographs, *PHOTOGRAPHS, "--steps-per-epoch", 1)
    arguments += ("--pairs", "l:r")
    # No file is written but by the command: what workers write would not be there.
    by_cells = changed("domadapt.experiments.cells", "atomic_write", "None")
    with by_cells, changed("domadapt._storage.files", "atomic_write", "None"):
        assert on_cluster(*arguments, "--out", tmp_path / "cluster") == 0
    assert bench(*arguments, "--workers", 0, "--out", tmp_path / "here") == 0
    assert_same(read_run(tmp_path / "cluster"), read_run(tmp_path / "here"))
    capsys.readouterr()
    other = list(client.scheduler_info()["workers"])[1]
    cluster = "domadapt.experiments.cluster"
    with changed(cluster, "digest_of_data", "lambda *data: 'other'", [other]):
        assert on_cluster(*arguments, "--out", tmp_path / "refused") == 2
    message = f"the worker at {other} cannot train these cells: '{photographs}' holds other photog"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


def test_a_worker_with_another_version_or_none_is_told_before_work(
    features, tmp_path, on_cluster, client, changed, capsys
):
    other = list(client.scheduler_info()["workers"])[1]
    arguments = ("features", "--root", features, *SHORT, "--out", tmp_path / "run")
    with changed("domadapt", "__version__", "'0.0.1'", [other]):
        assert on_cluster(*arguments) == 2
    message = f"the worker at {other} has domadapt 0.0.1, and this is {domadapt.__version__}."
    assert message in capsys.readouterr().err
    with changed("sys", "modules", "{**module.modules, 'domadapt': None}", [other]):
        assert on_cluster(*arguments) == 2
    assert f"the worker at {other} cannot import domadapt: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"version": "0.0.1"}, "it has domadapt .*, not 0.0.1"), ({}, "CUDA devices")],
)
def test_a_worker_that_comes_late_is_checked_before_its_first_cell(tmp_path, change, message):
    settings = {"version": domadapt.__version__, "data_digest": "1", "backbone": None} | change
    experiment = Experiment(settings, None, tmp_path, device="cuda:99")
    with pytest.raises(ValueError, match=f"cannot train these cells: .*{message}"):
        run_module._try_on_worker(None, experiment)


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
    with LocalCluster(n_workers=0, **AT_ANY_PORT) as empty:
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
