"""What must hold on a GPU as well."""

import copy
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import sparse
from torch import nn

import domadapt
from domadapt import (
    DANNClassifier,
    ImageLoader,
    OSBPClassifier,
    SHOTClassifier,
    estimators,
    load,
    pack,
)
from domadapt.alignment import CORAL, MMD, DomainAdversarial
from domadapt.training import captured

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
def test_samples_that_stay_on_the_cpu_give_the_same_weights(make, blobs, same, kind, monkeypatch):
    Xs, ys, Xt, _ = blobs
    moved = make(device="cuda").fit(Xs, ys, X_target=Xt)
    monkeypatch.setattr("domadapt.inputs.reader._has_room", lambda tensor, device: False)
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


EVERY = [getattr(estimators, name) for name in estimators.__all__]


@pytest.mark.parametrize("estimator", EVERY, ids=lambda estimator: estimator.__name__)
def test_every_method_acts_on_the_gpu(estimator, blobs):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    # Two sources, for the method that needs them.
    sample_domain[:45] = 2
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 4, "steps_per_epoch": 10}
    settings |= {"random_state": 0, "label_smoothing": 0.0, "device": "cuda"}
    settings = {n: v for n, v in settings.items() if n in estimator().get_params()}
    idle, acting = (
        estimator(alignment_weight=weight, **settings).fit(X, y, sample_domain=sample_domain)
        for weight in (0.0, 3.0)
    )
    assert acting.module_.device.type == "cuda"
    weights = [clf.module_.feature_extractor[0].weight for clf in (idle, acting)]
    assert (weights[0] - weights[1]).abs().max() > 0
    assert all(weight.isfinite().all() for weight in acting.module_.state_dict().values())


@pytest.mark.parametrize("estimator", EVERY, ids=lambda estimator: estimator.__name__)
def test_a_captured_step_trains_what_single_operations_do(estimator, blobs, monkeypatch):
    Xs, ys, Xt, _ = blobs
    X, y, sample_domain = pack(Xs, ys, Xt)
    sample_domain[:45] = 2
    settings = {"hidden_layer_sizes": (16,), "dropout": 0.2, "max_epochs": 10, "device": "cuda"}
    settings |= {"random_state": 0, "steps_per_epoch": 8}
    settings = {n: v for n, v in settings.items() if n in estimator().get_params()}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The training step could not be captured")
        replayed = estimator(**settings).fit(X, y, sample_domain=sample_domain)
    monkeypatch.setattr(captured, "DEVICES", ())
    eager = estimator(**settings).fit(X, y, sample_domain=sample_domain)
    for name, value in eager.module_.state_dict().items():
        difference = (replayed.module_.state_dict()[name] - value).abs().max()
        assert difference <= 1e-6 * value.abs().max(), name


def test_steps_of_images_are_captured():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3, 16, 16)).astype(np.float32), np.arange(40) % 2
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The training step could not be captured")
        clf = DANNClassifier(max_epochs=20, batch_size=16, device="cuda", random_state=0)
        clf.fit(X + y[:, None, None, None], y, X_target=X)
    assert clf.score(X + y[:, None, None, None], y) > 0.9


def test_a_layer_that_waits_for_a_value_is_told_and_trained():
    class Waits(nn.Linear):
        def forward(self, x):
            features = super().forward(x)
            return 2 * features if features.sum() > 0 else features

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 2
    clf = DANNClassifier(Waits(4, 8), max_epochs=20, device="cuda", random_state=0)
    with pytest.warns(UserWarning, match="could not be captured as a CUDA graph"):
        clf.fit(X + 2 * y[:, None], y, X_target=X + 2 * y[:, None])
    assert clf.score(X + 2 * y[:, None], y) > 0.9


@pytest.mark.parametrize("weighting", ["uncertainty", "gradnorm"])
def test_weights_of_several_criteria_are_found_on_the_gpu(weighting, blobs):
    Xs, ys, Xt, _ = blobs
    clf = domadapt.AlignmentClassifier(
        [(1.0, "coral"), (1.0, "mcc")],
        loss_weights=weighting,
        max_epochs=3,
        device="cuda",
        random_state=0,
    ).fit(Xs, ys, X_target=Xt)
    assert np.isfinite(clf.loss_weights_).all()
    assert len(set(clf.loss_weights_.tolist())) == 3


@pytest.mark.parametrize("alignment", ["shot", "batch_norm"])
def test_a_model_moves_to_a_target_on_the_gpu(alignment, blobs, tmp_path):
    Xs, ys, Xt, yt = blobs
    clf = SHOTClassifier(max_epochs=20, device="cuda", random_state=0).fit(Xs, ys)
    assert clf.adapt(Xt, alignment=alignment).score(Xt, yt) > 0.8


def test_unknown_samples_are_told_on_the_gpu(blobs):
    Xs, ys, Xt, _ = blobs
    known = ys < 2
    clf = OSBPClassifier(max_epochs=100, device="cuda", random_state=0)
    clf.fit(Xs[known], ys[known], X_target=Xt)
    assert clf.predict_proba(Xt).shape == (len(Xt), 3)
    assert set(clf.predict(Xt)) <= {0, 1, clf.unknown_}
