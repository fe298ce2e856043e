"""Shifts: what is drawn against the diagnosis that it is of."""

import numpy as np
import pytest

from domadapt import diagnose
from domadapt.plotting import DomainShiftDisplay
from domadapt.plotting._signs import GREY, TARGET_COLOUR


@pytest.fixture(scope="module")
def found(two_domains):
    Xs, ys, Xt, _ = two_domains
    return diagnose(Xs, ys, Xt)


def colour_of(bar):
    from matplotlib.colors import to_hex

    return to_hex(bar.get_facecolor())


def test_bars_are_the_moves_of_the_columns(found, ax):
    DomainShiftDisplay.from_diagnosis(found, ax=ax)
    columns = found.moved_columns[::-1]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(
        [column.mean_difference for column in columns]
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        f"column {column.name} (KS {column.ks:.2f})" for column in columns
    ]
    moved = {column.name for column in columns if column.p_fdr < found.significance}
    assert {3, 4} <= moved < set(range(5))
    expected = [TARGET_COLOUR if column.name in moved else GREY for column in columns]
    assert [colour_of(bar) for bar in ax.patches] == expected
    assert ax.get_xlabel().endswith("(grey: no move to be told at a level of 0.01)")


def test_bars_are_the_shares_of_the_classes(found, ax):
    DomainShiftDisplay.from_diagnosis(found, show="proportions", ax=ax)
    expected = [
        getattr(one, name) for name in ("source", "em", "bbse") for one in found.class_proportions
    ]
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(expected)
    # The legend covers no bar.
    assert ax.get_ylim()[1] > 1.2 * max(expected)


def test_histograms_are_of_the_scores(found, ax):
    DomainShiftDisplay.from_diagnosis(found, show="scores", ax=ax)
    told = found.domain_classifier
    both = np.concatenate([told.source, told.target])
    bins = np.linspace(*np.quantile(both, [0.001, 0.999]), 31)
    expected = [np.histogram(s, bins, density=True)[0] for s in (told.source, told.target)]
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx(np.concatenate(expected).tolist())
    assert f"AUC {told.auc:.2f}" in ax.get_xlabel()


def test_samples_are_diagnosed(found, two_domains, ax):
    Xs, ys, Xt, _ = two_domains
    display = DomainShiftDisplay.from_samples(Xs, ys, Xt, show="scores", max_samples=None, ax=ax)
    assert display.diagnosis.to_dict() == found.to_dict()
    assert display.show == "scores"


def test_the_features_of_an_estimator_are_diagnosed(fitted, two_domains, ax):
    Xs, ys, Xt, _ = two_domains
    display = DomainShiftDisplay.from_estimator(fitted, Xs, ys, Xt, ax=ax)
    source = fitted.transform(Xs, sample_domain=np.ones(len(Xs)))
    expected = diagnose(source, ys, fitted.transform(Xt))
    assert display.diagnosis.to_dict() == expected.to_dict()
    assert display.diagnosis.n_features == 6


def test_bad_input_is_told_before_any_work(found, fitted, two_domains, ax):
    Xs, ys, Xt, _ = two_domains
    for make in (
        lambda: DomainShiftDisplay.from_diagnosis(found, show="pie", ax=ax),
        lambda: DomainShiftDisplay.from_samples(None, None, show="pie"),
        lambda: DomainShiftDisplay.from_estimator(None, Xs, ys, Xt, show="pie"),
    ):
        with pytest.raises(ValueError, match="show='pie' is none of 'columns', 'prop"):
            make()
    with pytest.raises(TypeError, match="diagnosis is a ndarray, and what diagnose returned"):
        DomainShiftDisplay.from_diagnosis(Xs, ax=ax)


def test_names_with_dollars_are_no_mathematics(ax):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    names = ["income ($) and cost ($)", r"$\frac$"]
    Xs, Xt = (pandas.DataFrame(rng.normal(size=(60, 2)), columns=names) for _ in range(2))
    y = np.array(["$20 to $30", "$30 to $40"])[np.arange(60) % 2]
    found = diagnose(Xs, y, Xt)
    DomainShiftDisplay.from_diagnosis(found, ax=ax)
    proportions = DomainShiftDisplay.from_diagnosis(
        found, show="proportions", ax=ax.figure.add_subplot()
    )
    for label in ax.get_yticklabels() + proportions.ax_.get_xticklabels():
        assert not label.get_parse_math(), label.get_text()


def test_ranges_of_a_regression_are_called_so_and_lie_apart(ax, two_domains):
    Xs, _, Xt, _ = two_domains
    DomainShiftDisplay.from_samples(Xs, Xs[:, 0] * 1.2345, Xt, show="proportions", ax=ax)
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == "range of what is predicted"
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {30}
