"""What all displays have in common: axes, matplotlib that is missing, nothing that is changed."""

import sys

import numpy as np
import pytest

from domadapt import diagnose, plotting

PAIRS = {("a", "b"): 0.5, ("b", "a"): 0.7}


@pytest.fixture(scope="module")
def makers(two_domains, fitted):
    """Return for each display how to make it from something, given axes."""
    Xs, ys, Xt, _ = two_domains
    found = diagnose(Xs, ys, Xt)
    return {
        "FeatureMapDisplay": lambda **given: plotting.FeatureMapDisplay.from_features(
            Xs, Xt, **given
        ),
        "TrainingHistoryDisplay": lambda **given: plotting.TrainingHistoryDisplay.from_history(
            fitted.history_, **given
        ),
        "DomainShiftDisplay": lambda **given: plotting.DomainShiftDisplay.from_diagnosis(
            found, **given
        ),
        "TransferMatrixDisplay": lambda **given: plotting.TransferMatrixDisplay.from_scores(
            PAIRS, **given
        ),
    }


def test_every_display_is_tested_here(makers):
    assert set(makers) == set(plotting.__all__)


@pytest.mark.parametrize("name", plotting.__all__)
def test_it_draws_on_given_axes_or_on_new_ones(name, makers, ax, new_figures):
    display = makers[name](ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert ax.has_data()
    assert not new_figures
    assert display.plot() is display
    assert [display.figure_] == new_figures
    assert display.ax_ is not ax
    assert display.ax_.has_data()


@pytest.mark.parametrize("name", plotting.__all__)
def test_axes_that_are_none_are_told(name, makers, ax):
    with pytest.raises(TypeError, match=r"ax is a ndarray\. One matplotlib Axes was expected"):
        makers[name](ax=np.array([ax, ax]))
    ax.remove()
    with pytest.raises(ValueError, match="ax was removed from its figure"):
        makers[name](ax=ax)


@pytest.mark.parametrize("name", plotting.__all__)
def test_without_matplotlib_the_extra_is_named(name, makers, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{name}\.\w+ needs matplotlib: pip install "\.\[plot'):
        makers[name]()


def test_estimators_are_not_fitted_where_nothing_can_be_drawn(monkeypatch):
    class Refuses:
        def fit(self, X, y):
            raise AssertionError("fitted")

        predict = fit

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    X, y = np.zeros((4, 2)), np.arange(4) % 2
    with pytest.raises(ImportError, match="plot"):
        plotting.TransferMatrixDisplay.from_estimator(Refuses(), {"a": (X, y), "b": (X, y)})
