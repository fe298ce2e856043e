"""The matrices of a report: each method from source to target, against the table."""

import json
import re

import numpy as np
import pytest
from run_folders import DOMAINS, make_result, make_run, page_of

from domadapt.experiments import curves
from domadapt.experiments.report import write_report


@pytest.fixture(autouse=True)
def without_curves(monkeypatch):
    """Leave out what takes most of the time of a page."""
    monkeypatch.setattr(curves, "curves_section", lambda *_: '<section id="curves"></section>')


def matrices_of(run):
    """Return the texts of the cells of each matrix by its method."""
    text = (run / "report.html").read_text()
    section = text[text.index('id="pairs"') : text.index('id="curves"')]
    figures = re.findall(r"<figcaption>(.*?)</figcaption>(.*?)</figure>", section, re.DOTALL)
    return {
        name: [word for word in re.findall(r"<text[^>]*>([^<]*)</text>", drawing) if word]
        for name, drawing in figures
    }


def colour_behind(run, method, text):
    """Return red, green and blue of the cell in which a text stands."""
    drawing = (run / "report.html").read_text()
    drawing = drawing[drawing.index(f'aria-label="Target accuracy of {method} by') :]
    drawing = drawing[: drawing.index("</svg>")]
    place = rf'translate\((\S+) (\S+)\)">{re.escape(text)}<'
    x, y = map(float, re.search(place, drawing).groups())
    for path, fill in re.findall(r'<path d="([^"]*)"[^>]*fill: #(\w{6})', drawing):
        corners = np.array(re.findall(r"[ML] (\S+) (\S+)", path), dtype=float)
        if len(corners) >= 4 and ((corners.min(0) < [x, y]) & ([x, y] < corners.max(0))).all():
            found = fill
    return [int(found[k : k + 2], 16) for k in (0, 2, 4)]


def numbers(words):
    return [word for word in words if re.fullmatch(r"[+-]?\d+\.\d", word)]


def test_a_matrix_has_the_accuracies_of_the_table_and_their_gains(tmp_path):
    run = make_run(tmp_path / "run", domains=DOMAINS)
    results = json.loads((run / "results.json").read_text())
    for cell in results:
        if cell["method"] == "dan" and cell["target"] == "webcam":
            cell["accuracy"] -= 8
    (run / "results.json").write_text(json.dumps(results))
    page = page_of(run)
    found = matrices_of(run)
    assert list(found) == ["source only", "DAN", "magic"]
    assert numbers(found["source only"]) == ["60.5"] * 6
    # Row by row: amazon, dslr, webcam.
    same, harmed = ["65.5", "+5.0"], ["57.5", "-3.0"]
    assert numbers(found["DAN"]) == [*same, *harmed, *same, *harmed, *same, *same]
    assert numbers(found["magic"]) == ["70.5", "+10.0"] * 6
    assert [word for word in found["DAN"] if word in DOMAINS] == DOMAINS * 2
    red, _, blue = colour_behind(run, "DAN", "-3.0")
    # Small harm is light, on a scale as long on either side.
    assert red > max(200, blue), "a pair that is harmed is not light orange"
    red, _, blue = colour_behind(run, "DAN", "+5.0")
    assert blue > red, "a pair that gains is not purple"
    assert "Target accuracy of DAN by source and target: amazon > dslr 65.5 %, " in (
        " ".join(page.drawings())
    )
    assert "points: purple pairs gain" in page.text


def test_without_source_only_there_are_accuracies_alone(tmp_path):
    page = page_of(make_run(tmp_path / "run", domains=DOMAINS, methods=["dan"]))
    assert numbers(matrices_of(tmp_path / "run")["DAN"]) == ["65.5"] * 6
    assert "purple" not in page.text


def test_pairs_that_are_not_finished_stay_empty(tmp_path):
    run = make_run(tmp_path / "run", domains=DOMAINS)
    done = [make_result("amazon", "dslr", "source", seed) for seed in (0, 1)]
    done.append(make_result("amazon", "dslr", "dan", 0))
    (run / "results.json").write_text(json.dumps(done))
    page_of(run)
    assert {name: numbers(words) for name, words in matrices_of(run).items()} == {
        "source only": ["60.5"]
    }


def test_one_pair_makes_no_matrix(tmp_path):
    pytest.importorskip("matplotlib")
    write_report(make_run(tmp_path / "run", pairs=[["amazon", "dslr"]]))
    assert matrices_of(tmp_path / "run") == {}
