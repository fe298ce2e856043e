"""Draw the kinds of shift of docs/what_is_a_shift.md, from samples and a model fitted on them.

    python docs/draw_shifts.py

Samples are drawn by a random number generator, a logistic regression is fitted on the source, and
its boundary and how often it is right are what it has learnt. A light ground of their own keeps the
pictures readable on a dark page.
"""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

PICTURES = Path(__file__).parent / "pictures"
WIDTH, HEIGHT, MARGIN, TOP = 250, 190, 12, 26
SPAN = 6.0
# By class; the last one is a class that the source does not have.
COLOURS = ("#3f8fe0", "#e06a2f", "#2a9d6b")
GROUND, INK, LINE = "#f8f9fa", "#1c2024", "#5b636d"
CENTRES = np.array([[-1.5, 0.0], [1.5, 0.0], [0.0, 2.2]])


def clouds(rng, n_of_class, centres=CENTRES, spread=0.75):
    """Return samples around the centre of each class, and their labels."""
    y = np.repeat(np.arange(len(n_of_class)), n_of_class)
    return centres[y] + rng.normal(0, spread, (len(y), 2)), y


def columns(rng):
    """Return domains of which the second was measured by another instrument."""
    Xs, ys = clouds(rng, (45, 45))
    Xt, yt = clouds(rng, (45, 45))
    return {"source": (Xs, ys), "target": (Xt * [1.0, 0.7] + [1.6, -0.9], yt)}


def covariate(rng):
    """Return domains where other samples were taken, and labels follow the same curved rule."""
    Xs = rng.normal([-1.1, -0.6], [0.9, 0.9], (90, 2))
    Xt = rng.normal([1.4, 0.4], [0.9, 0.9], (90, 2))
    return {
        name: (X, (X[:, 1] > 1.2 * np.sin(1.3 * X[:, 0]) - 0.1).astype(int))
        for name, X in {"source": Xs, "target": Xt}.items()
    }


def label(rng):
    """Return domains whose classes look alike and are in other proportions."""
    near = CENTRES * 0.6
    return {"source": clouds(rng, (75, 15), near), "target": clouds(rng, (15, 75), near)}


def concept(rng):
    """Return domains with samples of one distribution, whose labels follow another rule."""
    Xs, Xt = rng.normal(0, 1.2, (90, 2)), rng.normal(0, 1.2, (90, 2))
    ys = (Xs[:, 0] > 0).astype(int)
    return {"source": (Xs, ys), "target": (Xt, (Xt[:, 0] + 2.5 * Xt[:, 1] > 0).astype(int))}


def open_set(rng):
    """Return domains of which the second has a class more."""
    return {"source": clouds(rng, (45, 45)), "target": clouds(rng, (35, 35, 30))}


def partial(rng):
    """Return domains of which the second has a class less."""
    return {"source": clouds(rng, (35, 35, 35)), "target": clouds(rng, (0, 45, 45))}


def several_sources(rng):
    """Return two sources that differ from each other, and a target that differs from both."""
    moves = {"source 1": [-1.0, 0.9], "source 2": [0.9, -1.0], "target": [1.3, 1.0]}
    return {name: _moved(*clouds(rng, (35, 35), spread=0.6), by) for name, by in moves.items()}


SHIFTS = {
    "columns": columns,
    "covariate": covariate,
    "label": label,
    "concept": concept,
    "open_set": open_set,
    "partial": partial,
    "several_sources": several_sources,
}


def _moved(X, y, by):
    return X + np.asarray(by), y


def _place(X, left):
    """Return where samples stand in a panel, in pixels from the corner of the picture."""
    scale = np.array([WIDTH, HEIGHT]) / (2 * SPAN * np.array([1.0, HEIGHT / WIDTH]))
    return np.asarray(X) * scale * [1, -1] * 1.25 + [left + WIDTH / 2, TOP + HEIGHT / 2]


def _sample(x, y, of_class):
    """Return a circle, a square or a triangle: classes differ without their colours too."""
    fill = f'fill="{COLOURS[of_class]}" fill-opacity="0.8"'
    if of_class == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" {fill}/>'
    if of_class == 1:
        return f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" {fill}/>'
    return f'<path d="M{x:.1f} {y - 4.2:.1f}l4.2 7.4h-8.4z" {fill}/>'


def _boundary(model, left):
    """Return the lines along which a model changes its mind, cut off by the panel."""
    lines = []
    coefficients, intercepts = model.coef_, model.intercept_
    # Of three classes between each two, where both are ahead of the third.
    of_three = [(0, 1, 2), (0, 2, 1), (1, 2, 0)]
    for one, other, third in of_three if len(coefficients) > 1 else [(0, None, None)]:
        w, b = coefficients[one], intercepts[one]
        if other is not None:
            w, b = w - coefficients[other], b - intercepts[other]
        along = np.array([-w[1], w[0]]) / np.linalg.norm(w)
        points = -b * w / (w @ w) + np.linspace(-8, 8, 321)[:, None] * along
        if third is not None:
            ahead = (points @ coefficients.T + intercepts).T
            points = points[ahead[one] >= ahead[third]]
        ends = _place(points[[0, -1]], left)
        (x, y), (u, v) = ends
        lines.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{u:.1f}" y2="{v:.1f}"/>')
    return "".join(lines)


def picture(name):
    """Return the picture of a shift as SVG."""
    domains = SHIFTS[name](np.random.default_rng(3))
    sources = [domains[one] for one in domains if one != "target"]
    X, y = (np.concatenate(parts) for parts in zip(*sources, strict=True))
    model = LogisticRegression().fit(X, y)
    parts, texts = [], []
    for number, (title, (X, y)) in enumerate(domains.items()):
        left = MARGIN + number * (WIDTH + MARGIN)
        frame = f'x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}"'
        drawn = "".join(
            _sample(*at, of_class) for at, of_class in zip(_place(X, left), y, strict=True)
        )
        parts.append(
            f'<clipPath id="c{number}"><rect {frame}/></clipPath>'
            f'<rect {frame} fill="#ffffff" stroke="{LINE}" stroke-width="0.6"/>'
            f'<g clip-path="url(#c{number})">{drawn}<g stroke="{INK}" stroke-width="1.5" '
            f'stroke-dasharray="5 4">{_boundary(model, left)}</g></g>'
        )
        right = f"{title}: {100 * model.score(X, y):.0f} % right"
        texts.append(f'<text x="{left}" y="{TOP - 8}">{right}</text>')
    width = MARGIN + len(domains) * (WIDTH + MARGIN)
    height = TOP + HEIGHT + MARGIN
    title = name.replace("_", " ")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{title}">'
        f'<rect width="{width}" height="{height}" rx="6" fill="{GROUND}"/>'
        f'<g font-family="system-ui, sans-serif" font-size="13" fill="{INK}">{"".join(texts)}</g>'
        f"{''.join(parts)}</svg>\n"
    )


def main():
    """Write all pictures."""
    for name in SHIFTS:
        (PICTURES / f"shift_{name}.svg").write_text(picture(name))


if __name__ == "__main__":
    main()
