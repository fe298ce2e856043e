"""Summary of the finished cells of a run, and tables of the summary."""

import contextlib
import itertools
import re
from dataclasses import dataclass
from statistics import fmean, stdev

from domadapt._storage.text import csv_text
from domadapt.experiments.files import ACCURACIES
from domadapt.experiments.published import published_rows
from domadapt.experiments.vector_methods import read_vector_method
from domadapt.methods import METHODS

BEST_BY_TARGET_LABELS = "mean of best epochs by target labels"
MEANS = ("mean", BEST_BY_TARGET_LABELS)
CHOSEN = "chosen without target labels"
ESTIMATED = "estimated without target labels"
CSV_COLUMNS = (
    "source",
    "target",
    "method",
    "seeds",
    "accuracy_mean",
    "accuracy_std",
    "best_accuracy_by_target_labels_mean",
    "estimated_accuracy_mean",
    "seeds_chosen_without_target_labels",
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
        if (on_vectors := read_vector_method(method)) is not None:
            return on_vectors.title
    return str(method)


def pair_label(source, target):
    """Return the short name of a pair of domains."""
    return f"{source} > {target}"


def summarise(settings, cells, chosen=None):
    """Average the cells of a run over the seeds, and those means over the pairs with all seeds.

    ``chosen`` names methods by source, target and seed, as
    :func:`domadapt.experiments.choice.choose_methods` does.
    """
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
        "chosen": _summarise_chosen(chosen or {}, pairs, seeds, done),
        "published": [_published(row, pairs) for row in published_rows(settings)],
    }


def _summarise_method(method, pairs, seeds, done):
    by_pair = []
    for source, target in pairs:
        keys = [(source, target, method, seed) for seed in range(seeds)]
        found = [done[key] for key in keys if key in done]
        counts = {"seeds": len(found), "complete": len(found) == seeds}
        spread = {key: _mean_and_std([c[key] for c in found]) for key in ACCURACIES}
        own = _own_estimates([c for c in found if "estimated_accuracy" in c])
        by_pair.append({"source": source, "target": target} | counts | spread | own)
    finished = [pair for pair in by_pair if pair["complete"]]
    means = {key: _mean([pair[key]["mean"] for pair in finished]) for key in ACCURACIES}
    if estimates := [p["estimated_accuracy"] for p in finished if "estimated_accuracy" in p]:
        means["estimated_accuracy"] = _mean(estimates)
    return {
        "method": method,
        "title": title_of(method),
        "cells_done": sum(pair["seeds"] for pair in by_pair),
        "cells_expected": len(pairs) * seeds,
        "pairs": by_pair,
        "mean": means | {"pairs": len(finished), "complete": len(finished) == len(pairs)},
    }


def _own_estimates(cells):
    """Summarise what a method says of itself without target labels, if it does."""
    if not cells:
        return {}
    estimate = _mean([cell["estimated_accuracy"] for cell in cells])
    return {"estimated_accuracy": estimate, "adapts": sum(cell["adapts"] for cell in cells)}


def _summarise_chosen(chosen, pairs, seeds, done):
    """Average the accuracies of the methods that were named without target labels."""
    by_pair = []
    for source, target in pairs:
        named = [chosen.get((source, target, seed)) for seed in range(seeds)]
        found = [
            done[source, target, method, seed]["accuracy"]
            for seed, method in enumerate(named)
            if method is not None
        ]
        times = {method: named.count(method) for method in named if method is not None}
        counts = {"seeds": len(found), "complete": len(found) == seeds, "methods": times}
        spread = {"accuracy": _mean_and_std(found)}
        by_pair.append({"source": source, "target": target} | counts | spread)
    finished = [pair["accuracy"]["mean"] for pair in by_pair if pair["complete"]]
    mean = {"accuracy": _mean(finished), "pairs": len(finished)}
    return {"pairs": by_pair, "mean": mean | {"complete": len(finished) == len(pairs)}}


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
    """Return a row for each method of the run, for the choice among them, and published ones.

    A row that has nothing on the pairs of the run is left out, unless it is of a method.
    """
    # A mean over some of the pairs shows their number and is not the best of its column.
    accuracies = [
        [pair["accuracy"]["mean"] if pair["complete"] else None for pair in method["pairs"]]
        + [method["mean"]["accuracy"] if method["mean"]["complete"] else None]
        for method in summary["methods"]
    ]
    best = [_best(column) for column in zip(*accuracies, strict=True)]
    own = []
    for method, values in zip(summary["methods"], accuracies, strict=True):
        own.append(_method_row(method, values, best))
        if "estimated_accuracy" in method["mean"]:
            own.append(_estimate_row(method))
    # Summaries of before the choice have none.
    others = [_chosen_row(summary["chosen"])] if "chosen" in summary else []
    others += [
        Row(row["name"], _published_pairs(row) + _published_means(row), row["where"])
        for row in summary["published"]
    ]
    return own + [row for row in others if any(entry.text != "-" for entry in row.entries)]


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
    part = _part(mean, len(method["pairs"]))
    entries.append(Entry(_format(mean["accuracy"]) + part, is_best=is_best[-1]))
    entries.append(Entry(_format(mean["best_accuracy_by_target_labels"]) + part))
    return Row(method["title"], entries)


def _estimate_row(method):
    """Return the row of what a method takes its accuracy for, without target labels."""
    pairs, mean = method["pairs"], method["mean"]
    values = [pair.get("estimated_accuracy") if pair["complete"] else None for pair in pairs]
    entries = [Entry(_format(value)) for value in values]
    entries.append(Entry(_format(mean["estimated_accuracy"]) + _part(mean, len(pairs))))
    return Row(f"{method['title']}: {ESTIMATED}", [*entries, Entry("-")])


def _chosen_row(chosen):
    """Return the row of the methods that were named for each pair without target labels."""
    pairs, mean, entries = chosen["pairs"], chosen["mean"], []
    for pair in pairs:
        value = pair["accuracy"]["mean"] if pair["complete"] else None
        entries.append(Entry(_format(value), _spread(pair["accuracy"]["std"], value)))
    entries.append(Entry(_format(mean["accuracy"]) + _part(mean, len(pairs))))
    return Row(CHOSEN, [*entries, Entry("-")])


def _part(mean, n_pairs):
    """Return over how many pairs a mean is, if not over all."""
    return f" ({mean['pairs']} of {n_pairs})" if 0 < mean["pairs"] < n_pairs else ""


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
    sentences += [
        _about_estimate(m) for m in summary["methods"] if "estimated_accuracy" in m["mean"]
    ]
    chosen = summary.get("chosen", {"pairs": []})
    if named := [pair for pair in chosen["pairs"] if pair["complete"]]:
        sentences.append(_about_choice(named, summary))
    if summary["published"]:
        sentences.append("Published accuracies are as their source states them, not measured here.")
    if summary["cells_done"] < summary["cells_expected"]:
        sentences.append(
            f"The run is not finished: {summary['cells_done']} of {summary['cells_expected']} "
            "cells are done, and a mean over some of the pairs says over how many."
        )
    return sentences


def _about_estimate(method):
    adapts = sum(pair.get("adapts", 0) for pair in method["pairs"])
    return (
        f"The {method['title']} adapts in {adapts} of {method['cells_done']} cells, and takes "
        f'plain models in the others; "{ESTIMATED}" is what it takes its own accuracy for.'
    )


def _about_choice(pairs, summary):
    """Name the methods that were chosen, by pair."""
    titles = {method["method"]: method["title"] for method in summary["methods"]}
    named = []
    for pair in pairs:
        several = len(pair["methods"]) > 1
        of_pair = [
            titles[method] + (f" ({times} of {pair['seeds']} seeds)" if several else "")
            for method, times in pair["methods"].items()
        ]
        named.append(f"{pair_label(pair['source'], pair['target'])}: {', '.join(of_pair)}")
    return (
        f'"{CHOSEN}" is the accuracy of that method of this table whose target predictions agree '
        f"best with those of all: {'; '.join(named)}."
    )


def markdown_table(summary):
    """Return the summary as a table in Markdown, with the notes below.

    Published means over other pairs than those of the run follow in tables of their own.
    """
    parts = [_markdown(header(summary), rows(summary)), _escape(" ".join(notes(summary)))]
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
            values += [pair.get("estimated_accuracy"), _times_chosen(method, pair, summary)]
            lines.append((pair["source"], pair["target"], method["method"], *values))
    return csv_text(lines)


def _times_chosen(method, pair, summary):
    """Return in how many seeds a method was named for a pair, None where none was."""
    (named,) = (
        one["methods"]
        for one in summary["chosen"]["pairs"]
        if (one["source"], one["target"]) == (pair["source"], pair["target"])
    )
    return named.get(method["method"], 0) if named else None
