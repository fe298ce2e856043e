"""The table of methods with a few target labels."""

import numpy as np


def table_of(cells):
    """Write mean accuracy and its standard deviation over draws, by target."""
    places = list(dict.fromkeys((cell["set"], cell["target"]) for cell in cells))
    sets = list(dict.fromkeys(name for name, _ in places))
    titles = list(dict.fromkeys(cell["method"] for cell in cells))
    head = ["method", *(f"{name}: {target}" for name, target in places)]
    head += [f"mean of {name}" for name in sets]
    rows = []
    for title in titles:
        of_place = {
            place: [
                c["score"]
                for c in cells
                if c["method"] == title and (c["set"], c["target"]) == place
            ]
            for place in places
        }
        row = [
            title,
            *(f"{np.mean(found):.1f} ± {np.std(found):.1f}" for found in of_place.values()),
        ]
        for name in sets:
            means = [np.mean(found) for place, found in of_place.items() if place[0] == name]
            row.append(f"{np.mean(means):.1f}")
        rows.append(row)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *rows])
