"""The documentation says what the results and the code say."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import domadapt
from domadapt.datasets import load_camera_digits

ROOT = Path(domadapt.__file__).parent.parent


def test_the_results_page_is_the_one_that_the_script_writes():
    script = runpy.run_path(str(ROOT / "benchmarks" / "write_results_page.py"))
    assert (ROOT / "docs" / "results.md").read_text() == script["page"]()


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_code_of_a_page_runs(page):
    """Run the Python blocks of a page, one after the other, on small data."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    data = load_camera_digits(random_state=0)
    X, y, d = domadapt.pack(data.X_source[:60], data.y_source[:60], data.X_target[:50])
    names = {"Xs": X[:60], "ys": y[:60], "Xt": X[60:], "X": X, "y": y, "d": d}
    names["clf"] = domadapt.DANClassifier(max_epochs=2)
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert len(blocks) >= 3
    assert np.isin(names["clf"].fit(X, y, sample_domain=d).predict(X), range(10)).all()


def test_the_example_of_a_criterion_runs(capsys):
    runpy.run_path(str(ROOT / "examples" / "write_your_own_criterion.py"))
    printed = capsys.readouterr().out
    assert len(re.findall(r"target accuracy \d\d\.\d %", printed)) == 2


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
