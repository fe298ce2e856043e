"""Curves of the report by epoch, as SVG: target accuracy, task loss and alignment loss."""

import html
import io
import math
import re
from typing import NamedTuple

import numpy as np

from domadapt.experiments.figures import COLOURS, TEXT_COLOUR, legend, legend_entry
from domadapt.experiments.tables import pair_label

# The dashes serve colour-blind readers.
DASHES = ((), (6, 2), (2, 1.5), (7, 2, 2, 2), (4, 1, 1, 1))


class Panel(NamedTuple):
    """What is drawn by epoch: its name, the title of its axes, and how a value is written."""

    name: str
    title: str
    form: str


PANELS = {
    "target_accuracy": Panel("target accuracy", "target accuracy, %", "{:.1f} %"),
    "task_loss": Panel("task loss", "task loss", "{:.3g}"),
    "alignment_loss": Panel("alignment loss", "alignment loss, largest = ±1", "{:.3g}"),
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
    if key == "alignment_loss":
        curves = [curve and np.array(curve) / np.nanmax(np.abs(curve)) for curve in curves]
    return draw_curves(curves, PANELS[key].title, alt, n_epochs)


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


def draw_curves(curves, title, alt, n_epochs):
    """Return a curve of each method by epoch as SVG for a page; None where a method has none."""
    from matplotlib import style
    from matplotlib.figure import Figure

    # The salt makes the names in the drawing unique on the page, and the same in each run.
    options = {"svg.fonttype": "none", "svg.hashsalt": alt, "font.size": 9, "axes.linewidth": 0.6}
    with style.context(["default", options]):
        figure = Figure(figsize=(4.2, 2.2), layout="constrained")
        axes = figure.subplots()
        for number, curve in enumerate(curves):
            if curve is not None:
                _draw_curve(axes, curve, number)
        _style_axes(axes, title)
        if n_epochs > 1:
            margin = 0.05 * (n_epochs - 1)
            axes.set_xlim(1 - margin, n_epochs + margin)
        text = io.StringIO()
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=no_metadata)
    return _embed(text.getvalue(), alt)


def line_style(number):
    """Return the colour and the dashes of a method by its position in the run."""
    return COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]


def _draw_curve(axes, values, number):
    colour, dashes = line_style(number)
    epochs = np.arange(1, len(values) + 1)
    # A single epoch would be invisible as a line.
    marker = "o" if np.isfinite(values).sum() == 1 else None
    linestyle = (0, dashes) if dashes else "-"
    axes.plot(epochs, values, color=colour, linestyle=linestyle, marker=marker, linewidth=1.5)


def _style_axes(axes, title):
    axes.set_title(title, color=TEXT_COLOUR, fontsize=9, loc="left")
    axes.set_xlabel("epoch", color=TEXT_COLOUR)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.tick_params(color=TEXT_COLOUR, labelcolor=TEXT_COLOUR, width=0.6, length=3)
    axes.grid(color=TEXT_COLOUR, alpha=0.12, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(TEXT_COLOUR)


def _embed(svg, alt):
    """Prepare a drawing for a page: remove its prolog, its size, its style and its ids."""
    size = re.search(r'viewBox="[^"]*"', svg)
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    # The style would apply to the whole page, and the drawing has to use the page's typeface.
    for unwanted in (r"<style.*?</style>", r" font-family: [^;]*;", r'(?<=<g) id="[^"]*"'):
        body = re.sub(unwanted, "", body, flags=re.DOTALL)
    body = body.replace(TEXT_COLOUR, "currentColor")
    opening = f'<svg role="img" aria-label="{html.escape(alt)}" {size.group() if size else ""}>'
    return opening + body.strip()


def _legend_of_methods(titles):
    entries = []
    for number, title in enumerate(titles.values()):
        colour, dashes = line_style(number)
        dashed = f' stroke-dasharray="{" ".join(str(2 * d) for d in dashes)}"' if dashes else ""
        line = f'<path d="M0 6H32" stroke="{colour}" stroke-width="2"{dashed}/>'
        entries.append(legend_entry(line, title))
    return legend(entries)
