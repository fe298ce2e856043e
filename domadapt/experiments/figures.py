"""What the drawings of the report share: figures that fit a page in light and dark, and legends."""

import contextlib
import html
import io
import re

# Replaced by the colour of the page's text, which matplotlib does not know.
TEXT_COLOUR = "#010203"
STYLE = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.linewidth": 0.6,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.width": 0.6,
    "ytick.major.size": 3,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    **dict.fromkeys(
        (
            "text.color",
            "axes.edgecolor",
            "axes.labelcolor",
            "axes.titlecolor",
            "xtick.color",
            "ytick.color",
            "grid.color",
        ),
        TEXT_COLOUR,
    ),
}


@contextlib.contextmanager
def page_axes(size, layout="constrained", **style):
    """Give axes of a figure of its own, in the style of the page and not in the reader's."""
    from matplotlib import style as styles
    from matplotlib.figure import Figure

    with styles.context(["default", STYLE | style]):
        yield Figure(figsize=size, layout=layout).subplots()


def svg_of(figure, alt):
    """Return a figure as SVG for a page: without prolog, size, style and ids."""
    from matplotlib import rc_context

    text = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # The salt makes the names in the drawing unique on the page, and the same in each run.
    with rc_context({"svg.hashsalt": alt}):
        figure.savefig(text, format="svg", transparent=True, metadata=no_metadata)
    svg = text.getvalue()
    size = re.search(r'viewBox="[^"]*"', svg)
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    # The style would apply to the whole page, and the drawing has to use the page's typeface.
    for unwanted in (r"<style.*?</style>", r";? font-family: [^;\"]*", r'(?<=<g) id="[^"]*"'):
        body = re.sub(unwanted, "", body, flags=re.DOTALL)
    body = body.replace(TEXT_COLOUR, "currentColor")
    opening = f'<svg role="img" aria-label="{html.escape(alt)}" {size.group() if size else ""}>'
    return opening + body.strip()


def legend_entry(drawing, text):
    """Return an entry of a legend: a drawing of 32 by 12 units and what it stands for."""
    return (
        f'<li><svg viewBox="0 0 32 12" aria-hidden="true">{drawing}</svg>{html.escape(text)}</li>'
    )


def legend(entries, kind=""):
    """Return a legend as a list; ``kind`` is a class of the page's style."""
    return f'<ul class="{f"legend {kind}".strip()}">{"".join(entries)}</ul>'
