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


def write_json(path, content):
    """Write a result file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {path}")
