"""Feature maps of the report as PNG, coloured by domain and by class."""

import base64
import html
import io
import math

import numpy as np

from domadapt.experiments.figures import COLOURS, legend, legend_entry
from domadapt.experiments.tables import pair_label

SOURCE_COLOUR, TARGET_COLOUR = COLOURS[1], COLOURS[2]
# Without scripts: the style of the page hides what the checked one does not name.
SWITCH = """<input type="radio" name="colours" id="by-domain" checked>
<label for="by-domain">colours by domain</label>
<input type="radio" name="colours" id="by-class">
<label for="by-class">colours by class</label>"""
NO_CLASSES = '<p class="by-class notes">The classes of these points are not recorded.</p>'


def _star(n_corners, inner=None, turn=0.0):
    """Return the corners of a polygon, or of a star, around 0; without a turn one points up."""
    radii = (1,) if inner is None else (1, inner)
    n = n_corners * len(radii)
    angles = [2 * math.pi * (k / n + turn) for k in range(n)]
    return [
        (radii[k % len(radii)] * math.sin(angle), radii[k % len(radii)] * math.cos(angle))
        for k, angle in enumerate(angles)
    ]


# In the order of use: with eight colours of each, 72 classes can be told apart.
SHAPES = (
    _star(20),
    _star(3),
    _star(4, turn=1 / 8),
    _star(4, inner=0.35),
    _star(3, turn=1 / 2),
    _star(5, inner=0.45),
    _star(4),
    _star(3, turn=1 / 4),
    _star(3, turn=3 / 4),
)


def _area(corners):
    x, y = np.array(corners).T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def _marker_size(corners):
    """Return the size at which a shape has the area of the others."""
    # Matplotlib brings the corners between -1 and 1 first.
    return 50 * np.abs(corners).max() ** 2 / _area(corners)


def class_sign(number):
    """Return the colour and the shape of a class; those after the last begin again."""
    return COLOURS[number % len(COLOURS)], SHAPES[number // len(COLOURS) % len(SHAPES)]


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
    images = [_image(draw_by_domain(points), f"{before}domain{after}", "by-domain")]
    if class_names and has_classes(details) and details["class_names"] == class_names:
        images.append(_image(draw_by_class(points), f"{before}class{after}", "by-class"))
    elif class_names:
        images.append(NO_CLASSES)
    return f"<figure>{''.join(images)}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _image(png, alt, kind):
    data = base64.b64encode(png).decode()
    return f'<img class="{kind}" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def draw_by_domain(points):
    """Return a feature map, target points over source points, as a transparent PNG."""
    x, y, is_target = _columns(points)

    def draw(axes):
        source, target = ((x[rows], y[rows]) for rows in (~is_target, is_target))
        axes.scatter(*source, s=10, c=SOURCE_COLOUR, alpha=0.7, linewidths=0)
        axes.scatter(*target, s=14, c=TARGET_COLOUR, marker="x", linewidths=0.8)

    return _png(draw)


def draw_by_class(points):
    """Return a feature map with a sign for each class as a transparent PNG.

    Signs of the source are filled, those of the target are not.
    """
    from matplotlib.path import Path

    # A path closes by its last point, which is not drawn.
    markers = [Path([*corners, corners[0]], closed=True) for corners in SHAPES]
    sizes = [_marker_size(corners) for corners in SHAPES]
    x, y, is_target = _columns(points)
    label = np.asarray(points["label"], dtype=int)
    colour = np.array(COLOURS)[label % len(COLOURS)]
    shape = label // len(COLOURS) % len(SHAPES)

    def draw(axes):
        for of_target in (False, True):
            for number in np.unique(shape):
                rows = (shape == number) & (is_target == of_target)
                # Filled signs lie below, and let each other through.
                axes.scatter(
                    x[rows],
                    y[rows],
                    s=sizes[number],
                    marker=markers[number],
                    edgecolors=colour[rows],
                    facecolors="none" if of_target else colour[rows],
                    alpha=None if of_target else 0.75,
                    linewidths=0.7,
                )

    return _png(draw)


def _columns(points):
    x, y = np.asarray(points["x"], dtype=float), np.asarray(points["y"], dtype=float)
    return x, y, np.asarray(points["is_target"], dtype=bool)


def _png(draw):
    """Return what a function draws on axes without ticks."""
    # Matplotlib cannot be installed without pillow.
    from matplotlib import style
    from matplotlib.figure import Figure
    from PIL import Image

    with style.context("default"):
        figure = Figure(figsize=(2.4, 2.4), dpi=110)
        axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        draw(axes)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color="#8a8f98", linewidth=0.6)
        drawn, png = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", transparent=True)
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
    n_signs = len(COLOURS) * len(SHAPES)
    if len(names) > n_signs:
        note = f"{len(names)} classes share {n_signs} signs, which begin again after the last."
    elif len(names) > len(COLOURS):
        note = f"{len(names)} classes share {len(COLOURS)} colours; the shapes tell them apart."
    parts = [legend(domains, "by-class"), legend(entries, "by-class")]
    return "\n".join(parts + ([f'<p class="by-class notes">{note}</p>'] if note else []))


def _sign(number):
    colour, shape = class_sign(number)
    size = math.sqrt(55 / _area(shape))
    # The axis of a page points downwards.
    corners = " ".join(f"{16 + size * x:.2f},{6 - size * y:.2f}" for x, y in shape)
    return f'<polygon points="{corners}" fill="{colour}"/>'
