"""Two processes against one: the same batches have to give the same weights.

Run as a script, with a folder and the number of a process, this file is one of the two.
"""

import contextlib
import datetime
import functools
import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import distributed, nn

import domadapt
from domadapt import (
    ADDAClassifier,
    AlignmentClassifier,
    DANClassifier,
    DANNClassifier,
    DANRegressor,
    DeepCORALClassifier,
    ImageLoader,
    SHOTClassifier,
    pack,
)
from domadapt.training import checkpoint as checkpoints
from domadapt.training.distributed import (
    SyncedBatchNorm,
    gather_rows,
    n_processes,
    rank,
    synchronise_batch_norm,
    wait_for_all,
)

N_PROCESSES = 2
SMALL = {
    "hidden_layer_sizes": (8,),
    "batch_size": 16,
    "max_epochs": 3,
    "random_state": 3,
    "alignment_schedule": "constant",
    "device": "cpu",
}
# In float64 only the order of additions tells two processes from one. In float32 Adam
# turns the rounding of a small gradient into a step of its own.
EXACT = {"rtol": 1e-9, "atol": 1e-9}
SINGLE = {"rtol": 1e-4, "atol": 1e-5}
HALF = {"rtol": 3e-2, "atol": 3e-2}


def vectors():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 6)).astype(np.float32)
    X_target = 1 + generator.normal(size=(35, 6)).astype(np.float32)
    return X, (X[:, 0] > 0) + 2 * (X[:, 1] > 1), X_target


def draw_weights(module):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return module


def double_backbone(batch_norm):
    norm = nn.Identity() if batch_norm is None else nn.BatchNorm1d(7)
    layers = [nn.Linear(6, 7), norm, nn.Tanh(), nn.Linear(7, 5)]
    return draw_weights(nn.Sequential(*layers)).double()


def convolutions(dtype=torch.float32):
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.AdaptiveAvgPool2d(2)]
    return draw_weights(nn.Sequential(*layers, nn.Flatten())).to(dtype)


def conditional(
    source_features,
    target_features,
    source_labels,
    source_indices,
    target_indices,
    source_weight,
    classifier,
    progress,
):
    """Compare the means of each class; every row counts by its place in the data."""
    guess = classifier(target_features).softmax(1)
    truth = nn.functional.one_hot(source_labels, guess.shape[1]).to(guess)
    truth = truth * ((1 + source_indices % 5) * source_weight).unsqueeze(1)
    guess = guess * (1 + target_indices % 3).unsqueeze(1)
    source_means = truth.T @ source_features / (1 + truth.sum(0).unsqueeze(1))
    target_means = guess.T @ target_features / (1 + guess.sum(0).unsqueeze(1))
    return (1 + progress) * (source_means - target_means).square().sum()


def on_inputs(source_inputs, target_inputs, source_domains, feature_extractor, classifier):
    """Let predictions stay the same under a small step; compare rows of each source."""
    features = feature_extractor(target_inputs)
    before = classifier(features).detach()
    after = classifier(feature_extractor(target_inputs + 0.1))
    means = source_domains.T @ source_inputs / (1 + source_domains.sum(0).unsqueeze(1))
    away = features.mean() * (means - target_inputs.mean(0)).square().sum()
    return (after - before).square().mean() + 0.01 * away


CLASSIFIERS = {
    "dan": DANClassifier,
    "dann": DANNClassifier,
    "coral": DeepCORALClassifier,
    "own": functools.partial(AlignmentClassifier, conditional),
}


def make(name, data=vectors, *, weighted=False, **changes):
    """Give a classifier that is not fitted, and what to fit it to."""
    X, y, X_target = data()
    fit = {"X": X, "y": y, "X_target": X_target}
    if weighted:
        # Some rows are left out altogether.
        fit["sample_weight"] = np.arange(len(y)) % 4
        changes["class_weight"] = {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.5}
    return CLASSIFIERS[name](**{**SMALL, **changes}), fit


def doubled(name, batch_norm, optimizer, **changes):
    backbone = double_backbone(batch_norm)
    return make(name, batch_norm=batch_norm, optimizer=optimizer, backbone=backbone, **changes)


def images():
    generator = np.random.default_rng(1)
    X = generator.normal(size=(32, 3, 6, 6)).astype(np.float32)
    y = np.arange(32) % 2
    X[y == 1, 0] += 1
    return X, y, X[4:] + 0.5


def photographs(folder):
    paths = sorted(map(str, Path(folder).glob("*.png")))
    return paths, np.arange(len(paths)) % 2, paths[3:]


def stacked():
    """The other spelling, where the rows of a domain lie anywhere."""
    X, y, sample_domain = pack(*vectors())
    order = np.random.default_rng(2).permutation(len(X))
    estimator = DANNClassifier(**SMALL, backbone=double_backbone("joint"))
    return estimator, {"X": X[order], "y": y[order], "sample_domain": sample_domain[order]}


def other_settings(estimator, batch_norm, *, few_labels=False, **changes):
    """Two sources and a target; some of its labels are known where that is asked for."""
    X, y, sample_domain = pack(*vectors())
    sample_domain[:15] = 2
    fit = {"X": X, "y": y, "sample_domain": sample_domain}
    if few_labels:
        # An even number, which two processes can share.
        fit["y_target"] = np.where(np.arange(len(y)) < 48, np.maximum(y, 0), np.nan)
    backbone = double_backbone(batch_norm)
    return estimator(**{**SMALL, **changes}, batch_norm=batch_norm, backbone=backbone), fit


def regression(batch_norm):
    X, _, X_target = vectors()
    estimator = DANRegressor(**SMALL, batch_norm=batch_norm, backbone=double_backbone(batch_norm))
    return estimator, {"X": X, "y": X[:, :2] * 3.0 + 1.0, "X_target": X_target}


def source_alone():
    estimator, fit = doubled("dann", "joint", "adam")
    return estimator, {"X": fit["X"], "y": fit["y"]}


NORMS, RULES = ("per_domain", "joint", None), ("sgd", "adam")


def cases(folder):
    """Name all fits with how to begin each and how near both ways have to come."""
    found = {}
    for name, norm, rule in itertools.product(CLASSIFIERS, NORMS, RULES):
        begin = functools.partial(doubled, name, norm, rule, weighted=rule == "adam")
        found[f"{name} {norm} {rule}"] = begin, EXACT
    for name in CLASSIFIERS:
        found[f"{name} in float32"] = functools.partial(make, name, optimizer="sgd"), SINGLE
        pictures = functools.partial(make, name, images, hidden_layer_sizes=None)
        found[f"{name} images"] = functools.partial(pictures, backbone=convolutions()), SINGLE
        deep = functools.partial(pictures, backbone=convolutions(torch.float64))
        found[f"{name} images in float64"] = deep, EXACT
    found["default convolutions"] = functools.partial(make, "dan", images, optimizer="sgd"), SINGLE
    found["stacked"] = stacked, EXACT
    found["source alone"] = source_alone, EXACT
    found["no criterion"] = (
        lambda: (AlignmentClassifier(None, **SMALL, backbone=double_backbone("joint")), fit_args()),
        EXACT,
    )
    found["several criteria"] = several_criteria, EXACT
    for norm in NORMS:
        for name, estimator, changes in (
            ("inputs", functools.partial(AlignmentClassifier, on_inputs), {}),
            ("labelled rows", DANNClassifier, {"few_labels": True}),
            ("two stages", ADDAClassifier, {}),
            ("target alone", SHOTClassifier, {}),
            ("uncertainty", AlignmentClassifier, {"alignment_weighting": "uncertainty"}),
            ("gradnorm", AlignmentClassifier, {"alignment_weighting": "gradnorm"}),
        ):
            begin = functools.partial(other_settings, estimator, norm, **changes)
            found[f"{name} {norm}"] = begin, EXACT
        found[f"regression {norm}"] = functools.partial(regression, norm), EXACT
    found["frozen"] = functools.partial(doubled, "dann", "joint", "adam", freeze=True), EXACT
    found["slow backbone"] = (
        functools.partial(doubled, "dan", "joint", "sgd", backbone_rate=0.1),
        EXACT,
    )
    found["frozen layer"] = frozen_layer, EXACT
    found["bfloat16"] = (
        functools.partial(make, "dan", optimizer="sgd", precision="bfloat16", max_epochs=1),
        HALF,
    )
    if list(Path(folder).glob("*.png")):
        loader = ImageLoader(resize=16, crop=12, n_workers=0)
        for dtype, near in ((torch.float32, SINGLE), (torch.float64, EXACT)):
            data = functools.partial(photographs, folder)
            parameters = {"image_loader": loader, "backbone": convolutions(dtype)}
            begin = functools.partial(make, "coral", data, hidden_layer_sizes=None, **parameters)
            found[f"photographs in {dtype}"] = begin, near
    return found


def fit_args():
    return make("dan")[1]


def several_criteria():
    backbone = double_backbone("per_domain")
    alignment = [(1.0, "dann"), (0.5, "mmd"), (0.1, conditional)]
    return AlignmentClassifier(alignment, **SMALL, backbone=backbone), fit_args()


def frozen_layer():
    """Normalisation that keeps its statistics, beside another that does not."""
    backbone = nn.Sequential(nn.BatchNorm1d(6), *double_backbone("per_domain")).double()
    backbone[0].requires_grad_(False)
    return DANClassifier(**SMALL, backbone=backbone), fit_args()


CASES = list(cases("."))
PHOTOGRAPHS = ["photographs in torch.float32", "photographs in torch.float64"]


def fitted_tensors(estimator, fit):
    """Everything that a fit ends with."""
    found = dict(estimator.module_.state_dict())
    X = fit.get("X_target", fit["X"])
    predict = getattr(estimator, "predict_proba", estimator.predict)
    found["predictions"] = torch.from_numpy(predict(X))
    if hasattr(estimator, "transduction_"):
        found["transduction"] = torch.from_numpy(estimator.transduction_)
    for name, values in estimator.history_.items():
        found[name] = torch.tensor(values, dtype=torch.float64)
    found["n_steps"] = torch.tensor(estimator.n_steps_)
    return found


LAYERS = {
    "rows": (lambda: nn.BatchNorm1d(3), (8, 3)),
    "rows of one": (lambda: nn.BatchNorm1d(3), (2, 3)),
    "signals": (lambda: nn.BatchNorm1d(3), (8, 3, 5)),
    "images": (lambda: nn.BatchNorm2d(3), (8, 3, 4, 5)),
    "volumes": (lambda: nn.BatchNorm3d(3), (4, 3, 2, 3, 2)),
    "mean of all": (lambda: nn.BatchNorm1d(3, momentum=None), (8, 3)),
    "no momentum": (lambda: nn.BatchNorm1d(3, momentum=0.0), (8, 3)),
    "high momentum": (lambda: nn.BatchNorm2d(3, momentum=0.9, eps=0.1), (8, 3, 2, 2)),
    "not affine": (lambda: nn.BatchNorm2d(3, affine=False), (8, 3, 2, 2)),
    "no statistics": (lambda: nn.BatchNorm1d(3, track_running_stats=False), (8, 3)),
    "nothing": (lambda: nn.BatchNorm1d(3, affine=False, track_running_stats=False), (8, 3)),
}
N_BATCHES = 3


def run_layer(layer, shape, share):
    """Send batches through a layer, and give all that comes of it for some of the rows."""
    generator = torch.Generator().manual_seed(0)
    layer = draw_weights(layer).double()
    n_rows = shape[0] // share[1]
    mine = slice(share[0] * n_rows, (share[0] + 1) * n_rows)
    found = {}
    for batch in range(N_BATCHES):
        x, weight = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        x = (5 + 3 * x)[mine].clone().requires_grad_()
        out = layer(x)
        (out * weight[mine]).sum().backward()
        found[f"output {batch}"], found[f"gradient {batch}"] = out.detach(), x.grad
    for name, parameter in layer.named_parameters():
        found[f"{name} gradient"] = parameter.grad
    layer.eval()
    with torch.no_grad():
        found["evaluation"] = layer(x) if layer.track_running_stats else torch.zeros(0)
    return {**found, **layer.state_dict()}


def run_layers(place):
    found = {}
    for name, (make_layer, shape) in LAYERS.items():
        layer = synchronise_batch_norm(make_layer())
        assert type(layer) is SyncedBatchNorm
        found[name] = run_layer(layer, shape, (place, N_PROCESSES))
    return found


def linear():
    return draw_weights(nn.Linear(4, 3).double())


def rows_of(place, sizes):
    """Samples that tell their process, domain and place, and random ones beside."""
    generator = torch.Generator().manual_seed(place)
    names = [[place, domain, row, 0] for domain, size in enumerate(sizes) for row in range(size)]
    names = torch.tensor(names, dtype=torch.float64)
    return names, torch.randn(names.shape, generator=generator, dtype=torch.float64)


def uneven(features, n_source):
    """A criterion to which every row matters in a way of its own."""
    weight = torch.arange(1, 1 + len(features), dtype=features.dtype).unsqueeze(1)
    pull = (weight * features)[:n_source].mean(0) - (weight.sqrt() * features)[n_source:].sum(0)
    return pull.square().sum() + (features @ features.T).tanh().mean()


def run_gather(place):
    found = {}
    for sizes in ([3, 2], [1, 1], [4]):
        names, values = rows_of(place, sizes)
        layer = linear()
        values.requires_grad_()
        gathered = gather_rows(layer(values), sizes)
        uneven(gathered, N_PROCESSES * sizes[0]).backward()
        # What is averaged over the processes, as their gradients are.
        for parameter in layer.parameters():
            distributed.all_reduce(parameter.grad)
            parameter.grad /= N_PROCESSES
        found[str(sizes)] = {
            "names": gather_rows(names, sizes),
            "gradient": layer.weight.grad,
            "bias gradient": layer.bias.grad,
            "row gradient": values.grad / N_PROCESSES,
        }
    return found


def message_of(function):
    try:
        function()
    except ValueError as error:
        return str(error)
    return "no error"


def too_few_rows():
    estimator, fit = make("dan")
    fit["X_target"] = fit["X_target"][:1]
    estimator.fit(**fit)


class Interrupt:
    """Interrupts a fit at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch, self.n_epochs = epoch, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_epochs += context.task_name == "epoch"
        if self.n_epochs == self.epoch:
            raise KeyboardInterrupt


def dropped_out(path=None):
    return make("dann", dropout=0.3, optimizer="adam", checkpoint=path, max_epochs=4)


def run_checkpoints(folder, place):
    """Fit without a stop, and with an interrupt, and count what each process writes."""
    written, write = [], checkpoints.write_tensors

    def counting(path, *args, **kwargs):
        written.append(path)
        write(path, *args, **kwargs)

    checkpoints.write_tensors = counting
    straight, fit = dropped_out(folder / "straight")
    straight.fit(**fit)
    # The file of the last epoch is there when a fit ends, in whichever process.
    sizes = torch.tensor([(folder / "straight").stat().st_size, len(written)])
    resumed, fit = dropped_out(folder / "resumed")
    with contextlib.suppress(KeyboardInterrupt):
        clone(resumed).set_callbacks(Interrupt(3)).fit(**fit)
    watcher = Interrupt(None)
    resumed.set_callbacks(watcher).fit(**fit)
    checkpoints.write_tensors = write
    return {
        "straight": fitted_tensors(straight, fit),
        "resumed": fitted_tensors(resumed, fit),
        "counts": {"written": sizes, "epochs": torch.tensor(watcher.n_epochs)},
    }


def main(folder, place):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=place,
        world_size=N_PROCESSES,
        timeout=datetime.timedelta(seconds=120),
    )
    assert (rank(), n_processes()) == (place, N_PROCESSES)
    results = {"layers": run_layers(place), "gathered": run_gather(place)}
    fits = {}
    for name, (begin, _) in cases(folder).items():
        estimator, fit = begin()
        fits[name] = fitted_tensors(estimator.fit(**fit), fit)
    odd, fit = doubled("dan", "joint", "sgd", batch_size=15)
    fits["odd"] = fitted_tensors(odd.fit(**fit), fit)
    results["fits"] = fits
    results["checkpoints"] = run_checkpoints(folder, place)
    kept, fit = make("dan", optimizer="sgd")
    kept.fit(**fit)
    (folder / f"kept {place}.pickle").write_bytes(pickle.dumps(kept))
    kept.save(folder / f"kept {place}.safetensors")
    results["kept"] = {"all": fitted_tensors(kept, fit)}
    torch.save(results, folder / f"results {place}.pt")
    message = message_of(too_few_rows)
    (folder / f"message {place}.txt").write_text(message)
    wait_for_all(torch.device("cpu"))
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with small images."""
    folder = tmp_path_factory.mktemp("together")
    generator = np.random.default_rng(0)
    try:
        import torchvision  # noqa: F401
        from PIL import Image
    except ImportError:
        return folder
    for number in range(24):
        pixels = generator.integers(0, 128, (14, 18, 3), dtype=np.uint8)
        pixels[..., number % 2] += 100
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def together(folder):
    """What each of two processes found, in their order."""
    if not (distributed.is_available() and distributed.is_gloo_available()):
        pytest.skip("this torch cannot let processes talk on the CPU")
    package = str(Path(domadapt.__file__).parents[1])
    processes = []
    for place in range(N_PROCESSES):
        with open(folder / f"output {place}.txt", "w") as output:
            processes.append(
                subprocess.Popen(
                    [sys.executable, __file__, folder, str(place)],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "PYTHONPATH": package},
                )
            )
    try:
        codes = [process.wait(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    output = "\n".join((folder / f"output {p}.txt").read_text() for p in range(N_PROCESSES))
    assert codes == [0] * N_PROCESSES, output
    return [torch.load(folder / f"results {p}.pt") for p in range(N_PROCESSES)]


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
    begin, near = cases(folder)[name]
    estimator, fit = begin()
    first, second = (results["fits"][name] for results in together)
    assert_equal(first, second)
    assert_near(first, fitted_tensors(estimator.fit(**fit), fit), near)


def test_the_weights_have_moved(together):
    begin, _ = cases(".")["own per_domain sgd"]
    estimator, fit = begin()
    estimator.set_params(learning_rate=1e-9).fit(**fit)
    moved = together[0]["fits"]["own per_domain sgd"]
    for name, value in estimator.module_.named_parameters():
        # A shift before normalisation has no gradient.
        assert name.endswith("bias") or (moved[name] - value).abs().max() > 1e-3, name


def test_a_batch_that_cannot_be_shared_out_is_rounded_down(together):
    estimator, fit = doubled("dan", "joint", "sgd", batch_size=14)
    assert_equal(*(results["fits"]["odd"] for results in together))
    assert_near(together[0]["fits"]["odd"], fitted_tensors(estimator.fit(**fit), fit), EXACT)


def test_a_domain_with_fewer_rows_than_processes_is_refused(folder, together):
    for place in range(N_PROCESSES):
        message = (folder / f"message {place}.txt").read_text()
        assert "a domain of 1 rows leaves none for some of the 2 processes" in message


@pytest.mark.parametrize("name", LAYERS)
def test_shared_statistics_are_those_of_the_whole_batch(together, name):
    make_layer, shape = LAYERS[name]
    wanted = run_layer(make_layer(), shape, (0, 1))
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
def test_gathered_rows_are_in_order_and_hand_their_gradient_back(together, sizes):
    rows = [rows_of(place, sizes) for place in range(N_PROCESSES)]
    by_domain = [names.split(sizes) for names, _ in rows]
    names = torch.cat([part for parts in zip(*by_domain, strict=True) for part in parts])
    by_domain = [values.split(sizes) for _, values in rows]
    values = torch.cat([part for parts in zip(*by_domain, strict=True) for part in parts])
    layer = linear()
    values.requires_grad_()
    uneven(layer(values), N_PROCESSES * sizes[0]).backward()
    for place, results in enumerate(together):
        found = results["gathered"][str(sizes)]
        assert torch.equal(found["names"], names)
        torch.testing.assert_close(found["gradient"], layer.weight.grad, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(found["bias gradient"], layer.bias.grad, rtol=1e-11, atol=1e-12)
        mine = values.grad[names[:, 0] == place]
        torch.testing.assert_close(found["row gradient"], mine, rtol=1e-11, atol=1e-12)


def test_one_process_writes_the_checkpoints_and_all_go_on_from_them(together):
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
    estimator, fit = dropped_out(folder / "straight")
    watcher = Interrupt(None)
    estimator.set_callbacks(watcher).fit(**fit)
    assert watcher.n_epochs == 0
    assert_equal(fitted_tensors(estimator, fit), together[0]["checkpoints"]["straight"])


@pytest.mark.parametrize("place", range(N_PROCESSES))
def test_what_was_fitted_together_is_of_use_alone(folder, together, place):
    _, fit = make("dan")
    assert n_processes() == 1
    saved = domadapt.load(folder / f"kept {place}.safetensors")
    unpickled = pickle.loads((folder / f"kept {place}.pickle").read_bytes())
    for estimator in (saved, unpickled):
        assert_equal(fitted_tensors(estimator, fit), together[place]["kept"]["all"])
    saved.save(folder / "again.safetensors")
    again = domadapt.load(folder / "again.safetensors")
    np.testing.assert_array_equal(again.predict_proba(fit["X"]), unpickled.predict_proba(fit["X"]))
    alone = make("dan", optimizer="sgd")[0].fit(**fit)
    for estimator in (saved, unpickled):
        assert_equal(fitted_tensors(estimator.fit(**fit), fit), fitted_tensors(alone, fit))


def test_without_a_group_nothing_is_shared():
    rows = torch.ones(3, 2)
    assert gather_rows(rows, [2, 1]) is rows
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    # At the end of a process torch's threads sometimes abort it; that is not under test.
    sys.stdout.flush()
    os._exit(0)
