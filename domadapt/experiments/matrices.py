"""Accuracies of the report from each source to each target, as SVG, with the gain over source."""

import html

from domadapt.experiments.figures import page_axes, svg_of
from domadapt.plotting import TransferMatrixDisplay
from domadapt.plotting._pairs import names_in

BASELINE = "source"
NOTE = (
    "Target accuracy in percent after the last epoch, mean over the seeds: rows are sources, "
    "columns targets. Pairs that are not finished are empty."
)
GAIN_NOTE = (
    "The second figure is the gain over source only in points: purple pairs gain, orange pairs "
    "are harmed, on one scale for all methods. Target labels are needed to know this."
)


def matrices_section(summary):
    """Return a matrix of the pairs for each method as HTML."""
    by_method = {m["method"]: _accuracies(m) for m in summary["methods"]}
    titles = {m["method"]: m["title"] for m in summary["methods"]}
    finished = {method: found for method, found in by_method.items() if found}
    if len(summary["pairs"]) < 2 or not finished:
        return "<p>Two pairs at least have to be there, and one of them finished.</p>"
    baseline = by_method.get(BASELINE, {})
    gains = [
        value - baseline[pair]
        for found in finished.values()
        for pair, value in found.items()
        if pair in baseline
    ]
    largest = max(map(abs, gains), default=0.0) or 1.0
    values = [value for found in finished.values() for value in found.values()]
    plain, gained = (min(values), max(values)), (-largest, largest)
    domains = names_in([(pair["source"], pair["target"]) for pair in summary["pairs"]])
    figures = []
    for method, found in finished.items():
        over = (
            baseline if method != BASELINE and baseline and found.keys() & baseline.keys() else None
        )
        drawing = _draw(titles[method], found, domains, over, gained if over else plain)
        caption = html.escape(titles[method])
        figures.append(f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>")
    note = f"{NOTE} {GAIN_NOTE}" if gains and len(finished) > 1 else NOTE
    return f'<p class="notes">{note}</p>\n<div class="panels">{"".join(figures)}</div>'


def _accuracies(method):
    return {
        (pair["source"], pair["target"]): pair["accuracy"]["mean"]
        for pair in method["pairs"]
        if pair["complete"]
    }


def _draw(title, accuracies, domains, baseline, ends):
    """Return the matrix of a method, over a baseline or None, with colours between two ends."""
    sources, targets = domains
    texts = [f"{s} > {t} {value:.1f} %" for (s, t), value in accuracies.items()]
    alt = f"Target accuracy of {title} by source and target: {', '.join(texts)}."
    with page_axes((4.2, 0.9 + 0.42 * len(sources))) as axes:
        display = TransferMatrixDisplay(accuracies, sources, targets, baseline=baseline)
        colours = dict(zip(("vmin", "vmax"), ends, strict=True))
        display.plot(axes, values_format=".1f", colorbar=False, mesh_kw=colours)
        axes.spines[:].set_visible(False)
        return svg_of(axes.figure, alt)
