"""How time and memory of a fit grow with rows, columns, classes, members and processes.

Each measurement is a process of its own with one thread: process CPU time of ``fit`` and what it
adds to the peak of resident memory, medians of repetitions. Processes are timed by the clock, for
they share the work. A slope is the exponent of growth over the upper half of the sizes.

    python benchmarks/scaling.py --output benchmarks/results/scaling

With ``--draw docs/pictures/scaling.svg`` it draws what is stored there already.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import torch
from _report import environment, read_kept, write_json

from domadapt import DANClassifier, DANNClassifier, DeepCORALClassifier, MCCClassifier, fit_together
from domadapt.experiments.recipes import fine_tuning

METHODS = {
    "DANN": DANNClassifier,
    "MMD": DANClassifier,
    "CORAL": DeepCORALClassifier,
    "MCC": MCCClassifier,
}
# What a fit has where its axis says nothing else; one epoch is one pass over the rows.
USUAL = {"rows": 2000, "columns": 100, "classes": 10, "members": 1, "processes": 1, "epochs": 5}
AXES = {
    "rows": {"sizes": [1_000, 10_000, 100_000, 1_000_000], "columns": 20, "epochs": 1},
    "columns": {"sizes": [10, 100, 1_000, 10_000]},
    "classes": {"sizes": [2, 10, 100, 1_000]},
    "members": {"sizes": [1, 4, 16, 64]},
    "processes": {"sizes": [1, 2], "fits": 8},
}
# Images a second that a published script trains ResNet-50 with, in mixed precision, on one and on
# eight A100: github.com/NVIDIA/DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5.
IMAGES_PER_SECOND = {"1": 2470, "8": 16621}
TABLE = {"methods": 100, "pairs": 12, "seeds": 10}
# A domain of Office-Home has some 3,900 photographs of 65 classes.
FEATURES = {"rows": 3900, "columns": 2048, "classes": 65, "epochs": 30}


def make_data(rows, columns, classes):
    """Draw both domains in float32: Gaussian classes, and the same moved."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((classes, columns), dtype=np.float32)
    domains = []
    for shift in (0.0, 0.5):
        # Each class has rows, however few there are.
        y = rng.permutation(np.arange(rows) % classes)
        X = centres[y]
        X += shift + rng.standard_normal((rows, columns), dtype=np.float32)
        domains.append((X, y))
    (X, y), (X_target, _) = domains
    return X, y, X_target


def peak_bytes():
    """Return the most resident memory that this process has had since this was last called."""
    # Not ru_maxrss, which a child process inherits from its parent.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    # What a process writes there makes Linux forget the peak.
    Path("/proc/self/clear_refs").write_text("5")
    return peak


def fit_one(estimator, data):
    """Fit in a process that shares the work with others."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    X, y, X_target = data
    estimator.fit(X, y, X_target=X_target)


def measure(setting):
    """Return seconds and megabytes that a fit takes, in this process."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    data = make_data(setting["rows"], setting["columns"], setting["classes"])
    kind = METHODS[setting["method"]]

    def estimators(n, epochs):
        return [kind(max_epochs=epochs, random_state=seed, device="cpu") for seed in range(n)]

    X, y, X_target = data
    few = np.arange(max(200, 2 * setting["classes"])) % len(X)
    for estimator in estimators(1, 1):
        # What is loaded and set up once does not count.
        estimator.fit(X[few], y[few], X_target=X_target[few])
    peak_bytes()
    before = peak_bytes()
    if "fits" in setting:
        todo = estimators(setting["fits"], setting["epochs"])
        parallel = joblib.Parallel(n_jobs=setting["processes"])
        parallel(joblib.delayed(fit_one)(clf, [x[:200] for x in data]) for clf in todo)
        start = time.perf_counter()
        parallel(joblib.delayed(fit_one)(clf, data) for clf in todo)
        return {"seconds": time.perf_counter() - start, "megabytes": None}
    todo = estimators(setting["members"], setting["epochs"])
    start = time.process_time()
    if len(todo) > 1:
        fit_together(todo, X, y, X_target=X_target)
    else:
        todo[0].fit(X, y, X_target=X_target)
    seconds = time.process_time() - start
    return {"seconds": seconds, "megabytes": (peak_bytes() - before) / 2**20}


def measured_apart(setting, repetitions):
    """Return the medians of measurements in processes of their own."""
    found = []
    for _ in range(repetitions):
        command = [sys.executable, __file__, "--one", json.dumps(setting)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append(json.loads(printed.splitlines()[-1]))
        if found[0]["seconds"] > 30:
            # Nothing that takes so long differs by much from run to run.
            break
    return {
        name: None if found[0][name] is None else statistics.median(f[name] for f in found)
        for name in ("seconds", "megabytes")
    }


def slope(sizes, values):
    """Return the exponent by which values grow over the upper half of the sizes."""
    half = len(sizes) // 2
    logs = np.log(np.maximum(values[half - 1 :], 1e-9))
    return float(np.polyfit(np.log(sizes[half - 1 :]), logs, 1)[0])


def run(axes, repetitions):
    """Measure all methods along all axes."""
    cells = []
    for axis, own in axes.items():
        for method in METHODS:
            for size in own["sizes"]:
                others = {name: value for name, value in own.items() if name != "sizes"}
                setting = {**USUAL, **others, "method": method, axis: size}
                found = measured_apart(setting, repetitions)
                cells.append({"axis": axis, "size": size, "method": method, **found})
                print(cells[-1], flush=True)
    return cells


def cost_of_table(seconds):
    """Return hours that a large table takes: of measured fits, and on paper of photographs."""
    n_fits = TABLE["methods"] * TABLE["pairs"] * TABLE["seeds"]
    recipe = fine_tuning("dann")
    images = recipe.max_epochs * recipe.steps_per_epoch * 2 * recipe.batch_size
    return {
        "fits": n_fits,
        "seconds_of_a_fit_on_features": round(seconds, 2),
        "core_hours_on_features": round(n_fits * seconds / 3600, 1),
        "images_in_a_fit": images,
        "hours_on_images": {
            cards: round(n_fits * images / rate / 3600) for cards, rate in IMAGES_PER_SECOND.items()
        },
    }


def text_of(report):
    """Return the tables, as markdown."""
    lines = []
    for axis in dict.fromkeys(cell["axis"] for cell in report["cells"]):
        own = [cell for cell in report["cells"] if cell["axis"] == axis]
        sizes = list(dict.fromkeys(cell["size"] for cell in own))
        lines += [f"## {axis.capitalize()}", ""]
        units = ["seconds", "megabytes"] if own[0]["megabytes"] is not None else ["seconds"]
        heads = [f"{size:,}" for size in sizes]
        lines.append(f"| {units[0]} | " + " | ".join([*heads, "slope"]) + " |")
        lines.append("| --- |" + " ---: |" * (len(sizes) + 1))
        for unit in units:
            if unit != units[0]:
                lines.append(f"| **{unit} more** |" + " |" * (len(sizes) + 1))
            for method in METHODS:
                values = [cell[unit] for cell in own if cell["method"] == method]
                digits = 2 if unit == "seconds" else 0
                shown = [f"{value:,.{digits}f}" for value in values]
                shown.append(f"{slope(sizes, values):.2f}")
                lines.append(f"| {method} | " + " | ".join(shown) + " |")
        lines.append("")
    cost = report["table"]
    hours = cost["hours_on_images"]
    lines += [
        "## A large table",
        "",
        f"{TABLE['methods']} methods on {TABLE['pairs']} pairs with {TABLE['seeds']} seeds are "
        f"{cost['fits']:,} fits.",
        "",
        "| what is trained | one fit | all |",
        "| --- | ---: | ---: |",
        f"| features of ResNet-50, one core of this processor | "
        f"{cost['seconds_of_a_fit_on_features']:.1f} s | "
        f"{cost['core_hours_on_features']:,.0f} hours of one core |",
        f"| photographs end to end, one card (on paper) | "
        f"{cost['images_in_a_fit'] / IMAGES_PER_SECOND['1'] / 60:.0f} min | "
        f"{hours['1'] / 24:,.0f} days |",
        f"| photographs end to end, eight cards (on paper) | | {hours['8'] / 24:,.0f} days |",
    ]
    return "\n".join(lines) + "\n"


def draw(report, path):
    """Draw time and memory against each size."""
    from matplotlib import pyplot as plt

    plt.rcParams["svg.hashsalt"] = "domadapt"
    axes = list(dict.fromkeys(cell["axis"] for cell in report["cells"]))
    figure, places = plt.subplots(2, len(axes), figsize=(3 * len(axes), 5.5), squeeze=False)
    for column, axis in enumerate(axes):
        for row, unit in enumerate(["seconds", "megabytes"]):
            place = places[row][column]
            for method in METHODS:
                own = [
                    cell
                    for cell in report["cells"]
                    if cell["axis"] == axis and cell["method"] == method
                ]
                if own[0][unit] is not None:
                    sizes, values = zip(*[(cell["size"], cell[unit]) for cell in own], strict=True)
                    place.loglog(sizes, values, marker="o", markersize=3, label=method)
            if not place.lines:
                place.set_axis_off()
                continue
            place.set_xlabel(axis)
            place.set_ylabel("seconds" if row == 0 else "megabytes more")
            place.grid(visible=True, alpha=0.3)
    places[0][0].legend(fontsize="small")
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main(arguments=None):
    """Measure all, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--output", type=Path, help="without the ending")
    parser.add_argument("--axes", nargs="+", choices=AXES, help="measure these anew, keep others")
    parser.add_argument("--draw", help="a picture to draw of what --output names")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args(arguments)
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one))))
        return
    if arguments.draw:
        draw(json.loads(Path(f"{arguments.output}.json").read_text()), arguments.draw)
        return
    torch.set_num_threads(1)
    report = environment() | {"usual": USUAL}
    if arguments.axes:
        path, axes = f"{arguments.output}.json", arguments.axes
        kept, _ = read_kept(path, report, lambda cell: cell["axis"] in axes)
        cells = run({axis: AXES[axis] for axis in axes}, arguments.repetitions) + kept
        cells.sort(key=lambda cell: list(AXES).index(cell["axis"]))
        report["table"] = json.loads(Path(path).read_text())["table"]
    else:
        cells = run(AXES, arguments.repetitions)
        on_features = measured_apart({**USUAL, **FEATURES, "method": "DANN"}, arguments.repetitions)
        report["table"] = cost_of_table(on_features["seconds"])
    report["cells"] = cells
    print(text_of(report))
    if arguments.output:
        write_json(f"{arguments.output}.json", report)
        arguments.output.with_suffix(".md").write_text(text_of(report))


if __name__ == "__main__":
    main()
