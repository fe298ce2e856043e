"""Accuracy and CPU time beside SKADA, pytorch-adapt and ADAPT, each as its documentation says.

    DOMADAPT_DATA=folder python benchmarks/peers.py --output benchmarks/results/peers \\
        --peer SKADA=env1/bin/python --peer pytorch-adapt=env1/bin/python \\
        --peer ADAPT=env2/bin/python

Each library runs in an interpreter that has it, on the same rows, and predicts the target without
having seen one of its labels (``_peer_fits.py`` says what is called). On every pair of domains the
libraries take turns with one thread; ``--sets`` measures some sets anew and keeps the others.

Rows are at most ``--rows`` of each domain, drawn once, and each domain is standardised by itself.
Methods with a network are trained twice: as documented, and with the hidden layer, batches,
optimizer, rate and number of updates that domadapt has by default.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from _peer_fits import DOCUMENTED, NETWORKS, OFFERED
from _peer_tables import NETWORK, long_table, short_table
from _plain_models import plain_models
from _report import environment, write_json
from sklearn.preprocessing import StandardScaler

import domadapt
from domadapt import AlignmentClassifier
from domadapt.datasets import load_camera_digits
from domadapt.experiments.recipes import with_equal_updates
from domadapt.methods import METHODS
from domadapt.training.orders import steps_in_epoch

DIGITS = "camera digits"
PAIRS = {
    DIGITS: ["digits camera"],
    "mnist_usps": ["mnist usps"],
    "amazon_reviews_400": ["books kitchen"],
    "wisdm_activity": ["people_b people_c"],
    "occupancy": ["february_a february_c"],
    "office_caltech10/mobilenetv2": ["amazon webcam"],
}
# One thread each, no GPU, and POT need not import all that it could compute with.
ONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
ONE += ("TF_NUM_INTEROP_THREADS", "POT_BACKEND_DISABLE_TENSORFLOW", "POT_BACKEND_DISABLE_JAX")
VARIABLES = dict.fromkeys(ONE, "1") | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
CODE = Path(__file__).parent


def load(name, pair, n_rows):
    """Return rows and labels of both domains, standardised each by itself; labels from 0 on."""
    if name == DIGITS:
        data = load_camera_digits(random_state=0)
        domains = (data.X_source, data.y_source), (data.X_target, data.y_target)
    else:
        root = Path(os.environ["DOMADAPT_DATA"], name)
        content = [np.load(root / f"{domain}.npz") for domain in pair.split()]
        domains = [(c["X"].reshape(len(c["X"]), -1), c["y"]) for c in content]
    classes = np.unique(domains[0][1])
    rng, found = np.random.default_rng(0), []
    for X, y in domains:
        known = np.flatnonzero(np.isin(y, classes))
        kept = np.sort(rng.permutation(known)[:n_rows])
        X = StandardScaler().fit_transform(X[kept].astype(np.float64))
        found += [X, np.searchsorted(classes, y[kept]).astype(np.int64)]
    return found


def settings_of(method, n_source, n_target):
    """Return what a method of domadapt trains with by default."""
    model = getattr(domadapt, METHODS[method].classifier)()
    settings = {name: getattr(model, name) for name in ("batch_size", "optimizer", "learning_rate")}
    steps = steps_in_epoch([n_source, n_target], model.batch_size)
    return settings | {"updates": model.max_epochs * steps}


def fits_of(peer, python, data, seeds):
    """Let one library fit all of its methods on a pair; its versions and fits."""
    Xs, ys, Xt, _ = data
    settings = json.dumps({name: settings_of(name, len(Xs), len(Xt)) for name in NETWORKS})
    with tempfile.TemporaryDirectory() as folder:
        rows, output = Path(folder, "rows.npz"), Path(folder, "out.json")
        np.savez(rows, Xs=Xs, ys=ys, Xt=Xt, seeds=seeds, settings=settings)
        command = [python, CODE / "_peer_fits.py", peer, rows, output, *OFFERED[peer]]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=os.environ | VARIABLES
        )
        if output.exists():
            return json.loads(output.read_text())
    last = [f"ended with {done.returncode}", *done.stderr.strip().splitlines()][-1][:160]
    fits = [{"method": m, "training": DOCUMENTED, "failed": last} for m in OFFERED[peer]]
    return {"versions": {}, "fits": fits}


def plain_scores(data, seeds):
    """Return the accuracy of each plain model, of each seed."""
    Xs, ys, Xt, yt = data
    scores = {}
    for seed in range(seeds):
        network = AlignmentClassifier(alignment=None, batch_norm=None, random_state=seed)
        with_equal_updates(network, len(Xs), len(Xt))
        for title, model in (plain_models(seed) | {NETWORK: network}).items():
            right = model.fit(Xs, ys).predict(Xt) == yt
            scores.setdefault(title, []).append(round(100 * float(np.mean(right)), 2))
    return scores


def cells_of(name, pair, pythons, arguments):
    """Return a cell for every method, library, training and plain model of a pair."""
    data = load(name, pair, arguments.rows)
    about = {"set": name, "pair": pair, "rows": [len(data[0]), len(data[2])]}
    cells, versions = [], {}
    for title, scores in plain_scores(data, arguments.seeds).items():
        cells.append(about | {"method": title, "peer": "plain", "scores": scores})
    for peer, python in pythons.items():
        found = fits_of(peer, python, data, arguments.seeds)
        versions[peer] = found["versions"]
        grouped = {}
        for fit in found["fits"]:
            grouped.setdefault((fit["method"], fit["training"]), []).append(fit)
        for (method, training), fits in grouped.items():
            cell = about | {"method": method, "peer": peer, "training": training}
            failed = [fit["failed"] for fit in fits if "failed" in fit]
            if failed:
                cells.append(cell | {"failed": failed[0]})
                continue
            right = [np.mean(np.array(fit["predictions"]) == data[3]) for fit in fits]
            cell["scores"] = [round(100 * float(share), 2) for share in right]
            cell["seconds"] = statistics.median(fit["seconds"] for fit in fits)
            cells.append(cell | {k: fits[-1][k] for k in ("same at weight 0",) if k in fits[-1]})
        print(f"{name}, {pair}: {peer} done", flush=True)
    return cells, versions


def read_pythons(given):
    """Return the interpreter of every library that takes part, ours first."""
    pythons = {"domadapt": sys.executable}
    for text in given:
        peer, _, python = text.partition("=")
        if peer not in OFFERED or not python:
            raise SystemExit(f"--peer takes NAME=PYTHON, NAME of {[*OFFERED]}; not {text!r}.")
        pythons[peer] = python
    return pythons


def main(arguments=None):
    """Run all pairs, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--sets", nargs="*", default=list(PAIRS), choices=PAIRS)
    parser.add_argument("--rows", type=int, default=500, help="of each domain at most")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    pythons = read_pythons(arguments.peer)
    report = environment() | {"seeds": arguments.seeds, "rows": arguments.rows}
    report |= {"peers": {}, "cells": []}
    if arguments.output and Path(f"{arguments.output}.json").is_file():
        kept = json.loads(Path(f"{arguments.output}.json").read_text())
        if any(kept[key] != report[key] for key in ("versions", "seeds", "rows")):
            raise SystemExit("That file was made with other versions, seeds or rows: remove it.")
        report["peers"] = kept["peers"]
        report["cells"] = [c for c in kept["cells"] if c["set"] not in arguments.sets]
    for name in arguments.sets:
        for pair in PAIRS[name]:
            cells, versions = cells_of(name, pair, pythons, arguments)
            report["cells"] += cells
            report["peers"] |= versions
        report["cells"].sort(key=lambda cell: list(PAIRS).index(cell["set"]))
        if arguments.output:
            # After each set, so that what was measured is not lost.
            write_json(f"{arguments.output}.json", report)
            Path(f"{arguments.output}.md").write_text(long_table(report))
            Path(f"{arguments.output}_short.md").write_text(short_table(report))
    print(long_table(report))
    return report


if __name__ == "__main__":
    main()
