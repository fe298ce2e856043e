"""The page of a report: its order, its tables on narrow screens, and its colours."""

import re

import pytest
from run_folders import DOMAINS, Page, make_run, page_of

from domadapt.experiments.page import PAGE
from domadapt.plotting._signs import COLOURS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run with all its pairs, and its page."""
    run = make_run(tmp_path_factory.mktemp("runs") / "run", domains=DOMAINS)
    return run, page_of(run)


def heading_ids(page):
    return [attributes["id"] for attributes in page.all("h2")]


def test_the_settings_stand_below_the_results(finished):
    _, page = finished
    assert heading_ids(page) == ["accuracy", "pairs", "curves", "maps", "settings"]
    assert page.text.rindex("image size") > page.text.rindex("Feature maps")


def test_an_empty_setting_is_none(tmp_path):
    page = page_of(make_run(tmp_path / "run", left_out=[], pairs=[["amazon", "webcam"]]))
    assert "left out" in page.words
    assert page.words[page.words.index("left out") + 1] == "none"


def test_published_means_over_other_pairs_stand_in_a_table_of_their_own(tmp_path):
    run = make_run(tmp_path / "run", pairs=[["amazon", "webcam"]])
    page_of(run)
    text = (run / "report.html").read_text()
    accuracy = text[text.index('id="accuracy"') : text.index('id="curves"')]
    measured, others = accuracy.split("<h3>")
    assert "82.2" not in measured
    assert "Published:" not in measured
    heading = (
        "Published means over all 6 pairs of amazon, dslr, webcam, which are not the pairs of "
        "this run"
    )
    assert others.startswith(heading)
    assert '<th scope="row">DANN</th><td>82.2</td><td>-</td>' in others
    assert '<th scope="row">DANN</th><td>-</td><td>86.1</td>' in others
    labels = [attributes.get("aria-label") for attributes in Page(text).all("div")]
    assert heading in labels


def test_published_means_over_the_same_pairs_stand_below_those_of_the_run(finished):
    run, _ = finished
    text = (run / "report.html").read_text()
    assert "which are not the pairs of this run" not in text
    assert f'<th scope="row">DANN</th>{"<td>-</td>" * 6}<td>82.2</td><td>-</td>' in text


def test_wide_tables_scroll_in_regions_that_a_keyboard_reaches(tmp_path):
    page = page_of(make_run(tmp_path / "run", pairs=[["amazon", "webcam"]]))
    regions = [attrs for attrs in page.all("div") if "wide" in attrs.get("class", "").split()]
    assert len(regions) == 2
    for region in regions:
        assert region["tabindex"] == "0"
        assert region["role"] == "region"
        assert region.keys() & {"aria-label", "aria-labelledby"}


def test_the_names_of_a_wide_table_stay_in_sight():
    rule = re.search(r"^th:first-child \{(.*?)\}", PAGE.template, re.DOTALL | re.MULTILINE)[1]
    assert "position: sticky; left: 0" in rule
    assert "overflow-wrap: anywhere" in rule
    # A rem is 16 pixels, and a narrow screen has 420, less the margins.
    assert float(re.search(r"min-width: ([\d.]+)rem", rule)[1]) * 16 < (420 - 32) / 2
    # What covers the scrolled columns must not let them through.
    assert "background: var(--paper)" in rule


def test_a_heading_breaks_after_its_sign_only(tmp_path):
    run = make_run(tmp_path / "run", pairs=[["amazon", "webcam"]])
    page_of(run)
    assert '<th scope="col">amazon&nbsp;&gt; webcam</th>' in (run / "report.html").read_text()


def luminance(colour):
    values = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_seen_on_both_papers(colour):
    papers = re.findall(r"--paper: (#\w{6})", PAGE.template)
    assert len(papers) == 2
    for paper in papers:
        low, high = sorted((luminance(colour), luminance(paper)))
        assert (high + 0.05) / (low + 0.05) >= 3


def test_ids_are_those_of_the_page_alone(finished):
    _, page = finished
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    targets = [attributes["for"] for attributes in page.all("label")]
    named = [attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs]
    assert len(ids) == len(set(ids))
    assert {*targets, *named} <= set(ids)
