"""Drawings of the report: curves as SVG, feature maps as PNG."""

import base64
import html
import io
import re

import numpy as np

from domadapt.experiments.tables import pair_label

# Distinguishable on white and on black; the dashes serve colour-blind readers.
COLOURS = ("#8a8f98", "#3f8fe0", "#e8743b", "#2fa572", "#b266d6", "#c79a1b", "#d9538c", "#1fa8b0")
DASHES = ((), (6, 2), (2, 1.5), (7, 2, 2, 2), (4, 1, 1, 1))
CURVES = {"accuracy": "target_accuracy", "loss": "task_loss"}
SOURCE_COLOUR, TARGET_COLOUR = "#3f8fe0", "#e8743b"
# Replaced by the colour of the page's text, which matplotlib does not know.
TEXT_COLOUR = "#010203"


def check_matplotlib():
    """Check that matplotlib, which draws the report, is installed.

    Raises
    ------
    ImportError
        If it is not.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'the report needs matplotlib: pip install ".[plot]" in a clone'
        ) from error


def line_style(number):
    """Return the colour and the dashes of a method by its position in the run."""
    return COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]


def draw_curves(curves, alt):
    """Return target accuracy and task loss by epoch, side by side, as SVG for a page."""
    from matplotlib import style
    from matplotlib.figure import Figure

    # The salt makes the names in the drawing unique on the page, and the same in each run.
    options = {"svg.fonttype": "none", "svg.hashsalt": alt, "font.size": 9, "axes.linewidth": 0.6}
    with style.context(["default", options]):
        figure = Figure(figsize=(5.6, 2.1), layout="constrained")
        titles = {"accuracy": "target accuracy, %", "loss": "task loss"}
        for axes, (key, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
            for number, curve in enumerate(curves):
                _draw_curve(axes, curve[key], number)
            _style_axes(axes, title)
        text = io.StringIO()
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=no_metadata)
    return _embed(text.getvalue(), alt)


def _draw_curve(axes, values, number):
    if values is None:
        return
    colour, dashes = line_style(number)
    epochs = np.arange(1, len(values) + 1)
    # A single epoch would be invisible as a line.
    marker = "o" if len(values) == 1 else None
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


def draw_map(points):
    """Return a feature map, target points over source points, as a transparent PNG."""
    from matplotlib import style
    from matplotlib.figure import Figure

    x, y = np.asarray(points["x"], dtype=float), np.asarray(points["y"], dtype=float)
    is_target = np.asarray(points["is_target"], dtype=bool)
    with style.context("default"):
        figure = Figure(figsize=(2.4, 2.4), dpi=110)
        axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        axes.scatter(x[~is_target], y[~is_target], s=10, c=SOURCE_COLOUR, alpha=0.6, linewidths=0)
        axes.scatter(x[is_target], y[is_target], s=14, c=TARGET_COLOUR, marker="x", linewidths=0.8)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color="#8a8f98", linewidth=0.6)
        png = io.BytesIO()
        figure.savefig(png, format="png", transparent=True, metadata={"Software": None})
    return png.getvalue()


def curves_section(by_pair, titles):
    """Return the curves of all pairs as HTML, with one legend of the methods."""
    parts = [_legend_of_methods(titles)]
    for pair, details in by_pair.items():
        curves = {method: _mean_curves(details, method) for method in titles}
        if any(curve["accuracy"] or curve["loss"] for curve in curves.values()):
            label = pair_label(*pair)
            ends = [
                f"{titles[method]} {curve['accuracy'][-1]:.1f} %"
                for method, curve in curves.items()
                if curve["accuracy"]
            ]
            last = ", ".join(ends) or "not known"
            alt = f"Curves of {label}. Target accuracy after the last epoch: {last}."
            drawing = draw_curves(list(curves.values()), alt)
            caption = f"<figcaption>{html.escape(label)}</figcaption>"
            parts.append(f"<figure>{caption}{drawing}</figure>")
    if len(parts) == 1:
        return "<p>No curve is there yet.</p>"
    return f'{parts[0]}\n<div class="curves">\n' + "\n".join(parts[1:]) + "\n</div>"


def _mean_curves(details, method):
    """Average the curves of a method over its seeds, up to the shortest."""
    cells = [d for d in details if d["method"] == method]
    means = {}
    for name, key in CURVES.items():
        found = [d.get(key) or (d.get("history") or {}).get(key) for d in cells]
        epochs = list(zip(*(values for values in found if values), strict=False))
        means[name] = np.array(epochs, dtype=float).mean(axis=1).tolist() if epochs else None
    return means


def _legend_of_methods(titles):
    entries = []
    for number, title in enumerate(titles.values()):
        colour, dashes = line_style(number)
        dashed = f' stroke-dasharray="{" ".join(str(2 * d) for d in dashes)}"' if dashes else ""
        line = f'<path d="M0 6H32" stroke="{colour}" stroke-width="2"{dashed}/>'
        entries.append(_legend_entry(line, title))
    return _legend(entries)


def _legend_entry(drawing, text):
    return (
        f'<li><svg viewBox="0 0 32 12" aria-hidden="true">{drawing}</svg>{html.escape(text)}</li>'
    )


def _legend(entries):
    return f'<ul class="legend">{"".join(entries)}</ul>'


def maps_section(by_pair, titles):
    """Return the feature maps of all pairs for the first seed as HTML, with one legend."""
    parts = []
    for pair, details in by_pair.items():
        points = {d["method"]: d["map"] for d in details if d["seed"] == 0 and d.get("map")}
        drawn = [_map_figure(pair, titles[m], points[m]) for m in titles if m in points]
        if drawn:
            heading = f"<h3>{html.escape(pair_label(*pair))}</h3>"
            parts.append(f'{heading}\n<div class="maps">\n' + "\n".join(drawn) + "\n</div>")
    if not parts:
        return "<p>No feature map is there yet.</p>"
    circle = f'<circle cx="16" cy="6" r="4" fill="{SOURCE_COLOUR}"/>'
    cross = f'<path d="M12 2l8 8m0-8l-8 8" stroke="{TARGET_COLOUR}" stroke-width="2"/>'
    legend = _legend([_legend_entry(circle, "source"), _legend_entry(cross, "target")])
    return "\n".join([legend, *parts])


def _map_figure(pair, title, points):
    n_target = sum(map(bool, points["is_target"]))
    alt = (
        f"Feature map of {title}, {pair_label(*pair)}: {len(points['x']) - n_target} "
        f"source points and {n_target} target points."
    )
    data = base64.b64encode(draw_map(points)).decode()
    image = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{html.escape(title)}</figcaption></figure>"
