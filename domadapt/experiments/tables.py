"""Summary of the finished cells of a run, and tables of the summary."""

import contextlib
import itertools
import re
from dataclasses import dataclass
from statistics import fmean, stdev

from domadapt._storage.text import csv_text
from domadapt.experiments.files import ACCURACIES
from domadapt.experiments.published import published_rows
from domadapt.methods import METHODS
from domadapt.shallow._combinations import read_shallow

BEST_BY_TARGET_LABELS = "mean of best epochs by target labels"
MEANS = ("mean", BEST_BY_TARGET_LABELS)
CSV_COLUMNS = (
    "source",
    "target",
    "method",
    "seeds",
    "accuracy_mean",
    "accuracy_std",
    "best_accuracy_by_target_labels_mean",
)


@dataclass(frozen=True)
class Entry:
    """A cell of the table: a number or "-", its standard deviation, and if it is bold."""

    text: str
    spread: str = ""
    # No other method of the run has a higher last-epoch accuracy in the column.
    is_best: bool = False


@dataclass(frozen=True)
class Row:
    """A row of the table, with the source that published it (empty for the run's own rows)."""

    name: str
    entries: list[Entry]
    where: str = ""


def title_of(method):
    """Return the displayed name of a method, for an unknown one the method itself."""
    if method in METHODS:
        return METHODS[method].title
    with contextlib.suppress(ValueError):
        if (shallow := read_shallow(method)) is not None:
            return shallow.title
    return str(method)


def pair_label(source, target):
    """Return the short name of a pair of domains."""
    return f"{source} > {target}"


def summarise(settings, cells):
    """Average the cells of a run over the seeds, and those means over the pairs with all seeds."""
    # Cells that the settings do not name are ignored; of equal keys the last cell counts.
    pairs = [tuple(pair) for pair in settings["pairs"]]
    seeds = settings["seeds"]
    done = {(c["source"], c["target"], c["method"], c["seed"]): c for c in cells}
    methods = [_summarise_method(method, pairs, seeds, done) for method in settings["methods"]]
    return {
        "dataset": settings["dataset"],
        "seeds": seeds,
        "pairs": [{"source": source, "target": target} for source, target in pairs],
        "cells_done": sum(method["cells_done"] for method in methods),
        "cells_expected": sum(method["cells_expected"] for method in methods),
        "methods": methods,
        "published": [_published(row, pairs) for row in published_rows(settings)],
    }


def _summarise_method(method, pairs, seeds, done):
    by_pair = []
    for source, target in pairs:
        keys = [(source, target, method, seed) for seed in range(seeds)]
        found = [done[key] for key in keys if key in done]
        counts = {"seeds": len(found), "complete": len(found) == seeds}
        spread = {key: _mean_and_std([c[key] for c in found]) for key in ACCURACIES}
        by_pair.append({"source": source, "target": target} | counts | spread)
    finished = [pair for pair in by_pair if pair["complete"]]
    means = {key: _mean([pair[key]["mean"] for pair in finished]) for key in ACCURACIES}
    return {
        "method": method,
        "title": title_of(method),
        "cells_done": sum(pair["seeds"] for pair in by_pair),
        "cells_expected": len(pairs) * seeds,
        "pairs": by_pair,
        "mean": means | {"pairs": len(finished), "complete": len(finished) == len(pairs)},
    }


def _mean(values):
    return round(fmean(values), 6) if values else None


def _mean_and_std(values):
    return {"mean": _mean(values), "std": round(stdev(values), 6) if len(values) > 1 else None}


def _published(row, pairs):
    """Sort the pairs of a published row as in the run; JSON has no tuples as keys."""
    return row | {
        "pairs": [
            {"source": source, "target": target, "accuracy": row["pairs"].get((source, target))}
            for source, target in pairs
        ],
        "mean_over": [{"source": source, "target": target} for source, target in row["mean_over"]],
        "mean_is_over_pairs_of_run": _without_case(row["mean_over"]) == _without_case(pairs),
    }


def _without_case(pairs):
    """Return pairs as a set; the folder of a domain may be called Amazon."""
    return {(source.lower(), target.lower()) for source, target in pairs}


def header(summary):
    """Return the names of the columns: the method, the pairs and the two means."""
    pairs = [pair_label(pair["source"], pair["target"]) for pair in summary["pairs"]]
    return ["method", *pairs, *MEANS]


def rows(summary):
    """Return one row for each method of the run, and below them the published ones.

    A published row that has nothing on the pairs of the run is left out.
    """
    # A mean over some of the pairs shows their number and is not the best of its column.
    accuracies = [
        [pair["accuracy"]["mean"] if pair["complete"] else None for pair in method["pairs"]]
        + [method["mean"]["accuracy"] if method["mean"]["complete"] else None]
        for method in summary["methods"]
    ]
    best = [_best(column) for column in zip(*accuracies, strict=True)]
    own = [
        _method_row(method, values, best)
        for method, values in zip(summary["methods"], accuracies, strict=True)
    ]
    published = [
        Row(row["name"], _published_pairs(row) + _published_means(row), row["where"])
        for row in summary["published"]
    ]
    return own + [row for row in published if any(entry.text != "-" for entry in row.entries)]


def means_over_other_pairs(summary):
    """Return published means that do not compare with those of the run, by what they are over."""
    found: dict[str, list[Row]] = {}
    for row in summary["published"]:
        if not row["mean_is_over_pairs_of_run"]:
            means = Row(row["name"], _means(row), row["where"])
            found.setdefault(_name_pairs(row["mean_over"]), []).append(means)
    return found


def _name_pairs(pairs):
    """Name pairs of domains, in short if they are all that there are."""
    pairs = [(pair["source"], pair["target"]) for pair in pairs]
    domains = sorted({name for pair in pairs for name in pair})
    if set(pairs) == set(itertools.permutations(domains, 2)):
        return f"all {len(pairs)} pairs of {', '.join(domains)}"
    return ", ".join(pair_label(*pair) for pair in pairs)


def _method_row(method, values, best):
    is_best = [
        value is not None and _format(value) == highest
        for value, highest in zip(values, best, strict=True)
    ]
    entries = [
        Entry(_format(value), _spread(pair["accuracy"]["std"], value), bold)
        for pair, value, bold in zip(method["pairs"], values[:-1], is_best[:-1], strict=True)
    ]
    mean = method["mean"]
    is_partial = 0 < mean["pairs"] < len(method["pairs"])
    part = f" ({mean['pairs']} of {len(method['pairs'])})" if is_partial else ""
    entries.append(Entry(_format(mean["accuracy"]) + part, is_best=is_best[-1]))
    entries.append(Entry(_format(mean["best_accuracy_by_target_labels"]) + part))
    return Row(method["title"], entries)


def _published_pairs(row):
    return [Entry(_format(pair["accuracy"])) for pair in row["pairs"]]


def _published_means(row):
    # Means over different pairs do not belong in one column.
    return _means(row) if row["mean_is_over_pairs_of_run"] else [Entry("-"), Entry("-")]


def _means(row):
    means = [Entry(_format(row["mean"])), Entry("-")]
    # The last column is for epochs that target labels select.
    return means[::-1] if row["epoch_by_target_labels"] else means


def _format(value):
    return "-" if value is None else f"{value:.1f}"


def _spread(std, value):
    return "" if std is None or value is None else f"± {std:.1f}"


def _best(column):
    """Return the highest accuracy as text, so that all entries with this text are bold."""
    values = [value for value in column if value is not None]
    return _format(max(values)) if len(values) > 1 else None


def notes(summary):
    """Return sentences that explain the columns and the limits of the last one."""
    seeds = f"{summary['seeds']} seed{'s' if summary['seeds'] != 1 else ''}"
    sentences = [
        f"Accuracy in percent on the target, last epoch, mean of {seeds}; "
        '"-" is what is not finished or was not published.',
        f'Warning: the column "{BEST_BY_TARGET_LABELS}" takes from each run the epoch that '
        "target labels rate best; it uses target labels and is not attainable without them.",
    ]
    if summary["published"]:
        sentences.append("Published accuracies are as their source states them, not measured here.")
    if summary["cells_done"] < summary["cells_expected"]:
        sentences.append(
            f"The run is not finished: {summary['cells_done']} of {summary['cells_expected']} "
            "cells are done, and a mean over some of the pairs says over how many."
        )
    return sentences


def markdown_table(summary):
    """Return the summary as a table in Markdown, with the notes below.

    Published means over other pairs than those of the run follow in tables of their own.
    """
    parts = [_markdown(header(summary), rows(summary)), " ".join(notes(summary))]
    for pairs, others in means_over_other_pairs(summary).items():
        parts += [_escape(other_pairs_heading(pairs)) + ":", _markdown(["method", *MEANS], others)]
    return "\n\n".join(parts) + "\n"


def other_pairs_heading(pairs):
    """Return what stands above published means that do not compare with those of the run."""
    return f"Published means over {pairs}, which are not the pairs of this run"


def _markdown(titles, table_rows):
    lines = [[_escape(title) for title in titles]]
    for row in table_rows:
        name = f"published: {row.name} ({row.where})" if row.where else row.name
        lines.append([_escape(name), *(entry.text for entry in row.entries)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(cells, widths) for cells in [lines[0], rule, *lines[1:]])


def _line(cells, widths):
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(padded)} |"


def _escape(text):
    """Escape a name, so that it is not read as Markdown or as the end of its cell."""
    text = " ".join(str(text).split())
    # An underscore inside of a word, as in many names of domains, needs no escape.
    return re.sub(r"[\\`*\[\]|~&<]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)


def csv_table(summary):
    """Return the summary as comma-separated values, a line for each pair and method."""
    lines = [CSV_COLUMNS]
    for method in summary["methods"]:
        for pair in method["pairs"]:
            accuracy, best = (pair[key] for key in ACCURACIES)
            values = [pair["seeds"], accuracy["mean"], accuracy["std"], best["mean"]]
            lines.append((pair["source"], pair["target"], method["method"], *values))
    return csv_text(lines)
