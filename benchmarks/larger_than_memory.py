"""Memory and time of fits and predictions on samples in files that are larger than memory.

Each case runs in a process of its own, on files that it makes and removes. Memory is anonymous:
what the process holds beyond the pages of files, which the system takes back where it needs them.
It is sampled while the case runs, and told beside what a small fit of the same kind held before.

    python benchmarks/larger_than_memory.py --output benchmarks/results/larger_than_memory.json

The mapped files and the HDF5 files have mostly zeros and take little disk; Parquet and npz files,
and what ``domadapt fit`` makes of them, take as much as they say. Linux alone tells anonymous
memory.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

N_COLUMNS = 1000
# Rows at which numbers are written; the others are zeros.
WRITTEN = 2000
# Rows of the tables that are written at once.
STEP = 10_000
SETTINGS = {"max_epochs": 2, "steps_per_epoch": 50, "batch_size": 64, "random_state": 0}
# Gigabytes, of 10**9 bytes in float32, of each case.
CASES = {
    "mapped, fit(Xs, ys, X_target=Xt)": 20.0,
    "mapped, fit(X, y, sample_domain=d)": 20.0,
    "HDF5, fit(Xs, ys, X_target=Xt)": 20.0,
    "HDF5, fit(X, y, sample_domain=d)": 20.0,
    "domadapt fit and predict, Parquet": 3.0,
    "domadapt fit and predict, npz": 1.5,
    "domadapt fit and predict, compressed npz": 1.5,
}


def anonymous():
    """Return the megabytes of this process that are no pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


class Peak(threading.Thread):
    """Samples anonymous memory until it is told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.before = self.most = anonymous()
        self.ended = threading.Event()

    def run(self):
        """Look a hundred times a second."""
        while not self.ended.wait(0.01):
            self.most = max(self.most, anonymous())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.ended.set()
        self.join()


def block_of(start, n_rows, n_columns):
    """Return labels and samples, whose first column tells the label."""
    rng = np.random.default_rng(start)
    y = rng.integers(2, size=n_rows)
    X = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    X[:, 0] += 4 * y
    return X, y


def some_rows(n_rows):
    """Return where few rows are written: at both ends of source and target, and their labels."""
    starts = [0, n_rows // 2 - WRITTEN, n_rows // 2, n_rows - WRITTEN]
    return [(start, *block_of(start, WRITTEN, N_COLUMNS)) for start in starts]


def mapped(folder, n_rows):
    """Return a sparse file of zeros and few other numbers, mapped into memory."""
    path = Path(folder, "X.f32")
    X = np.memmap(path, dtype=np.float32, mode="w+", shape=(n_rows, N_COLUMNS))
    for start, values, _ in some_rows(n_rows):
        X[start : start + WRITTEN] = values
    X.flush()
    return np.memmap(path, dtype=np.float32, mode="r", shape=X.shape)


def hdf5(folder, n_rows):
    """Return a dataset of the same content, in compressed chunks of 64 rows."""
    import h5py

    path = Path(folder, "X.h5")
    with h5py.File(path, "w") as file:
        options = {"chunks": (64, N_COLUMNS), "compression": "lzf"}
        X = file.create_dataset("X", (n_rows, N_COLUMNS), np.float32, **options)
        for start, values, _ in some_rows(n_rows):
            X[start : start + WRITTEN] = values
    return h5py.File(path)["X"]


def in_python(name, folder, n_rows):
    """Fit and predict by an estimator, and return the seconds of both."""
    from domadapt import DeepCORALClassifier

    X = (mapped if name.startswith("mapped") else hdf5)(folder, n_rows)
    y = np.arange(n_rows) % 2
    for start, _, labels in some_rows(n_rows):
        y[start : start + WRITTEN] = labels
    half = n_rows // 2
    # What the first fit of a process takes for ever does not count.
    DeepCORALClassifier(**SETTINGS).fit(X[:500], y[:500], X_target=X[half : half + 500])
    clf = DeepCORALClassifier(**SETTINGS)
    with Peak() as peak:
        begun = time.perf_counter()
        if "sample_domain" in name:
            clf.fit(X, y, sample_domain=np.repeat([1, -1], [half, n_rows - half]))
        elif name.startswith("mapped"):
            clf.fit(X[:half], y[:half], X_target=X[half:])
        else:
            # A part of a dataset is an array: the whole stands for both domains.
            clf.fit(X, y, X_target=X)
        fitted = time.perf_counter()
        predicted = clf.predict(X)
        ended = time.perf_counter()
    same = [predicted[s : s + WRITTEN] == clf.predict(rows) for s, rows, _ in some_rows(n_rows)]
    return peak, {"fit": fitted - begun, "predict": ended - fitted}, same


def write_table(path, n_rows):
    """Write a Parquet file with a column y, or an npz file with X and y, in blocks."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        writer = None
        for start in range(0, n_rows, STEP):
            X, y = block_of(start, min(STEP, n_rows - start), N_COLUMNS)
            columns = {f"c{number}": column for number, column in enumerate(X.T)}
            table = pa.table(columns | {"y": y})
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
        writer.close()
        return
    X = np.memmap(path.with_suffix(".raw"), np.float32, "w+", shape=(n_rows, N_COLUMNS))
    y = np.empty(n_rows, dtype=np.int64)
    for start in range(0, n_rows, STEP):
        rows = slice(start, min(start + STEP, n_rows))
        X[rows], y[rows] = block_of(start, rows.stop - start, N_COLUMNS)
    save = np.savez_compressed if "compressed" in path.stem else np.savez
    save(path, X=X, y=y)
    path.with_suffix(".raw").unlink()


def write_apart(path, n_rows):
    """Write a table in another process, so that what writing takes does not count."""
    subprocess.run([sys.executable, __file__, "--write", str(path), str(n_rows)], check=True)


def by_command(name, folder, n_rows):
    """Fit and predict by the command, and return the seconds of both."""
    from domadapt import load
    from domadapt.cli import main

    ending = ".parquet" if "Parquet" in name else ".npz"
    stem = "compressed" if "compressed" in name else "plain"
    path, small = Path(folder, f"{stem}{ending}"), Path(folder, f"small_{stem}{ending}")
    write_apart(path, n_rows)
    write_apart(small, min(500, n_rows))
    model, out = str(Path(folder, "model.safetensors")), Path(folder, "out.csv")

    def fit(table):
        command = ["fit", str(table), "--target", str(table), "--out", model, "--device", "cpu"]
        command += ["--method", "deepcoral", "--epochs", str(SETTINGS["max_epochs"])]
        command += ["--set", f"steps_per_epoch={SETTINGS['steps_per_epoch']}"]
        if main(command) != 0:
            raise SystemExit("domadapt fit failed")

    fit(small)
    main(["predict", model, str(small), "--out", str(out)])
    with Peak() as peak:
        begun = time.perf_counter()
        fit(path)
        fitted = time.perf_counter()
        main(["predict", model, str(path), "--out", str(out)])
        ended = time.perf_counter()
    predicted = np.loadtxt(out, delimiter=",", skiprows=1, usecols=1)
    rows = block_of(0, min(STEP, n_rows), N_COLUMNS)[0][:WRITTEN]
    if ending == ".parquet":
        import pandas as pd

        rows = pd.DataFrame(rows, columns=[f"c{number}" for number in range(N_COLUMNS)])
    same = predicted[: len(rows)] == load(model).predict(rows)
    if len(predicted) != n_rows:
        raise SystemExit(f"{len(predicted)} predictions for {n_rows} samples")
    return peak, {"fit": fitted - begun, "predict": ended - fitted}, same


def child(name, gigabytes, folder):
    """Measure a case in this process, and print the result."""
    warnings.simplefilter("ignore")
    n_rows = int(float(gigabytes) * 10**9 / (4 * N_COLUMNS))
    run = by_command if name.startswith("domadapt") else in_python
    with tempfile.TemporaryDirectory(dir=folder or None) as inside:
        # What the command maps lies there too.
        before, tempfile.tempdir = tempfile.tempdir, inside
        peak, seconds, same = run(name, inside, n_rows)
        tempfile.tempdir = before
    found = {
        "gigabytes": float(gigabytes),
        "rows": n_rows,
        "columns": N_COLUMNS,
        "megabytes_before": round(peak.before, 1),
        "megabytes_more": round(peak.most - peak.before, 1),
        "seconds": {part: round(value, 1) for part, value in seconds.items()},
        "as_in_memory": float(np.mean(same)),
    }
    print(json.dumps(found))


def measure(name, gigabytes, folder):
    """Measure a case in a process of its own, with one thread."""
    command = [sys.executable, __file__, "--child", name, str(gigabytes), "--folder", folder or ""]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def table(measured):
    """Write the memory as Markdown; other work on a machine makes the seconds what they are."""
    lines = ["| files | GB | MB more |", "|---|---|---|"]
    for name, found in measured.items():
        lines.append(f"| {name} | {found['gigabytes']:g} | {found['megabytes_more']:.0f} |")
    return "\n".join(lines) + "\n"


def main():
    """Measure the cases, print them and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--gigabytes", type=float, help="of every case, in place of its own")
    parser.add_argument("--folder", help="where files are made (default: the temporary folder)")
    parser.add_argument("--output", help="a JSON file; a .md is written too")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(*arguments.child, arguments.folder)
    if arguments.write:
        return write_table(Path(arguments.write[0]), int(arguments.write[1]))
    if sys.platform != "linux":
        raise SystemExit("Anonymous memory is told by Linux alone: run it there.")
    from _report import environment, write_json

    measured = {}
    with contextlib.suppress(FileNotFoundError, TypeError):
        measured = json.loads(Path(arguments.output).read_text())["measured"]
    for name in arguments.cases:
        size = arguments.gigabytes or CASES[name]
        measured[name] = measure(name, size, arguments.folder)
        print(f"{name}: {measured[name]}", flush=True)
        if arguments.output:
            in_order = {name: measured[name] for name in CASES if name in measured}
            report = environment()
            report["versions"] |= {name: version(name) for name in ("h5py", "pandas", "pyarrow")}
            write_json(arguments.output, report | {"settings": SETTINGS, "measured": in_order})
            Path(arguments.output).with_suffix(".md").write_text(table(in_order))
    return None


if __name__ == "__main__":
    main()
