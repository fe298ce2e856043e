"""Domains, callbacks and comparisons that the tests of estimators share."""

import numpy as np
import pytest
import torch

from domadapt._storage.files import read_tensors


@pytest.fixture(scope="session")
def moved_classes():
    """Five classes, each of which has moved in a direction of its own in the target."""
    centres, moves = (
        scale * np.random.default_rng(seed).normal(size=(5, 8))
        for seed, scale in enumerate((2.0, 1.3))
    )
    y = np.arange(400) % 5

    def draw(seed, positions):
        noise = np.random.default_rng(seed).normal(scale=0.5, size=(400, 8))
        return (positions[y] + noise).astype(np.float32)

    return draw(0, centres), y, draw(1, centres + moves), y


class Watcher:
    """Does something at the end of an epoch, and counts the epochs."""

    def __init__(self, do=None, epoch=None):
        self.do, self.epoch, self.n_epochs, self.n_expected = do, epoch, 0, None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "fit":
            self.n_expected = context.max_subtasks

    def on_fit_task_end(self, estimator, context):
        if context.task_name != "epoch":
            return False
        self.n_epochs += 1
        return self.n_epochs == self.epoch and self.do()


@pytest.fixture
def watch():
    """Build a callback that counts epochs, and does something after one of them."""
    return Watcher


@pytest.fixture
def stop():
    """Build a callback that ends a fit after some epochs."""
    return lambda epoch: Watcher(lambda: True, epoch)


@pytest.fixture
def n_epochs_in():
    """Return how many epochs a checkpoint holds."""

    def count(path):
        if not path.exists():
            return 0
        return len(read_tensors(path, kind="checkpoint")[1]["history"]["task_loss"])

    return count


@pytest.fixture
def assert_same_fit():
    """Check that two classifiers are the same, and came to it by the same losses."""

    def check(first, second, X):
        one, other = first.module_.state_dict(), second.module_.state_dict()
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert torch.equal(value, other[name]), name
        assert first.history_ == second.history_
        assert first.n_steps_ == second.n_steps_
        for name in ("adaptation_history_", "transduction_"):
            assert hasattr(first, name) == hasattr(second, name)
            if hasattr(first, name):
                np.testing.assert_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))

    return check
