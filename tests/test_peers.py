"""Other libraries are called as documented, and what they do is told as it was."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import domadapt

ROOT = Path(domadapt.__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture
def benchmark(monkeypatch):
    """Import a script of benchmarks/ by name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_the_tables_of_other_libraries_are_those_of_the_results(benchmark):
    tables = benchmark("_peer_tables")
    report = json.loads((RESULTS / "peers.json").read_text())
    assert (RESULTS / "peers.md").read_text() == tables.long_table(report)
    assert (RESULTS / "peers_short.md").read_text() == tables.short_table(report)
    fits = benchmark("_peer_fits")
    assert {cell["peer"] for cell in report["cells"]} == {*fits.PEERS, "plain"}
    # No interpreter, and nothing else of a machine's paths.
    assert "python3" not in (RESULTS / "peers.json").read_text()


def test_a_criterion_of_no_effect_on_some_pairs_is_told(benchmark):
    tables, cells = benchmark("_peer_tables"), []
    for pair, same in (("a b", True), ("b a", False)):
        about = {"set": "s", "pair": pair, "scores": [50.0]}
        cells += [about | {"peer": "plain", "method": title} for title in tables.PLAIN]
        ours = {"peer": "domadapt", "training": "as documented", "seconds": 1.0}
        cells.append(about | ours | {"method": "dann", "same at weight 0": same})
    report = {"cells": cells, "peers": {}}
    line = "| DANN | domadapt | its defaults | 50.0 | 0 of 2 |  | same predictions as weight 0"
    assert f"{line} on 1 of 2 |" in tables.long_table(report)
    assert "adapts nothing" not in tables.short_table(report)
    cells[-1]["same at weight 0"] = True
    assert f"{line} |" in tables.long_table(report)


@pytest.fixture
def peer_rows():
    rng = np.random.default_rng(0)
    Xs, ys = rng.normal(size=(24, 3)), np.arange(24) % 2
    return SimpleNamespace(Xs=Xs, ys=ys, Xt=Xs + 1.0, n_classes=2, largest=24)


def test_a_library_is_run_as_documented_and_with_our_settings(benchmark, peer_rows, monkeypatch):
    fits = benchmark("_peer_fits")
    asked = []

    def build(method, rows, seed, training, weight):
        asked.append((method, seed, training and training["updates"], weight))
        labels = np.full(len(rows.Xt), int(method == "dann" and weight is None))
        return lambda: None, lambda: labels

    monkeypatch.setitem(fits.PEERS, "SKADA", build)
    settings = {"dann": {"updates": 9}, "dan": {"updates": 9}}
    found = fits.run("SKADA", peer_rows, 2, settings, ["dann", "dan", "coral"])
    of_dann = [("dann", 0, 1, None), ("dann", 0, None, None), ("dann", 1, None, None)]
    of_dann += [("dann", 0, 9, None), ("dann", 1, 9, None), ("dann", 1, 9, 0.0)]
    assert asked[:6] == of_dann
    assert asked[12:] == [("coral", seed, None, None) for seed in (0, 0, 1)]
    same = {fit["method"]: fit["same at weight 0"] for fit in found if "same at weight 0" in fit}
    assert same == {"dann": False, "dan": True}


def test_a_library_that_fails_is_told_by_its_last_line(benchmark, peer_rows, monkeypatch):
    fits, tables = benchmark("_peer_fits"), benchmark("_peer_tables")

    def build(method, *_):
        raise ValueError("two\nlines | and a bar")

    monkeypatch.setitem(fits.PEERS, "ADAPT", build)
    (found,) = fits.run("ADAPT", peer_rows, 1, {}, ["coral"])
    assert found["failed"] == "lines | and a bar"
    of_plain = {"peer": "plain", "set": "s", "pair": "a b"}
    cells = [of_plain | {"method": title, "scores": [50.0]} for title in tables.PLAIN]
    cells.append({"set": "s", "pair": "a b", "peer": "ADAPT"} | found)
    text = tables.long_table({"cells": cells, "peers": {}})
    assert "| CORAL | ADAPT |  |  |  | failed on 1 of 1: `lines / and a bar` |" in text
    assert "| CORAL |  |  |  | fails on 1 of 1 |" in tables.short_table(
        {"cells": cells, "peers": {}}
    )


def test_our_own_methods_run_as_those_of_others(benchmark, peer_rows):
    peers, fits = benchmark("peers"), benchmark("_peer_fits")
    settings = {"deepcoral": peers.settings_of("deepcoral", 24, 24)}
    assert settings["deepcoral"]["updates"] == 30 * 8
    assert settings["deepcoral"]["optimizer"] == "sgd"
    for method, training, weight in (("deepcoral", {"updates": 1}, 0.0), ("kmm", None, None)):
        fit, predict = fits.domadapt(method, peer_rows, 0, training, weight)
        fit()
        assert len(predict()) == 24
    with pytest.raises(SystemExit, match="--peer takes NAME=PYTHON"):
        peers.read_pythons(["SKADA"])
