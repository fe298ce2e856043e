"""Write docs/results.md and docs/ledger.md from benchmarks/results/, and tables of other pages.

    python benchmarks/write_results_page.py

A page names its tables in comments: ``<!-- table: NAME -->``, up to ``<!-- end of table -->``.
"""

import functools
import json
import re
from pathlib import Path

import _flattery_tables
import _map_tables
import _method_tables
from _accuracy_tables import HEADS, KINDS, of_kind, summaries
from _image_tables import images
from _ledger import ledger
from _markdown import markdown
from _shallow_tables import shallow_summary
from real_data import METHODS

from domadapt.experiments.tables import markdown_table, title_of

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
IMAGE_SPEEDS = ("image_speed", "decoding_speed")

HEAD = """# Measured

How right each method was on real data, and how much time and memory it takes. Accuracies stand
beside those of plain models, which have never seen the target: a method below them did harm. A
*pair* is two domains of a set: a model learns on the first, the source, with labels, and is scored
on the second, the target. Accuracy is the share of rows whose class was named rightly. R^2, for
numbers, is 100 where all are right and 0 where the mean would have done as well.

This page is written by `python benchmarks/write_results_page.py` from the files in
`benchmarks/results/`, which name versions and hardware. No fit here was given labels of the
target. Scores are counted by them, and defaults [were chosen by them](defaults.md) on some sets.

## Accuracy on real data

Every method with its default parameters, samples standardised within each domain (for values
both by the source), the last epoch's model. Made by `python benchmarks/real_data.py`.

"Source only" is the network that has seen no target sample, without batch normalisation; "target
in batch statistics only" the one whose batch normalisation has, without a criterion. The best
plain model is that out of source only, a linear model and extra trees which has the best mean on
a set: gains over it are what adaptation adds to what could be had from the source. "Under" are
the pairs on which a method is more than a point below the one or the other, and the worst of all
pairs is a difference to source only. "Mean rank" is the place among methods, 1 being the best.

"""

SHALLOW = """
## Without a network

[Adapters](without_a_network.md) around scikit-learn's estimators with their defaults, and the
estimators alone. "Harmed" are pairs that lose more than a point against the same estimator alone.
Columns are standardised by both domains. Made by `python benchmarks/shallow_real_data.py`.

"""

SHALLOW_SPEED = """
### Speed and memory

{workload}, on {processor}. Of other libraries the multiple of our time. Made by
`python benchmarks/shallow_speed.py`; versions: {versions}.

"""

KNOWN = """
### Figures of papers

On the papers' own rows and settings. Made by `python benchmarks/known_numbers.py`.

"""

PHOTOGRAPHS = """
## Office-Caltech10 from its photographs

By MobileNetV2, a network that was trained on other photographs (ImageNet), and the `domadapt`
command. Made by `python benchmarks/office_caltech10.py` on {processor}.

"""

FROZEN = """
The network stays as it is (*frozen*), at 224 pixels, with the estimators' defaults. The whole
table took {minutes:.0f} minutes of wall time with two processes.
"""

END_TO_END = """
Two pairs at 128 pixels, frozen (first table) and trained end to end by the recipes, shortened
to {updates} updates (second table, {minutes:.0f} minutes of wall time). From frozen to end to end
the mean of {title} changes by {difference:+.1f} points. Its recipe was then the covariance
distance of the features at weight 10, which is `coral` now; `deepcoral` fine-tunes on the logits.
"""

DEFAULTS = """
## One default changed at a time

Target accuracy in %, mean over three draws of the camera digits, the two pairs of MNIST and USPS
and the twelve of Office-Caltech10, one seed. `SGD, 0.03` and `Adam, 3e-4` name optimizer and rate:
the first is the default of all but `DANNClassifier`, the second its own; so it is with label
smoothing of 0.1 and of 0, the latter `DeepCORALClassifier`'s. Made by
`python benchmarks/defaults.py`; [how the defaults were chosen](defaults.md) explains the choices.

"""

OTHER_SETTINGS = """
## Several sources, partial and open-set targets

The [other settings](methods/other_settings.md): labels from more than one domain, a target that
has only some of the classes (partial), and one that has new ones too (open set), whose samples are
right where they are called unknown. `python benchmarks/other_settings.py` says how sets are cut.

"""

CRITERIA = """
## Time of a step with each criterion

How much longer training takes with another criterion: {workload}, as a multiple of a step with
CORAL on the features; on {processor}. The names are those of `alignment=`, of all that are one
criterion; two criteria in a list, with fixed weights and with weights that are found, stand
beside them. `m3sda` has two sources. Made by `python benchmarks/criteria_speed.py`. A criterion
may take 1.5 times as long. Exempt from that, for what they do, are {exempt}.

"""

SPEED = """
## Speed and memory

{workload}. Ratios of medians of process CPU time, one thread, all contestants in turns in
one process; on {processor}. Made by `python benchmarks/training_speed.py`.

What an estimator costs beside a loop by hand. `fit` against a bare hand-written loop that gathers
batches by index, with the same network and settings; and with domadapt's default batch
normalisation by domain and label smoothing, in both. CORAL is that of the features on all sides.

"""


def speed_table(fit):
    """Write one row for each method."""
    columns = {
        "domadapt / bare loop": "domadapt over bare loop",
        "with defaults / bare loop with both": "domadapt with defaults over bare loop with both",
        "SKADA / domadapt": "skada over domadapt",
        "pytorch-adapt / domadapt": "pytorch_adapt over domadapt",
    }
    keys, rows = columns.values(), []
    for method, row in fit.items():
        rows.append([method, *(f"{row[key]:.2f}" if key in row else "" for key in keys)])
    return markdown(["method", *columns], rows)


def criteria_table(report):
    """Write the factor of each criterion, the cheapest first."""
    factors = sorted(report["over CORAL"].items(), key=lambda item: item[1])
    rows = [[f"`{name}`", f"{factor:.2f}"] for name, factor in factors]
    return markdown(["criterion", "over CORAL"], rows) + "\n"


def photographs(report):
    """Write the section about the tables of Office-Caltech10."""
    runs = report["runs"]
    small, end_to_end = runs["frozen_128"], runs["end_to_end_128"]
    coral = [
        next(
            method["mean"]["accuracy"]
            for method in run["methods"]
            if method["method"] == "deepcoral"
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
                title=title_of("deepcoral"),
                difference=coral[1] - coral[0],
            ),
        ]
    )


def without_a_network():
    """Write the section about methods without a network."""
    speed = json.loads((RESULTS / "shallow_speed.json").read_text())
    parts = [
        SHALLOW + (RESULTS / "shallow_real_data.md").read_text(),
        KNOWN + (RESULTS / "known_numbers.md").read_text(),
        SHALLOW_SPEED.format(
            workload=speed["workload"],
            processor=speed["hardware"]["processor"],
            versions=versions(speed),
        ),
        (RESULTS / "shallow_speed.md").read_text().replace("### ", "#### "),
    ]
    return "".join(parts)


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
    small = speed["small"]
    steps = json.loads((RESULTS / "criteria_speed_cpu.json").read_text())
    parts = [
        HEAD + accuracy + not_measured(),
        OTHER_SETTINGS + (RESULTS / "other_settings.md").read_text(),
        without_a_network(),
        photographs(json.loads((RESULTS / "office_caltech10.json").read_text())),
        DEFAULTS + (RESULTS / "defaults.md").read_text(),
        SPEED.format(workload=speed["workload"], processor=speed["hardware"]["processor"]),
        speed_table(speed["fit"]),
        "\n\nA step on 200 + 200 rows of 10 columns takes "
        f"{small['step over bare loop']:.2f} of the loop's, and what comes before and after them "
        f"{small['milliseconds']['domadapt']['fixed']:.0f} ms. `predict` on 100,000 samples takes "
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
        images(*(json.loads((RESULTS / f"{n}_cpu.json").read_text()) for n in IMAGE_SPEEDS)),
    ]
    return "".join(parts)


def with_tables(text):
    """Renew the tables of a page.

    Parameters
    ----------
    text : str
        Markdown with names of tables in comments, as :func:`table_of` knows them.

    Returns
    -------
    text : str
        With the tables between the comments.
    """

    def fill(mark):
        return f"<!-- table: {mark[1]} -->\n\n{table_of(mark[1])}\n\n<!-- end of table -->"

    return re.sub(r"<!-- table: (.*?) -->.*?<!-- end of table -->", fill, text, flags=re.DOTALL)


def table_of(name):
    """Write a table by its name.

    Parameters
    ----------
    name : str
        ``methods``, ``methods for values``, ``estimators`` and ``recipes`` are all that there
        are; ``methods of FAMILY`` are those of a page. ``accuracy`` is the summary of the
        real data, ``accuracy of FAMILY`` the part of a page, to which ``and TITLE`` adds
        another method. ``adapters``, ``adapter classes``, ``adapters of FAMILY`` and
        ``shallow accuracy`` and
        ``shallow accuracy of FAMILY`` are those of the methods without a network, and
        ``diagnosis`` those of ``diagnose``, ``harm`` that of ``adaptation_report``, ``peers`` and
        ``peers, short`` those of other libraries.
        ``method map``, ``ends of the map``, ``methods by what is known`` and ``question KEY`` are
        the rules of ``choose_method``. ``best epochs``, ``choices by target labels`` and
        ``comparisons over pairs`` are those of how to report.

    Returns
    -------
    table : str
        Markdown.

    Raises
    ------
    KeyError
        If there is no such table.
    """
    if name in WHOLE:
        return WHOLE[name]()
    if name.startswith("question "):
        return _map_tables.question(name.removeprefix("question "))
    kind, _, rest = name.partition(" of ")
    family, *others = rest.split(" and ")
    adapters = _method_tables.adapter_titles_of(family)
    if adapters and kind == "adapters":
        return _method_tables.adapters_of(family)
    if adapters and kind == "shallow accuracy":
        return shallow_tables(adapters)
    titles = _method_tables.titles_of(family)
    if not titles or kind not in ("methods", "accuracy"):
        raise KeyError(name)
    if kind == "methods":
        return _method_tables.methods_of(family)
    return summaries(measured_cells(), titles + others)


@functools.cache
def measured_cells():
    """Read the accuracies on real data."""
    return json.loads((RESULTS / "real_data.json").read_text())["cells"]


@functools.cache
def shallow_cells():
    """Read the scores of methods without a network on real data."""
    return json.loads((RESULTS / "shallow_real_data.json").read_text())["cells"]


def shallow_tables(adapters):
    """Write a table for each kind of sets, of some adapters or of all."""
    parts = []
    for kind in KINDS:
        cells = of_kind(shallow_cells(), kind)
        shown = {cell["method"].rpartition(" + ")[0] for cell in cells}
        if cells and (adapters is None or shown & set(adapters)):
            parts += [f"{HEADS[kind]}.", shallow_summary(cells, adapters)]
    return "\n\n".join(parts)


def not_measured():
    """Return a sentence on the methods that are newer than the accuracies on real data."""
    measured = {cell["method"] for cell in measured_cells()}
    missing = [title for title in METHODS if title not in measured]
    return f"\nNot measured yet: {', '.join(missing)}.\n" if missing else ""


def diagnosis():
    """Return the tables of the diagnoses of drawn and real domains, without those by family."""
    return (RESULTS / "diagnosis.md").read_text().partition("### By family")[0]


def stored(name):
    """Return a table that a script has written."""
    return (RESULTS / f"{name}.md").read_text().strip()


# Tables that scripts have written, by the names of their files.
STORED = ("batch_norm", "few_labels", "few_shot", "harm", "self_supervision", "self_taught")
STORED += ("half_precision", "larger_than_memory", "task_chain", "task_chain_weights", "together")
STORED += ("negative_transfer", "peers", "scaling_columns", "target_samples", "transferability")

WHOLE = {name: functools.partial(stored, name) for name in STORED} | {
    "methods": _method_tables.all_methods,
    "methods for values": _method_tables.methods_for_values,
    "estimators": _method_tables.estimators,
    "recipes": _method_tables.recipes,
    "adapters": _method_tables.adapters,
    "adapter classes": _method_tables.adapter_classes,
    "shallow accuracy": lambda: shallow_tables(None),
    "accuracy": lambda: summaries(measured_cells()),
    "selection": lambda: stored("selection").replace("## ", "### "),
    "several_tasks": lambda: stored("several_tasks").replace("## ", "### "),
    "scaling": lambda: stored("scaling").replace("## ", "### "),
    "diagnosis": lambda: diagnosis().strip(),
    "peers, short": lambda: stored("peers_short"),
    "best epochs": _flattery_tables.best_epochs,
    "choices by target labels": _flattery_tables.choices,
    "comparisons over pairs": _flattery_tables.comparisons,
    **_map_tables.TABLES,
}


def pages():
    """Return the paths of the pages with tables in them."""
    found = sorted((ROOT / "docs").glob("**/*.md"))
    return [path for path in found if "<!-- table: " in path.read_text()]


if __name__ == "__main__":
    (ROOT / "docs" / "results.md").write_text(page())
    (ROOT / "docs" / "ledger.md").write_text(ledger())
    for path in pages():
        path.write_text(with_tables(path.read_text()))
