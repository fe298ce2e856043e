"""Fits that were killed, interrupted or stopped, and go on from their checkpoint.

Run as a script, with a folder, this file starts fits in processes that kill themselves.
"""

import functools
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

import domadapt
from domadapt import (
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    ImageLoader,
    pack,
)
from domadapt._storage.files import read_tensors, write_tensors
from domadapt.alignment import DomainAdversarial
from domadapt.training.trainer import Trainer

EPOCHS = 5
SMALL = {
    "hidden_layer_sizes": (8,),
    "batch_size": 16,
    "max_epochs": EPOCHS,
    "random_state": 3,
    # What a GPU computes may differ in the last bit from run to run.
    "device": "cpu",
}
N_STEPS = 40 // 16


class Watcher:
    """Does something at the end of an epoch, and counts the epochs."""

    def __init__(self, do=None, epoch=None):
        self.do, self.epoch, self.n_epochs = do, epoch, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name != "epoch":
            return False
        self.n_epochs += 1
        return self.n_epochs == self.epoch and self.do()


def vectors():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 5)).astype(np.float32)
    X_target = 1 + generator.normal(size=(33, 5)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int), X_target


def draw_weights(module):
    """Give a module weights that are the same in every process."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return module


def convolutions():
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return draw_weights(nn.Sequential(*layers, nn.Flatten()))


def columns():
    return draw_weights(nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.2)))


def make_dann(folder, **changes):
    parameters = {"dropout": 0.3, "optimizer": "adam", "batch_norm": "per_domain", **changes}
    return DANNClassifier(**{**SMALL, **parameters}), vectors()


def make_dan(folder, **changes):
    return DANClassifier(**{**SMALL, "optimizer": "sgd", **changes}), vectors()


def make_images(folder, **changes):
    loader = ImageLoader(resize=16, crop=12, n_workers=0)
    parameters = {"backbone": convolutions(), "image_loader": loader, "dropout": 0.2, **changes}
    paths = sorted(map(str, Path(folder).glob("*.png")))
    return DeepCORALClassifier(**{**SMALL, **parameters}), (paths, np.arange(40) % 2, paths[7:])


MAKERS = {"dann": make_dann, "dan": make_dan, "images": make_images}


def fit(estimator, data):
    X, y, X_target = data
    return estimator.fit(X, y, X_target=X_target)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_in(owner, name, call):
    """Let a function kill the process at one of its calls, counted from 1."""
    function, calls = getattr(owner, name), []

    def deadly(*args, **kwargs):
        calls.append(1)
        if len(calls) == call:
            die()
        return function(*args, **kwargs)

    setattr(owner, name, deadly)


def fill_disk():
    """Let this process write only small files from now on."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


# How each comes to its end, and how many epochs its checkpoint holds then.
ENDS = {
    "after an epoch": 2,
    "within an epoch": 3,
    "while writing": 1,
    "before the first checkpoint": None,
}


def die_in_fit(estimator, data, end):
    watcher = Watcher()
    if end == "after an epoch":
        watcher = Watcher(die, 3)
    elif end == "within an epoch":
        die_in(Trainer, "_update", 3 * N_STEPS + 2)
    elif end == "while writing":
        die_in(os, "replace", 2)
    else:
        die_in(Trainer, "_update", 2)
    fit(estimator.set_callbacks(watcher), data)


def fail_to_write(estimator, data):
    import resource

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        fit(estimator.set_callbacks(Watcher(fill_disk, 3)), data)
    except OSError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        return [str(error), error.filename, len(estimator.history_["task_loss"])]
    return None


def in_another_process(function):
    """Run a function in a fork and tell by which signal it ended, 0 for none."""
    process = os.fork()
    if process == 0:
        function()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(folder, *names):
    torch.set_num_threads(1)
    # The first optimizer imports much; here it does so once, not in every process.
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    codes = {}
    for name in names:
        for end in ENDS:
            estimator, data = MAKERS[name](folder, checkpoint=folder / f"{name} {end}")
            codes[f"{name} {end}"] = in_another_process(
                functools.partial(die_in_fit, estimator, data, end)
            )
    estimator, data = make_dan(folder, checkpoint=folder / "dan full disk")
    codes["dan full disk"] = fail_to_write(estimator, data)
    (folder / "codes.json").write_text(json.dumps(codes))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with small images."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    try:
        import torchvision  # noqa: F401
        from PIL import Image
    except ImportError:
        return folder
    for number in range(40):
        pixels = generator.integers(0, 128, (14, 18, 3), dtype=np.uint8)
        pixels[..., number % 2] += 100
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def ended(pictures):
    """Start fits elsewhere that are killed, and tell how each process ended."""
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot be forked here")
    names = [name for name in MAKERS if name != "images" or list(pictures.glob("*.png"))]
    package = str(Path(domadapt.__file__).parents[1])
    subprocess.run(
        [sys.executable, __file__, pictures, *names],
        check=True,
        env={**os.environ, "PYTHONPATH": package},
        timeout=300,
    )
    return json.loads((pictures / "codes.json").read_text())


@pytest.fixture(scope="module")
def straight(pictures):
    """Fits without a stop, each computed once."""

    @functools.cache
    def straight_fit(name):
        return fit(*MAKERS[name](pictures, checkpoint=pictures / f"{name} straight"))

    return straight_fit


def assert_same_fit(first, second, data):
    one, other = first.module_.state_dict(), second.module_.state_dict()
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    assert first.history_ == second.history_
    assert first.n_steps_ == second.n_steps_
    assert hasattr(first, "transduction_") == hasattr(second, "transduction_")
    if hasattr(first, "transduction_"):
        np.testing.assert_array_equal(first.transduction_, second.transduction_)
    X = data[0]
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def assert_same_content(first, second):
    """Check that two checkpoints say the same: weights, orders, random states and losses."""
    (tensors, info), (other_tensors, other_info) = (
        read_tensors(path, kind="checkpoint") for path in (first, second)
    )
    assert info == other_info
    assert tensors.keys() == other_tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(value, other_tensors[name]), name


def n_epochs_in(path):
    _, info = read_tensors(path, kind="checkpoint")
    return len(info["history"]["task_loss"])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", MAKERS)
def test_a_killed_fit_goes_on_to_the_weights_of_one_without_a_stop(
    pictures, ended, straight, name, end
):
    if name == "images":
        pytest.importorskip("torchvision")
    assert ended[f"{name} {end}"] == -signal.SIGKILL
    checkpoint, watcher = pictures / f"{name} {end}", Watcher()
    assert checkpoint.exists() == (ENDS[end] is not None)
    if ENDS[end] is not None:
        assert n_epochs_in(checkpoint) == ENDS[end]
    estimator, data = MAKERS[name](pictures, checkpoint=checkpoint)
    resumed = fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - (ENDS[end] or 0)
    assert_same_fit(resumed, straight(name), data)
    assert_same_content(checkpoint, pictures / f"{name} straight")


@pytest.mark.parametrize("name", MAKERS)
def test_a_checkpoint_changes_no_weights(pictures, straight, name):
    if name == "images":
        pytest.importorskip("torchvision")
    estimator, data = MAKERS[name](pictures)
    assert_same_fit(fit(estimator, data), straight(name), data)


def test_a_full_disk_is_told_and_the_last_checkpoint_is_whole(pictures, ended, straight):
    checkpoint = pictures / "dan full disk"
    message, filename, n_epochs = ended["dan full disk"]
    assert filename == str(checkpoint)
    assert str(checkpoint) in message
    assert n_epochs == 3
    assert n_epochs_in(checkpoint) == 2
    assert not [path for path in pictures.iterdir() if path.name.startswith(".dan full disk")]
    estimator, data = make_dan(pictures, checkpoint=checkpoint)
    assert_same_fit(fit(estimator, data), straight("dan"), data)


def interrupt():
    raise KeyboardInterrupt


def go_on(estimator, data, fit=fit):
    """Interrupt a fit twice and end it, with a new estimator each time."""
    for n_epochs in (2, 1):
        watcher = Watcher(interrupt, n_epochs)
        with pytest.raises(KeyboardInterrupt):
            fit(pickle.loads(pickle.dumps(estimator)).set_callbacks(watcher), data)
    # The epoch at whose end a callback interrupts is not written down.
    assert n_epochs_in(estimator.checkpoint) == 1
    return fit(pickle.loads(pickle.dumps(estimator)), data)


VARIANTS = {
    "dan": (DANClassifier, {}),
    "adamw": (DANNClassifier, {"optimizer": "adamw", "dropout": 0.5}),
    "coral": (DeepCORALClassifier, {"batch_norm": "joint", "steps_per_epoch": 3}),
    "two criteria": (
        AlignmentClassifier,
        {"alignment": [(1.0, "dann"), (0.5, "mmd")], "batch_norm": None, "dropout": 0.1},
    ),
    "no criterion": (AlignmentClassifier, {"alignment": None, "optimizer": "adam"}),
    "backbone": (DANNClassifier, {"backbone": columns(), "backbone_rate": 0.1}),
    "float64": (DANNClassifier, {"backbone": columns().double(), "hidden_layer_sizes": None}),
    "frozen": (DANNClassifier, {"backbone": columns(), "freeze": True, "dropout": 0.3}),
    "lazy": (AlignmentClassifier, {"alignment": DomainAdversarial(), "backbone": nn.LazyLinear(4)}),
    "weights": (DANClassifier, {"class_weight": {0: 1.0, 1: 3.0}}),
    "bfloat16": (DANClassifier, {"precision": "bfloat16"}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_fit_goes_on(tmp_path, variant):
    kind, changes = VARIANTS[variant]
    estimator = kind(**{**SMALL, **changes}, checkpoint=str(tmp_path / "fit.safetensors"))
    reference = fit(kind(**{**SMALL, **changes}), vectors())
    assert_same_fit(go_on(estimator, vectors()), reference, vectors())


@pytest.mark.parametrize("kind", ["stacked", "sparse", "source alone", "weighted", "image stacks"])
def test_fits_to_data_of_any_kind_go_on(tmp_path, kind):
    X, y, X_target = vectors()
    if kind == "sparse":
        X, X_target = sparse.csr_array(X), sparse.csr_array(X_target)
    elif kind == "image stacks":
        X, X_target = (np.tile(rows, 5).reshape(-1, 1, 5, 5) for rows in (X, X_target))

    def fit_it(estimator, data):
        if kind == "stacked":
            stacked, labels, sample_domain = pack(*data)
            return estimator.fit(stacked, labels, sample_domain=sample_domain)
        if kind == "weighted":
            weight = np.arange(40) % 3
            return estimator.fit(data[0], data[1], X_target=data[2], sample_weight=weight)
        if kind == "source alone":
            return estimator.fit(data[0], data[1])
        return fit(estimator, data)

    reference = fit_it(DANNClassifier(**SMALL, dropout=0.2), (X, y, X_target))
    estimator = DANNClassifier(**SMALL, dropout=0.2, checkpoint=tmp_path / "fit")
    resumed = go_on(estimator, (X, y, X_target), fit=fit_it)
    assert_same_fit(resumed, reference, (X, y, X_target))


def test_a_fit_that_a_callback_stopped_goes_on(tmp_path, straight):
    estimator, data = make_dan(None, checkpoint=tmp_path / "fit")
    fit(estimator.set_callbacks(Watcher(lambda: True, 2)), data)
    assert estimator.n_steps_ == 2 * N_STEPS
    assert n_epochs_in(tmp_path / "fit") == 2
    watcher = Watcher()
    fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    assert_same_fit(estimator, straight("dan"), data)


def test_a_finished_fit_is_not_trained_again(tmp_path, straight, monkeypatch):
    estimator, data = make_dann(None, checkpoint=tmp_path / "fit")
    fit(estimator, data)
    before = (tmp_path / "fit").stat()
    monkeypatch.setattr(Trainer, "run_epoch", lambda self: pytest.fail("an epoch was run"))
    watcher = Watcher()
    again = fit(make_dann(None, checkpoint=tmp_path / "fit")[0].set_callbacks(watcher), data)
    assert watcher.n_epochs == 0
    assert again.n_steps_ == EPOCHS * N_STEPS
    assert_same_fit(again, straight("dann"), data)
    assert (tmp_path / "fit").stat().st_mtime_ns == before.st_mtime_ns


@pytest.fixture
def begun(tmp_path):
    """A checkpoint of a DAN after two epochs."""
    checkpoint = tmp_path / "fit"
    estimator, data = make_dan(None, checkpoint=checkpoint, backbone=columns(), dropout=0.1)
    fit(estimator.set_callbacks(Watcher(lambda: True, 2)), data)
    return checkpoint


def assert_refused(checkpoint, estimator, data, match, fit=fit):
    """Check that a fit is refused in one line, before training, and the file left alone."""
    before, state = checkpoint.read_bytes(), checkpoint.stat()
    watcher = Watcher()
    with pytest.raises(ValueError, match=match) as raised:
        fit(estimator.set_callbacks(watcher), data)
    assert "\n" not in str(raised.value)
    assert watcher.n_epochs == 0
    assert checkpoint.read_bytes() == before
    assert checkpoint.stat().st_mtime_ns == state.st_mtime_ns


def other_columns():
    backbone = columns()
    with torch.no_grad():
        backbone[0].bias[0] += 1
    return backbone


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.01},
        {"max_epochs": EPOCHS + 1},
        {"random_state": 4},
        {"hidden_layer_sizes": (8, 8)},
        {"dropout": 0.2},
        {"alignment_weight": 0.1},
        {"alignment_schedule": "linear"},
        {"optimizer": "adam"},
        {"batch_norm": "joint"},
        {"batch_size": 15},
        {"steps_per_epoch": 1},
        {"weight_decay": 0.0},
        {"label_smoothing": 0.0},
        {"precision": "bfloat16"},
        {"class_weight": "balanced"},
        {"freeze": True},
        {"backbone": None},
        {"backbone": other_columns()},
        {"backbone_rate": 0.5},
        {"image_loader": ImageLoader(crop=100)},
    ],
    ids=str,
)
def test_other_parameters_are_refused(begun, changes):
    parameters = {"checkpoint": begun, "backbone": columns(), "dropout": 0.1, **changes}
    estimator, data = make_dan(None, **parameters)
    assert_refused(begun, estimator, data, "of a fit with other parameters or data")


def test_another_classifier_is_refused(begun):
    parameters = {"checkpoint": begun, "backbone": columns(), "dropout": 0.1}
    for kind in (DeepCORALClassifier, AlignmentClassifier):
        estimator = kind(**SMALL, **parameters).set_params(optimizer="sgd", label_smoothing=0.1)
        assert_refused(begun, estimator, vectors(), "other parameters or data")


def with_one_changed(array):
    changed = array.copy()
    changed[-1] = changed[-2] + 1
    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda X, y, X_target: (with_one_changed(X), y, X_target),
        lambda X, y, X_target: (X, y, with_one_changed(X_target)),
        lambda X, y, X_target: (X, y, X_target[:-1]),
        lambda X, y, X_target: (X, y, X),
        lambda X, y, X_target: (X, y, None),
        lambda X, y, X_target: (X, 1 - y, X_target),
        lambda X, y, X_target: (X, y + 1, X_target),
        lambda X, y, X_target: (X, y.astype(str), X_target),
        lambda X, y, X_target: (X[::-1], y[::-1], X_target),
        lambda X, y, X_target: (X[:, :4], y, X_target[:, :4]),
    ],
)
def test_other_data_are_refused(begun, change):
    estimator, data = make_dan(None, checkpoint=begun, backbone=columns(), dropout=0.1)
    data = change(*data)
    if data[0].shape[1] == 4:
        estimator.set_params(backbone=nn.Linear(4, 6))
    assert_refused(begun, estimator, data, "other parameters or data")


def test_other_weights_of_rows_are_refused(begun):
    def fit_weighted(estimator, data):
        X, y, X_target = data
        return estimator.fit(X, y, X_target=X_target, sample_weight=1.0 + np.arange(40))

    estimator, data = make_dan(None, checkpoint=begun, backbone=columns(), dropout=0.1)
    assert_refused(begun, estimator, data, "other parameters or data", fit=fit_weighted)


def test_other_images_are_refused(pictures, tmp_path):
    pytest.importorskip("torchvision")
    estimator, (paths, y, target) = make_images(pictures, checkpoint=tmp_path / "fit")
    fit(estimator.set_callbacks(Watcher(lambda: True, 1)), (paths, y, target))
    for data in [(paths, y, target[1:]), ([*paths[1:], paths[0]], y, target), (paths, 1 - y, None)]:
        assert_refused(tmp_path / "fit", estimator, data, "other parameters or data")
    loader = ImageLoader(resize=17, crop=12, n_workers=0)
    estimator.set_params(image_loader=loader)
    assert_refused(tmp_path / "fit", estimator, (paths, y, target), "other parameters or data")


def test_what_does_not_change_the_weights_may_differ(begun, tmp_path, capsys):
    parameters = {"backbone": columns(), "dropout": 0.1}
    moved = begun.rename(tmp_path / "moved")
    outward = {
        "checkpoint": str(moved),
        "verbose": True,
        "device": torch.device("cpu"),
        "feature_cache": tmp_path,
    }
    estimator, data = make_dan(None, **parameters, **outward)
    watcher = Watcher()
    resumed = fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    assert capsys.readouterr().out.startswith(f"Epoch 3/{EPOCHS}")
    assert_same_fit(resumed, fit(make_dan(None, **parameters)[0], data), data)


def test_images_may_be_loaded_in_another_way(pictures, tmp_path, straight):
    pytest.importorskip("torchvision")
    estimator, data = make_images(pictures, checkpoint=tmp_path / "fit")
    estimator.image_loader.set_params(n_workers=1, cache_megabytes=0)
    fit(estimator.set_callbacks(Watcher(lambda: True, 2)), data)
    estimator, data = make_images(pictures, checkpoint=tmp_path / "fit")
    watcher = Watcher()
    fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    assert_same_fit(estimator, straight("images"), data)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=["None", "object"])
def test_a_random_state_that_is_no_integer_is_refused_before_training(tmp_path, random_state):
    estimator, data = make_dan(None, checkpoint=tmp_path / "fit", random_state=random_state)
    with pytest.raises(ValueError, match=r"random_state=.* does not go with a checkpoint"):
        fit(estimator, data)
    assert not hasattr(estimator, "module_")
    assert not (tmp_path / "fit").exists()


def test_a_folder_that_cannot_be_written_to_is_told_before_training(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for checkpoint in (tmp_path / "nowhere" / "fit", tmp_path / "file" / "fit"):
        estimator, data = make_dan(None, checkpoint=checkpoint)
        with pytest.raises(OSError, match="is no folder that can be written to"):
            fit(estimator, data)
        assert not hasattr(estimator, "module_")
    estimator.set_params(checkpoint=tmp_path)
    watcher = Watcher()
    with pytest.raises(OSError, match="is not a file"):
        fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == 0


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[-50] ^= 0x10
    path.write_bytes(raw)


def empty(path):
    path.write_bytes(b"")


def make_a_model(path):
    fit(*make_dan(None)).save(path)


def change_tensors(path, change):
    tensors, info = read_tensors(path, kind="checkpoint")
    change(tensors, info)
    write_tensors(path, tensors, info, kind="checkpoint")


def lose_random_state(path):
    change_tensors(path, lambda tensors, info: tensors.pop("random.cpu"))


def lose_settings(path):
    change_tensors(path, lambda tensors, info: info.pop("settings"))


def lose_history(path):
    change_tensors(path, lambda tensors, info: info.pop("history"))


def lose_weights(path):
    name = "step.network.classifier.0.weight"
    change_tensors(path, lambda tensors, info: tensors.pop(name))


def lose_order(path):
    change_tensors(path, lambda tensors, info: tensors.pop("order.target.left"))


def change_random_state(path):
    broken = {"random.cpu": torch.zeros(3, dtype=torch.uint8)}
    change_tensors(path, lambda tensors, info: tensors.update(broken))


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        flip,
        empty,
        make_a_model,
        lose_random_state,
        lose_settings,
        lose_history,
        lose_weights,
        lose_order,
        change_random_state,
    ],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_checkpoint_is_refused(begun, damage):
    damage(begun)
    estimator, data = make_dan(None, checkpoint=begun, backbone=columns(), dropout=0.1)
    assert_refused(begun, estimator, data, re.escape(str(begun)))


def test_a_checkpoint_of_another_format_is_refused(begun, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr("domadapt._storage.files.FORMAT", 0)
        write_tensors(begun, {}, {}, kind="checkpoint")
    estimator, data = make_dan(None, checkpoint=begun)
    assert_refused(begun, estimator, data, "is of format 0, but this version")


def test_a_checkpoint_holds_no_pickle_and_needs_none(begun, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was used")

    for owner, name in [
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "dumps"),
        (pickle, "Unpickler"),
        (torch, "load"),
        (torch, "save"),
    ]:
        monkeypatch.setattr(owner, name, refuse)
    watcher = Watcher()
    estimator, data = make_dan(None, checkpoint=begun, backbone=columns(), dropout=0.1)
    fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    raw = begun.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert max(ends) == len(raw) - 8 - length


def test_the_global_random_state_is_left_alone(tmp_path):
    estimator, data = make_dann(None, checkpoint=tmp_path / "fit")
    before = torch.get_rng_state()
    fit(estimator.set_callbacks(Watcher(lambda: True, 2)), data)
    fit(estimator, data)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")])
def test_a_fit_goes_on_on_another_device(tmp_path, straight, devices):
    first, second = devices
    estimator, data = make_dan(None, checkpoint=tmp_path / "fit", device=first)
    fit(estimator.set_callbacks(Watcher(lambda: True, 2)), data)
    estimator, data = make_dan(None, checkpoint=tmp_path / "fit", device=second)
    watcher = Watcher()
    fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    assert estimator.module_.device.type == second
    np.testing.assert_allclose(
        estimator.history_["task_loss"], straight("dan").history_["task_loss"], rtol=1e-3
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
