"""A small source and a few labelled rows of another domain."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from domadapt import AlignmentClassifier, AlignmentRegressor

CENTRES = [[0, 0, 0], [5, 0, 2], [0, 5, 4]]


@pytest.fixture(scope="session")
def rows():
    """Return many rows of the source, and twelve of another domain."""
    Xs, ys = make_blobs(120, centers=CENTRES, random_state=0)
    Xt, yt = make_blobs(12, centers=np.add(CENTRES, 1.5), random_state=1)
    return Xs.astype(np.float32), ys, Xt.astype(np.float32), yt


@pytest.fixture(scope="session")
def source(rows):
    Xs, ys, *_ = rows
    clf = AlignmentClassifier(
        alignment=None, hidden_layer_sizes=(16, 8), max_epochs=8, random_state=0
    )
    return clf.fit(Xs, ys)


@pytest.fixture(scope="session")
def source_of_values(rows):
    Xs, *_ = rows
    reg = AlignmentRegressor(
        alignment=None, hidden_layer_sizes=(16, 8), max_epochs=8, random_state=0
    )
    return reg.fit(Xs, Xs @ [1.0, 2.0, -1.0])
