"""Two processes against one: the same mini-batches have to lead to the same weights."""

import contextlib
import importlib.util
import json
import os
import pickle
import re
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn

import domadapt
from domadapt.inputs.reader import n_processes, rank
from domadapt.training.distributed import SyncedBatchNorm, synchronise_batch_norm, wait_for_all

fcntl = pytest.importorskip("fcntl", reason="locks of this kind are not there")
HERE = Path(__file__).parent
with pytest.MonkeyPatch.context() as path:
    path.syspath_prepend(str(HERE))
    import fits_of_two as fits
    import two_processes as two
CASES = [
    pytest.param(name, marks=pytest.mark.many) if name in fits.REPEATED else name
    for name in fits.cases(".")
]
# The fit of which it is shown that training changed something.
MOVED = "own joint sgd"
PHOTOGRAPHS = ["photographs in torch.float32", "photographs in torch.float64"]


@contextlib.contextmanager
def locked(folder):
    """Let the worker processes of a test run do one after the other what is inside."""
    with open(folder / "lock", "w") as lock:
        # Released when the file is closed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with small images, the same for all worker processes."""
    folder = tmp_path_factory.mktemp("together")
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "together"
        folder.mkdir(exist_ok=True)
    with locked(folder):
        if torchvision_is_there() and not any(folder.glob("*.png")):
            draw_images(folder)
    return folder


def torchvision_is_there():
    return all(importlib.util.find_spec(name) for name in ("torchvision", "PIL"))


def draw_images(folder):
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(24):
        pixels = generator.integers(0, 128, (14, 18, 3), dtype=np.uint8)
        pixels[..., number % 2] += 100
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")


@pytest.fixture(scope="session")
def together(folder, untrained_fork, request):
    """What each of two processes found, in their order."""
    if not (distributed.is_available() and distributed.is_gloo_available()):
        pytest.skip("this torch cannot let processes talk on the CPU")
    with locked(folder):
        if not (folder / "done").exists():
            # The same in all worker processes: each of them collects all tests.
            names = names_of(request.session.items)
            (folder / "names.json").write_text(json.dumps(names))
            run_two_processes(folder, untrained_fork)
            (folder / "done").touch()
    return [torch.load(folder / f"results {p}.pt") for p in range(two.N_PROCESSES)]


def names_of(items):
    """Return the fits that the selected tests look at."""
    test = test_two_processes_end_with_the_weights_and_statistics_of_one
    asked = [i.callspec.params["name"] for i in items if getattr(i, "function", None) is test]
    return [MOVED, *(name for name in asked if name != MOVED)]


def write_features(folder):
    """Write two domains of vectors, as the command reads them."""
    folder.mkdir()
    for number, name in enumerate(("amazon", "webcam")):
        y = np.arange(60) % 2
        X = np.random.default_rng(number).normal(size=(60, 5)) + 3 * y[:, None] + number
        np.savez(folder / f"{name}.npz", X=X.astype(np.float32), y=y)


def run_two_processes(folder, untrained_fork):
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        ports = [str(free.getsockname()[1]) for free in (one, other)]
    write_features(folder / "features")
    status, printed = untrained_fork.run(two.run_both, folder, *ports, timeout=400)
    assert status == 0, printed


def assert_equal(first, second):
    """Check that two dicts of tensors are the same to the last bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def assert_near(found, wanted, near):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if name == "transduction" and not value.is_floating_point():
            assert torch.equal(found[name], value)
        else:
            torch.testing.assert_close(
                found[name], value, **near, msg=lambda told, name=name: f"{name}: {told}"
            )


@pytest.mark.parametrize("name", CASES + PHOTOGRAPHS)
def test_two_processes_end_with_the_weights_and_statistics_of_one(folder, together, name):
    if name in PHOTOGRAPHS:
        pytest.importorskip("torchvision")
    begin, near = fits.cases(folder)[name]
    estimator, fit = begin()
    first, second = (results["fits"][name] for results in together)
    assert_equal(first, second)
    assert_near(first, fits.fitted_tensors(estimator.fit(**fit), fit), near)


def test_the_weights_have_moved(together):
    begin, _ = fits.cases(".")[MOVED]
    estimator, fit = begin()
    estimator.set_params(learning_rate=1e-9).fit(**fit)
    moved = together[0]["fits"][MOVED]
    for name, value in estimator.module_.named_parameters():
        # A shift before normalisation has no gradient.
        assert name.endswith("bias") or (moved[name] - value).abs().max() > 1e-3, name


def test_a_batch_that_cannot_be_shared_out_is_rounded_down(together):
    estimator, fit = fits.doubled("dan", "joint", "sgd", batch_size=14)
    assert_equal(*(results["fits"]["odd"] for results in together))
    assert_near(
        together[0]["fits"]["odd"], fits.fitted_tensors(estimator.fit(**fit), fit), fits.EXACT
    )


def test_a_domain_with_fewer_samples_than_processes_is_refused(together):
    for results in together:
        expected = "a domain of 1 samples leaves none for some of the 2 parts"
        assert expected in results["message"]


@pytest.mark.parametrize("name", two.LAYERS)
def test_shared_statistics_are_those_of_the_whole_batch(together, name):
    make_layer, shape = two.LAYERS[name]
    wanted = two.run_layer(make_layer(), shape, (0, 1))
    shares = [results["layers"][name] for results in together]
    assert shares[0].keys() == wanted.keys()
    for key, value in wanted.items():
        parts = [share[key] for share in shares]
        if key.startswith(("output", "gradient", "evaluation")):
            found = torch.cat(parts)
        elif key.endswith("gradient"):
            found = sum(parts)
        else:
            assert torch.equal(*parts), key
            found = parts[0]
        torch.testing.assert_close(found, value, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("sizes", [[3, 2], [1, 1], [4]], ids=str)
def test_gathered_rows_are_in_order_and_return_their_gradient(together, sizes):
    rows = [two.rows_of(place, sizes) for place in range(two.N_PROCESSES)]
    by_domain = [names.split(sizes) for names, _ in rows]
    names = torch.cat([part for parts in zip(*by_domain, strict=True) for part in parts])
    by_domain = [values.split(sizes) for _, values in rows]
    values = torch.cat([part for parts in zip(*by_domain, strict=True) for part in parts])
    layer = two.linear()
    values.requires_grad_()
    two.uneven(layer(values), two.N_PROCESSES * sizes[0]).backward()
    for place, results in enumerate(together):
        found = results["gathered"][str(sizes)]
        assert torch.equal(found["names"], names)
        torch.testing.assert_close(found["gradient"], layer.weight.grad, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(found["bias gradient"], layer.bias.grad, rtol=1e-11, atol=1e-12)
        mine = values.grad[names[:, 0] == place]
        torch.testing.assert_close(found["row gradient"], mine, rtol=1e-11, atol=1e-12)


def test_one_process_writes_the_checkpoints_and_all_resume_from_them(together):
    first, second = (results["checkpoints"] for results in together)
    assert first["counts"]["written"][1] == 4
    assert second["counts"]["written"][1] == 0
    assert first["counts"]["written"][0] == second["counts"]["written"][0]
    for one in (first, second):
        # Two epochs were written down before the interrupt.
        assert one["counts"]["epochs"] == 2
        assert_equal(one["resumed"], one["straight"])
    assert_equal(first["straight"], second["straight"])


def test_a_checkpoint_of_two_processes_is_finished_by_one(folder, together):
    estimator, fit = two.dropped_out(folder / "straight")
    watcher = two.Interrupt(None)
    estimator.set_callbacks(watcher).fit(**fit)
    assert watcher.n_epochs == 0
    assert_equal(fits.fitted_tensors(estimator, fit), together[0]["checkpoints"]["straight"])


@pytest.mark.parametrize("place", range(two.N_PROCESSES))
def test_what_was_fitted_together_is_of_use_alone(folder, together, place, tmp_path):
    _, fit = fits.make("dan")
    assert n_processes() == 1
    saved = domadapt.load(folder / f"kept {place}.safetensors")
    unpickled = pickle.loads((folder / f"kept {place}.pickle").read_bytes())
    for estimator in (saved, unpickled):
        assert_equal(fits.fitted_tensors(estimator, fit), together[place]["kept"]["all"])
    saved.save(tmp_path / "again.safetensors")
    again = domadapt.load(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.predict_proba(fit["X"]), unpickled.predict_proba(fit["X"]))
    alone = fits.make("dan", optimizer="sgd")[0].fit(**fit)
    for estimator in (saved, unpickled):
        assert_equal(
            fits.fitted_tensors(estimator.fit(**fit), fit), fits.fitted_tensors(alone, fit)
        )


def test_without_a_group_nothing_is_shared():
    assert (rank(), n_processes()) == (0, 1)
    layer, plain = SyncedBatchNorm(nn.BatchNorm1d(2)), nn.BatchNorm1d(2)
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(x), plain(x))
    assert_equal(dict(layer.state_dict()), dict(plain.state_dict()))
    wait_for_all(torch.device("cpu"))


def test_layers_are_replaced_wherever_they_stand_and_keep_what_they_hold():
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()))
    state, norm = dict(net.state_dict()), net[1][0]
    assert synchronise_batch_norm(net) is net
    assert isinstance(net[1][0], SyncedBatchNorm)
    assert net[1][0].weight is norm.weight
    assert_equal(dict(net.state_dict()), state)
    with pytest.raises(ValueError, match="1-D"):
        net[1][0](torch.zeros(3))


def test_the_example_of_several_processes_prints_the_same(together):
    # The first process prints for all.
    assert together[1]["printed"] == ""
    texts = (two.run_example(), together[0]["printed"])
    alone, both = (float(re.fullmatch(r"target accuracy (\d+\.\d) %\n", t)[1]) for t in texts)
    # The same training up to rounding, which every update makes larger.
    assert abs(alone - both) <= 3.0


def test_two_processes_run_the_command_as_one(folder, together, tmp_path):
    assert together[0]["table"].count("| DAN") == 1
    assert together[1]["table"] == ""
    two.run_bench(folder / "features", tmp_path)
    name = Path("cells", "amazon__webcam__dan__0.json")
    one, both = (json.loads((out / name).read_text()) for out in (tmp_path, folder / "run"))
    assert one["history"].keys() == both["history"].keys()
    # The same sums in another order, in float32.
    for key, values in one["history"].items():
        np.testing.assert_allclose(values, both["history"][key], rtol=1e-4, atol=1e-5)
    assert one["target_accuracy"] == both["target_accuracy"]
