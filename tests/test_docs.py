"""The documentation says what the results and the code say."""

import functools
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

import domadapt
from domadapt import ImageLoader
from domadapt.datasets import load_camera_digits, load_office31

ROOT = Path(domadapt.__file__).parent.parent


@pytest.fixture
def written(monkeypatch):
    """What the script that writes results into the pages holds."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return runpy.run_path(str(ROOT / "benchmarks" / "write_results_page.py"))


def test_the_results_page_is_the_one_that_the_script_writes(written):
    assert (ROOT / "docs" / "results.md").read_text() == written["page"]()


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "methods").glob("*.md")), ids=str)
def test_the_tables_of_a_page_about_methods_are_those_of_the_results(written, path):
    text = path.read_text()
    assert text == written["with_tables"](text)
    assert text.count("<!-- table: ") == text.count("<!-- end of table -->")


METHOD_PAGES = [f"docs/methods/{path.name}" for path in (ROOT / "docs" / "methods").glob("*.md")]
PAGES = ["README.md", "docs/index.md", "docs/several_gpus.md", "docs/write_your_own_criterion.md"]


@pytest.mark.parametrize("page", PAGES + sorted(METHOD_PAGES))
def test_the_code_of_a_page_runs(page):
    """Run the Python blocks of a page, one after the other, on small data."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    data = load_camera_digits(random_state=0)
    X, y, d = domadapt.pack(data.X_source[:60], data.y_source[:60], data.X_target[:50])
    names = {"Xs": X[:60], "ys": y[:60], "Xt": X[60:], "X": X, "y": y, "d": d}
    names["clf"] = domadapt.DANClassifier(max_epochs=2)
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert blocks
    assert np.isin(names["clf"].fit(X, y, sample_domain=d).predict(X), range(10)).all()


@pytest.fixture
def office31(tmp_path):
    """A folder like Office-31 with one tiny picture in each class, and weights for resnet18."""
    rng = np.random.default_rng(0)
    for domain in ("amazon", "dslr", "webcam"):
        for label in range(31):
            folder = tmp_path / "office31" / domain / f"class{label:02}"
            folder.mkdir(parents=True)
            pixels = rng.integers(0, 100, (12, 12, 3)) + 5 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "0.png")
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "resnet18.pt")
    return tmp_path


def run(path, *arguments, folder):
    command = [sys.executable, str(ROOT / path), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("page", ["docs/office31.md", "docs/your_own_images.md"])
def test_the_code_of_a_page_about_photographs_runs(page, office31, monkeypatch):
    small = functools.partial(ImageLoader, resize=37, crop=32, n_workers=0)
    monkeypatch.setattr("domadapt.estimators._parameters.ImageLoader", small)
    data = load_office31(office31 / "office31")
    names = {"root": office31 / "office31", "weights": office31 / "resnet18.pt"}
    names |= {"folder": office31 / "features", "model": office31 / "model.safetensors"}
    names |= {"paths": data.paths[:31], "labels": data.y[:31], "target_paths": data.paths[31:39]}
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    exec(compile(block, page, "exec"), names)
    assert names["clf"].predict(data.paths[:3]).shape == (3,)


def test_the_examples_with_photographs_run(office31):
    weights, root = office31 / "resnet18.pt", office31 / "office31"
    script = "examples/office31_in_ten_minutes.py"
    printed = run(script, root, weights, "--backbone", "resnet18", folder=office31)
    assert len(re.findall(r"\w+ > \w+ +\d+\.\d +\d+\.\d", printed)) == 6
    options = ("resnet18", weights, "--epochs", 1, "--pixels", 32)
    script = "examples/your_own_images.py"
    printed = run(script, root / "dslr", root / "webcam", *options, folder=office31)
    assert len(re.findall(r"\d\.png: class\d\d \(\d+%\)", printed)) == 5


def test_the_table_of_office31_in_plain_words_runs(office31):
    arguments = (office31 / "office31", office31 / "resnet18.pt", "--backbone", "resnet18")
    options = ("--epochs", 1, "--steps", 1, "--seeds", 1, "--pixels", 32)
    printed = run("benchmarks/office31.py", *arguments, *options, folder=office31)
    assert len(re.findall(r"> \w+ \d+\.\d\n", printed)) == 24
    assert len(re.findall(r"mean \d+\.\d\n", printed)) == 4


def test_the_example_of_several_processes_prints_the_same(tmp_path):
    alone = run("examples/several_processes.py", folder=tmp_path)
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    together = subprocess.run(
        [
            *(sys.executable, *torchrun, "--rdzv-endpoint=127.0.0.1:0"),
            str(ROOT / "examples" / "several_processes.py"),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert together.returncode == 0, together.stderr
    together = together.stdout
    alone, together = (float(re.search(r"(\d+\.\d) %", text)[1]) for text in (alone, together))
    # The same training up to rounding, which hundreds of updates make larger.
    assert abs(alone - together) <= 3.0


def test_the_example_of_a_criterion_runs(capsys):
    runpy.run_path(str(ROOT / "examples" / "write_your_own_criterion.py"))
    printed = capsys.readouterr().out
    assert len(re.findall(r"target accuracy \d\d\.\d %", printed)) == 2


def test_the_example_without_a_source_gains_from_both_ways(tmp_path):
    printed = run("examples/without_the_source.py", folder=tmp_path)
    before, statistics, trained = map(float, re.findall(r"(\d+\.\d) %", printed))
    assert min(statistics, trained) > before


def test_the_example_of_regression_gains(tmp_path):
    printed = run("examples/regression.py", folder=tmp_path)
    alone, *aligned = map(float, re.findall(r"target (-?\d+\.\d+)", printed))
    assert len(aligned) == 3
    assert min(aligned) > alone + 0.1


def test_the_example_of_other_settings_runs(tmp_path):
    printed = run("examples/other_settings.py", folder=tmp_path)
    assert len(re.findall(r": \d+\.\d %", printed)) == 5


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
