"""What target labels add to a table when they choose something, from runs that are stored."""

import json
from pathlib import Path

import numpy as np
from _accuracy_tables import BASELINE, SOURCE_ONLY, STATISTICS, VALUES, best_plain, by_pair, names
from _markdown import markdown
from scipy.stats import wilcoxon

from domadapt.experiments.tables import title_of

RESULTS = Path(__file__).parent / "results"
PLAIN = {*SOURCE_ONLY, STATISTICS}
COMPARED = ("MCC", "DANN", "DAN", "CMD")


def accuracy_cells():
    """Return the cells of the sets with classes out of the stored runs on real data."""
    cells = json.loads((RESULTS / "real_data.json").read_text())["cells"]
    return [cell for cell in cells if cell["set"] not in VALUES]


def best_epochs():
    """Write the last epoch beside the one that target labels rate best."""
    report = json.loads((RESULTS / "office_caltech10.json").read_text())["runs"]["frozen"]
    rows = []
    for method in report["methods"]:
        last = method["mean"]["accuracy"]
        best = method["mean"]["best_accuracy_by_target_labels"]
        name = title_of(method["method"])
        rows.append([name, f"{last:.1f}", f"{best:.1f}", f"{best - last:+.1f}"])
    return markdown(["method", "last epoch", "best epoch by target labels", "more"], rows)


def choices():
    """Write what is gained where target labels choose, or where the baseline is a weak one."""
    cells = accuracy_cells()
    adapted = [cell for cell in cells if cell["method"] not in PLAIN]
    of_seeds = {}
    for cell in adapted:
        key = cell["method"], cell["set"], cell["source"], cell["target"]
        of_seeds.setdefault(key, []).append(cell["score"])
    scores = by_pair(adapted)
    means = {method: np.mean(list(pairs.values())) for method, pairs in scores.items()}
    best_of_pairs = np.max([list(pairs.values()) for pairs in scores.values()], axis=0)
    every = by_pair(cells)
    plain = best_plain(every, names(cells, "set"))
    n_seeds = len(next(iter(of_seeds.values())))
    rows = {
        f"the best of {n_seeds} seeds, in place of their mean": np.mean(
            [max(scores) - np.mean(scores) for scores in of_seeds.values()]
        ),
        f"the best of {len(scores)} methods on each pair, in place of the one that is best on "
        "average": best_of_pairs.mean() - max(means.values()),
        f"the best of {len(scores)} methods on each pair, in place of a method drawn at random": (
            best_of_pairs.mean() - np.mean(list(means.values()))
        ),
        "gains over the source-only network, in place of those over the best plain model of each "
        "set": np.mean([plain[pair] - score for pair, score in every[BASELINE].items()]),
    }
    shown = [[name, f"{value:+.1f}"] for name, value in rows.items()]
    return markdown(["what is told", "points more"], shown)


def comparisons():
    """Write gains over source only over all pairs, with the spread and a test in pairs."""
    scores = by_pair(accuracy_cells())
    plain = scores[BASELINE]
    n_pairs = len(plain)
    heads = ["method", "mean gain", "median gain", f"better on, of {n_pairs} pairs"]
    heads += ["more than a point worse on", "worst", "p (Wilcoxon)"]
    rows = []
    for method in COMPARED:
        gains = np.array([scores[method][pair] - plain[pair] for pair in plain])
        p_value = wilcoxon(gains).pvalue
        row = [method, f"{gains.mean():+.1f}", f"{np.median(gains):+.1f}", str((gains > 0).sum())]
        row += [str((gains < -1).sum()), f"{gains.min():+.1f}"]
        row.append(f"{p_value:.2f}" if p_value >= 0.01 else "under .01")
        rows.append(row)
    return markdown(heads, rows)
