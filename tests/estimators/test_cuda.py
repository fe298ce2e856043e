"""What must hold on a GPU as well."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import sparse

from domadapt import DANNClassifier, ImageLoader, load
from domadapt.alignment import CORAL, MMD, DomainAdversarial

pytestmark = pytest.mark.cuda


def test_auto_takes_the_gpu_and_learns(make, blobs):
    Xs, ys, Xt, yt = blobs
    clf = make(max_epochs=20).fit(Xs, ys, X_target=Xt)
    assert clf.module_.device.type == "cuda"
    assert clf.score(Xt, yt) > 0.8
    assert all(np.isfinite(values).all() for values in clf.history_.values())


def test_same_seed_same_weights_on_the_gpu(make, blobs, same):
    Xs, ys, Xt, _ = blobs
    first = make(device="cuda").fit(Xs, ys, X_target=Xt)
    assert same(first, make(device="cuda").fit(Xs, ys, X_target=Xt))
    np.testing.assert_array_equal(first.predict(Xt), copy.deepcopy(first).predict(Xt))


def test_the_first_epoch_is_that_of_the_cpu_up_to_rounding(make, blobs):
    Xs, ys, Xt, _ = blobs
    cpu, gpu = (
        make(device=device, max_epochs=1, alignment_weight=1.0).fit(Xs, ys, X_target=Xt)
        for device in ("cpu", "cuda")
    )
    # Weights are drawn on the CPU for both, so only the arithmetic differs.
    np.testing.assert_allclose(
        cpu.history_["task_loss"], gpu.history_["task_loss"], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_rows_that_stay_on_the_cpu_give_the_same_weights(make, blobs, same, kind, monkeypatch):
    Xs, ys, Xt, _ = blobs
    moved = make(device="cuda").fit(Xs, ys, X_target=Xt)
    monkeypatch.setattr("domadapt.training.batches._has_room", lambda tensor, device: False)
    assert same(moved, make(device="cuda").fit(kind(Xs), ys, X_target=kind(Xt)))


@pytest.mark.parametrize("criterion", [MMD(), MMD(unbiased=True), CORAL()], ids=repr)
def test_criteria_agree_with_the_cpu(criterion):
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(20, 6, generator=generator) for _ in range(2))
    values, gradients = [], []
    for device in ("cpu", "cuda"):
        rows = source.to(device).requires_grad_()
        loss = criterion(rows, target.to(device) + 1)
        loss.backward()
        values.append(loss.detach().cpu())
        gradients.append(rows.grad.cpu())
    torch.testing.assert_close(*values, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_the_discriminator_lives_on_the_gpu():
    rows = torch.randn(8, 3, device="cuda", requires_grad=True)
    criterion = DomainAdversarial().to("cuda")
    criterion(rows, rows.detach() + 1).backward()
    assert rows.grad.abs().max() > 0
    assert all(p.grad.abs().max() > 0 for p in criterion.parameters())


def test_images_in_bfloat16_and_back_on_the_cpu(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3, 16, 16)).astype(np.float32)
    y = rng.integers(0, 2, 80)
    X[y == 1] += 1.0
    clf = DANNClassifier(precision="bfloat16", max_epochs=20, device="cuda", random_state=0)
    clf.fit(X, y, X_target=X + 0.2).save(tmp_path / "model.safetensors")
    assert clf.score(X + 0.2, y) > 0.9
    on_cpu = load(tmp_path / "model.safetensors", device="cpu", precision="float32")
    assert on_cpu.module_.device.type == "cpu"
    close = np.abs(on_cpu.predict_proba(X) - clf.predict_proba(X)) < 0.05
    assert close.mean() > 0.95


def test_paths_of_images_are_read_onto_the_device(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    paths = [tmp_path / f"{row}.png" for row in range(24)]
    for path, label in zip(paths, y, strict=True):
        pixels = rng.integers(0, 90, (24, 24, 3)) + 120 * label
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    loader = ImageLoader(resize=18, crop=16, n_workers=2)
    settings = {"image_loader": loader, "max_epochs": 15, "random_state": 0}
    clf = DANNClassifier(device="cuda", **settings).fit(paths, y, X_target=paths)
    assert clf.score(paths, y) > 0.9
