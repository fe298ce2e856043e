"""The ledger of every measured number: data, seeds, versions, command, epoch, what was chosen.

How a script measures is what its first lines say; versions, hardware, sets and seeds come out of
the result files, and what these do not hold is written here.
"""

import ast
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"

LAST = "last"
NONE = "no training"
DRAWN = "drawn by the script"
DEFAULTS = "nothing: defaults"
TIMES = "nothing: times and memory"
CODED = "nothing: sizes are written in the script, the same for all"


@dataclass(frozen=True)
class Entry:
    """What a result file does not say by itself.

    Parameters
    ----------
    chosen : str
        What was chosen, and by what.
    pages : tuple of str
        Pages of docs/ that show the numbers.
    epoch : str
        Which epoch's model was scored.
    data : str or None
        What was measured on, where the cells do not name their sets.
    seeds : str or None
        How often it was drawn, where the file does not say it.
    script : str or None
        The script, where its name is not that of the file.
    """

    chosen: str
    pages: tuple[str, ...]
    epoch: str = LAST
    data: str | None = None
    seeds: str | None = None
    script: str | None = None


ENTRIES = {
    "batch_norm": Entry("the default of `batch_norm`, by this table", ("defaults.md",)),
    "criteria_speed_cpu": Entry(
        TIMES, ("results.md",), "200 steps", DRAWN, "one draw", "criteria_speed"
    ),
    "decoding_speed_cpu": Entry(TIMES, ("results.md",), NONE, DRAWN, "one draw", "decoding_speed"),
    "defaults": Entry(
        "defaults of training, by target labels of these sets",
        ("results.md", "defaults.md"),
        data="camera digits (three draws), mnist_usps, office_caltech10/mobilenetv2",
    ),
    "diagnosis": Entry(
        "limits, on draws with other seeds",
        ("diagnosing_a_shift.md",),
        NONE,
        f"{DRAWN}, halves of one domain, and real pairs",
        "100 draws of each kind",
    ),
    "few_labels": Entry("defaults of fine-tuning, on two of the five draws", ("fine_tuning.md",)),
    "few_shot": Entry(
        "defaults, on other splits of the classes",
        ("few_shots.md",),
        data="mnist_usps, office_caltech10/mobilenetv2",
        seeds="100 episodes of each",
    ),
    "half_precision": Entry(DEFAULTS, ("how_it_grows.md",)),
    "harm": Entry(
        "limits of the checks, on other samples of the real sets",
        ("when_adapting_harms.md",),
        data=f"digits, other real sets, and {DRAWN}",
        seeds="one draw of a real pair, 12 of each drawn kind",
    ),
    "image_speed_cpu": Entry(TIMES, ("results.md",), NONE, DRAWN, "one draw", "image_speed"),
    "known_numbers": Entry(
        "nothing: settings of the papers",
        ("results.md",),
        NONE,
        "office_caltech10/surf, mnist_usps",
        "nothing is drawn",
    ),
    "larger_than_memory": Entry(TIMES, ("more_rows_than_memory.md",), data=DRAWN, seeds="one draw"),
    "negative_transfer": Entry(
        DEFAULTS, ("negative_transfer.md",), data="scikit-learn's breast cancer set"
    ),
    "office_caltech10": Entry(
        "nothing: recipes of the papers, and defaults where the backbone is frozen",
        ("results.md", "office31.md", "reporting_results.md"),
        "last; the best by target labels has a column of that name",
        "photographs of office_caltech10",
        "3 with a frozen backbone, 1 end to end",
    ),
    "other_settings": Entry(DEFAULTS, ("results.md", "methods/other_settings.md")),
    "peers": Entry(
        "nothing: the documented defaults of each library, and ours for all",
        ("beside_others.md",),
    ),
    "real_data": Entry(DEFAULTS, ("results.md", "methods/index.md", "reporting_results.md")),
    "scaling": Entry(TIMES, ("how_it_grows.md",), "after 1 or 5", DRAWN, "one draw"),
    "scaling_columns": Entry(DEFAULTS, ("scaling_columns.md",)),
    "selection": Entry(
        "rules, by leaving one set out of 24, among them sets that are not here",
        ("choosing_without_labels.md",),
        seeds="1",
    ),
    "self_supervision": Entry(DEFAULTS, ("methods/self_supervision.md",)),
    "self_taught": Entry(DEFAULTS, ("self_taught_learning.md",), data="mnist_usps"),
    "several_tasks": Entry(DEFAULTS, ("several_tasks.md",), data="wisdm_activity, mnist_usps"),
    "shallow_real_data": Entry(DEFAULTS, ("results.md", "without_a_network.md"), NONE),
    "shallow_speed": Entry(TIMES, ("results.md",), NONE, DRAWN, "3 rounds"),
    "target_samples": Entry(DEFAULTS, ("answers.md",), data="camera digits"),
    "task_chain": Entry(
        "weights of the strategies, by `task_chain_weights`",
        ("chains_of_tasks.md",),
        data="mnist_usps",
        seeds="3",
    ),
    "task_chain_weights": Entry(
        "weights of the strategies, by this table",
        ("chains_of_tasks.md",),
        data="scikit-learn's digits",
        seeds="3, none of them in another table",
        script="task_chain",
    ),
    "together": Entry(CODED, ("many_fits_at_once.md",), LAST, DRAWN, "16 fits of one draw"),
    "training_speed_cpu": Entry(
        CODED, ("results.md",), "after 20", DRAWN, "medians of 5 turns", "training_speed"
    ),
    "transferability": Entry(
        DEFAULTS,
        ("transferability.md",),
        data="mnist_usps, wisdm_activity, office_caltech10",
    ),
}

HEAD = """# Where every number comes from

For those who want to check a figure, or to run it again. Each table and each number of these
pages comes from a stored result file that a script wrote. Here is every such file: what it was
measured on, by which command, with which seeds and versions, which epoch's model was scored, and
what was chosen by it. An *epoch* is a pass over the data, a *seed* the number that chance starts
from. Fits are not given labels of the target, but for the few of a task that has some. Scores are
counted by the labels, and where something was chosen by them too, it is said below or in [how the
defaults were chosen](defaults.md). The data sets are not part of the project: scripts find them
in the folder that the environment variable `DOMADAPT_DATA` names.

The last epoch is scored, not the best one: which epoch is best on the target is what nobody knows
without its labels. Papers often report the best one.

| result | measured on | seeds | epoch | what was chosen | pages |
|---|---|---|---|---|---|
"""

PUBLISHED = """
## Beside the numbers of papers

What could be run on the same rows. Means over all pairs of the set, in %.

| set | method | here | published | largest difference of a pair |
|---|---|---|---|---|
"""

DIFFERENCES = """
- 1-NN, TCA, and JDA on digits: the same, up to a few rows.
- JDA on SURF: the same mean. It learns from its own predictions in ten rounds, which carry the
  difference of a few rows on.
- GFK: the same mean; single pairs differ by several points. The published row does not say how many
  directions were kept on which pair.
- CORAL: the published row is that of another formula, in which only one side is mapped: the row
  "CORAL, one side" gives it in ten of twelve pairs. The two others were made with another C. The
  paper's words are the row "CORAL".

The numbers of papers on Office-31 with ResNet-50 stand in the tables that `domadapt bench office31`
prints, beside those of your run. They cannot be measured here: neither the photographs nor the
weights may be shared. Nothing on these pages claims that they are reproduced.
"""


def of(report, key):
    """Return what a result file says of its environment."""
    return report.get(key) or report["environment"][key]


def seeds_of(entry, report):
    """Return how often it was drawn."""
    if entry.seeds is not None:
        return entry.seeds
    return str(report["seeds"] if "seeds" in report else report["draws"])


def data_of(entry, report):
    """Return what was measured on."""
    return entry.data or "; ".join(sorted({cell["set"] for cell in report["cells"]}))


def prose_of(script):
    """Return what the first lines of a script say, without its command line."""
    text = ast.get_docstring(ast.parse((ROOT / "benchmarks" / f"{script}.py").read_text()))
    parts = [part for part in text.split("\n\n") if not part.startswith("    ")]
    return "\n\n".join(parts).replace("``", "`")


def row(name, entry, report):
    """Write the line of a result."""
    pages = ", ".join(f"[{page.removesuffix('.md')}]({page})" for page in entry.pages)
    data, seeds = data_of(entry, report), seeds_of(entry, report)
    return (
        f"| {' | '.join([f'[{name}](#{name})', data, seeds, entry.epoch, entry.chosen, pages])} |"
    )


def section(name, entry, report):
    """Write what is needed to make a result again."""
    versions = ", ".join(f"{key} {value}" for key, value in of(report, "versions").items())
    script = entry.script or name
    return "\n".join(
        [
            f"### {name}\n",
            f"{prose_of(script)}\n",
            f"- Command: `python benchmarks/{script}.py`, whose options `--help` lists.",
            f"- Versions: {versions}.",
            f"- Hardware: {of(report, 'hardware')['processor']}.",
            f"- File: `benchmarks/results/{name}.json`.",
        ]
    )


def published_rows():
    """Write a line for each method whose published figures could be measured again."""
    found = json.loads((RESULTS / "known_numbers.json").read_text())["results"]
    lines = []
    for name, content in found.items():
        for method, values in content["methods"].items():
            difference = np.subtract(values["measured"], values["published"])
            largest = difference[np.argmax(abs(difference))]
            pair = content["pairs"][int(np.argmax(abs(difference)))]
            lines.append(
                f"| {name} | {method} | {values['mean']:.1f} | {values['published_mean']:.1f} "
                f"| {round(largest, 1) + 0.0:+.1f} ({pair}) |"
            )
    return "\n".join(lines) + "\n"


def ledger():
    """Return the page of the ledger.

    Returns
    -------
    text : str
        Markdown.

    Raises
    ------
    KeyError
        If a result file has no entry.
    """
    reports = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    rows = [row(name, ENTRIES[name], report) for name, report in reports.items()]
    sections = [section(name, ENTRIES[name], report) for name, report in reports.items()]
    parts = [HEAD + "\n".join(rows) + "\n", PUBLISHED + published_rows(), DIFFERENCES]
    return "".join(parts) + "\n## How to make them again\n\n" + "\n\n".join(sections) + "\n"
