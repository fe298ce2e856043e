"""Fixtures of the whole suite."""

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from forks import Untrained
from sklearn.datasets import make_blobs
from threadpoolctl import threadpool_limits

from domadapt import AlignmentClassifier, DANNClassifier
from domadapt.training import TrainingSettings, stacked
from domadapt.training.trainer import Trainer

torch.set_num_threads(1)
# Products of small matrices by several threads mostly wait for each other.
threadpool_limits(limits=1)

# Scripts, and calls that mypy reads: they hold no test and are not to be imported.
collect_ignore = ["tools", "typing"]

SMALL = {
    "hidden_layer_sizes": (16,),
    "optimizer": "sgd",
    "learning_rate": 0.03,
    "max_epochs": 3,
    "steps_per_epoch": 2,
    "batch_size": 32,
    "random_state": 0,
}


def pytest_collection_modifyitems(items):
    """Skip what needs a device or data that this machine does not have."""
    no_cuda = pytest.mark.skip(reason="no CUDA device on this machine")
    no_data = pytest.mark.skip(reason="the environment variable DOMADAPT_DATA names no folder")
    for item in items:
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(no_cuda)
        if item.get_closest_marker("data") and not os.environ.get("DOMADAPT_DATA"):
            item.add_marker(no_data)


UNTRAINED = pytest.StashKey()


def pytest_collection_finish(session):
    """Fork a process for what trains elsewhere, before a test trains in this one."""
    asked = any("untrained_fork" in getattr(item, "fixturenames", ()) for item in session.items)
    if asked and hasattr(os, "fork"):
        session.config.stash[UNTRAINED] = Untrained()


def pytest_unconfigure(config):
    """Leave no process behind."""
    if UNTRAINED in config.stash:
        config.stash[UNTRAINED].end()


@pytest.fixture(scope="session")
def untrained_fork(pytestconfig):
    """A process in which nothing was trained, to run functions in forks of it."""
    if UNTRAINED not in pytestconfig.stash:
        pytest.skip("processes cannot be forked here")
    return pytestconfig.stash[UNTRAINED]


@pytest.fixture
def data_folder():
    """The folder of real data sets."""
    return Path(os.environ["DOMADAPT_DATA"])


@pytest.fixture
def blobs():
    """Three classes in ten columns, and the same moved, with labels for judging."""
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=3.0, size=(3, 10))
    X, y = make_blobs(90, centers=centres, random_state=0)
    X_target, y_target = make_blobs(75, centers=centres + 1.5, random_state=1)
    return X.astype(np.float32), y, X_target.astype(np.float32), y_target


# A criterion without parameters of its own that are learnt, and one with: what a fit does
# is the same code for all methods. What each method must hold itself is tested for each.
@pytest.fixture(params=[AlignmentClassifier, DANNClassifier], ids=lambda kind: kind.__name__)
def make(request):
    """Build an estimator with few epochs, small layers and a seed."""

    def build(**parameters):
        return request.param(**{**SMALL, **parameters})

    return build


@pytest.fixture
def same():
    """Return whether two estimators or modules have the same weights to the last bit."""

    def compare(a, b):
        first, second = (getattr(which, "module_", which).state_dict() for which in (a, b))
        return first.keys() == second.keys() and all(
            bool((first[name] == second[name]).all()) for name in first
        )

    return compare


@pytest.fixture
def untrained(monkeypatch):
    """Fail where training starts."""

    def must_not_train(self):
        raise AssertionError("training started on bad input")

    monkeypatch.setattr(Trainer, "run_epoch", must_not_train)


@pytest.fixture
def as_one(monkeypatch):
    """The sizes of the groups that were trained as one, epoch by epoch."""
    sizes, run_epoch = [], stacked.TrainersTogether.run_epoch

    def noting(self):
        sizes.append(len(self.trainers))
        return run_epoch(self)

    monkeypatch.setattr(stacked.TrainersTogether, "run_epoch", noting)
    return sizes


@pytest.fixture
def short_fits(monkeypatch):
    """Let every fit of a network end after a few updates, whatever it is asked for."""

    def short(**settings):
        few = {"max_epochs": min(settings["max_epochs"], 2)}
        few["steps_per_epoch"] = min(settings["steps_per_epoch"], 3)
        return TrainingSettings(**{**settings, **few})

    monkeypatch.setattr("domadapt.estimators._stages.TrainingSettings", short)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a script as the command line does, and return what it prints."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")

    def run(path, *arguments):
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        runpy.run_path(str(Path(__file__).parents[1] / path), run_name="__main__")
        return capsys.readouterr().out

    yield run
    plt.close("all")
