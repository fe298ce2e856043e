"""The report of a run: what is on the page, and what is wrong with a folder."""

import html
import json
import sys

import pytest
from run_folders import SETTINGS, Page, make_details, make_result, make_run, page_of

from domadapt.experiments.report import write_report

# Two pairs and two methods; drawing is what takes long.
SMALL = {"pairs": SETTINGS["pairs"][:2], "methods": ["source", "dan"]}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished run with its report."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "run")
    page_of(folder)
    return folder


@pytest.fixture
def page(finished):
    return Page((finished / "report.html").read_text())


def test_all_four_files_are_written_and_nothing_else(tmp_path):
    pytest.importorskip("matplotlib")
    before = {path.name for path in make_run(tmp_path / "run", **SMALL).iterdir()}
    text = write_report(str(tmp_path / "run"))
    after = {path.name for path in (tmp_path / "run").iterdir()}
    assert after - before == {"table.md", "table.csv", "table.json", "report.html"}
    assert (tmp_path / "run" / "table.md").read_text() == text
    assert "| DAN " in text
    assert json.loads((tmp_path / "run" / "table.json").read_text())["cells_done"] == 8
    assert len((tmp_path / "run" / "table.csv").read_text().splitlines()) == 1 + 2 * 2


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(finished, page):
    assert not page.all("script")
    assert not page.all("link")
    references = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in {"src", "href", "xlink:href", "srcset", "action", "data"}
    ]
    assert references
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in references)
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    text = (finished / "report.html").read_text()
    assert "url(http" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_the_page_names_methods_pairs_and_settings(page):
    assert page.text.startswith("domadapt bench: office31")
    for title in ("source only", "DAN", "magic"):
        assert page.words.count(title) >= 1 + 1 + 6, title
    for source, target in SETTINGS["pairs"]:
        assert page.words.count(f"{source} > {target}") == 2
        assert page.words.count(f"{source}\u00a0> {target}") == 1
    for words in ("resnet50", "image size", "224", "float32"):
        assert words in page.words
    assert "mean of best epochs by target labels" in page.words
    assert "not attainable without them" in page.text
    assert "TLlib" in page.text


def test_the_best_last_epoch_is_bold_in_every_column_but_the_last(finished):
    text = (finished / "report.html").read_text()
    assert text.count("<td><b>") == 6 + 1
    row = text[text.index('<th scope="row">magic') :].splitlines()[0]
    assert row.count("<b>70.5</b>") == 6 + 1
    assert row.endswith("<td>71.5</td></tr>")


def test_there_are_curves_of_every_pair_and_maps_of_every_method(page):
    # A matrix of the pairs for each method comes first.
    assert len(page.drawings()) == 3 + 6 * 3
    assert page.drawings()[3] == (
        "Target accuracy by epoch, amazon > dslr. After the last epoch: "
        "source only 60.5 %, DAN 60.5 %, magic 60.5 %."
    )
    images = page.all("img")
    assert len(images) == 6 * 3 * 2
    assert images[2]["alt"] == (
        "Feature map of DAN, amazon > dslr, coloured by domain: PCA of 256 features, 1 source "
        "and 2 target points, seed 0."
    )


def test_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) > 6
    assert len(ids) == len(set(ids))


def test_the_same_run_gives_the_same_page(tmp_path):
    folders = [make_run(tmp_path / name, **SMALL) for name in ("one", "two")]
    for folder in folders:
        page_of(folder)
    one, two = ((folder / "report.html").read_bytes() for folder in folders)
    assert one == two


def test_names_are_escaped(tmp_path):
    bad = '<script>alert("&")</script>'
    run = make_run(
        tmp_path / "run",
        dataset=bad,
        methods=["dan", bad],
        pairs=[["amazon", bad]],
        weights=bad,
        **{bad: {bad: bad}},
    )
    page = page_of(run)
    assert not page.all("script")
    assert bad in page.words
    assert page.all("img")[2]["alt"].startswith(f"Feature map of {bad}, amazon > {bad}, coloured")
    text = (run / "report.html").read_text()
    assert bad not in text
    assert html.escape(bad) in text


def test_an_unfinished_run_has_a_report(tmp_path):
    run = make_run(tmp_path / "run")
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps(results[:7]))
    for path in (run / "cells").iterdir():
        path.unlink()
    lonely = make_details("amazon", "dslr", "dan", 0) | {"map": None, "target_accuracy": [41.0]}
    (run / "cells" / "0.json").write_text(json.dumps(lonely))
    page = page_of(run)
    assert "7 of 36 cells are done" in page.text
    assert "65.5 (1 of 6)" in page.words
    assert any(drawing.endswith("last epoch: DAN 41.0 %.") for drawing in page.drawings())
    assert "No feature map is there yet." in page.words


def test_a_run_that_has_only_begun_has_a_report(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "results.json").write_text("[]")
    page = page_of(tmp_path)
    assert "No curve is there yet." in page.words
    assert "0 of 36 cells are done" in page.text


def test_without_matplotlib_the_tables_are_written(tmp_path, monkeypatch):
    make_run(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'the report needs matplotlib: pip install "\.\[plot\]'):
        write_report(tmp_path / "run")
    assert (tmp_path / "run" / "table.csv").exists()
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("name", ["settings.json", "results.json"])
def test_a_file_that_is_not_there_is_told(tmp_path, name):
    (make_run(tmp_path / "run") / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"run/{name}' is not there") as told:
        write_report(tmp_path / "run")
    assert "\n" not in str(told.value)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder='.*nowhere' is not a folder"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["settings.json", "results.json", "cells/3.json"])
@pytest.mark.parametrize("content", [b'{"form', b"", b"\xff\xfe\x00"])
def test_a_file_that_is_cut_short_is_told(tmp_path, name, content):
    (make_run(tmp_path / "run") / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"run/{name}' is not JSON") as told:
        write_report(tmp_path / "run")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run" / "table.md").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("settings.json", SETTINGS | {"format": 2}, "is of format 2, but .* reads format 1"),
        ("settings.json", {"dataset": "office31"}, "is of format None"),
        ("settings.json", [], "is of format None"),
        ("settings.json", {"format": 1, "dataset": "folder"}, "lacks methods, seeds, pairs in"),
        ("results.json", {}, "holds a dict, not a list of cells"),
        ("results.json", [3], "holds '3' where a record was expected"),
        ("results.json", [{"source": "amazon"}], "lacks target, method, seed, accuracy, best"),
        (
            "results.json",
            [make_result("amazon", "dslr", "dan", 0) | {"accuracy": float("nan")}],
            r"has accuracy=nan in the cell \['amazon', 'dslr', 'dan', 0\]; a percentage",
        ),
        ("cells/0.json", {"source": "amazon"}, "lacks target, method, seed in"),
        (
            "cells/0.json",
            make_details("amazon", "dslr", "dan", 0)
            | {"map": {"x": [1.0], "y": [1.0], "is_target": []}},
            "has a map with 1 x, 1 y and 0 is_target",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path, name, content, message):
    (make_run(tmp_path / "run") / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"run/{name}' {message}") as told:
        write_report(tmp_path / "run")
    assert "\n" not in str(told.value)
