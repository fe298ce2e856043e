"""Curves of the report by epoch, as SVG: target accuracy, task loss and alignment loss."""

import html
import math
from typing import NamedTuple

import numpy as np

from domadapt.experiments.figures import legend, legend_entry, page_axes, svg_of
from domadapt.experiments.tables import pair_label
from domadapt.plotting import TrainingHistoryDisplay
from domadapt.plotting._signs import line_style


class Panel(NamedTuple):
    """What is drawn by epoch: name, title of the axes, how a value is written, on which scale."""

    name: str
    title: str
    form: str
    relative: bool


PANELS = {
    "target_accuracy": Panel("target accuracy", "target accuracy, %", "{:.1f} %", False),
    "task_loss": Panel("task loss", "task loss", "{:.3g}", False),
    "alignment_loss": Panel("alignment loss", "alignment loss, largest = ±1", "{:.3g}", True),
}
NOTE = (
    "Each curve is the mean over the seeds, as far as all of them have come. Alignment losses of "
    "different methods have different scales, so each is divided by its largest absolute value; a "
    "method that aligns nothing, such as source only, has none. The values of the last epoch stand "
    "below the curves, not divided."
)
STAGES_NOTE = (
    "Where alignment is a stage of its own, its curve begins in the epoch after the last one of "
    "the task loss."
)


def curves_section(by_pair, titles):
    """Return the curves of all pairs as HTML, with one legend of the methods."""
    figures = [_pair_figure(pair, details, titles) for pair, details in by_pair.items()]
    figures = [figure for figure in figures if figure]
    if not figures:
        return "<p>No curve is there yet.</p>"
    has_stages = any(d.get("adaptation_history") for details in by_pair.values() for d in details)
    note = f"{NOTE} {STAGES_NOTE}" if has_stages else NOTE
    return "\n".join([f'<p class="notes">{note}</p>', _legend_of_methods(titles), *figures])


def _pair_figure(pair, details, titles):
    label = pair_label(*pair)
    curves = {key: _mean_curves(details, titles, key) for key in PANELS}
    # One scale of epochs for all panels shows which stage a curve belongs to.
    n_epochs = max((len(c) for found in curves.values() for c in found if c), default=0)
    if not n_epochs:
        return ""
    drawings = [
        _panel(label, key, found, titles, n_epochs) for key, found in curves.items() if any(found)
    ]
    return (
        f"<figure><figcaption>{html.escape(label)}</figcaption>"
        f'<div class="panels">{"".join(drawings)}</div>{_last_values(curves, titles)}</figure>'
    )


def _mean_curves(details, titles, key):
    """Average the curves of each method over its seeds, up to the shortest; None without one."""
    means = []
    for method in titles:
        found = [_curve(d, key) for d in details if d["method"] == method]
        epochs = list(zip(*(values for values in found if values), strict=False))
        means.append(np.array(epochs, dtype=float).mean(axis=1).tolist() if epochs else None)
    return means


def _curve(details, key):
    """Return a curve of one cell, None without one."""
    if key == "target_accuracy":
        return details.get(key)
    history = details.get("history") or {}
    values = history.get(key)
    if key == "alignment_loss":
        second = (details.get("adaptation_history") or {}).get(key)
        if second:
            return [math.nan] * len(history.get("task_loss") or []) + second
        # It is 0 throughout where nothing is aligned.
        return values if any(values or []) else None
    return values


def _panel(label, key, curves, titles, n_epochs):
    ends = [
        f"{name} {_last_value(curve, key)}"
        for name, curve in zip(titles.values(), curves, strict=True)
        if curve
    ]
    name = PANELS[key].name.capitalize()
    alt = f"{name} by epoch, {label}. After the last epoch: {', '.join(ends)}."
    return draw_curves(dict(zip(titles, curves, strict=True)), PANELS[key], alt, n_epochs)


def _last_value(curve, key):
    return PANELS[key].form.format(curve[-1]) if curve else "-"


def _last_values(curves, titles):
    """Return a table of the last values, to be opened by those who want numbers."""
    columns = ["method", *(panel.name for panel in PANELS.values())]
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    lines = []
    for number, name in enumerate(titles.values()):
        cells = "".join(f"<td>{_last_value(curves[key][number], key)}</td>" for key in PANELS)
        lines.append(f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>')
    return (
        "<details><summary>Values after the last epoch</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></details>"
    )


def draw_curves(curves, panel, alt, n_epochs):
    """Return a curve of each method by epoch as SVG for a page; None where a method has none."""
    lines = {"axes.grid": True, "axes.spines.top": False, "axes.spines.right": False}
    with page_axes((4.2, 2.2), **lines) as axes:
        display = TrainingHistoryDisplay(curves, relative=panel.relative)
        display.plot(axes, legend=False)
        axes.set(title=panel.title, ylabel=None)
        if n_epochs > 1:
            margin = 0.05 * (n_epochs - 1)
            axes.set_xlim(1 - margin, n_epochs + margin)
        return svg_of(axes.figure, alt)


def _legend_of_methods(titles):
    entries = []
    for number, title in enumerate(titles.values()):
        colour, dashes = line_style(number)
        dashed = f' stroke-dasharray="{" ".join(str(2 * d) for d in dashes)}"' if dashes else ""
        line = f'<path d="M0 6H32" stroke="{colour}" stroke-width="2"{dashed}/>'
        entries.append(legend_entry(line, title))
    return legend(entries)
