"""Colours, dashes and shapes: what tells domains, classes and curves apart in every drawing."""

import math

import numpy as np

# Three to one or more against white and against a dark page, which a test holds.
GREY, *_HUES = (
    "#8a8f98",
    "#3f8fe0",
    "#e06a2f",
    "#2a9d6b",
    "#b266d6",
    "#b5870f",
    "#d9538c",
    "#1796a0",
)
COLOURS = (GREY, *_HUES)
SOURCE_COLOUR, TARGET_COLOUR, THIRD_COLOUR = COLOURS[1], COLOURS[2], COLOURS[3]
# Grey is also what samples without a label have, so that it comes last.
CLASS_COLOURS = (*_HUES, GREY)
# The dashes serve colour-blind readers.
DASHES = ((), (6, 2), (2, 1.5), (7, 2, 2, 2), (4, 1, 1, 1))


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
N_SIGNS = len(CLASS_COLOURS) * len(SHAPES)


def area(corners):
    """Return the area of a polygon."""
    x, y = np.array(corners).T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def class_sign(number):
    """Return the colour and the shape of a class; those after the last begin again."""
    colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
    return colour, SHAPES[number // len(CLASS_COLOURS) % len(SHAPES)]


def line_style(number):
    """Return the colour and the dashes of a curve by its position."""
    return COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]


def marker_of(corners):
    """Return a shape as matplotlib's marker, and what multiplies its size for equal areas."""
    from matplotlib.path import Path

    # A path closes by its last point, which is not drawn. Matplotlib brings the corners between
    # -1 and 1 first; a circle of that size has the area pi.
    factor = math.pi * np.abs(corners).max() ** 2 / area(corners)
    return Path([*corners, corners[0]], closed=True), factor
