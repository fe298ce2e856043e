"""Points of source and target samples: signs by domain and by class, and their legend."""

import numpy as np

from domadapt.domains.labels import has_label
from domadapt.domains.samples import check_same_length
from domadapt.plotting._signs import (
    CLASS_COLOURS,
    GREY,
    SHAPES,
    SOURCE_COLOUR,
    TARGET_COLOUR,
    class_sign,
    marker_of,
)

# More entries make a legend that is larger than the map.
MOST_IN_LEGEND = 24


def codes_of(y_source, y_target, n_source, n_target, classes):
    """Return the classes of the samples of each domain as numbers, -1 for none; and their names."""
    found = {}
    for domain, y, n_samples in (("source", y_source, n_source), ("target", y_target, n_target)):
        y = np.full(n_samples, np.nan) if y is None else np.asarray(y)
        check_same_length(f"y_{domain}", y, f"{domain}_points", n_samples)
        if y.ndim != 1:
            raise ValueError(
                f"y_{domain} has shape {y.shape}, and (n_samples,) was expected: a class for each "
                "sample. Of a column of classes for each the largest is y.argmax(axis=1)."
            )
        found[domain] = y, has_label(y)
    there = {label for y, is_known in found.values() for label in y[is_known].tolist()}
    classes = sorted(there, key=_order) if classes is None else np.asarray(classes).tolist()
    place = {label: number for number, label in enumerate(classes)}
    if unknown := sorted(there - place.keys(), key=_order):
        raise ValueError(
            f"There are labels that are not among classes: {unknown[:5]}. Labels out of {classes} "
            "were expected."
        )
    codes = []
    for y, is_known in found.values():
        numbers = np.full(len(y), -1)
        numbers[is_known] = [place[label] for label in y[is_known].tolist()]
        codes.append(numbers)
    return codes, classes


def _order(label):
    """Return what labels are sorted by: numbers by their size, before texts."""
    return (isinstance(label, str), label)


def draw_by_domain(ax, source, target, size):
    """Draw target points over source points."""
    colour = {"c": SOURCE_COLOUR, "alpha": 0.7, "linewidths": 0}
    ax.scatter(*source.T, s=0.75 * size, label="source", **colour)
    # A cross has lines alone, and would be lost at the size of a disk.
    ax.scatter(*target.T, s=0.9 * size, c=TARGET_COLOUR, marker="x", linewidths=0.8, label="target")


def draw_by_class(ax, points, codes, size):
    """Draw a sign for each class, filled for the source and hollow for the target."""
    for part, numbers, of_target in zip(points, codes, (False, True), strict=True):
        unknown = numbers < 0
        if unknown.any():
            ax.scatter(*part[unknown].T, s=size / 4, c=GREY, alpha=0.6, linewidths=0)
        colour = np.array(CLASS_COLOURS)[numbers % len(CLASS_COLOURS)]
        shape = numbers // len(CLASS_COLOURS) % len(SHAPES)
        for number in np.unique(shape[~unknown]):
            rows = (shape == number) & ~unknown
            marker, factor = marker_of(SHAPES[number])
            # Filled signs lie below, and let each other through.
            ax.scatter(
                *part[rows].T,
                s=factor * size,
                marker=marker,
                edgecolors=colour[rows],
                facecolors="none" if of_target else colour[rows],
                alpha=None if of_target else 0.75,
                linewidths=0.7,
            )


def class_legend(ax, codes, classes):
    """Name the classes, where they are not too many, and what filled and hollow signs are."""
    from matplotlib.lines import Line2D

    def entry(marker, text, colour, **kind):
        return Line2D([], [], linestyle="none", marker=marker, color=colour, label=text, **kind)

    entries = []
    if len(classes) <= MOST_IN_LEGEND:
        for number, name in enumerate(classes):
            colour, shape = class_sign(number)
            entries.append(entry(marker_of(shape)[0], str(name), colour))
    text = ax.xaxis.label.get_color()
    for numbers, domain in zip(codes, ("source", "target"), strict=True):
        kind = "filled" if domain == "source" else "hollow"
        if (numbers >= 0).any():
            face = {} if kind == "filled" else {"markerfacecolor": "none"}
            entries.append(entry("o", f"{domain}, {kind}", text, **face))
        if (numbers < 0).any():
            entries.append(entry("o", f"{domain}, no label", GREY, markersize=3))
    n_columns = 1 if len(entries) <= 14 else 2
    # Beside the map, so that it covers no points.
    legend = ax.legend(
        handles=entries, loc="upper left", bbox_to_anchor=(1.0, 1.0), ncols=n_columns
    )
    for entry_text in legend.get_texts():
        # A class may be called "$20 to $30", which is no mathematics.
        entry_text.set_parse_math(False)
