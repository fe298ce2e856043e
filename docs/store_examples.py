"""Store what examples print and draw that are not run when the site is built.

They need the folder of data that the variable ``DOMADAPT_DATA`` names, or several processes. Each
runs in a process of its own, with one thread. ``docs/stored`` then has, for each, what was
printed, its figures, and a small picture for the gallery.

    DOMADAPT_DATA=... python docs/store_examples.py [NAME ...]
"""

import argparse
import os
import platform
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import sklearn
import torch

import domadapt

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "docs" / "stored"
OWN_DATA = "examples/your_own_data"
# Words in capitals are places on this machine.
COMMANDS = {
    "fine_dust_across_stations": [f"python {OWN_DATA}/fine_dust_across_stations.py"],
    "office31_in_ten_minutes": [
        f"python {OWN_DATA}/office31_in_ten_minutes.py OFFICE WEIGHTS --backbone mobilenet_v2"
    ],
    "photographs": [f"python {OWN_DATA}/photographs.py"],
    "reviews_across_products": [f"python {OWN_DATA}/reviews_across_products.py"],
    "rooms_across_months": [f"python {OWN_DATA}/rooms_across_months.py"],
    "sensors_across_people": [f"python {OWN_DATA}/sensors_across_people.py"],
    "several_processes": [
        "python examples/extending/several_processes.py",
        "torchrun --nproc-per-node=2 examples/extending/several_processes.py",
    ],
    "your_own_images": [
        f"python {OWN_DATA}/your_own_images.py DSLR WEBCAM mobilenet_v2 WEIGHTS "
        "--epochs 3 --pixels 96"
    ],
}
LAUNCHERS = {"python": [], "torchrun": ["-m", "torch.distributed.run"]}
# Photographs that are not ours to pass on.
NOT_STORED = {("photographs", 2), ("your_own_images", 2)}
# A larger vector drawing is stored as pixels.
LARGEST_SVG = 140_000


def places(scratch):
    """Return what the words in capitals stand for."""
    data = Path(os.environ["DOMADAPT_DATA"])
    images, office = data / "office_caltech10" / "images", scratch / "office"
    office.mkdir()
    for domain in ("amazon", "dslr", "webcam"):
        (office / domain).symlink_to(images / domain)
    weights = data / "weights" / "mobilenet_v2-imagenet.safetensors"
    domains = {domain.upper(): office / domain for domain in ("dslr", "webcam")}
    return {"OFFICE": office, "WEIGHTS": weights} | domains


def run(command, scratch, folder):
    """Run a command in a process of its own and return what it prints."""
    launcher, *words = command.split()
    script = next(k for k, word in enumerate(words) if word.endswith(".py"))
    known = places(scratch)
    given = [str(known.get(word, word)) for word in words[script + 1 :]]
    started = [sys.executable, *LAUNCHERS[launcher], *words[:script], __file__]
    started += ["--draw-into", str(folder), str(ROOT / words[script]), *given]
    own = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    # The same package as here, from another folder.
    own["PYTHONPATH"] = str(Path(domadapt.__file__).parents[1])
    done = subprocess.run(
        started, cwd=scratch, env=os.environ | own, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def draw_into(folder, script, *arguments):
    """Run a script in this process, and save its figures as vectors and as pixels."""
    sys.argv = [script, *arguments]
    # The same drawing is the same file.
    matplotlib.rcParams["svg.hashsalt"] = "domadapt"
    runpy.run_path(script, run_name="__main__")
    for number in plt.get_fignums():
        figure, path = plt.figure(number), Path(folder, str(number))
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=100, metadata={"Software": None})
        if number == 1:
            figure.savefig(Path(folder, "small.png"), dpi=45, metadata={"Software": None})


def store(name, commands):
    """Run the commands of an example and store the text of all and the figures of the last."""
    text = ""
    with tempfile.TemporaryDirectory() as scratch:
        for k, command in enumerate(commands):
            here = Path(scratch, str(k))
            figures = here / "figures"
            figures.mkdir(parents=True)
            printed = run(command, here, figures).strip("\n")
            text += f"$ {command}\n{printed}\n\n"
        for old in STORED.glob(f"{name}*"):
            old.unlink()
        for path in sorted(figures.glob("[0-9].svg")):
            if (name, int(path.stem)) in NOT_STORED:
                continue
            small_enough = path.stat().st_size <= LARGEST_SVG
            kept = path if small_enough else path.with_suffix(".png")
            (STORED / f"{name}_{path.stem}{kept.suffix}").write_bytes(kept.read_bytes())
        (STORED / f"{name}.png").write_bytes((figures / "small.png").read_bytes())
    (STORED / f"{name}.txt").write_text(text + versions() + "\n")
    print(f"{name}: stored", flush=True)


def versions():
    """Return a line of the versions that made this."""
    modules = (domadapt, sklearn, torch, np, matplotlib)
    used = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)
    return f"({used}, Python {platform.python_version()})"


def main():
    """Store the examples that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMMANDS)}")
    names = parser.parse_args().names or list(COMMANDS)
    if unknown := set(names) - set(COMMANDS):
        parser.error(f"no example {', '.join(sorted(unknown))}; there are {', '.join(COMMANDS)}")
    if not os.environ.get("DOMADAPT_DATA"):
        parser.error("the variable DOMADAPT_DATA has to name the folder of data")
    STORED.mkdir(exist_ok=True)
    for name in names:
        store(name, COMMANDS[name])


if __name__ == "__main__":
    # An example runs in a process of its own: this script again.
    if sys.argv[1:2] == ["--draw-into"]:
        draw_into(*sys.argv[2:])
    else:
        main()
