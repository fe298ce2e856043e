"""Write docs/results.md, and the tables of docs/methods/, from benchmarks/results/.

python benchmarks/write_results_page.py
"""

import json
import re
from pathlib import Path

from _accuracy_tables import summary

from domadapt.experiments.tables import markdown_table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"

HEAD = """# Measured

This page is written by `python benchmarks/write_results_page.py` from the files in
`benchmarks/results/`, which name versions and hardware. Target labels were used for the
accuracies printed here and for nothing else.

## Accuracy on real data

Every method with its default parameters, rows standardised within each domain, the last
epoch's model. Made by `python benchmarks/real_data.py`.

"""

PHOTOGRAPHS = """
## Office-Caltech10 from its photographs

MobileNetV2 with ImageNet weights, by the `domadapt` command. Made by
`python benchmarks/office_caltech10.py` on {processor}.

"""

FROZEN = """
The backbone is frozen, at 224 pixels, with the estimators' defaults. The whole table took
{minutes:.0f} minutes of wall time with two processes.
"""

END_TO_END = """
Two pairs at 128 pixels, frozen (first table) and trained end to end by the recipes, shortened
to {updates} updates (second table, {minutes:.0f} minutes of wall time). The mean of Deep CORAL
is {difference:+.1f} points from frozen to end to end.
"""

DEFAULTS = """
## One default changed at a time

Target accuracy in %, mean over three draws of the camera digits, the two pairs of
MNIST and USPS and the twelve of Office-Caltech10, one seed. `SGD, 0.03` and `Adam, 3e-4`
name optimizer and rate: the first is the default of all but `DANNClassifier`, the second
its own; so it is with label smoothing of 0.1 and of 0, the latter `DeepCORALClassifier`'s.
Made by `python benchmarks/defaults.py`; the choices are told in
[How the defaults were chosen](defaults.md).

"""

IMAGES = """
## Speed with images

Reading: {reading}. On {processor}, domadapt reads {rates[domadapt]:.0f} images a second and the
plain loader {rates[plain]:.0f}, a ratio of {ratio:.2f}; with decoded images in memory the ratio
is {in_memory:.2f}.

Training: {training}. The ratio to a bare float32 loop in torch's default memory layout is
{over_bare:.2f}. Made by `python benchmarks/image_speed.py`.
"""

OTHER_SETTINGS = """
## Several sources, partial and open-set targets

Made by `python benchmarks/other_settings.py`, which says how the sets are cut. In the open
set, rows of classes that the source lacks are right where they are called unknown.

"""

CRITERIA = """
## Time of a step with each criterion

{workload}, over a step with CORAL on the features; on {processor}. Several sources, two in
number, for `m3sda`. Made by `python benchmarks/criteria_speed.py`. Out of the limit of 1.5 by
what they do are {exempt}.

"""

SPEED = """
## Speed and memory

{workload}. Ratios of medians of process CPU time, one thread, all contestants in turns in
one process; on {processor}. Made by `python benchmarks/training_speed.py`.

`fit` against a bare hand-written loop that gathers batches by index, with the same network
and settings, and with domadapt's default batch normalisation by domain and label
smoothing, which the bare loop does not have. CORAL is that of the features on all sides.

"""


def speed_table(fit):
    """Write one row for each method."""
    columns = {
        "domadapt / bare loop": "domadapt over bare loop",
        "with defaults / bare loop": "domadapt with defaults over bare loop",
        "SKADA / domadapt": "skada over domadapt",
        "pytorch-adapt / domadapt": "pytorch_adapt over domadapt",
    }
    lines = ["| method | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for method, row in fit.items():
        values = [f"{row[key]:.2f}" if key in row else "" for key in columns.values()]
        lines.append("| " + " | ".join([method, *values]) + " |")
    return "\n".join(lines)


def criteria_table(report):
    """Write the factor of each criterion, the cheapest first."""
    factors = sorted(report["over CORAL"].items(), key=lambda item: item[1])
    lines = ["| criterion | over CORAL |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {factor:.2f} |" for name, factor in factors]) + "\n"


def photographs(report):
    """Write the section about the tables of Office-Caltech10."""
    runs = report["runs"]
    small, end_to_end = runs["frozen_128"], runs["end_to_end_128"]
    coral = [
        next(
            method["mean"]["accuracy"]
            for method in run["methods"]
            if method["title"] == "DeepCORAL"
        )
        for run in (small, end_to_end)
    ]
    epochs, updates = (
        int(end_to_end["options"].split(option)[1].split()[0])
        for option in ("--epochs", "--steps-per-epoch")
    )
    return "".join(
        [
            PHOTOGRAPHS.format(processor=report["hardware"]["processor"]),
            markdown_table(runs["frozen"]),
            FROZEN.format(minutes=runs["frozen"]["minutes"]),
            "\n" + markdown_table(small) + "\n" + markdown_table(end_to_end),
            END_TO_END.format(
                updates=epochs * updates,
                minutes=end_to_end["minutes"],
                difference=coral[1] - coral[0],
            ),
        ]
    )


def images(report):
    """Write the section about the speed with images."""
    reading, training = report["reading"], report["training"]
    return IMAGES.format(
        reading=reading["workload"],
        processor=report["hardware"]["processor"],
        rates=reading["images per second"],
        ratio=reading["domadapt over plain"],
        in_memory=reading["in memory over plain"],
        training=training["workload"],
        over_bare=training["domadapt over bare loop"],
    )


def versions(report):
    """Name the versions that a report was made with."""
    return ", ".join(f"{name} {version}" for name, version in report["versions"].items())


def page():
    """Compose the page.

    Returns
    -------
    text : str
        Markdown.
    """
    accuracy = (RESULTS / "real_data.md").read_text()
    speed = json.loads((RESULTS / "training_speed_cpu.json").read_text())
    steps = json.loads((RESULTS / "criteria_speed_cpu.json").read_text())
    parts = [
        HEAD + accuracy,
        OTHER_SETTINGS + (RESULTS / "other_settings.md").read_text(),
        photographs(json.loads((RESULTS / "office_caltech10.json").read_text())),
        DEFAULTS + (RESULTS / "defaults.md").read_text(),
        SPEED.format(workload=speed["workload"], processor=speed["hardware"]["processor"]),
        speed_table(speed["fit"]),
        "\n\n`predict` on 100,000 rows takes "
        f"{speed['predict']['domadapt over bare']:.2f} of a bare chunked forward pass. "
        f"`import domadapt` takes {speed['import']['domadapt over torch and sklearn.base']:.2f} "
        "of importing torch and `sklearn.base`. `fit` on a stacked float64 array adds "
        f"{speed['memory']['peak growth in float32 copies of X']:.2f} float32 copies of it to "
        "the peak of memory.\n\n"
        f"Versions: {versions(speed)}.\n",
        CRITERIA.format(
            workload=steps["workload"],
            processor=steps["hardware"]["processor"],
            exempt=", ".join(f"`{name}`" for name in steps["exempt"]),
        ),
        criteria_table(steps),
        images(json.loads((RESULTS / "image_speed_cpu.json").read_text())),
    ]
    return "".join(parts)


def with_tables(text):
    """Renew the tables of a page about methods, between the marks that name their rows.

    Parameters
    ----------
    text : str
        Markdown with ``<!-- table: A, B -->`` and ``<!-- end of table -->``; ``all`` stands
        for all methods.

    Returns
    -------
    text : str
        With the rows of the baseline and of these methods, ranked among all.
    """
    cells = json.loads((RESULTS / "real_data.json").read_text())["cells"]

    def fill(mark):
        shown = None if mark[1] == "all" else mark[1].split(", ")
        return f"<!-- table: {mark[1]} -->\n\n{summary(cells, shown)}\n\n<!-- end of table -->"

    return re.sub(r"<!-- table: (.*?) -->.*?<!-- end of table -->", fill, text, flags=re.DOTALL)


if __name__ == "__main__":
    (ROOT / "docs" / "results.md").write_text(page())
    for path in (ROOT / "docs" / "methods").glob("*.md"):
        path.write_text(with_tables(path.read_text()))
