"""The feature maps of a report: what they say, and their colours by domain and by class."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from run_folders import change_cells, make_run, page_of

from domadapt.experiments.maps import draw_map
from domadapt.experiments.page import PAGE
from domadapt.plotting._signs import SHAPES, class_sign


def run_with(folder, change=lambda details: details, **settings):
    options = {"pairs": [["amazon", "dslr"]], "methods": ["source", "dan"], "seeds": 1}
    run = make_run(folder, **options | settings)
    change_cells(run, change)
    return run


def without(*keys):
    """Return a function that takes keys out of the map of a cell, as older files have it."""
    return lambda details: (
        details | {"map": {k: v for k, v in details["map"].items() if k not in keys}}
    )


def pixels(png):
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(io.BytesIO(png)).convert("RGBA"))


def alts(page):
    return [attributes["alt"] for attributes in page.all("img")]


def test_a_map_says_what_it_is_a_projection_of(tmp_path):
    page = page_of(run_with(tmp_path / "run"))
    words = "PCA of 256 features, 1 source and 2 target points, seed 0."
    # Once for a pair whose maps have it in common, and in place of each image.
    assert page.words.count(words) == 1
    assert alts(page) == [
        f"Feature map of {title}, amazon > dslr, coloured by {kind}: {words}"
        for title in ("source only", "DAN")
        for kind in ("domain", "class")
    ]


def test_maps_that_differ_say_it_one_by_one(tmp_path):
    def wider(details):
        n_features = 512 if details["method"] == "dan" else 256
        return details | {"map": details["map"] | {"n_features": n_features}}

    page = page_of(run_with(tmp_path / "run", wider))
    rest = "features, 1 source and 2 target points, seed 0"
    assert f"source only: PCA of 256 {rest}" in page.words
    assert f"DAN: PCA of 512 {rest}" in page.words


def test_a_map_of_an_older_file_does_not_claim_a_projection(tmp_path):
    page = page_of(run_with(tmp_path / "run", without("projection", "n_features")))
    assert "Projection not recorded, 1 source and 2 target points, seed 0." in page.words
    # As many classes on the map as there are names: these are in the same order.
    assert len(page.all("img")) == 2 * 2


def test_an_older_file_with_gaps_in_its_classes_is_not_coloured_by_them(tmp_path):
    def third_class(details):
        return without("projection", "n_features")(details | {"class_names": ["a", "b", "c"]})

    page = page_of(run_with(tmp_path / "run", third_class))
    assert len(page.all("img")) == 2
    assert not page.all("input")


@pytest.mark.parametrize("label", [[0, 1], [0, 1, 2], [0, 1, -1], [0, 1, 0.5], None])
def test_labels_that_name_no_class_are_not_coloured(tmp_path, label):
    def spoilt(details):
        if details["method"] == "source":
            return details
        return details | {"map": details["map"] | {"label": label}}

    page = page_of(run_with(tmp_path / "run", spoilt))
    assert [alt.split(", amazon")[0] for alt in alts(page)] == [
        "Feature map of source only",
        "Feature map of source only",
        "Feature map of DAN",
    ]
    assert page.words.count("The classes of these points are not recorded.") == 1


def test_the_switch_needs_no_script_and_is_reached_by_keyboard(tmp_path):
    page = page_of(run_with(tmp_path / "run"))
    by_domain, by_class = page.all("input")
    assert {by_domain["type"], by_class["type"]} == {"radio"}
    assert by_domain["name"] == by_class["name"]
    assert "checked" in by_domain
    assert "checked" not in by_class
    assert "hidden" not in by_domain | by_class
    assert [label["for"] for label in page.all("label")] == [by_domain["id"], by_class["id"]]
    for shown, hidden in (("domain", "class"), ("class", "domain")):
        for place in ("~", "~ *"):
            assert f"#by-{shown}:checked {place} .by-{hidden}" in PAGE.template
    kinds = [attributes["class"] for attributes in page.all("img")]
    assert kinds == ["by-domain", "by-class"] * 2


def test_the_legend_names_classes_escaped(tmp_path):
    bad = '<img src="x">'
    run = run_with(tmp_path / "run", lambda details: details | {"class_names": ["mug", bad]})
    page = page_of(run)
    assert "mug" in page.words
    assert bad in page.words
    text = (run / "report.html").read_text()
    assert bad not in text
    assert html.escape(bad) in text
    assert len(page.all("polygon")) == 2


@pytest.mark.parametrize(
    ("n_classes", "note"),
    [
        (8, None),
        (9, "9 classes share 8 colours; the shapes tell them apart."),
        (73, "73 classes share 72 signs, which begin again after the last."),
    ],
)
def test_more_classes_than_colours_are_told(tmp_path, n_classes, note):
    names = [f"class {k}" for k in range(n_classes)]
    page = page_of(run_with(tmp_path / "run", lambda details: details | {"class_names": names}))
    assert len(page.all("polygon")) == n_classes
    told = [words for words in page.words if " classes share " in words]
    assert told == ([note] if note else [])


def test_signs_differ_up_to_72_classes_and_then_begin_again():
    signs = [class_sign(number) for number in range(73)]
    assert len({(colour, tuple(shape)) for colour, shape in signs[:72]}) == 72
    assert signs[72] == signs[0]


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_source_signs_are_filled_and_target_signs_are_not(shape):
    pytest.importorskip("matplotlib")
    # One colour, at the left of the source and at the right of the target.
    points = {"x": [0, 1], "y": [0, 0], "is_target": [False, True], "label": [8 * shape + 1] * 2}
    alpha = pixels(draw_map(points, "class", 80))[5:-5, 5:-5, 3] > 0
    source, target = np.array_split(alpha, 2, axis=1)
    for sign, is_filled in ((source, True), (target, False)):
        rows, columns = np.nonzero(sign)
        # The mean of the corners of a triangle is not the middle of the box around it.
        middle = sign[round(rows.mean()), round(columns.mean())]
        assert middle == is_filled


def test_a_map_by_class_has_the_colours_of_its_classes():
    pytest.importorskip("matplotlib")
    n = 12
    points = {"x": list(range(n)), "y": list(range(n)), "is_target": [True] * n}
    png = draw_map(points | {"label": [3] * n}, "class", 4)
    colours = pixels(png)[5:-5, 5:-5]
    found = colours[colours[..., 3] > 200][:, :3].mean(0)
    wanted = [int(class_sign(3)[0][k : k + 2], 16) for k in (1, 3, 5)]
    np.testing.assert_allclose(found, wanted, atol=12)


def test_the_images_of_a_page_are_those_of_its_cells(tmp_path):
    run = run_with(tmp_path / "run")
    page_of(run)
    text = (run / "report.html").read_text()
    images = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]*)", text)]
    points = [json.loads(path.read_text())["map"] for path in sorted((run / "cells").iterdir())]
    assert images == [draw_map(p, kind, 2) for p in points for kind in ("domain", "class")]
