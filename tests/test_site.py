"""The parts of the site that are ours: pages of names, links, and the check of the result."""

import importlib
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

import domadapt
from domadapt.methods import ADAPTERS, METHODS

DOCS = Path(domadapt.__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def api():
    """What writes the pages of names."""
    return runpy.run_path(str(DOCS / "_extensions" / "api_pages.py"))


@pytest.fixture(scope="module")
def check():
    """The check of a built site."""
    return runpy.run_path(str(DOCS / "check_site.py"))["check"]


def own_names():
    """Return the estimators and adapters that are one method each."""
    both = {m.classifier for m in METHODS.values()} | {m.regressor for m in METHODS.values()}
    named = {name for name in both if name is not None and not name.startswith("Alignment")}
    return sorted(named | {m.adapter for m in ADAPTERS.values()})


@pytest.mark.parametrize("name", own_names())
def test_the_page_of_a_method_has_formula_cost_and_harm(api, name):
    module = api["pages_of_names"]()[name].rpartition(".")[0]
    text = api["page"](module, name)
    method = text.partition("## The method")[2]
    assert method, "no page of a family has a paragraph on it"
    for bullet in ("- Use: ", "- Costs: ", "- Paper: "):
        assert bullet in method
    assert re.search(r"^- (?:Fails|Harms): ", method, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("EntropyMinimization", "Entropy"),
        ("VADAClassifier", "VADA, and virtual adversarial training"),
        ("DomainAdversarial", "DANN"),
        ("MMD", "MMD, or DAN"),
    ],
)
def test_a_name_that_several_paragraphs_tell_of_has_its_own(api, name, heading):
    assert api["section_of"](name)[1] == heading


@pytest.mark.parametrize("name", ["AlignmentClassifier", "AdaptedRegressor", "pack", "METHODS"])
def test_names_that_are_no_method_have_none_of_one(api, name):
    assert api["section_of"](name) is None


def test_the_page_of_a_method_has_its_own_row_and_that_of_the_baseline(api):
    measured = api["page"]("domadapt", "DANNClassifier").partition("## Measured")[2]
    rows = re.findall(r"^\| (\w[^|]*) \|", measured, re.MULTILINE)
    assert set(rows) == {"method", "DANN", "source only"}


@pytest.mark.parametrize(
    ("name", "values", "classes"),
    [("DANRegressor", True, False), ("DANClassifier", False, True), ("MMD", True, True)],
)
def test_rows_are_of_what_is_learnt(api, name, values, classes):
    rows = api["measured"](name)
    assert ("R^2 on the target" in rows, "accuracy" in rows) == (values, classes)


def test_the_page_of_an_adapter_has_its_rows_and_those_of_the_estimators_alone(api):
    measured = api["page"]("domadapt.shallow", "JDAMapping").partition("## Measured")[2]
    rows = re.findall(r"^\| (\w[^|]*) \|", measured, re.MULTILINE)
    assert set(rows) == {"method", "JDA + logistic regression", "logistic regression"}


def test_the_page_of_a_method_says_when_to_take_it(api):
    method = api["page"]("domadapt", "DANNClassifier").partition("## The method")[2]
    assert method.index("**When.**") < method.index("**What it assumes.**") < method.index("$$")


def test_every_public_name_has_one_page(api):
    every = [name for names in api["names"]().values() for name in names]
    assert len(every) == len(set(every)) == len(api["pages_of_names"]())
    assert {"DANNClassifier", "MMD", "CORALMapping", "diagnose", "METHODS"} <= set(every)


def test_formulas_in_docstrings_are_escaped_once(api):
    for name, page in api["pages_of_names"]().items():
        value = getattr(importlib.import_module(page.rpartition(".")[0]), name)
        for formula in re.findall(r":math:`([^`]*)`", value.__doc__ or ""):
            assert not re.search(r"\\\\[a-zA-Z|]", formula), f"{page}: {formula}"


@pytest.mark.parametrize("formula", [r"\|x\|^2", r"\bigl\|x\bigr\|", r"\lVert x \rVert"])
def test_norms_are_drawn(formula):
    for needed in ("docutils", "latex2mathml"):
        pytest.importorskip(needed)
    written = runpy.run_path(str(DOCS / "_extensions" / "formulas.py"))["written"]
    text = written(formula, display="inline")
    assert text.count("&#x02016;") == 2
    assert "\\" not in text


def test_what_torch_and_python_say_of_everything_is_left_out(api):
    def left(what, value):
        lines = value.__doc__.strip().splitlines()
        api["leave_out_inherited"](None, what, "name", value, None, lines)
        return lines

    nn = pytest.importorskip("torch").nn
    assert left("method", nn.Module.forward) == []
    assert left("data", {}) == []
    assert left("method", nn.Module.train) != []


def test_pages_of_data_say_what_it_holds(api):
    for name, held in (("METHODS", "| `dann` | DANN |"), ("WRAPPERS", "`AdaptedRegressor`")):
        text = api["page"]("domadapt.methods", name)
        assert api["DATA"][name] in text
        assert held in text


def test_names_of_other_libraries_do_not_lead_to_ours(monkeypatch):
    for needed in ("sphinx", "docutils"):
        pytest.importorskip(needed)
    from docutils import nodes
    from docutils.utils import new_document
    from sphinx.addnodes import pending_xref

    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    names_as_links = runpy.run_path(str(DOCS / "_extensions" / "links.py"))["NamesAsLinks"]

    def linked(docname):
        document, row = new_document("page"), nodes.row()
        document += row
        for _ in range(2):
            row += nodes.entry("", nodes.paragraph("", "", nodes.literal(text="MCC")))
        document.settings.env = SimpleNamespace(docname=docname)
        names_as_links(document).apply()
        return [isinstance(one.parent, pending_xref) for one in document.findall(nodes.literal)]

    assert linked("coming_from/skada") == [False, True]
    assert linked("methods/index") == [True, True]


def site(tmp_path, body, head=""):
    """Write a site of two pages."""
    page = f"<html><head>{head}</head><body>{body}</body></html>"
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "other.html").write_text('<html><body><p id="place">there</p></body></html>')
    return tmp_path


def test_links_that_lead_somewhere_are_no_fault(check, tmp_path):
    body = '<a href="other.html#place">a</a><a href="#own" id="own">b</a><a href="mailto:x">c</a>'
    body += '<img src="data:image/png;base64,AAAA"><a href="other.html?q=1#place">d</a>'
    faults, (size, heaviest) = check(site(tmp_path, body))
    assert faults == []
    assert size == (tmp_path / heaviest).stat().st_size


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="nowhere.html">a</a>', "no file for nowhere.html"),
        ('<a href="other.html#nowhere">a</a>', "no place for other.html#nowhere"),
        ('<img src="lost.png">', "no file for lost.png"),
        ('<img srcset="other.html, lost.png 2x">', "no file for lost.png"),
        ('<script src="https://example.org/x.js"></script>', "from elsewhere"),
    ],
)
def test_a_link_that_leads_nowhere_is_a_fault(check, tmp_path, body, fault):
    (found,), _ = check(site(tmp_path, body))
    assert fault in found


@pytest.mark.parametrize(("place", "n_faults"), [("", 1), ("#package.Name", 0)])
def test_a_public_name_without_a_link_in_the_guide_is_a_fault(check, tmp_path, place, n_faults):
    folder = site(tmp_path, f'<a href="api/package.Name.html{place}">Name</a>')
    (folder / "api").mkdir()
    own = '<a href="#package.Name">itself</a>'
    text = f'<html><body><p id="package.Name">{own}</p></body></html>'
    (folder / "api" / "package.Name.html").write_text(text)
    faults, _ = check(folder)
    assert faults == ["api/package.Name.html: no page names it"][:n_faults]


def test_a_page_that_loads_too_much_is_a_fault(check, tmp_path):
    (tmp_path / "large.css").write_bytes(b" " * 1_000_000)
    head = '<link rel="stylesheet" href="large.css">'
    (fault,), (size, _) = check(site(tmp_path, "", head))
    assert "loads 1.00 MB" in fault
    assert size > 1_000_000
