"""What two processes compute together, and in one process."""

import contextlib
import datetime
import functools
import io
import json
import os
import pickle
import runpy
from pathlib import Path
from unittest import mock

import torch
from fits_of_two import cases, doubled, draw_weights, fitted_tensors, make
from forks import end_of, start_fork
from sklearn.base import clone
from torch import distributed, nn

from domadapt import cli, datasets
from domadapt.estimators import _stages
from domadapt.inputs.reader import n_processes, rank
from domadapt.training import checkpoint as checkpoints
from domadapt.training.distributed import (
    SyncedBatchNorm,
    gather_rows,
    synchronise_batch_norm,
    wait_for_all,
)

N_PROCESSES = 2
EXAMPLE = Path(__file__).parents[2] / "examples" / "extending" / "several_processes.py"
PARTS = ("X_source", "y_source", "X_target", "y_target")
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
    """Send batches through a layer; return all that comes of it for some of the samples."""
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
    """Return samples that name their process, domain and place, and random ones beside."""
    generator = torch.Generator().manual_seed(place)
    names = [[place, domain, row, 0] for domain, size in enumerate(sizes) for row in range(size)]
    names = torch.tensor(names, dtype=torch.float64)
    return names, torch.randn(names.shape, generator=generator, dtype=torch.float64)


def uneven(features, n_source):
    """A criterion to which every sample matters in a way of its own."""
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


def too_few_samples():
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


def run_example():
    """Run the example of several processes, shorter and on less data; return what it prints."""
    data, settings = datasets.load_camera_digits(random_state=0), _stages.TrainingSettings
    part = type(data)(**{name: values[:300] for name, values in data.items() if name in PARTS})

    def short(**given):
        return settings(**given | {"max_epochs": 4})

    with (
        mock.patch.object(datasets, "load_camera_digits", return_value=part),
        mock.patch.object(_stages, "TrainingSettings", short),
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    return printed.getvalue()


def run_bench(root, out):
    """Run ``domadapt bench`` on the vectors in a folder, and return what it prints."""
    options = ["--pairs", "A:W", "--methods", "dan", "--seeds", "1", "--epochs", "2"]
    options += ["--device", "cpu", "--batch-size", "20", "--out", str(out)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = cli.main(["bench", "features", "--root", str(root), *options])
    assert status == 0
    return printed.getvalue()


def main(folder, place, ports):
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
    names = json.loads((folder / "names.json").read_text())
    for name, (begin, _) in cases(folder).items():
        if name not in names:
            continue
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
    results["message"] = message_of(too_few_samples)
    wait_for_all(torch.device("cpu"))
    distributed.destroy_process_group()
    # As torchrun tells a script which process it is.
    os.environ |= {"WORLD_SIZE": str(N_PROCESSES), "RANK": str(place), "LOCAL_RANK": str(place)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": ports[0]}
    results["printed"] = run_example()
    os.environ["MASTER_PORT"] = ports[1]
    results["table"] = run_bench(folder / "features", folder / "run")
    torch.save(results, folder / f"results {place}.pt")


def run_both(folder, *ports):
    """Run both processes, and fail where one of them does."""
    # At the end of a process torch's threads sometimes abort it: a fork leaves at once.
    started = [start_fork(functools.partial(main, folder, p, ports)) for p in range(N_PROCESSES)]
    assert [end_of(process) for process in started] == [0] * N_PROCESSES
