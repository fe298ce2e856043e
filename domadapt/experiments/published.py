"""Accuracies that others published on the same data, with their sources."""

import itertools

ORIGINAL = "original paper, ResNet-50, mean of 6 pairs"
TLLIB = "TLlib, epoch chosen on target labels, ResNet-50, mean of 6 pairs"
SURF = "SURF, shallow classifier, all samples of both domains, mean of 12 pairs"

OFFICE31_PAIRS = list(itertools.permutations(("amazon", "dslr", "webcam"), 2))
OFFICE31_MEANS = {
    ORIGINAL: {"source only": 76.1, "DAN": 80.4, "DANN": 82.2, "JAN": 84.3, "CDAN+E": 87.7},
    TLLIB: {
        "source only": 79.5,
        "DAN": 83.7,
        "JAN": 87.0,
        "DANN": 86.1,
        "CDAN": 87.7,
        "MCD": 85.4,
        "BSP": 87.8,
        "AFN": 88.6,
        "MDD": 89.6,
        "MCC": 89.6,
    },
}

SURF_DOMAINS = {"C": "caltech10", "A": "amazon", "W": "webcam", "D": "dslr"}
SURF_COLUMNS = 800
SURF_PAIRS = ["CA", "CW", "CD", "AC", "AW", "AD", "WC", "WA", "WD", "DC", "DA", "DW"]
# The accuracies of the pairs, in that order, and the mean as it was published.
SURF_ROWS = {
    "1-NN": ([23.7, 25.8, 25.5, 26.0, 29.8, 25.5, 19.9, 23.0, 59.2, 26.3, 28.5, 63.4], 31.4),
    "GFK": ([46.0, 37.0, 40.8, 40.7, 37.0, 40.1, 24.8, 27.6, 85.4, 29.3, 28.7, 80.3], 43.1),
    "TCA": ([45.6, 39.3, 45.9, 42.0, 40.0, 35.7, 31.5, 30.5, 91.1, 33.0, 32.8, 87.5], 46.2),
    "JDA": ([43.1, 39.3, 49.0, 40.9, 38.0, 42.0, 33.0, 29.8, 92.4, 31.2, 33.4, 89.2], 46.8),
    "CORAL": ([52.1, 46.4, 45.9, 45.1, 44.4, 39.5, 33.7, 36.0, 86.6, 33.8, 37.7, 84.7], 48.8),
}


def published_rows(settings):
    """Return the rows of published accuracies on the data of a run; none for other data."""
    # "pairs" may be empty; "mean" is over "mean_over", "where" names the source and the network.
    if settings["dataset"] == "office31":
        return [
            _row(name, where, {}, mean, OFFICE31_PAIRS)
            for where, means in OFFICE31_MEANS.items()
            for name, mean in means.items()
        ]
    if _is_surf(settings):
        pairs = [(SURF_DOMAINS[pair[0]], SURF_DOMAINS[pair[1]]) for pair in SURF_PAIRS]
        return [
            _row(name, SURF, dict(zip(pairs, values, strict=True)), mean, pairs)
            for name, (values, mean) in SURF_ROWS.items()
        ]
    return []


def _is_surf(settings):
    """Return whether domains and width are those of the SURF features of Office-Caltech10."""
    return (
        settings["dataset"] == "features"
        and settings.get("n_columns") == SURF_COLUMNS
        and set(settings.get("domains") or ()) == set(SURF_DOMAINS.values())
    )


def _row(name, where, pairs, mean, mean_over):
    return {
        "name": name,
        "where": where,
        "pairs": pairs,
        "mean": mean,
        "mean_over": mean_over,
        "epoch_by_target_labels": where == TLLIB,
    }
