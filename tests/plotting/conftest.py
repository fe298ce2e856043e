"""Axes without a window, and fitted models to draw."""

import numpy as np
import pytest

from domadapt import DANNClassifier


@pytest.fixture
def ax():
    """Return axes of a figure that pyplot does not know, and that no one has to close."""
    return pytest.importorskip("matplotlib.figure").Figure().subplots()


@pytest.fixture
def new_figures(monkeypatch):
    """Let pyplot make figures that it does not keep; return those that were made."""
    figure, pyplot = (pytest.importorskip(f"matplotlib.{name}") for name in ("figure", "pyplot"))
    made = []

    def subplots(**given):
        made.append(figure.Figure(**given))
        return made[-1], made[-1].subplots()

    monkeypatch.setattr(pyplot, "subplots", subplots)
    return made


@pytest.fixture(scope="session")
def two_domains():
    """Return labelled source samples and target samples, three classes in five columns."""
    rng = np.random.default_rng(0)
    ys, yt = np.arange(90) % 3, np.arange(60) % 3
    Xs = rng.normal(size=(90, 5)) + 3 * np.eye(5)[ys]
    Xt = rng.normal(size=(60, 5)) + 3 * np.eye(5)[yt] + [0, 0, 0, 4, -4]
    return Xs, ys, Xt, yt


@pytest.fixture(scope="session")
def fitted(two_domains):
    """Return a network with batch normalisation by domain."""
    Xs, ys, Xt, _ = two_domains
    clf = DANNClassifier(max_epochs=3, hidden_layer_sizes=6, random_state=0)
    return clf.fit(Xs, ys, X_target=Xt)
