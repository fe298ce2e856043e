"""Versions and hardware for result files, and how these are written."""

import importlib.metadata
import json
import platform
from pathlib import Path

import torch

PACKAGES = ["numpy", "scikit-learn", "scipy", "torch", "skada", "pytorch-adapt"]


def environment(device="cpu"):
    """Describe what a measurement ran on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    hardware = {"processor": _processor(), "threads": torch.get_num_threads()}
    if device != "cpu":
        hardware["gpu"] = torch.cuda.get_device_name()
    return {"versions": versions, "hardware": hardware}


def _processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def read_kept(path, settings, is_new):
    """Return the cells of a result file that are not measured anew, and where they were made.

    A processor changes accuracies by rounding alone, so the file may hold cells of several.
    """
    if not Path(path).is_file():
        return [], []
    report = json.loads(Path(path).read_text())
    if any(report[key] != settings[key] for key in settings.keys() - {"hardware"}):
        raise SystemExit(f"{path} was made with other versions or seeds: run all methods.")
    processors = report["hardware"]["processor"].split(", and ")
    return [cell for cell in report["cells"] if not is_new(cell)], processors


def keep_others(output, settings, chosen):
    """Return the cells of all methods but some, and name in the settings where they were made."""
    kept, processors = read_kept(f"{output}.json", settings, lambda cell: cell["method"] in chosen)
    processors = dict.fromkeys([*processors, settings["hardware"]["processor"]])
    settings["hardware"]["processor"] = ", and ".join(processors)
    return kept


def write_json(path, content):
    """Write a result file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {path}")
