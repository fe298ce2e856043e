"""The finished cells of a run as a summary, and the summary as a table."""

import csv
import io
import re
from dataclasses import dataclass
from statistics import fmean, stdev

from domadapt.experiments.published import published_rows

TITLES = {"source": "source only", "deepcoral": "DeepCORAL"}
TITLES |= {name: name.upper() for name in ("dan", "dann", "jan", "cdan", "mcc", "mdd", "afn")}
# The two figures of a cell: the last epoch's, and the one that takes target labels to find.
FIGURES = ("accuracy", "best_accuracy_by_target_labels")
BEST_BY_TARGET_LABELS = "mean of best epochs by target labels"
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
    """What stands in one place of the table.

    Parameters
    ----------
    text : str
        The figure, or "-".
    spread : str, default=""
        The standard deviation over the seeds, where there is one.
    wins : bool, default=False
        Whether no other method of the run has a higher last-epoch accuracy in the column.
    """

    text: str
    spread: str = ""
    wins: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    name : str
        The first column.
    entries : list of Entry
        The others.
    where : str, default=""
        Where the line was published; empty for the run's own.
    """

    name: str
    entries: list[Entry]
    where: str = ""


def title_of(method):
    """Give the name under which a method is shown: an unknown one is its own."""
    return TITLES.get(method, str(method))


def pair_label(source, target):
    """Give the short name of a pair of domains."""
    return f"{source} > {target}"


def summarise(settings, cells):
    """Average the cells of a run over the seeds, and those means over the pairs.

    Cells of pairs, methods or seeds that the settings do not name are left out; of two
    cells with the same pair, method and seed the later counts.

    Parameters
    ----------
    settings : dict
        What the run was asked for.
    cells : list of dict
        The finished ones, in any order.

    Returns
    -------
    summary : dict
        Plain values that json can write: ``dataset``, ``seeds``, ``pairs``, ``cells_done``,
        ``cells_expected``, ``methods`` and ``published``. Each method has its means and
        sample standard deviations by pair over the seeds that are done (None without any,
        or the deviation with one only), and under ``mean`` the means over the pairs that
        have all seeds, which are ``complete`` if these are all pairs.

    Examples
    --------
    >>> from domadapt.experiments.tables import summarise
    >>> settings = {"dataset": "folder", "methods": ["dan"], "seeds": 2, "pairs": [["a", "b"]]}
    >>> cell = {"source": "a", "target": "b", "method": "dan"}
    >>> cells = [
    ...     cell | {"seed": 0, "accuracy": 70.0, "best_accuracy_by_target_labels": 72.0},
    ...     cell | {"seed": 1, "accuracy": 80.0, "best_accuracy_by_target_labels": 84.0},
    ... ]
    >>> summarise(settings, cells)["methods"][0]["mean"]
    {'accuracy': 75.0, 'best_accuracy_by_target_labels': 78.0, 'pairs': 1, 'complete': True}
    """
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
        spread = {figure: _mean_and_std([c[figure] for c in found]) for figure in FIGURES}
        by_pair.append({"source": source, "target": target} | counts | spread)
    whole = [pair for pair in by_pair if pair["complete"]]
    means = {figure: _mean([pair[figure]["mean"] for pair in whole]) for figure in FIGURES}
    return {
        "method": method,
        "title": title_of(method),
        "cells_done": sum(pair["seeds"] for pair in by_pair),
        "cells_expected": len(pairs) * seeds,
        "pairs": by_pair,
        "mean": means | {"pairs": len(whole), "complete": len(whole) == len(pairs)},
    }


def _mean(values):
    return round(fmean(values), 6) if values else None


def _mean_and_std(values):
    return {"mean": _mean(values), "std": round(stdev(values), 6) if len(values) > 1 else None}


def _published(row, pairs):
    """Bring a published row into the order of the run's pairs; json has no tuples as keys."""
    return row | {
        "pairs": [
            {"source": source, "target": target, "accuracy": row["pairs"].get((source, target))}
            for source, target in pairs
        ]
    }


def header(summary):
    """Name the columns of the table.

    Parameters
    ----------
    summary : dict
        From :func:`summarise`.

    Returns
    -------
    columns : list of str
        The method's, one for each pair, and the two means.
    """
    pairs = [pair_label(pair["source"], pair["target"]) for pair in summary["pairs"]]
    return ["method", *pairs, "mean", BEST_BY_TARGET_LABELS]


def rows(summary):
    """Lay out one row for each method of the run, and below them the published ones.

    A mean over some of the pairs says over how many, and wins over no other. Where a
    published epoch was chosen on target labels, the mean stands in the column of those.

    Parameters
    ----------
    summary : dict
        From :func:`summarise`.

    Returns
    -------
    rows : list of Row
        In the order of the columns that :func:`header` names.
    """
    accuracies = [
        [pair["accuracy"]["mean"] if pair["complete"] else None for pair in method["pairs"]]
        + [method["mean"]["accuracy"] if method["mean"]["complete"] else None]
        for method in summary["methods"]
    ]
    winners = [_winner(column) for column in zip(*accuracies, strict=True)]
    own = [
        _method_row(method, values, winners)
        for method, values in zip(summary["methods"], accuracies, strict=True)
    ]
    return own + [_published_row(row) for row in summary["published"]]


def _method_row(method, values, winners):
    wins = [
        value is not None and _shown(value) == winner
        for value, winner in zip(values, winners, strict=True)
    ]
    entries = [
        Entry(_shown(value), _spread(pair["accuracy"]["std"], value), win)
        for pair, value, win in zip(method["pairs"], values[:-1], wins[:-1], strict=True)
    ]
    mean = method["mean"]
    partly = 0 < mean["pairs"] < len(method["pairs"])
    part = f" ({mean['pairs']} of {len(method['pairs'])})" if partly else ""
    entries.append(Entry(_shown(mean["accuracy"]) + part, wins=wins[-1]))
    entries.append(Entry(_shown(mean["best_accuracy_by_target_labels"]) + part))
    return Row(method["title"], entries)


def _published_row(row):
    means = [Entry(_shown(row["mean"])), Entry("-")]
    if row["epoch_by_target_labels"]:
        means.reverse()
    entries = [Entry(_shown(pair["accuracy"])) for pair in row["pairs"]] + means
    return Row(row["name"], entries, where=row["where"])


def _shown(value):
    return "-" if value is None else f"{value:.1f}"


def _spread(std, value):
    return "" if std is None or value is None else f"± {std:.1f}"


def _winner(column):
    """Give the highest figure as it is shown, so that what looks the same wins together."""
    values = [value for value in column if value is not None]
    return _shown(max(values)) if len(values) > 1 else None


def notes(summary):
    """Say what the columns are, and what the last one is worth.

    Parameters
    ----------
    summary : dict
        From :func:`summarise`.

    Returns
    -------
    sentences : list of str
        Plain text.
    """
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
    """Write the summary as a table in Markdown, with a note beneath.

    Parameters
    ----------
    summary : dict
        From :func:`summarise`.

    Returns
    -------
    text : str
        A row for each method, then the published ones, and a column for each pair, their
        mean, and the mean of the best epochs by target labels.
    """
    lines = [[_escape(title) for title in header(summary)]]
    for row in rows(summary):
        name = f"published: {row.name} ({row.where})" if row.where else row.name
        lines.append([_escape(name), *(entry.text for entry in row.entries)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    table = "\n".join(_line(cells, widths) for cells in [lines[0], rule, *lines[1:]])
    return f"{table}\n\n{' '.join(notes(summary))}\n"


def _line(cells, widths):
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(padded)} |"


def _escape(text):
    """Keep a name from being read as Markdown, or as the end of its cell."""
    text = " ".join(str(text).split())
    # An underscore inside of a word marks nothing, and domains often have one.
    return re.sub(r"[\\`*\[\]|~&<]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)


def csv_table(summary):
    """Write the summary as comma-separated values, a line for each pair and method.

    Parameters
    ----------
    summary : dict
        From :func:`summarise`.

    Returns
    -------
    text : str
        ``seeds`` counts those that are done; what is not known is left empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for method in summary["methods"]:
        for pair in method["pairs"]:
            accuracy, best = (pair[figure] for figure in FIGURES)
            values = [pair["seeds"], accuracy["mean"], accuracy["std"], best["mean"]]
            writer.writerow([pair["source"], pair["target"], method["method"], *values])
    return text.getvalue()
