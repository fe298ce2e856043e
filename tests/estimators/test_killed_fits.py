"""Fits that were killed, interrupted or out of space in processes of their own, and resume."""

import functools
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from forks import end_of, start_fork
from torch import nn

from domadapt import DANClassifier, DANNClassifier, DeepCORALClassifier, ImageLoader
from domadapt._storage.files import read_tensors
from domadapt.training.step import EagerRunner

EPOCHS = 5
SMALL = {
    "hidden_layer_sizes": (8,),
    "batch_size": 16,
    "max_epochs": EPOCHS,
    "steps_per_epoch": 2,
    "random_state": 3,
    # What a GPU computes may differ in the last bit from run to run.
    "device": "cpu",
}
N_STEPS = 40 // 16


class AtEpoch:
    """Does something at the end of an epoch."""

    def __init__(self, do, epoch):
        self.do, self.epoch, self.n_epochs = do, epoch, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_epochs += context.task_name == "epoch"
        if self.n_epochs == self.epoch:
            self.do()


def vectors():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 5)).astype(np.float32)
    X_target = 1 + generator.normal(size=(33, 5)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int), X_target


def convolutions():
    """Return a backbone whose weights are the same in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten())


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
    "before the first checkpoint": 0,
}


def die_in_fit(estimator, data, end):
    if end == "after an epoch":
        estimator.set_callbacks(AtEpoch(die, 3))
    elif end == "within an epoch":
        die_in(EagerRunner, "__call__", 3 * N_STEPS + 2)
    elif end == "while writing":
        die_in(os, "replace", 2)
    else:
        die_in(EagerRunner, "__call__", 2)
    fit(estimator, data)


def fail_to_write(estimator, data):
    import resource

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        fit(estimator.set_callbacks(AtEpoch(fill_disk, 3)), data)
    except OSError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        return [str(error), error.filename, len(estimator.history_["task_loss"])]
    return None


def start_all(folder, names):
    """Start fits that are killed, each in a fork, and write down how each of these ended."""
    # The first optimizer imports much: here it does so once, and not in every process.
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    codes = {}
    for name in names:
        for end in ENDS:
            estimator, data = MAKERS[name](folder, checkpoint=folder / f"{name} {end}")
            dying = functools.partial(die_in_fit, estimator, data, end)
            codes[f"{name} {end}"] = end_of(start_fork(dying))
    estimator, data = make_dan(folder, checkpoint=folder / "dan full disk")
    codes["dan full disk"] = fail_to_write(estimator, data)
    (folder / "codes.json").write_text(json.dumps(codes))


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def ended(pictures, untrained_fork):
    """Start fits elsewhere that are killed, and return how each process ended."""
    names = [name for name in MAKERS if name != "images" or list(pictures.glob("*.png"))]
    status, printed = untrained_fork.run(start_all, pictures, names)
    assert status == 0, printed
    return json.loads((pictures / "codes.json").read_text())


@pytest.fixture(scope="session")
def straight(pictures):
    """Fits without a stop, each computed once."""

    @functools.cache
    def straight_fit(name):
        return fit(*MAKERS[name](pictures, checkpoint=pictures / f"{name} straight"))

    return straight_fit


def assert_same_content(first, second):
    """Check that two checkpoints say the same: weights, orders, random states and losses."""
    (tensors, info), (other_tensors, other_info) = (
        read_tensors(path, kind="checkpoint") for path in (first, second)
    )
    assert info == other_info
    assert tensors.keys() == other_tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(value, other_tensors[name]), name


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", MAKERS)
def test_a_killed_fit_goes_on_to_the_weights_of_one_without_a_stop(
    pictures, ended, straight, watch, assert_same_fit, n_epochs_in, name, end
):
    if name == "images":
        pytest.importorskip("torchvision")
    assert ended[f"{name} {end}"] == -signal.SIGKILL
    checkpoint, watcher = pictures / f"{name} {end}", watch()
    assert checkpoint.exists() == (ENDS[end] > 0)
    assert n_epochs_in(checkpoint) == ENDS[end]
    estimator, data = MAKERS[name](pictures, checkpoint=checkpoint)
    resumed = fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - ENDS[end]
    assert_same_fit(resumed, straight(name), data[0])
    assert_same_content(checkpoint, pictures / f"{name} straight")


@pytest.mark.parametrize("name", MAKERS)
def test_a_checkpoint_changes_no_weights(pictures, straight, assert_same_fit, name):
    if name == "images":
        pytest.importorskip("torchvision")
    estimator, data = MAKERS[name](pictures)
    assert_same_fit(fit(estimator, data), straight(name), data[0])


def test_a_full_disk_is_told_and_the_last_checkpoint_is_whole(
    pictures, ended, straight, assert_same_fit, n_epochs_in
):
    checkpoint = pictures / "dan full disk"
    message, filename, n_epochs = ended["dan full disk"]
    assert filename == str(checkpoint)
    assert str(checkpoint) in message
    assert n_epochs == 3
    assert n_epochs_in(checkpoint) == 2
    assert not [path for path in pictures.iterdir() if path.name.startswith(".dan full disk")]
    estimator, data = make_dan(pictures, checkpoint=checkpoint)
    assert_same_fit(fit(estimator, data), straight("dan"), data[0])


def test_images_may_be_loaded_in_another_way(
    pictures, tmp_path, straight, watch, stop, assert_same_fit
):
    pytest.importorskip("torchvision")
    estimator, data = make_images(pictures, checkpoint=tmp_path / "fit")
    estimator.image_loader.set_params(n_workers=1, cache_megabytes=0)
    fit(estimator.set_callbacks(stop(2)), data)
    estimator, data = make_images(pictures, checkpoint=tmp_path / "fit")
    watcher = watch()
    fit(estimator.set_callbacks(watcher), data)
    assert watcher.n_epochs == EPOCHS - 2
    assert_same_fit(estimator, straight("images"), data[0])


def test_other_images_are_refused(pictures, tmp_path, stop):
    pytest.importorskip("torchvision")
    checkpoint = tmp_path / "fit"
    estimator, (paths, y, target) = make_images(pictures, checkpoint=checkpoint)
    fit(estimator.set_callbacks(stop(1)), (paths, y, target))
    before = checkpoint.read_bytes()
    refused = pytest.raises(ValueError, match="of a fit with other parameters or data")
    for data in [(paths, y, target[1:]), ([*paths[1:], paths[0]], y, target), (paths, 1 - y, None)]:
        with refused:
            fit(make_images(pictures, checkpoint=checkpoint)[0], data)
    loader = ImageLoader(resize=17, crop=12, n_workers=0)
    with refused:
        fit(estimator.set_params(image_loader=loader), (paths, y, target))
    assert checkpoint.read_bytes() == before
