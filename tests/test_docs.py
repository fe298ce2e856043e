"""The documentation holds what the results, the table of methods and the code hold."""

import contextlib
import functools
import io
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

import domadapt
from domadapt import ImageLoader, datasets
from domadapt.datasets import load_camera_digits, load_office31
from domadapt.methods import ADAPTERS, METHODS
from domadapt.model_selection.auto import _estimators

ROOT = Path(domadapt.__file__).parent.parent
# The build of the site writes pages of its own into two folders.
WRITTEN = {"api", "gallery"}
DOCS = sorted(
    path
    for path in (ROOT / "docs").glob("**/*.md")
    if path.relative_to(ROOT / "docs").parts[0] not in WRITTEN
)
N_DIGITS = 200
# A quick model where a script lets us choose.
SMALL = "mobilenet_v3_small"
WITH_TABLES = [path for path in DOCS if "<!-- table: " in path.read_text()]


@pytest.fixture(scope="module")
def written():
    """What the script that writes tables into the pages holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield runpy.run_path(str(ROOT / "benchmarks" / "write_results_page.py"))


def test_the_results_page_is_the_one_that_the_script_writes(written):
    assert (ROOT / "docs" / "results.md").read_text() == written["page"]()


def test_the_ledger_is_the_one_that_the_script_writes_and_names_pages_with_the_numbers(written):
    text = (ROOT / "docs" / "ledger.md").read_text()
    assert text == written["ledger"]()
    for script in re.findall(r"`python (\S+)`", text):
        assert (ROOT / script).is_file()


@pytest.mark.parametrize("path", WITH_TABLES, ids=lambda path: path.name)
def test_the_tables_of_a_page_are_those_that_the_script_writes(written, path):
    text = path.read_text()
    assert text == written["with_tables"](text)
    assert text.count("<!-- table: ") == text.count("<!-- end of table -->")


def test_the_script_writes_every_page_with_tables(written):
    assert written["pages"]() == WITH_TABLES


@pytest.mark.parametrize("name", ["rows", "methods of index card", "speed of transport"])
def test_an_unknown_table_is_an_error(written, name):
    with pytest.raises(KeyError):
        written["with_tables"](f"<!-- table: {name} -->\n<!-- end of table -->")


def test_every_method_and_every_family_has_its_place():
    index = (ROOT / "docs" / "methods" / "index.md").read_text()
    table = index.split("<!-- table: methods -->")[1].split("<!-- end of table -->")[0]
    assert len(table.strip().splitlines()) == 2 + len(METHODS)
    for method in METHODS.values():
        assert f"\n| {method.title} |" in table
        if method.name == "source":
            continue
        text = (ROOT / "docs" / "methods" / f"{method.family}.md").read_text()
        own = {"values" if method.family == "regression" else method.family}
        marks = set(re.findall(r"<!-- table: methods (?:of|for) (\w+) -->", text))
        assert own <= marks, f"{method.family}.md has no table of its methods"


def test_every_adapter_and_its_family_have_their_place():
    page = (ROOT / "docs" / "without_a_network.md").read_text()
    table = page.split("<!-- table: adapters -->")[1].split("<!-- end of table -->")[0]
    assert len(table.strip().splitlines()) == 2 + len(ADAPTERS)
    for method in ADAPTERS.values():
        assert f"\n| {method.title} |" in table
        text = (ROOT / "docs" / "methods" / f"{method.family}.md").read_text()
        assert f"<!-- table: adapters of {method.family} -->" in text
        assert re.search(rf"\b{method.adapter}\b", text.partition("<!-- end of table -->")[2])


METHOD_PAGES = [f"docs/methods/{path.name}" for path in (ROOT / "docs" / "methods").glob("*.md")]
PAGES = [
    "README.md",
    "docs/first_steps.md",
    "docs/answers.md",
    "docs/chains_of_tasks.md",
    "docs/choosing_a_method.md",
    "docs/choosing_without_labels.md",
    "docs/citing.md",
    "docs/coming_from/adapt.md",
    "docs/coming_from/index.md",
    "docs/coming_from/plain_torch.md",
    "docs/coming_from/pytorch_adapt.md",
    "docs/coming_from/skada.md",
    "docs/coming_from/tllib.md",
    "docs/cross_validation.md",
    "docs/diagnosing_a_shift.md",
    "docs/fine_tuning.md",
    "docs/few_shots.md",
    "docs/from_notebook_to_cluster.md",
    "docs/more_rows_than_memory.md",
    "docs/negative_transfer.md",
    "docs/plots.md",
    "docs/reporting_results.md",
    "docs/scaling_columns.md",
    "docs/scores_without_target_labels.md",
    "docs/self_taught_learning.md",
    "docs/several_gpus.md",
    "docs/several_machines.md",
    "docs/several_tasks.md",
    "docs/transferability.md",
    "docs/what_is_a_shift.md",
    "docs/text.md",
    "docs/when_adapting_harms.md",
    "docs/without_a_network.md",
    "docs/write_your_own_criterion.md",
]


@pytest.fixture(scope="module")
def digits():
    """The digits and their photographs, drawn once."""
    return load_camera_digits(random_state=0)


@pytest.fixture
def few_digits(digits, monkeypatch):
    """Let a page or an example load a part of the digits alone."""
    names = ("X_source", "y_source", "X_target", "y_target")
    part = type(digits)(**{name: digits[name][:N_DIGITS] for name in names})
    monkeypatch.setattr(datasets, "load_camera_digits", lambda random_state: part)


@pytest.fixture
def few_candidates(monkeypatch):
    """Let a page try the first two of the adapted candidates alone."""
    every = _estimators.adapted_candidates
    monkeypatch.setattr(_estimators, "adapted_candidates", lambda *given: every(*given)[:2])


def words(text):
    return " ".join(text.split())


@pytest.fixture
def closed_figures():
    """Close the figures that a page leaves open."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.mark.usefixtures("closed_figures")
@pytest.mark.parametrize("page", PAGES + sorted(METHOD_PAGES))
def test_the_code_of_a_page_runs(page, digits, request, few_candidates, tmp_path, monkeypatch):
    """Run the Python blocks of a page, one after the other, on small data."""
    monkeypatch.chdir(tmp_path)
    if page != "docs/write_your_own_criterion.md":
        # That page shows in which step an error occurs.
        request.getfixturevalue("few_digits")
        request.getfixturevalue("short_fits")
    text = (ROOT / page).read_text()
    blocks = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, re.DOTALL)
    parts = digits.X_source[:60], digits.y_source[:60], digits.X_target[:50]
    X, y, d = domadapt.pack(*parts)
    names = {"Xs": X[:60], "ys": y[:60], "Xt": X[60:], "X": X, "y": y, "d": d}
    names["clf"] = domadapt.DANClassifier(max_epochs=2)
    for block, shown in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, page, "exec"), names)
        if shown:
            assert words(printed.getvalue()) == words(shown)
    assert blocks
    assert np.isin(names["clf"].fit(X, y, sample_domain=d).predict(X), range(10)).all()


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder like Office-31 with one tiny picture in each class, and weights of two models."""
    path, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for domain in ("amazon", "dslr", "webcam"):
        for label in range(31):
            folder = path / "office31" / domain / f"class{label:02}"
            folder.mkdir(parents=True)
            pixels = rng.integers(0, 100, (12, 12, 3)) + 5 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "0.png")
    torch.manual_seed(0)
    for name in ("resnet18", SMALL):
        torch.save(torchvision.models.get_model(name).state_dict(), path / f"{name}.pt")
    return path


@pytest.fixture
def office31(photographs, tmp_path, monkeypatch):
    """That folder, where what is written goes to another one."""
    monkeypatch.chdir(tmp_path)
    return photographs


@pytest.fixture
def small_images(monkeypatch):
    """Let estimators read small images where they are not asked for others."""
    small = functools.partial(ImageLoader, resize=37, crop=32, n_workers=0)
    monkeypatch.setattr("domadapt.inputs.reader.ImageLoader", small)
    # A script that asks for others reads them in its own process.
    monkeypatch.setattr(domadapt, "ImageLoader", functools.partial(ImageLoader, n_workers=0))


@pytest.mark.usefixtures("short_fits")
def test_the_example_of_a_chain_runs(run):
    printed = run("examples/neighbours/chain_of_tasks.py")
    assert len(re.findall(r"7 to 9 +(\d\.\d+) ", printed)) == 4


# On the same digits as in tests/inductive/test_task_chain.py.
@pytest.mark.many
def test_the_example_of_a_chain_keeps_the_first_task(run):
    printed = run("examples/neighbours/chain_of_tasks.py")
    first = re.findall(r"7 to 9 +(\d\.\d+) ", printed)
    plain, elastic, _, progressive = map(float, first)
    assert progressive > elastic > plain + 0.1


@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize(
    ("page", "model"), [("docs/office31.md", "resnet18"), ("docs/your_own_images.md", SMALL)]
)
def test_the_code_of_a_page_about_photographs_runs(page, model, office31, small_images):
    data = load_office31(office31 / "office31")
    names = {"root": office31 / "office31", "weights": office31 / f"{model}.pt"}
    names |= {"folder": "features", "model": "model.safetensors"}
    names |= {"paths": data.paths[:31], "labels": data.y[:31], "target_paths": data.paths[31:39]}
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    exec(compile(block, page, "exec"), names)
    assert names["clf"].predict(data.paths[:3]).shape == (3,)


@pytest.mark.usefixtures("short_fits")
def test_the_examples_with_photographs_run(office31, small_images, run):
    weights, root = office31 / f"{SMALL}.pt", office31 / "office31"
    script = "examples/your_own_data/office31_in_ten_minutes.py"
    printed = run(script, root, weights, "--backbone", SMALL)
    assert len(re.findall(r"\w+ > \w+ +\d+\.\d +\d+\.\d", printed)) == 6
    options = (SMALL, weights, "--epochs", 1, "--pixels", 32)
    printed = run(
        "examples/your_own_data/your_own_images.py", root / "dslr", root / "webcam", *options
    )
    assert len(re.findall(r"\d\.png: class\d\d \(\d+%\)", printed)) == 5


@pytest.mark.usefixtures("short_fits")
def test_the_table_of_office31_in_plain_words_runs(office31, small_images, run):
    arguments = (office31 / "office31", office31 / f"{SMALL}.pt", "--backbone", SMALL)
    options = ("--epochs", 1, "--steps", 1, "--seeds", 1, "--pixels", 32)
    printed = run("benchmarks/office31.py", *arguments, *options, "--methods", "source", "cdan")
    assert len(re.findall(r"> \w+ \d+\.\d\n", printed)) == 12
    assert re.findall(r"(.+): mean \d+\.\d\n", printed) == ["source only", "CDAN+E"]


@pytest.mark.usefixtures("short_fits")
def test_the_example_of_a_criterion_runs(run, few_digits):
    printed = run("examples/extending/write_your_own_criterion.py")
    assert len(re.findall(r"target accuracy \d\d\.\d %", printed)) == 3


def test_the_example_without_a_source_gains_from_both_ways(run):
    printed = run("examples/settings/without_the_source.py")
    *before, statistics, trained = map(float, re.findall(r"(\d+\.\d) %", printed))
    assert len(before) == 3
    assert min(statistics, trained) > max(before)


@pytest.mark.usefixtures("short_fits")
def test_the_example_of_regression_runs(run):
    printed = run("examples/first_steps/regression.py")
    assert len(re.findall(r"target -?\d+\.\d+", printed)) == 4


# On values as in tests/estimators/test_shifts.py, by the same estimators.
@pytest.mark.many
def test_the_example_of_regression_gains(run):
    printed = run("examples/first_steps/regression.py")
    alone, *aligned = map(float, re.findall(r"target (-?\d+\.\d+)", printed))
    assert len(aligned) == 3
    assert min(aligned) > alone + 0.1


def test_the_example_without_a_network_gains_twice(run):
    printed = run("examples/first_steps/without_a_network.py")
    r2 = list(map(float, re.findall(r"R\^2 (-?\d+\.\d+)", printed)))
    assert r2[0] < 0 < 0.8 < r2[1]
    alone, corrected = map(float, re.findall(r"(\d+\.\d) % right", printed))
    assert corrected > alone + 5


def test_the_example_of_few_shots_is_not_below_the_shots_alone(run):
    printed = run("examples/neighbours/few_shots.py")
    found = np.array(re.findall(r"alone: (0\.\d+), prototypes: (0\.\d+)", printed), dtype=float)
    assert len(found) == 5
    assert (found[:, 1] > found[:, 0]).all()


def test_the_example_of_self_taught_features_gains_where_pixels_are_noisy(run):
    printed = run("examples/neighbours/self_taught.py")
    rows = re.findall(r": ((?:0\.\d\d ?){5})", printed)
    clean, pca, _, noisy, noisy_pca, _ = np.array([row.split() for row in rows], dtype=float)
    assert (noisy_pca > noisy).all()
    assert abs(clean - pca).max() < 0.02


def test_the_example_of_masked_columns_gains_over_the_source_alone(run):
    printed = run("examples/neighbours/self_supervision.py")
    *plain, masked = map(float, re.findall(r": (\d+\.\d) %", printed))
    assert len(plain) == 3
    assert masked > max(plain)


def test_the_example_of_loss_balance_finds_the_rare_class_and_the_scale(run):
    printed = run("examples/neighbours/loss_balance.py")
    _, alike, focal, weighted, both = map(float, re.findall(r": (0\.\d{3})\n", printed))
    assert focal >= alike
    assert min(weighted, both) > alike + 0.05
    weights = re.findall(r": (\S+) and (\S+)\n", printed)
    assert len(weights) == 2
    assert all(float(task) > 10 * float(criterion) for task, criterion in weights)


def test_the_example_of_text_gains_from_both(run):
    printed = run("examples/first_steps/text_transfer.py")
    few, alone, adapted, both = map(float, re.findall(r": (\d\.\d+)", printed))
    assert min(adapted, both) > max(few, alone)


@pytest.mark.usefixtures("short_fits")
def test_the_example_of_choosing_tells_what_it_did(run, few_digits):
    printed = run("examples/choosing/choosing_without_labels.py")
    assert len(re.findall(r"adapts: (?:True|False), right: \d+\.\d %", printed)) == 2
    assert printed.count("What speaks against the choice") == 2


@pytest.mark.usefixtures("short_fits")
def test_the_example_of_many_seeds_runs(run, few_digits):
    printed = run("examples/choosing/many_seeds.py")
    assert re.findall(r"(\w+): \d+\.\d % ± \d+\.\d", printed) == ["coral", "dan", "dann"]


@pytest.mark.usefixtures("short_fits")
def test_the_example_of_several_tasks_runs(run):
    printed = run("examples/neighbours/several_tasks.py")
    assert len(re.findall(r"digit \d+\.\d %, parity \d+\.\d %, ink R\^2", printed)) == 6


def test_the_example_of_sources_ranks_and_weighs_them(run):
    printed = run("examples/choosing/which_source.py")
    found = re.findall(r"(\w[\w ]*): +(\d+\.\d) % after fine-tuning", printed)
    assert [name for name, _ in found][-1] == "shuffled labels"
    accuracies = [float(accuracy) for _, accuracy in found]
    assert max(accuracies[:2]) == max(accuracies)
    alike, weighed = map(float, re.findall(r"weights \S+: +(\d+\.\d) %", printed))
    assert weighed > alike


@pytest.mark.usefixtures("short_fits")
def test_the_example_of_fine_tuning_runs(run):
    printed = run("examples/neighbours/fine_tuning.py")
    assert len(re.findall(r": \d+\.\d %", printed)) == 7


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *DOCS]:
        for link, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
            path = page.parent / link if link else page
            assert path.exists(), f"{page.name} links to {link}"
            if heading:
                titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}
                assert heading in anchors, f"{page.name} links to #{heading} of {path.name}"


def test_the_pictures_of_shifts_are_those_that_the_script_draws():
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_shifts.py"))
    for name in drawn["SHIFTS"]:
        path = ROOT / "docs" / "pictures" / f"shift_{name}.svg"
        assert path.read_text() == drawn["picture"](name)
