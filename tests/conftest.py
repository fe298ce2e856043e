"""Fixtures of the whole suite."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Skip what needs a device or data that this machine does not have."""
    no_cuda = pytest.mark.skip(reason="no CUDA device on this machine")
    no_data = pytest.mark.skip(reason="the environment variable DOMADAPT_DATA names no folder")
    for item in items:
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(no_cuda)
        if item.get_closest_marker("data") and not os.environ.get("DOMADAPT_DATA"):
            item.add_marker(no_data)


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
