"""The table of methods with a few target labels."""

import numpy as np
from _plain_models import harmed, plain_models

NETWORK = "network"
# Models that adapt nothing: what a person can train from the source or the few rows.
PLAIN = [
    f"{where}, {title}"
    for where in ("source alone", "few alone")
    for title in (NETWORK, *plain_models())
]


def table_of(cells):
    """Write mean accuracy and its standard deviation over draws, by target."""
    scores: dict = {}
    for cell in cells:
        place = cell["set"], cell["target"]
        scores.setdefault(cell["method"], {}).setdefault(place, []).append(cell["score"])
    places = sorted({place for of_method in scores.values() for place in of_method})
    sets = list(dict.fromkeys(name for name, _ in places))
    head = ["method", *(f"{name}: {target}" for name, target in places)]
    head += [*(f"mean of {name}" for name in sets), "harmed targets"]
    means = {title: [np.mean(found[p]) for p in places] for title, found in scores.items()}
    counts = harmed(means, [title for title in PLAIN if title in means])
    rows = []
    for title, found in scores.items():
        row = [title, *(f"{np.mean(found[p]):.1f} ± {np.std(found[p]):.1f}" for p in places)]
        for name in sets:
            own = [m for m, place in zip(means[title], places, strict=True) if place[0] == name]
            row.append(f"{np.mean(own):.1f}")
        rows.append([*row, counts[title]])
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *rows])
