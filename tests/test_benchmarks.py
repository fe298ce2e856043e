"""The benchmarks and the demo do what their tables say, on data of a few rows."""

import importlib
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import domadapt
from domadapt.alignment import CORAL, MMD
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


def test_real_data_fits_every_method_on_every_pair(benchmark, sets, monkeypatch, capsys):
    real_data = benchmark("real_data")
    for estimator in real_data.METHODS.values():
        monkeypatch.setattr(estimator, "max_epochs", 1)
    output = sets / "out" / "result"
    output.parent.mkdir()
    arguments = ["--root", str(sets), "--seeds", "2", "--jobs", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["real_data.py", *arguments])
    threads = torch.get_num_threads()
    real_data.main()
    assert torch.get_num_threads() == threads
    cells = json.loads(output.with_suffix(".json").read_text())["cells"]
    found = {(c["source"], c["target"], c["method"], c["seed"]) for c in cells}
    assert len(found) == len(cells) == 2 * len(real_data.METHODS) * 2
    assert all(0 <= cell["accuracy"] <= 100 for cell in cells)
    assert "| **tiny** | mean of 2 |" in output.with_suffix(".md").read_text()
    assert "one to two done" in capsys.readouterr().out


def test_a_mean_is_that_of_the_cells_asked_for(benchmark):
    real_data = benchmark("real_data")
    cells = [{"method": "DAN", "accuracy": 10.0}, {"method": "DAN", "accuracy": 20.0}]
    cells.append({"method": "DANN", "accuracy": 90.0})
    assert real_data.mean(cells, method="DAN") == 15.0


def test_the_bare_loop_has_the_same_losses(benchmark):
    speed = benchmark("training_speed")
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(20, 6, generator=generator) for _ in range(2))
    torch.testing.assert_close(speed.plain_mmd(source, target + 1), MMD()(source, target + 1))
    torch.testing.assert_close(speed.plain_coral(source, 2 * target), CORAL()(source, 2 * target))


@pytest.mark.parametrize("method", ["dann", "coral", "mmd"])
def test_the_bare_loop_and_the_estimator_make_as_many_steps(benchmark, monkeypatch, method):
    speed = benchmark("training_speed")
    monkeypatch.setattr(speed, "N_COLUMNS", 8)
    monkeypatch.setattr(speed, "EPOCHS", 2)
    steps = []
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *a, **k: (steps.append(1), step(*a, **k)))
    data = speed.make_data(200)
    speed.bare_loop(method, *data, "cpu")
    assert len(steps) == 2 * (200 // speed.BATCH)
    assert speed.domadapt_fit(method, *data, "cpu").n_steps_ == len(steps) // 2


def test_the_demo_prints_its_table_and_saves_its_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    demo = runpy.run_path(str(ROOT / "examples" / "demo.py"))
    demo["main"].__globals__.update(SEEDS=(0,), SHOWN_ROWS=60)
    for estimator in demo["METHODS"].values():
        estimator.set_params(max_epochs=1, hidden_layer_sizes=(16,))
    demo["main"](tmp_path / "demo.png")
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("source only", "MMD", "CORAL", "DANN"))
    assert (tmp_path / "demo.png").stat().st_size > 10_000


def test_fine_tuning_is_timed_against_a_loop_on_the_same_images(benchmark, monkeypatch, tmp_path):
    script = benchmark("fine_tuning_speed")
    output = tmp_path / "speed.json"
    small = ["--backbone", "resnet18", "--pixels", "32", "--steps", "1", "--repeats", "1"]
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


def test_the_plain_network_has_the_parameters_of_the_default(benchmark):
    plain = benchmark("image_speed").plain_network()
    ours = conv_backbone(3, (256,), batch_norm=False)
    assert [p.shape for p in plain.parameters()] == [p.shape for p in ours.parameters()]
    ours.load_state_dict(dict(zip(ours.state_dict(), plain.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(images), ours(images))
