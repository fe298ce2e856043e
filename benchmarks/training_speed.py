"""How long fit and predict take, against a bare hand-written loop and against rivals.

Everything that is compared runs in turns in this one process, with one thread, and is
timed in process CPU time; what is reported are ratios of medians. SKADA and
pytorch-adapt take part where they are installed.

    python benchmarks/training_speed.py --output benchmarks/results/training_speed_cpu.json
"""

import argparse
import importlib.util
import json
import math
import resource
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from _report import environment, write_json
from _rivals import RIVALS
from torch import nn

from domadapt import AlignmentClassifier, DANClassifier, DANNClassifier
from domadapt.alignment import CORAL

N_ROWS, N_COLUMNS, N_CLASSES, WIDTH = 2000, 1024, 10, 256
BATCH, EPOCHS, RATE = 64, 20, 0.01
N_PREDICT, CHUNK = 100_000, 4096

SETTINGS = {
    "n_columns": N_COLUMNS,
    "n_classes": N_CLASSES,
    "width": WIDTH,
    "batch_size": BATCH,
    "epochs": EPOCHS,
    "learning_rate": RATE,
}
# The bare loop and the rivals align the features with CORAL, so here we do too.
ESTIMATORS = {
    "dann": DANNClassifier,
    "coral": lambda **parameters: AlignmentClassifier(CORAL(), **parameters),
    "mmd": DANClassifier,
}
CLOCK = time.process_time


def make_data(n_rows):
    """Draw both domains: Gaussian classes, and the same moved."""
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=0.2, size=(N_CLASSES, N_COLUMNS))
    y = rng.integers(0, N_CLASSES, n_rows)
    X = centres[y] + rng.normal(size=(n_rows, N_COLUMNS))
    X_target = 0.2 + centres[rng.integers(0, N_CLASSES, n_rows)]
    X_target = X_target + rng.normal(size=(n_rows, N_COLUMNS))
    return X.astype(np.float32), y, X_target.astype(np.float32)


class ReverseGradient(torch.autograd.Function):
    """Gradient reversal as everyone writes it."""

    @staticmethod
    def forward(ctx, x, coefficient):
        ctx.coefficient = coefficient
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.coefficient * grad, None


def plain_mmd(source, target):
    """Multi-kernel MMD as a careful person writes it: one Gram matrix, five exponentials."""
    both, n = torch.cat([source, target]), len(source)
    squares = both.square().sum(1)
    distances = (squares[:, None] + squares - 2 * both @ both.T).clamp_min(0)
    bandwidth = distances.detach().sum() / (len(both) * (len(both) - 1))
    kernel = sum(torch.exp(-distances / (bandwidth * 2.0**k)) for k in range(-2, 3))
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def covariance(rows):
    """Unbiased covariance of the columns."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)


def plain_coral(source, target):
    """Deep CORAL as everyone writes it."""
    difference = covariance(source) - covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


class NormByDomain(nn.Module):
    """Batch normalisation of both halves of a mini-batch, each by its own statistics."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.BatchNorm1d(WIDTH), nn.BatchNorm1d(WIDTH)

    def forward(self, x):
        return torch.cat([self.source(x[:BATCH]), self.target(x[BATCH:])])


def bare_loop(method, X, y, X_target, device, *, as_defaults=False):
    """Train by hand: samples by index from tensors on the device, autograd throughout.

    ``as_defaults`` adds batch normalisation by domain and label smoothing.
    """
    torch.manual_seed(0)
    X, y, X_target = (torch.from_numpy(a).to(device) for a in (X, y, X_target))
    norm, smoothing = [[], [NormByDomain()]][as_defaults], 0.1 * as_defaults
    features = nn.Sequential(nn.Linear(N_COLUMNS, WIDTH), *norm, nn.ReLU()).to(device)
    head = nn.Linear(WIDTH, N_CLASSES).to(device)
    modules = [features, head]
    if method == "dann":
        discriminator = nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), nn.Linear(256, 1))
        modules.append(discriminator.to(device))
        domain = torch.cat([torch.ones(BATCH), torch.zeros(BATCH)]).to(device)
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=0.9)
    n_steps = len(X) // BATCH
    for epoch in range(EPOCHS):
        order = torch.randperm(len(X), device=device), torch.randperm(len(X), device=device)
        for i in range(n_steps):
            source, target = (rows[i * BATCH : (i + 1) * BATCH] for rows in order)
            weight = 2 / (1 + math.exp(-10 * (epoch * n_steps + i) / (EPOCHS * n_steps))) - 1
            f = features(torch.cat([X[source], X_target[target]]))
            loss = F.cross_entropy(head(f[:BATCH]), y[source], label_smoothing=smoothing)
            if method == "dann":
                logits = discriminator(ReverseGradient.apply(f, weight)).squeeze(1)
                loss = loss + F.binary_cross_entropy_with_logits(logits, domain)
            elif method == "mmd":
                loss = loss + weight * plain_mmd(f[:BATCH], f[BATCH:])
            elif method == "coral":
                loss = loss + weight * plain_coral(f[:BATCH], f[BATCH:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return nn.Sequential(features, head)


def domadapt_fit(method, X, y, X_target, device, **changes):
    """Train the same network with the same settings through the estimator."""
    same = {
        "hidden_layer_sizes": (WIDTH,),
        "optimizer": "sgd",
        "learning_rate": RATE,
        "batch_size": BATCH,
        "max_epochs": EPOCHS,
        "batch_norm": None,
        "label_smoothing": 0.0,
        "alignment_weight": 1.0,
        "device": device,
        "random_state": 0,
    }
    return ESTIMATORS[method](**{**same, **changes}).fit(X, y, X_target=X_target)


def domadapt_defaults(method, X, y, X_target, device):
    """Train with batch normalisation per domain and label smoothing, the defaults."""
    return domadapt_fit(
        method, X, y, X_target, device, batch_norm="per_domain", label_smoothing=0.1
    )


def timed(function):
    """Call a function; return its result and the process CPU time in seconds."""
    synchronize()
    start = CLOCK()
    result = function()
    synchronize()
    return result, CLOCK() - start


def synchronize():
    """Wait for the GPU, where one is at work."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def in_turns(contestants, repeats):
    """Time functions in turns after a round that does not count; return the medians."""
    times = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, function in contestants.items():
            _, seconds = timed(function)
            if turn > 0:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def compare_fit(repeats, device):
    """Time fit of every method against the bare loop and the rivals that are installed."""
    data = make_data(N_ROWS)
    results = {}
    for method in ESTIMATORS:
        contestants = {
            "bare loop": lambda m=method: bare_loop(m, *data, device),
            "bare loop, as defaults": lambda m=method: bare_loop(
                m, *data, device, as_defaults=True
            ),
            "domadapt": lambda m=method: domadapt_fit(m, *data, device),
            "domadapt, defaults": lambda m=method: domadapt_defaults(m, *data, device),
        }
        for rival, functions in RIVALS.items():
            if method in functions and importlib.util.find_spec(rival):
                contestants[rival] = lambda f=functions[method]: f(*data, device, SETTINGS)
        medians = in_turns(contestants, repeats)
        results[method] = {
            "seconds": medians,
            "domadapt over bare loop": medians["domadapt"] / medians["bare loop"],
            "domadapt with defaults over bare loop with both": (
                medians["domadapt, defaults"] / medians["bare loop, as defaults"]
            ),
            **{
                f"{rival} over domadapt": medians[rival] / medians["domadapt"]
                for rival in RIVALS
                if rival in medians
            },
        }
        print(method, flush=True)
    return results


def compare_small(repeats, device):
    """Time a step on 200 + 200 rows of 10 columns, and what a fit takes beside its steps."""
    with mock.patch.multiple(sys.modules[__name__], N_COLUMNS=10):
        data = make_data(200)
        n_steps, epochs = len(data[0]) // BATCH, (1, 81)

        def loop(n_epochs):
            with mock.patch.multiple(sys.modules[__name__], EPOCHS=n_epochs):
                bare_loop("dann", *data, device)

        def fit(n_epochs):
            domadapt_fit("dann", *data, device, max_epochs=n_epochs, steps_per_epoch=n_steps)

        contestants = {
            f"{name}, {n} epochs": lambda f=function, n=n: f(n)
            for name, function in (("bare loop", loop), ("domadapt", fit))
            for n in epochs
        }
        # Short as they are, more of them take no time.
        medians = in_turns(contestants, 4 * repeats)
    found = {}
    for name in ("bare loop", "domadapt"):
        few, many = (medians[f"{name}, {n} epochs"] for n in epochs)
        step = (many - few) / ((epochs[1] - epochs[0]) * n_steps)
        found[name] = {"step": 1e3 * step, "fixed": 1e3 * (few - epochs[0] * n_steps * step)}
    return {
        "milliseconds": found,
        "step over bare loop": found["domadapt"]["step"] / found["bare loop"]["step"],
    }


def compare_predict(repeats, device):
    """Time predict against a chunked forward pass by hand."""
    X, y, X_target = make_data(N_ROWS)
    clf = domadapt_fit("mmd", X, y, X_target, device, max_epochs=1)
    many = np.tile(X, (N_PREDICT // N_ROWS, 1))
    network = clf.module_

    @torch.inference_mode()
    def bare():
        rows = torch.from_numpy(many)
        pieces = [network(piece.to(device)).argmax(1).cpu() for piece in rows.split(CHUNK)]
        return torch.cat(pieces).numpy()

    medians = in_turns({"bare": bare, "domadapt": lambda: clf.predict(many)}, repeats)
    return {"seconds": medians, "domadapt over bare": medians["domadapt"] / medians["bare"]}


def compare_import(repeats):
    """Time the import, each in a process of its own, against what it builds on."""
    commands = {"torch and sklearn.base": "import torch, sklearn.base"}
    commands["domadapt"] = "import domadapt"
    times = {name: [] for name in commands}
    for turn in range(2 * repeats + 1):
        for name, command in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", command], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if turn > 0:
                times[name].append(
                    after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                )
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["domadapt"] / medians["torch and sklearn.base"]
    return {"seconds": medians, "domadapt over torch and sklearn.base": ratio}


MEMORY = """
import sys
import numpy as np, torch
from domadapt import DANClassifier
torch.set_num_threads(1)
rng = np.random.default_rng(0)
n_rows = int(sys.argv[1])
X = rng.standard_normal((n_rows, 1024))
y, domain = rng.integers(0, 10, n_rows), np.repeat([1, -1], n_rows // 2)
small = slice(n_rows // 2 - 100, n_rows // 2 + 100)
clf = DANClassifier(max_epochs=1, device="cpu").fit(X[small], y[small], sample_domain=domain[small])
def peak():
    # Not ru_maxrss, which a process inherits from the one that started it.
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
before = peak()
clf.fit(X, y, sample_domain=domain)
print((peak() - before) / (4 * X.size))
"""


def measure_memory():
    """Measure what fit adds to memory, in float32 copies of a stacked float64 X."""
    command = [sys.executable, "-c", MEMORY, "60000"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"peak growth in float32 copies of X": float(printed)}


def main():
    """Run all comparisons, print them and write the result file."""
    global CLOCK
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="on cuda, wall time is measured")
    parser.add_argument("--only", nargs="+", help="parts to measure anew, in the file of --output")
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # Printing them would count.
    warnings.simplefilter("ignore")
    if arguments.device != "cpu":
        CLOCK = time.perf_counter
    parts = {
        "fit": lambda: compare_fit(arguments.repeats, arguments.device),
        "small": lambda: compare_small(arguments.repeats, arguments.device),
        "predict": lambda: compare_predict(arguments.repeats, arguments.device),
        "import": lambda: compare_import(arguments.repeats),
        "memory": measure_memory,
    }
    report = environment(arguments.device) | {
        "workload": f"{N_ROWS} + {N_ROWS} rows x {N_COLUMNS}, {N_CLASSES} classes, "
        f"MLP {N_COLUMNS}-{WIDTH}-{N_CLASSES}, batch {BATCH} + {BATCH}, SGD, {EPOCHS} epochs; "
        f"medians of {arguments.repeats} turns",
    }
    if arguments.only:
        report |= {part: json.loads(Path(arguments.output).read_text())[part] for part in parts}
    for part in arguments.only or parts:
        report[part] = parts[part]()
        print(json.dumps({part: report[part]}, indent=1), flush=True)
    if arguments.output:
        write_json(arguments.output, report)


if __name__ == "__main__":
    main()
