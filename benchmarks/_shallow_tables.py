"""Tables of methods without a network out of the cells of a result file."""

import numpy as np
from _accuracy_tables import HARM, by_pair, mean_of_sets, names
from _markdown import markdown


def alone(title):
    """Return the estimator in the title of a method."""
    return title.rpartition(" + ")[2]


def shallow_summary(cells, adapters=None):
    """Write one row for each method, the best mean first.

    Parameters
    ----------
    cells : list of dict
        With ``set``, ``source``, ``target``, ``method``, ``seed`` and ``score``, in percent.
    adapters : list of str or None, default=None
        Titles of the adapters that get rows, besides the estimators alone; None for all.

    Returns
    -------
    table : str
        Markdown: means of the sets, their mean, its difference to that of the same estimator
        alone and to the best estimator alone, and the number of pairs that lose more than a
        point against the same estimator alone, with the worst loss.
    """
    scores, sets = by_pair(cells), names(cells, "set")
    means = {method: mean_of_sets(pairs, sets) for method, pairs in scores.items()}
    best = max(np.mean(means[method]) for method in means if alone(method) == method)
    titles = ["method", *sets, "mean", "over the same alone", "over the best alone", "harmed"]
    rows = []
    for method in sorted(means, key=lambda method: -np.mean(means[method])):
        plain = alone(method)
        if adapters is not None and not (
            method == plain or method.rpartition(" + ")[0] in adapters
        ):
            continue
        mean = np.mean(means[method])
        row = [f"{value:.1f}" for value in (*means[method], mean)]
        if method == plain:
            row += ["", f"{mean - best:+.1f}", "", ""]
        else:
            changes = [scores[method][pair] - scores[plain][pair] for pair in scores[method]]
            harmed = sum(change < -HARM for change in changes)
            row += [f"{mean - np.mean(means[plain]):+.1f}", f"{mean - best:+.1f}"]
            row += [f"{harmed} of {len(changes)}", f"{min(changes):+.1f}"]
        rows.append([method, *row])
    return markdown([*titles, "worst"], rows)
