"""The benchmarks and the demo do what their tables show, on data of a few samples."""

import importlib
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import domadapt
from domadapt.alignment import CORAL, MMD
from domadapt.cli import parts
from domadapt.estimators._deep import resolve
from domadapt.experiments.recipes import fine_tuning
from domadapt.methods import METHODS
from domadapt.nn import conv_backbone

ROOT = Path(domadapt.__file__).parent.parent


@pytest.fixture
def benchmark(monkeypatch):
    """Import a script of benchmarks/ by name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def sets(tmp_path):
    """A folder with one set of two domains."""
    rng = np.random.default_rng(0)
    for domain in ("one", "two"):
        path = tmp_path / "tiny" / f"{domain}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez(path, X=rng.normal(size=(40, 5)).astype(np.float16), y=np.arange(40) % 2)
    return tmp_path


def run_real_data(benchmark, sets, monkeypatch, *more):
    real_data = benchmark("real_data")
    for estimator in real_data.METHODS.values():
        if hasattr(estimator, "max_epochs"):
            monkeypatch.setattr(estimator, "max_epochs", 1)
    output = sets / "out" / "result"
    output.parent.mkdir(exist_ok=True)
    arguments = ["--root", str(sets), "--seeds", "2", "--jobs", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["real_data.py", *arguments, *more])
    real_data.main()
    return json.loads(output.with_suffix(".json").read_text())["cells"], output


def test_real_data_fits_every_method_on_every_pair(benchmark, sets, monkeypatch, capsys):
    threads = torch.get_num_threads()
    cells, output = run_real_data(benchmark, sets, monkeypatch)
    assert torch.get_num_threads() == threads
    methods = benchmark("real_data").METHODS
    found = {(c["source"], c["target"], c["method"], c["seed"]) for c in cells}
    assert len(found) == len(cells) == 2 * len(methods) * 2
    assert all(0 <= cell["score"] <= 100 for cell in cells)
    table = output.with_suffix(".md").read_text()
    assert "| method | tiny | mean of sets |" in table
    assert "| method | one to two | two to one |" in table
    assert "one to two done" in capsys.readouterr().out


def test_methods_are_measured_anew_among_results_that_stay(benchmark, sets, monkeypatch):
    few = ["--methods", "source only", "DAN", "MCC"]
    before, output = run_real_data(benchmark, sets, monkeypatch, *few)
    changed = [{**cell, "score": -1.0} for cell in before]
    report = json.loads(output.with_suffix(".json").read_text())
    output.with_suffix(".json").write_text(json.dumps({**report, "cells": changed}))
    after, _ = run_real_data(benchmark, sets, monkeypatch, "--methods", "MCC")
    assert [c for c in after if c["method"] == "MCC"] == [c for c in before if c["method"] == "MCC"]
    assert {c["score"] for c in after if c["method"] != "MCC"} == {-1.0}
    output.with_suffix(".json").write_text(json.dumps({**report, "seeds": 7}))
    with pytest.raises(SystemExit, match="other versions or seeds"):
        run_real_data(benchmark, sets, monkeypatch, "--methods", "MCC")


RESULTS = ROOT / "benchmarks" / "results"


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


@pytest.mark.parametrize("name", ["real_data", "other_settings", "self_supervision"])
def test_the_tables_of_accuracies_are_those_of_the_cells(benchmark, name):
    report = result(name)
    text = benchmark(name).report_of(report["cells"], report["seeds"])
    assert (RESULTS / f"{name}.md").read_text() == text


def test_the_table_of_defaults_is_that_of_the_results(benchmark):
    script, rows = benchmark("defaults"), result("defaults")["rows"]
    assert (RESULTS / "defaults.md").read_text() == script.table(rows) + "\n"
    assert {(row["method"], row["change"]) for row in rows} == set(script.variants())


def test_the_results_are_of_the_methods_of_the_table(benchmark):
    """A name that is changed is changed here too; what is not measured yet is told so."""
    settings = benchmark("other_settings").METHODS
    measured = {cell["method"] for cell in result("real_data")["cells"]}
    named = [m for m in METHODS.values() if m.classifier is not None]
    titles = {m.title for m in named if m.setting not in settings}
    tables = benchmark("_accuracy_tables")
    plain = {tables.STATISTICS, *tables.SOURCE_ONLY}
    assert titles == set(benchmark("real_data").METHODS) - plain | {tables.BASELINE}
    assert measured <= titles | plain | set(benchmark("real_data").OF_VALUES)
    told = re.search(r"Not measured yet: (.*)\.\n", (ROOT / "docs" / "results.md").read_text())
    missing = set(benchmark("real_data").METHODS) - measured
    assert missing == set(told[1].split(", ") if told else [])
    for setting, methods in settings.items():
        cells = [c for c in result("other_settings")["cells"] if c["setting"] == setting]
        assert {cell["method"] for cell in cells} == set(methods)
        assert {m.title for m in named if m.setting == setting} <= set(methods)
    for run in result("office_caltech10")["runs"].values():
        assert all(METHODS[m["method"]].title == m["title"] for m in run["methods"])


def test_every_criterion_of_the_table_is_timed(benchmark):
    report, made = result("criteria_speed_cpu"), benchmark("criteria_speed").contestants()
    assert set(report["milliseconds"]) == set(report["over CORAL"]) == set(made)
    assert benchmark("criteria_speed").REFERENCE in made
    assert set(report["exempt"]) <= set(made)
    several = {"deepcoral and mcc", "uncertainty", "gradnorm"}
    kinds = {type(METHODS[name].classes()) for name in made.keys() - several}
    whole = [m.classes() for m in METHODS.values() if m.classes is not None]
    parts = [c for w in whole for c in ([c for _, c in w] if isinstance(w, list) else [w])]
    assert kinds == {type(part) for part in parts}


@pytest.mark.parametrize("name", ["source", "dan", "dann", "deepcoral", "coral", "cdan", "afn"])
def test_the_table_in_plain_words_is_made_by_the_recipes(benchmark, name):
    plain = benchmark("office31").make(METHODS[name], steps=10, epochs=2)
    recipe = fine_tuning(name, steps_per_epoch=10, epochs=2)
    ours, theirs = plain.get_params(), recipe.get_params()
    schedules = [params.pop("learning_rate_schedule") for params in (ours, theirs)]
    for progress in (0.0, 0.3, 1.0):
        assert schedules[0](progress) == pytest.approx(schedules[1](progress))
    criteria = [resolve(params.pop("alignment"), "classes") for params in (ours, theirs)]
    assert repr(criteria[0]) == repr(criteria[1])
    for name in ("loss_weights", "source_weights"):
        del ours[name]
        theirs.pop(name, None)
    assert repr(ours) == repr({key: theirs[key] for key in ours})
    assert len(ours) == len(theirs)


CELLS = [
    {"set": name, "source": "a", "target": target, "method": method, "score": score}
    for name, target, method, score in [
        ("one", "b", "source only", 50.0),
        ("one", "b", "DAN", 60.0),
        ("one", "b", "DAN", 70.0),
        ("one", "b", "DANN", 90.0),
        ("one", "b", "extra trees", 62.0),
        ("two", "c", "source only", 40.0),
        ("two", "c", "extra trees", 20.0),
        ("two", "c", "DAN", 40.0),
        ("two", "c", "DANN", 30.0),
    ]
]


def test_methods_are_compared_with_plain_models_pair_by_pair(benchmark):
    tables = benchmark("_accuracy_tables")
    scores = tables.by_pair(CELLS)
    assert scores["DAN"] == {("one", "a", "b"): 65.0, ("two", "a", "c"): 40.0}
    # In the second pair two methods share the first and the second rank.
    ranks = {"source only": 2.75, "DAN": 1.75, "extra trees": 3.5, "DANN": 2.0}
    assert tables.mean_ranks(scores) == ranks
    assert tables.best_plain(scores, ["one", "two"]) == {
        ("one", "a", "b"): 62,
        ("two", "a", "c"): 40,
    }
    head = "| method | one | two | mean of sets | over the best plain | under source only "
    assert tables.summary(CELLS).splitlines() == [
        head + "| under the best plain | worst | mean rank |",
        "|---|---|---|---|---|---|---|---|---|",
        "| DAN | 65.0 | 40.0 | 52.5 | +1.5 | 0 of 2 | 0 of 2 | +0.0 | 1.8 |",
        "| DANN | 90.0 | 30.0 | 60.0 | +9.0 | 1 of 2 | 1 of 2 | -10.0 | 2.0 |",
        "| source only | 50.0 | 40.0 | 45.0 | -6.0 | 0 of 2 | 1 of 2 | +0.0 | 2.8 |",
        "| extra trees | 62.0 | 20.0 | 41.0 | -10.0 | 1 of 2 | 1 of 2 | -20.0 | 3.5 |",
    ]
    assert "| DANN |" not in tables.summary(CELLS, ["DAN"])
    assert tables.table_of_pairs(CELLS, "two").splitlines()[2:] == [
        "| source only | 40.0 |",
        "| extra trees | 20.0 |",
        "| DAN | 40.0 |",
        "| DANN | 30.0 |",
    ]


def test_a_method_without_some_pairs_is_not_in_the_summary(benchmark):
    tables = benchmark("_accuracy_tables")
    cells = [c for c in CELLS if (c["set"], c["method"]) != ("two", "DANN")]
    assert "DANN" not in tables.summary(cells)
    assert "DANN" in tables.table_of_pairs(cells, "one")
    assert tables.summaries([c for c in CELLS if c["method"] != "source only"]) == ""
    of_values = [{**cell, "set": "beijing_air"} for cell in CELLS]
    assert [line for line in tables.summaries(cells + of_values).splitlines() if ":" in line] == [
        "Counts of words, pixels and features of photographs: target accuracy in %.",
        "Values: R^2 on the target, times 100.",
    ]


def test_the_bare_loop_has_the_same_losses(benchmark):
    speed = benchmark("training_speed")
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(20, 6, generator=generator) for _ in range(2))
    biased = MMD(unbiased=False)(source, target + 1)
    torch.testing.assert_close(speed.plain_mmd(source, target + 1), biased)
    torch.testing.assert_close(speed.plain_coral(source, 2 * target), CORAL()(source, 2 * target))


@pytest.mark.parametrize("method", ["dann", "coral", "mmd"])
def test_the_bare_loop_and_the_estimator_make_as_many_steps(benchmark, monkeypatch, method):
    speed = benchmark("training_speed")
    monkeypatch.setattr(speed, "N_COLUMNS", 8)
    monkeypatch.setattr(speed, "EPOCHS", 2)
    steps = []
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *a, **k: (steps.append(1), step(*a, **k)))
    data = speed.make_data(9 * speed.BATCH)
    speed.bare_loop(method, *data, "cpu")
    assert len(steps) == 2 * 9
    assert speed.domadapt_fit(method, *data, "cpu").n_steps_ == len(steps)


def test_the_demo_prints_its_table_and_saves_its_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    demo = runpy.run_path(str(ROOT / "examples" / "first_steps" / "demo.py"))
    demo["main"].__globals__.update(SEEDS=(0,), N_SHOWN=60)
    for estimator in demo["METHODS"].values():
        estimator.set_params(max_epochs=1, hidden_layer_sizes=(16,))
    demo["main"](tmp_path / "demo.png")
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("source only", "DAN", "DeepCORAL", "DANN"))
    assert (tmp_path / "demo.png").stat().st_size > 10_000


def test_fine_tuning_is_timed_against_a_loop_on_the_same_images(benchmark, monkeypatch, tmp_path):
    script = benchmark("fine_tuning_speed")
    output = tmp_path / "speed.json"
    small = ["--backbone", "mobilenet_v3_small", "--pixels", "32", "--steps", "1", "--repeats", "1"]
    monkeypatch.setattr(sys, "argv", ["fine_tuning_speed.py", *small, "--output", str(output)])
    script.main()
    rates = json.loads(output.read_text())["images per second"]
    assert rates.keys() == {"bare loop", "domadapt"}
    assert all(rate > 0 for rate in rates.values())


def test_the_plain_loader_reads_as_many_images_as_ours(benchmark, monkeypatch, tmp_path):
    script = benchmark("image_speed")
    monkeypatch.setattr(script, "STEPS", 1)
    monkeypatch.setattr(script, "BATCH", 3)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (20, 20, 3)).astype(np.uint8)).save(path)
        paths.append(str(path))
    paths = np.array(paths)
    assert script.read_plainly(paths, paths, 2) == 6
    assert script.read_our_way(paths, paths, 2, 1024, n_epochs=2) > 0


def test_the_speed_of_reading_is_told_for_each_size_and_cache(benchmark, monkeypatch, tmp_path):
    script = benchmark("decoding_speed")
    monkeypatch.setattr(script, "SIZES", {(40, 30): 2, (60, 40): 3})
    monkeypatch.setattr(script, "RESIZE", 4)
    paths = script.draw_all(tmp_path)
    assert {size: len(files) for size, files in paths.items()} == script.SIZES
    rows = script.measure_reading(paths, tmp_path, 1)
    assert list(rows) == ["40 x 30", "60 x 40"]
    for row in rows.values():
        assert row.keys() == {"decoded", "cache_folder", "cache_megabytes"}
        assert all(milliseconds > 0 for milliseconds in row.values())
    assert len(list((tmp_path / "kept").rglob("*.safetensors"))) == 5
    found = script.measure_reduction(paths[60, 40])
    assert found["decoded at"] == [30, 20]
    assert 0 < found["mean difference of 255"] < 3


def test_the_plain_network_has_the_parameters_of_the_default(benchmark):
    plain = benchmark("image_speed").plain_network()
    ours = conv_backbone(3, (256,), batch_norm=False)
    assert [p.shape for p in plain.parameters()] == [p.shape for p in ours.parameters()]
    ours.load_state_dict(dict(zip(ours.state_dict(), plain.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(images), ours(images))


def test_other_settings_fits_every_method_where_its_setting_is_there(
    benchmark, monkeypatch, tmp_path, capsys
):
    script = benchmark("other_settings")
    rng = np.random.default_rng(0)
    for domain in ("one", "two", "three"):
        path = tmp_path / "tiny" / f"{domain}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez(path, X=rng.normal(size=(40, 5)).astype(np.float16), y=np.arange(40) % 4)
    for methods in script.METHODS.values():
        for estimator in methods.values():
            monkeypatch.setattr(estimator, "max_epochs", 1)
    output = tmp_path / "result"
    arguments = ["--root", str(tmp_path), "--seeds", "1", "--jobs", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["other_settings.py", *arguments])
    script.main()
    cells = json.loads(output.with_suffix(".json").read_text())["cells"]
    tasks = {"several sources": 3, "partial": 6, "open set": 6}
    assert len(cells) == sum(n * len(script.METHODS[setting]) for setting, n in tasks.items())
    for cell in cells:
        if cell["setting"] == "open set":
            # Half of the samples are unknown.
            assert cell["right"] == pytest.approx((cell["known"] + cell["unknown"]) / 2, abs=0.01)
            if cell["method"] != "OSBP":
                assert cell["unknown"] == 0.0
    assert "| OSBP |" in output.with_suffix(".md").read_text()
    assert "several sources, tiny: three done" in capsys.readouterr().out


def test_harm_counts_marked_fits_and_labels_that_were_spoilt(benchmark):
    harm = benchmark("harm")
    codes = np.array([0, 0, 0, 1, 1, 2])
    found = harm.spoilt(codes, 3, np.random.default_rng(0))
    assert found["all of one class"].tolist() == [0] * 6
    assert found["two classes exchanged"].tolist() == [1, 1, 1, 0, 0, 2]
    assert found["a class lost"].tolist() == [0, 0, 0, 0, 0, 2]
    assert sorted(found["permuted"]) == codes.tolist()
    gains = {"MCC": 0.1, "DAN": -0.02, "DANN": -0.05, "spoilt: permuted": -0.1}
    cells = [
        {"group": "digits", "model": name, "gain": gain, "against": ["contradiction"][: gain < 0]}
        for name, gain in gains.items()
    ]
    assert harm.text_of([*cells, {**cells[-1], "gain": -0.09}]).splitlines()[2:] == [
        "| lost at most two points | 1 of 2 |",
        "| lost up to ten | 1 of 1 |",
        "| lost ten and more | 0 of 0 |",
        "| spoilt: permuted | 1 of 1 |",
    ]


def test_selection_compares_what_every_score_names(benchmark, monkeypatch):
    """Of three candidates, one of which adapts: the scores name one each."""
    selection = benchmark("selection")
    few = {
        make: [c for c in getattr(selection, make)("classes", 4) if c.name in names]
        for make, names in (
            ("plain_candidates", ("network", "logistic regression")),
            ("adapted_candidates", ("MCC",)),
        )
    }
    for make, candidates in few.items():
        assert candidates
        monkeypatch.setattr(selection, make, lambda *_, kept=candidates: kept)
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = rng.normal(size=(80, 4)) + 2.0 * y[:, None]
    kept, held = np.arange(60), np.arange(60, 80)
    classes, found = selection.fit_candidates(X, y, X + 0.5, kept, held, 0)
    assert [*found] == [c.name for candidates in few.values() for c in candidates]
    for of_held, of_target in found.values():
        assert (of_held.shape, of_target.shape) == ((20, 2), (80, 2))
        np.testing.assert_allclose(of_target.sum(axis=1), 1.0, rtol=1e-5)
    named = selection._named_by_scores(classes, found, X, y, X + 0.5, kept, held)
    assert np.mean(named["source validation"].argmax(axis=1) == y) > 0.8
    shapes = {proba.shape for proba in named.values()}
    assert shapes == {(80, 2)}


def test_chains_of_tasks_are_learnt_by_every_strategy(benchmark, tmp_path, monkeypatch):
    script = benchmark("task_chain")
    rng = np.random.default_rng(0)
    (tmp_path / "mnist_usps").mkdir()
    for name in ("mnist", "usps"):
        y = np.arange(80) % 10
        X = rng.normal(size=(80, 256)) + y[:, None]
        np.savez(tmp_path / "mnist_usps" / f"{name}.npz", X=X, y=y)
    monkeypatch.setenv("DOMADAPT_DATA", str(tmp_path))
    monkeypatch.setitem(script.NETWORKS, "one layer", {"hidden_layer_sizes": (8,), "max_epochs": 1})
    output = tmp_path / "result"
    options = ["--seeds", "1", "--networks", "one layer", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["task_chain.py", *options])
    script.main()
    cells = json.loads(output.with_suffix(".json").read_text())["cells"]
    assert [c["strategy"] for c in cells] == list(script.STRATEGIES) * 2
    last = [c for c in cells if c["strategy"] == "progressive"]
    assert [c["first"] for c in last] == [c["first after all"] for c in last]
    assert "MNIST, then USPS, one layer." in output.with_suffix(".md").read_text()
    monkeypatch.setattr(script, "NETWORKS", {"one layer": script.NETWORKS["one layer"]})
    monkeypatch.setattr(script, "FACTORS", (1.0, 1e6))
    monkeypatch.setattr(script, "SWEEP_SEEDS", (10,))
    monkeypatch.setattr(sys, "argv", ["task_chain.py", "--sweep", "--output", str(output)])
    script.main()
    rows = (tmp_path / "result_weights.md").read_text().splitlines()[2:]
    assert [row.split(" | ")[1:3] for row in rows] == [
        *(["ewc", "300"], ["l2_sp", "0.1"], ["distillation", "3"])
    ]
    assert rows[2].endswith("diverges |")


@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is as Linux tells it")
@pytest.mark.parametrize("name", ["mapped, fit(X, y, sample_domain=d)", "HDF5", "Parquet", "npz"])
def test_files_that_stand_for_larger_ones_are_learnt(
    benchmark, name, tmp_path, monkeypatch, capsys
):
    script = benchmark("larger_than_memory")
    (name, *_) = [case for case in script.CASES if name in case]
    for setting, value in (("N_COLUMNS", 8), ("WRITTEN", 20), ("STEP", 700)):
        monkeypatch.setattr(script, setting, value)
    monkeypatch.setitem(script.SETTINGS, "steps_per_epoch", 3)
    monkeypatch.setattr(script, "write_apart", script.write_table)
    # As large as this, files are read in parts.
    monkeypatch.setattr(parts, "WHOLE", 2**15)
    monkeypatch.setattr(parts, "BLOCK", 2**13)
    script.child(name, 2000 * 8 * 4 / 1e9, str(tmp_path))
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["rows"] == 2000
    assert found["as_in_memory"] == 1
    assert not list(tmp_path.iterdir())


def test_the_table_of_large_files_is_that_of_the_results(benchmark):
    script, report = benchmark("larger_than_memory"), result("larger_than_memory")
    assert (RESULTS / "larger_than_memory.md").read_text() == script.table(report["measured"])
    assert list(report["measured"]) == list(script.CASES)
    assert all(case["megabytes_more"] < 1000 for case in report["measured"].values())


def test_the_speed_on_a_gpu_is_measured_in_a_dry_run_on_the_cpu(benchmark, tmp_path):
    gpu_speed = benchmark("gpu_speed")
    report = gpu_speed.main(["--dry-run", "--output", str(tmp_path / "out.json")])
    assert report.keys() >= {"versions", "hardware", "step", "images"}
    steps = report["step"]["coral"]["milliseconds"]
    assert steps.keys() >= {"captured", "eager", "bare loop", "2 members"}
    times = [*steps.values(), *report["images"]["milliseconds"].values()]
    assert np.isfinite(times).all()
    assert json.loads((tmp_path / "out.json").read_text()) == report


def test_a_step_takes_the_difference_of_two_fits(benchmark, monkeypatch):
    gpu_speed = benchmark("gpu_speed")
    now = [0.0]
    monkeypatch.setattr(gpu_speed.time, "perf_counter", lambda: now[0])

    def train(n_epochs):
        # Three seconds for each fit, and half a second for each of four steps an epoch.
        now[0] += 3.0 + 0.5 * 4 * n_epochs

    times = gpu_speed.step_times({"one": train}, (1, 4), 4, gpu_speed.DrySizes)
    assert times == {"one": 500.0}


def test_scaling_measures_all_axes_and_draws_them(benchmark, tmp_path, monkeypatch):
    scaling = benchmark("scaling")
    few = {"rows": 60, "columns": 4, "classes": 3, "epochs": 1}
    asked = []

    def measure(setting, repetitions):
        asked.append(setting)
        # As a fit whose time grows with the square root, and whose memory grows with the size.
        size = setting[list(axes)[len(asked) > 8]]
        return {"seconds": 2.0 * size**0.5, "megabytes": None if "fits" in setting else size / 8}

    axes = {"rows": {"sizes": [100, 10_000]}, "processes": {"sizes": [1, 4], "fits": 2}}
    monkeypatch.setattr(scaling, "measured_apart", measure)
    cells = scaling.run(axes, repetitions=1)
    assert [cell["size"] for cell in cells] == [100, 10_000] * 4 + [1, 4] * 4
    assert {setting["columns"] for setting in asked} == {scaling.USUAL["columns"]}
    report = {"cells": cells, "table": scaling.cost_of_table(3.6)}
    text = scaling.text_of(report)
    assert "| DANN | 20.00 | 200.00 | 0.50 |" in text
    assert "| DANN | 12 | 1,250 | 1.00 |" in text
    assert "12,000 fits" in text
    assert "| 3.6 s | 12 hours of one core |" in text
    scaling.draw(report, tmp_path / "out.svg")
    assert (tmp_path / "out.svg").read_text().count("<svg") == 1
    found = scaling.measure({**scaling.USUAL, **few, "method": "CORAL", "members": 2})
    assert found["seconds"] > 0
    assert found["megabytes"] >= 0


def test_both_precisions_are_compared_on_every_pair(benchmark, sets, monkeypatch):
    half = benchmark("half_precision")
    few = {"hidden_layer_sizes": (4,), "max_epochs": 1}
    plain = half.on_vectors
    monkeypatch.setattr(half, "on_vectors", lambda name, **given: plain(name, **given | few))
    monkeypatch.setattr(half, "WORKLOADS", {"vectors of 8": (40, (8,))})
    output = sets / "half"
    arguments = ["--root", str(sets), "--seeds", "1", "--jobs", "1", "--repetitions", "1"]
    monkeypatch.setattr(sys, "argv", ["half_precision.py", *arguments, "--output", str(output)])
    half.main()
    report = json.loads(output.with_suffix(".json").read_text())
    found = {(c["source"], c["method"], c["precision"]) for c in report["cells"]}
    assert len(found) == len(report["cells"]) == 2 * len(half.METHODS) * 2
    assert all(0 <= cell["accuracy"] <= 100 for cell in report["cells"])
    assert report["float32_over_bfloat16"]["vectors of 8"] > 0
    table = output.with_suffix(".md").read_text()
    assert all(f"| {title} |" in table for title in half.TITLES.values())


@pytest.mark.parametrize("name", ["negative_transfer", "scaling_columns", "target_samples"])
def test_the_tables_of_the_guide_are_those_of_the_stored_cells(benchmark, name):
    script, path = benchmark(name), ROOT / "benchmarks" / "results" / name
    stored = json.loads(path.with_suffix(".json").read_text())
    given = [stored[key] for key in ("cells", "seen") if key in stored]
    assert path.with_suffix(".md").read_text() == script.text_of(*given)


def test_a_benchmark_of_the_guide_fits_what_its_table_shows(benchmark, monkeypatch):
    script = benchmark("negative_transfer")
    every = script.models(0)
    some = {name: every[name] for name in list(every)[:4:3]}
    monkeypatch.setattr(script, "models", lambda seed: some)
    cells, seen = script.run_task("proportions", 0)
    plain, scaled = (cell["accuracy"] for cell in cells)
    assert plain > scaled + 20
    assert seen["kind"] == "label"
