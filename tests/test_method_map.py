"""The picture of the map of methods is that of the rules, and every end of it leads somewhere."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from sklearn.utils import all_estimators

import domadapt
import domadapt.inductive
import domadapt.shallow
from domadapt.methods import ADAPTER_NAMES
from domadapt.model_selection.chooser._leaves import LEAVES
from domadapt.model_selection.chooser._questions import QUESTIONS

ROOT = Path(domadapt.__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"
# What a person may import: our names and those of scikit-learn.
PUBLIC = dict(all_estimators()) | vars(domadapt.shallow) | vars(domadapt.inductive)
PUBLIC |= vars(domadapt)


@pytest.mark.parametrize("name", ["method_map.svg", "method_map_narrow.svg"])
def test_the_map_of_methods_is_the_one_that_its_script_draws(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = runpy.run_path(str(ROOT / "benchmarks" / "draw_method_map.py"))
    stored = (ROOT / "docs" / "pictures" / name).read_text()
    assert stored == script["svg"](script["FILES"][name])
    assert f":file: pictures/{name}" in (ROOT / "docs" / "choosing_a_method.md").read_text()
    tree = ElementTree.fromstring(stored)
    words = " ".join(" ".join(tree.itertext()).split())
    links = {element.get("href") for element in tree.iter(f"{SVG}a")}
    assert all(question.text in words for question in QUESTIONS.values())
    assert links == {leaf.page.replace(".md", ".html") for leaf in LEAVES.values()}


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=lambda leaf: leaf.name)
def test_every_end_of_the_map_has_its_page_and_estimators(leaf):
    page, heading = leaf.page.split("#")
    titles = re.findall(r"^#+ (.*)$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    assert heading in {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}
    for call in leaf.begin:
        names = {"source": SimpleNamespace(predict=len), "backbone": None, "Xt": []}
        made = eval(call, PUBLIC | names)
        if hasattr(made, "adapter"):
            assert made.adapter in ADAPTER_NAMES
