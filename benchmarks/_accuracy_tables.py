"""Tables of target accuracy out of the cells of a result file."""

import numpy as np
from scipy.stats import rankdata

from domadapt.methods import METHODS

BASELINE = METHODS["source"].title


def mean(cells, **wanted):
    """Return the mean accuracy of the cells that agree with what is wanted."""
    chosen = [c["accuracy"] for c in cells if all(c[key] == v for key, v in wanted.items())]
    return float(np.mean(chosen))


def names(cells, key):
    """Return what occurs under a key, in order."""
    return list(dict.fromkeys(cell[key] for cell in cells))


def set_means(cells):
    """Return each method's mean accuracy on each set, as a dict of dicts."""
    return {
        method: {name: mean(cells, method=method, set=name) for name in names(cells, "set")}
        for method in names(cells, "method")
    }


def mean_ranks(cells):
    """Return each method's mean rank over all pairs of domains, 1 being the best.

    In a pair methods are ranked by their mean over seeds; equal ones share their ranks.
    """
    methods = names(cells, "method")
    pairs = dict.fromkeys((c["set"], c["source"], c["target"]) for c in cells)
    ranks = []
    for name, source, target in pairs:
        of_pair = [
            c for c in cells if (c["set"], c["source"], c["target"]) == (name, source, target)
        ]
        accuracies = [mean(of_pair, method=method) for method in methods]
        ranks.append(rankdata(-np.round(accuracies, 6)))
    return dict(zip(methods, np.mean(ranks, axis=0).tolist(), strict=True))


def summary(cells, shown=None):
    """Write one row for each method, the best mean rank first.

    Parameters
    ----------
    cells : list of dict
        Of all methods, since ranks are among all.
    shown : list of str or None, default=None
        Methods that get a row, besides the baseline; None for all.

    Returns
    -------
    table : str
        Markdown: means of the sets, their mean, its difference to the baseline's, and the
        mean rank.
    """
    means, ranks = set_means(cells), mean_ranks(cells)
    sets = names(cells, "set")
    titles = ["method", *sets, "mean of sets", f"over {BASELINE}", "mean rank"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    baseline = np.mean(list(means[BASELINE].values())) if BASELINE in means else np.nan
    for method in sorted(means, key=ranks.__getitem__):
        if shown is not None and method not in (BASELINE, *shown):
            continue
        values = list(means[method].values())
        over = f"{np.mean(values) - baseline:+.1f}"
        row = [f"{value:.1f}" for value in (*values, np.mean(values))]
        lines.append("| " + " | ".join([method, *row, over, f"{ranks[method]:.1f}"]) + " |")
    return "\n".join(lines)


def by_pair(cells, name):
    """Write one row for each method and one column for each pair of domains of a set."""
    of_set = [c for c in cells if c["set"] == name]
    pairs = list(dict.fromkeys((c["source"], c["target"]) for c in of_set))
    titles = ["method", *(f"{source} to {target}" for source, target in pairs)]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for method in names(of_set, "method"):
        values = [mean(of_set, method=method, source=s, target=t) for s, t in pairs]
        lines.append("| " + " | ".join([method, *(f"{value:.1f}" for value in values)]) + " |")
    return "\n".join(lines)
