"""The sentences of the guide that hold a number agree with the stored results."""

import json
from pathlib import Path

import numpy as np
import pytest

import domadapt

ROOT = Path(domadapt.__file__).parent.parent
PLAIN = ("logistic regression", "extra trees", "network, source only")


@pytest.fixture
def page(request):
    """The words of a page, without its line breaks."""
    return " ".join((ROOT / "docs" / request.param).read_text().split())


def cells_of(name, **chosen):
    """Return the stored cells that have the chosen values."""
    stored = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    return [cell for cell in stored["cells"] if chosen.items() <= cell.items()]


def accuracies(name, **chosen):
    return np.array([cell["accuracy"] for cell in cells_of(name, **chosen)])


@pytest.mark.parametrize("page", ["negative_transfer.md"], indirect=True)
def test_the_fits_that_were_harmed_are_those_that_were_marked(page):
    cells = cells_of("negative_transfer", shift="proportions")
    best = {
        seed: max(c["accuracy"] for c in cells if c["seed"] == seed and c["model"] in PLAIN)
        for seed in range(5)
    }
    is_harmed = [cell["accuracy"] < best[cell["seed"]] - 5 for cell in cells]
    assert is_harmed == [bool(cell["against"]) for cell in cells]
    assert f"All {sum(is_harmed)} harmed fits of the five draws were marked" in page
    plain = [np.mean([c["accuracy"] for c in cells if c["model"] == name]) for name in PLAIN]
    assert {f"{mean:.0f}" for mean in plain} == {"98"}
    assert "Plain models are at 98 % here" in page


@pytest.mark.parametrize("page", ["negative_transfer.md"], indirect=True)
def test_what_was_marked_where_both_moved_is_told(page):
    marked = {}
    for cell in cells_of("negative_transfer", shift="both"):
        marked[cell["model"]] = marked.get(cell["model"], 0) + bool(cell["against"])
    assert marked.pop("network, source only") == 1
    assert set(marked.values()) == {0, 3}
    assert "only three of five were marked, and so was one of five plain networks" in page


@pytest.mark.parametrize("page", ["negative_transfer.md"], indirect=True)
def test_what_the_automatic_choice_lost_is_told(page):
    lost = {}
    for shift in ("proportions", "columns", "both"):
        network = accuracies("negative_transfer", shift=shift, model="network, source only")
        found = accuracies("negative_transfer", shift=shift, model="automatic choice")
        lost[shift] = network - found
    assert max(lost["proportions"].mean(), lost["columns"].mean()) < 0
    assert np.sum(lost["both"] > 20) == 1
    cells = cells_of("negative_transfer", shift="both", model="automatic choice")
    assert all(cell["adapts"] for cell in cells)
    assert "adapted in all five draws, and in one of them lost more than twenty points" in page


@pytest.mark.parametrize("page", ["scaling_columns.md"], indirect=True)
def test_what_the_scalings_lose_is_told(page):
    def by_set(drawn, scaling, model="logistic regression"):
        cells = cells_of("scaling_columns", drawn=drawn, scaling=scaling, model=model)
        sets = sorted({cell["set"] for cell in cells})
        return {name: np.mean([c["accuracy"] for c in cells if c["set"] == name]) for name in sets}

    def gains(drawn, scaling):
        together, own = by_set(drawn, "both together"), by_set(drawn, scaling)
        return {name: own[name] - together[name] for name in own}

    gained = np.array(list(gains("as they are", "each by itself").values()))
    assert np.sum(gained > 0) == 4
    assert gained[gained > 0].round(1).min() >= 0.5
    assert gained.max() <= 3
    assert gained.min() > -2.5
    assert "gains half a point to three points for logistic regression on four" in page
    moved = gains("moved", "each by itself")
    assert min(moved, key=moved.get) == "occupancy"
    lost = -np.mean(list(moved.values()))
    assert f"loses {lost:.0f} points of the mean, and {-moved['occupancy']:.0f} on the" in page
    source = gains("as they are", "source alone")
    assert f"loses {-source['mnist_usps']:.0f} points and more on the digits" in page
    assert f"and {-source['amazon_reviews_400']:.0f} points on the words of reviews" in page


@pytest.mark.parametrize("page", ["answers.md"], indirect=True)
def test_how_many_target_samples_bring_how_much_is_told(page):
    def mean(model, size):
        return accuracies("target_samples", model=model, size=size).mean()

    plain = PLAIN[::2]
    methods = {cell["model"] for cell in cells_of("target_samples")} - set(plain)
    below = {
        size: [m for m in methods if mean(m, size) < min(mean(p, size) for p in plain)]
        for size in (5, 10)
    }
    assert set(below[5]) == methods
    assert 0 < len(below[10]) < len(methods)
    assert "With five every method is below the plain models, with ten some are" in page
    most = [m for m in methods if mean(m, 50) - mean(m, 5) > 0.75 * (mean(m, 400) - mean(m, 5))]
    assert methods - set(most) == {"MCC"}
    assert "fifty, five for each class, bring most of what most methods can gain; MCC wants" in page


@pytest.mark.parametrize("page", ["beside_others.md"], indirect=True)
def test_what_others_do_better_is_told(page):
    def mean(peer, method):
        cells = cells_of("peers", peer=peer, method=method)
        trained = [cell for cell in cells if cell.get("training") != "as documented"]
        return np.mean([np.mean(cell["scores"]) for cell in (trained or cells)])

    assert mean("pytorch-adapt", "dann") > mean("domadapt", "dann")
    assert "**DANN of pytorch-adapt with our settings is above ours**" in page
    assert abs(mean("SKADA", "dan") - mean("domadapt", "dan")) < 0.5
    assert "**DAN of SKADA with our settings** is level with ours" in page
    same = [cell.get("same at weight 0") for cell in cells_of("peers", peer="domadapt")]
    assert sum(map(bool, same)) == 2
    assert "happens to our DANN on two of the six" in page
