"""Every example has a title and a picture, and one that is not run shows what is stored."""

import ast
import functools
import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

import domadapt

ROOT = Path(domadapt.__file__).parent.parent
STORED = ROOT / "docs" / "stored"
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*/*.py"))}
LARGEST = 150_000


def are_run():
    """Return the pattern of the examples that are run when the site is built."""
    settings = (ROOT / "docs" / "conf.py").read_text()
    return re.search(r'"filename_pattern": r"(.*)"', settings)[1]


NOT_RUN = [name for name, path in EXAMPLES.items() if not re.search(are_run(), str(path))]


@pytest.fixture(scope="module")
def store():
    """What the script that stores figures and text holds."""
    return runpy.run_path(str(ROOT / "docs" / "store_examples.py"), run_name="store_examples")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_a_short_title_an_opening_and_a_figure(name):
    text = EXAMPLES[name].read_text()
    title, line, gap, *opening = ast.get_docstring(ast.parse(text)).splitlines()
    assert len(title) <= 60
    assert line == "=" * len(title)
    assert not gap
    assert len(" ".join(opening)) > 100
    assert "plt." in text


@pytest.mark.parametrize("name", NOT_RUN)
def test_an_example_that_is_not_run_shows_what_is_stored_and_quotes_nothing_else(name):
    text = EXAMPLES[name].read_text()
    assert f"# sphinx_gallery_thumbnail_path = 'stored/{name}.png'\n" in text
    shown = re.findall(
        r"# \.\. (?:literalinclude|image):: /stored/(\S+)\n#    :(?:language|alt):", text
    )
    kept = {path.name for path in STORED.glob(f"{name}*")} - {f"{name}.png"}
    assert kept == set(shown)
    assert {f"{name}.txt"} < kept
    for path in STORED.glob(f"{name}*"):
        assert path.stat().st_size <= LARGEST
    printed = (STORED / f"{name}.txt").read_text()
    assert re.search(r"\n\(domadapt \S+, sklearn \S+, torch .*\)\n$", printed)
    told = text[text.index("# What it printed") :]
    assert set(re.findall(r"\d+\.\d+", told)) <= set(re.findall(r"\d+\.\d+", printed))


def test_the_script_stores_those_that_are_not_run_and_no_others(store):
    assert sorted(store["COMMANDS"]) == sorted(NOT_RUN)
    named = {re.sub(r"_\d$", "", path.stem) for path in STORED.iterdir()}
    assert named == set(NOT_RUN)
    for name, commands in store["COMMANDS"].items():
        for command in commands:
            assert str(EXAMPLES[name].relative_to(ROOT)) in command.split()


def test_the_same_figure_is_stored_as_the_same_file(store, tmp_path):
    script = tmp_path / "two.py"
    script.write_text("import matplotlib.pyplot as plt\nplt.plot([0, 1])\n")
    plt.switch_backend("agg")
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        store["draw_into"](str(folder), str(script))
        plt.close("all")
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert found[0].keys() == {"1.svg", "1.png", "small.png"}
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def drawn_folder(tmp_path_factory):
    """A folder like that of the real data, with a few drawn samples in each place."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    sets = {
        "wisdm_activity": (["people_a", "people_b", "people_c", "people_d"], 42, np.arange(60) % 6),
        "occupancy": (["february_a", "february_b", "february_c"], 6, np.arange(60) % 2),
        "beijing_air": (["dongsi", "huairou", "shunyi"], 12, rng.uniform(0, 300, 60)),
        "amazon_reviews_400": (["books", "dvd", "electronics", "kitchen"], 20, np.arange(60) % 2),
    }
    for name, (domains, n_columns, y) in sets.items():
        (root / name).mkdir()
        for k, domain in enumerate(domains):
            X = rng.poisson(2 + k, size=(60, n_columns)) + y[:, None] / 3
            np.savez(root / name / f"{domain}.npz", X=X.astype(np.float32), y=y)
    (root / "occupancy" / "columns.txt").write_text("a\nb\nc\nd\ne\nf\n")
    for domain in ("amazon", "caltech10", "dslr", "webcam"):
        for label in range(10):
            folder = root / "office_caltech10" / "images" / domain / f"class{label}"
            folder.mkdir(parents=True)
            pixels = rng.integers(0, 100, (12, 12, 3)) + 15 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "0.png")
    (root / "weights").mkdir()
    torch.manual_seed(0)
    weights = torchvision.models.get_model("mobilenet_v2").state_dict()
    save_file(weights, root / "weights" / "mobilenet_v2-imagenet.safetensors")
    return root


# A row of scores for each model.
ROWS = {
    "fine_dust_across_stations": (r"(?m)^\S[^\n]* -?\d+\.\d{3} +[+-]\d+\.\d$", 6),
    "photographs": (r"(?m)^\S[^\n]*?( +\d+\.\d){2}$", 5),
    "reviews_across_products": (r"(?m)^\S[^\n]*?( +\d+\.\d){3}$", 6),
    "rooms_across_months": (r"(?m)^\S[^\n]*?( +\d+\.\d){2}$", 7),
    "sensors_across_people": (r"(?m)^\S[^\n]*?( +\d+\.\d \( *\d+\.\d\)){3}$", 6),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.usefixtures("short_fits")
@pytest.mark.parametrize("name", ROWS)
def test_an_example_on_a_folder_runs_on_drawn_data(name, drawn_folder, run, monkeypatch):
    monkeypatch.setenv("DOMADAPT_DATA", str(drawn_folder))
    small = functools.partial(domadapt.ImageLoader, resize=37, crop=32)
    monkeypatch.setattr(domadapt, "ImageLoader", small)
    printed = run(EXAMPLES[name].relative_to(ROOT))
    pattern, n_models = ROWS[name]
    assert len(re.findall(pattern, printed)) == n_models
    assert plt.get_fignums() == [1, 2]


@pytest.mark.parametrize("name", ROWS)
def test_an_example_says_that_the_folder_is_not_named(name, run, monkeypatch):
    monkeypatch.delenv("DOMADAPT_DATA", raising=False)
    with pytest.raises(SystemExit, match="Name the folder of data: DOMADAPT_DATA="):
        run(EXAMPLES[name].relative_to(ROOT))
