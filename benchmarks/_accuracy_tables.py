"""Tables of target scores out of the cells of a result file."""

import numpy as np
from _markdown import markdown
from scipy.stats import rankdata

from domadapt.methods import METHODS
from domadapt.shallow._combinations import PLAIN

BASELINE = METHODS["source"].title
STATISTICS = "target in batch statistics only"
# What a person can train from the source alone: a network, a linear model and trees.
SOURCE_ONLY = (BASELINE, *(PLAIN[name].title for name in ("lr", "ridge", "extra_trees")))
# What a pair has to lose to count as harmed, in points.
HARM = 1.0

# Columns of measurements that mean something each, and numbers to predict from such columns.
TABLES = ("occupancy", "wisdm_activity")
VALUES = ("beijing_air",)
KINDS = ("vectors", "tables", "values")
HEADS = {
    "vectors": "Counts of words, pixels and features of photographs: target accuracy in %",
    "tables": "Tables: target accuracy in %",
    "values": "Values: R^2 on the target, times 100",
}


def kind_of(name):
    """Return the kind of a set."""
    return "values" if name in VALUES else "tables" if name in TABLES else "vectors"


def of_kind(cells, kind):
    """Return the cells of the sets of a kind."""
    return [cell for cell in cells if kind_of(cell["set"]) == kind]


def names(cells, key):
    """Return what occurs under a key, in order."""
    return list(dict.fromkeys(cell[key] for cell in cells))


def by_pair(cells):
    """Return for each method the mean score over seeds on each pair."""
    found = {}
    for cell in cells:
        pair = (cell["set"], cell["source"], cell["target"])
        found.setdefault(cell["method"], {}).setdefault(pair, []).append(cell["score"])
    return {
        method: {pair: float(np.mean(scores)) for pair, scores in pairs.items()}
        for method, pairs in found.items()
    }


def mean_of_sets(pairs, sets):
    """Return the mean over the pairs of each set."""
    return [float(np.mean([v for pair, v in pairs.items() if pair[0] == name])) for name in sets]


def mean_ranks(scores):
    """Return each method's mean rank over all pairs of domains, 1 being the best.

    In a pair methods are ranked by their mean over seeds; equal ones share their ranks.
    """
    pairs = next(iter(scores.values()))
    by_method = [[-round(of_pairs[pair], 6) for pair in pairs] for of_pairs in scores.values()]
    ranks = rankdata(by_method, axis=0)
    return dict(zip(scores, ranks.mean(axis=1).tolist(), strict=True))


def best_plain(scores, sets):
    """Return the scores on all pairs of the model that is best on each set without a target."""
    plain = [scores[title] for title in SOURCE_ONLY if title in scores]
    found = {}
    for name in sets:
        best = max(plain, key=lambda pairs: mean_of_sets(pairs, [name])[0])
        found |= {pair: score for pair, score in best.items() if pair[0] == name}
    return found


def summary(cells, shown=None):
    """Write one row for each method, the best mean rank first.

    Parameters
    ----------
    cells : list of dict
        Of all methods, since ranks are among all. A method that was not run on every pair
        is left out.
    shown : list of str or None, default=None
        Methods that get a row, besides those that are compared with; None for all.

    Returns
    -------
    table : str
        Markdown: means of the sets, their mean, its difference to that of the plain models
        which are best on each set, the pairs that lose more than a point against the plain
        network and against those models, the worst loss against the network, and the mean
        rank.
    """
    scores, sets = by_pair(cells), names(cells, "set")
    n_pairs = max(map(len, scores.values()))
    scores = {method: pairs for method, pairs in scores.items() if len(pairs) == n_pairs}
    ranks, network, best = mean_ranks(scores), scores[BASELINE], best_plain(scores, sets)
    titles = ["method", *sets, "mean of sets", "over the best plain", f"under {BASELINE}"]
    titles += ["under the best plain", "worst", "mean rank"]
    rows = []
    for method in sorted(scores, key=ranks.__getitem__):
        if not (shown is None or method in (STATISTICS, *SOURCE_ONLY, *shown)):
            continue
        pairs = scores[method]
        means = mean_of_sets(pairs, sets)
        over = np.mean(means) - np.mean(mean_of_sets(best, sets))
        row = [f"{value:.1f}" for value in (*means, np.mean(means))] + [f"{over:+.1f}"]
        for plain in (network, best):
            row.append(f"{sum(pairs[p] - plain[p] < -HARM for p in pairs)} of {n_pairs}")
        row += [f"{min(pairs[p] - network[p] for p in pairs):+.1f}", f"{ranks[method]:.1f}"]
        rows.append([method, *row])
    return markdown(titles, rows)


def summaries(cells, shown=None):
    """Write a table for each kind of sets with a baseline, as :func:`summary` does."""
    parts = []
    for kind in KINDS:
        found = of_kind(cells, kind)
        if BASELINE in names(found, "method"):
            parts += [f"{HEADS[kind]}.", summary(found, shown)]
    return "\n\n".join(parts)


def table_of_pairs(cells, name):
    """Write one row for each method and one column for each pair of domains of a set."""
    scores = by_pair([cell for cell in cells if cell["set"] == name])
    pairs = max(scores.values(), key=len)
    titles = ["method", *(f"{source} to {target}" for _, source, target in pairs)]
    rows = []
    for method, of_method in scores.items():
        values = [f"{of_method[pair]:.1f}" if pair in of_method else "" for pair in pairs]
        rows.append([method, *values])
    return markdown(titles, rows)
