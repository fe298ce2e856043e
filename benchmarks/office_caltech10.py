"""The table of Office-Caltech10: a frozen MobileNetV2 on all pairs, and end to end on two.

The folder that the environment variable ``DOMADAPT_DATA`` names holds
``office_caltech10/images`` and ``weights/mobilenet_v2-imagenet.safetensors``. Everything
is run by the ``domadapt`` command, whose run folders go to ``--runs``; a run that is there
already is resumed.

    DOMADAPT_DATA=... python benchmarks/office_caltech10.py --runs runs \
        --output benchmarks/results/office_caltech10.json
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from _report import environment, write_json

FROZEN = "--methods source,dan,dann,deepcoral,mcc --seeds 3 --freeze --jobs 2"
SMALL = "--pairs D:W,W:D --image-size 128 --methods source,deepcoral"
RUNS = {
    "frozen": FROZEN,
    "frozen_128": f"{SMALL} --seeds 3 --freeze",
    "end_to_end_128": f"{SMALL} --seeds 1 --epochs 6 --steps-per-epoch 50",
}


def run(options, root, out):
    """Run one table, and return its wall time in minutes and its summary."""
    images = root / "office_caltech10" / "images"
    weights = root / "weights" / "mobilenet_v2-imagenet.safetensors"
    common = ["--root", images, "--backbone", "mobilenet_v2", "--weights", weights, "--out", out]
    command = [sys.executable, "-m", "domadapt"]
    start = time.monotonic()
    bench = [*command, "bench", "office_caltech10", *common, *shlex.split(options), "--resume"]
    subprocess.run(bench, check=True)
    minutes = (time.monotonic() - start) / 60
    subprocess.run([*command, "report", out], check=True, stdout=subprocess.DEVNULL)
    return {"options": options, "minutes": round(minutes, 2)} | json.loads(
        (out / "table.json").read_text()
    )


def main():
    """Run the tables and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--runs", default="runs", help="where run folders go")
    parser.add_argument("--only", choices=list(RUNS), nargs="*", default=list(RUNS))
    parser.add_argument("--output", help="a .json file to write")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    tables = {
        name: run(RUNS[name], Path(arguments.root), Path(arguments.runs) / f"oc10_{name}")
        for name in arguments.only
    }
    if arguments.output:
        write_json(arguments.output, environment() | {"runs": tables})


if __name__ == "__main__":
    main()
