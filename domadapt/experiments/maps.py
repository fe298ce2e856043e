"""Feature maps of the report as PNG, coloured by domain and by class."""

import base64
import html
import io
import math

import numpy as np

from domadapt.experiments.figures import legend, legend_entry, page_axes
from domadapt.experiments.tables import pair_label
from domadapt.plotting import FeatureMapDisplay
from domadapt.plotting._signs import (
    CLASS_COLOURS,
    GREY,
    N_SIGNS,
    SOURCE_COLOUR,
    TARGET_COLOUR,
    area,
    class_sign,
)

# Without scripts: the style of the page hides what the checked one does not name.
SWITCH = """<input type="radio" name="colours" id="by-domain" checked>
<label for="by-domain">colours by domain</label>
<input type="radio" name="colours" id="by-class">
<label for="by-class">colours by class</label>"""
NO_CLASSES = '<p class="by-class notes">The classes of these points are not recorded.</p>'


def maps_section(by_pair, titles):
    """Return the feature maps of all pairs for the first seed as HTML, with their legends."""
    found = {pair: _by_method(details, titles) for pair, details in by_pair.items()}
    found = {pair: details for pair, details in found.items() if details}
    if not found:
        return "<p>No feature map is there yet.</p>"
    every = [d for details in found.values() for d in details.values()]
    class_names = next((d["class_names"] for d in every if has_classes(d)), None)
    parts = [SWITCH] if class_names else []
    parts.append(_legend_of_domains())
    if class_names:
        parts.append(_legend_of_classes(class_names))
    for pair, details in found.items():
        parts.append(f"<h3>{html.escape(pair_label(*pair))}</h3>")
        descriptions = {method: describe(d) for method, d in details.items()}
        # What all maps of a pair have in common need not stand below each.
        are_alike = len(set(descriptions.values())) == 1
        if are_alike:
            common = html.escape(next(iter(descriptions.values())))
            parts.append(f'<p class="notes">{common[0].upper()}{common[1:]}.</p>')
        figures = [
            _figure(
                f"{titles[method]}, {pair_label(*pair)}",
                titles[method] if are_alike else f"{titles[method]}: {descriptions[method]}",
                d,
                class_names,
            )
            for method, d in details.items()
        ]
        parts.append('<div class="maps">\n' + "\n".join(figures) + "\n</div>")
    return "\n".join(parts)


def _by_method(details, titles):
    """Return the cells with a map, in the order of the methods."""
    found = {d["method"]: d for d in details if d["seed"] == 0 and d.get("map")}
    return {method: found[method] for method in titles if method in found}


def describe(details):
    """Say what the map of a cell is a projection of, and how many points it has."""
    points = details["map"]
    what = "projection not recorded"
    # Files of earlier versions do not name it.
    if "projection" in points:
        what = f"{points['projection']} of {points.get('n_features', 'unknown')} features"
    n_target = sum(map(bool, points["is_target"]))
    n_source = len(points["x"]) - n_target
    return f"{what}, {n_source} source and {n_target} target points, seed {details['seed']}"


def has_classes(details):
    """Return whether the labels of the map of a cell are numbers of its class names."""
    names, labels = details.get("class_names"), details["map"].get("label")
    if not names or not isinstance(labels, list) or len(labels) != len(details["map"]["x"]):
        return False
    if not all(isinstance(k, int) and 0 <= k < len(names) for k in labels):
        return False
    # Earlier versions numbered the classes on the map, with no gap for those that are not there.
    return "projection" in details["map"] or len(set(labels)) == len(names)


def _figure(title, caption, details, class_names):
    """Return a map in both colourings, where classes are known, with one caption."""
    points = details["map"]
    before, after = f"Feature map of {title}, coloured by ", f": {describe(details)}."
    images = [_image(draw_map(points, "domain"), f"{before}domain{after}", "by-domain")]
    if class_names and has_classes(details) and details["class_names"] == class_names:
        png = draw_map(points, "class", len(class_names))
        images.append(_image(png, f"{before}class{after}", "by-class"))
    elif class_names:
        images.append(NO_CLASSES)
    return f"<figure>{''.join(images)}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _image(png, alt, kind):
    data = base64.b64encode(png).decode()
    return f'<img class="{kind}" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def draw_map(points, color_by, n_classes=0):
    """Return a feature map, coloured by "domain" or by "class", as a transparent PNG."""
    # Matplotlib cannot be installed without pillow.
    from PIL import Image

    plane = np.column_stack([points["x"], points["y"]]).astype(float)
    is_target = np.asarray(points["is_target"], dtype=bool)
    labels = {}
    if color_by == "class":
        label = np.asarray(points["label"], dtype=int)
        # All classes of the data, so that those of every map have the same signs.
        labels = {"y_source": label[~is_target], "y_target": label[is_target]}
        labels["classes"] = np.arange(n_classes)
    with page_axes((2.4, 2.4), None) as axes:
        display = FeatureMapDisplay(plane[~is_target], plane[is_target], **labels)
        display.plot(axes, color_by=color_by, legend=False, marker_size=16)
        axes.set(xticks=[], yticks=[], position=(0.01, 0.01, 0.98, 0.98))
        axes.spines[:].set(color=GREY, linewidth=0.6)
        drawn, png = io.BytesIO(), io.BytesIO()
        axes.figure.savefig(drawn, format="png", transparent=True, dpi=110)
    # A page may have hundreds of maps: a palette makes them a third or a quarter as large.
    palette = Image.open(drawn).quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette.save(png, "png", optimize=True)
    return png.getvalue()


def _legend_of_domains():
    circle = f'<circle cx="16" cy="6" r="4" fill="{SOURCE_COLOUR}"/>'
    cross = f'<path d="M12 2l8 8m0-8l-8 8" stroke="{TARGET_COLOUR}" stroke-width="2"/>'
    return legend([legend_entry(circle, "source"), legend_entry(cross, "target")], "by-domain")


def _legend_of_classes(names):
    entries = [legend_entry(_sign(number), str(name)) for number, name in enumerate(names)]
    filled = '<circle cx="16" cy="6" r="4" fill="currentColor"/>'
    hollow = '<circle cx="16" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    domains = [legend_entry(filled, "source, filled"), legend_entry(hollow, "target, hollow")]
    note = ""
    n_colours = len(CLASS_COLOURS)
    if len(names) > N_SIGNS:
        note = f"{len(names)} classes share {N_SIGNS} signs, which begin again after the last."
    elif len(names) > n_colours:
        note = f"{len(names)} classes share {n_colours} colours; the shapes tell them apart."
    parts = [legend(domains, "by-class"), legend(entries, "by-class")]
    return "\n".join(parts + ([f'<p class="by-class notes">{note}</p>'] if note else []))


def _sign(number):
    colour, shape = class_sign(number)
    size = math.sqrt(55 / area(shape))
    # The axis of a page points downwards.
    corners = " ".join(f"{16 + size * x:.2f},{6 - size * y:.2f}" for x, y in shape)
    return f'<polygon points="{corners}" fill="{colour}"/>'
