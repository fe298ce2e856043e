"""Tables of rules that choose without target labels."""

import numpy as np
from _markdown import markdown

HARM = 1.0
PLAIN = "network"


def sets_of(cells):
    """Return the names of the sets in order."""
    return list(dict.fromkeys(cell["set"] for cell in cells))


def set_means(cells, figure):
    """Return the mean over the pairs of each set."""
    return {
        name: float(np.mean([figure(cell) for cell in cells if cell["set"] == name]))
        for name in sets_of(cells)
    }


def rules_table(cells):
    """Return the table of all rules and candidates on sets of classes."""
    oracle = set_means(cells, lambda cell: max(cell["candidates"].values()))
    rows = []
    # A candidate that only some of the sets have, such as boosted trees, is in no row.
    rules = [rule for rule in cells[0]["rules"] if all(rule in cell["rules"] for cell in cells)]
    for rule in rules:
        accuracy = list(set_means(cells, lambda cell, r=rule: cell["rules"][r][0]).values())
        gains = np.array([cell["rules"][rule][1] for cell in cells])
        errors = np.array([cell["rules"][rule][2] for cell in cells])
        over_vote = np.array(
            [cell["rules"][rule][0] - cell["rules"]["vote of plain models"][0] for cell in cells]
        )
        harmed = gains < -HARM
        significant = harmed & (gains < -2 * errors)
        rows.append(
            [
                rule,
                np.mean(accuracy),
                f"{np.mean(accuracy) - np.mean(list(oracle.values())):+.1f}",
                f"{harmed.sum()} ({significant.sum()})",
                f"{gains.min():+.1f}",
                f"{(over_vote < -HARM).sum()}",
                f"{over_vote.min():+.1f}",
                *accuracy,
            ]
        )
    rows.sort(key=lambda row: -row[1])
    best = _best_by_set(cells, rules)
    rows.insert(0, ["best single one of each set, by labels", np.mean(best), *[""] * 5, *best])
    shown = [[v if isinstance(v, str) else f"{v:.1f}" for v in row] for row in rows]
    head = ["rule", "mean of sets", "to the best of each pair", f"harmed of {len(cells)}", "worst"]
    head += ["under the vote", "worst", *sets_of(cells)]
    return markdown(head, shown)


def _best_by_set(cells, rules):
    """Return the accuracy of the candidate that is best on each set, chosen with its labels."""
    candidates = [rule for rule in rules if rule in cells[0]["candidates"]]
    means = [
        list(set_means(cells, lambda cell, r=rule: cell["rules"][r][0]).values())
        for rule in candidates
    ]
    return np.max(means, axis=0).tolist()


def accuracy_table(cells):
    """Return the table of estimated accuracies of the automatic choice."""
    rows = []
    for name in sets_of(cells):
        of_set = [cell for cell in cells if cell["set"] == name]
        true = np.array([cell["rules"]["automatic choice"][0] for cell in of_set]) / 100
        estimated = np.array([cell["estimated"] for cell in of_set])
        low, high = np.array([cell["interval"] for cell in of_set]).T
        held = (low <= true) & (true <= high)
        adapts = sum(cell["adapts"] for cell in of_set)
        rows.append(
            [
                name,
                f"{100 * true.mean():.1f}",
                f"{100 * estimated.mean():.1f}",
                f"{100 * abs(estimated - true).mean():.1f}",
                f"{held.sum()} of {len(of_set)}",
                f"{50 * (high - low).mean():.0f}",
                f"{adapts} of {len(of_set)}",
            ]
        )
    errors = set_means(
        cells, lambda cell: abs(cell["estimated"] - cell["rules"]["automatic choice"][0] / 100)
    )
    rows.append(["mean", "", "", f"{100 * np.mean(list(errors.values())):.1f}", "", "", ""])
    head = ["set", "accuracy", "estimated", "mean error", "interval holds", "half width", "adapts"]
    return markdown(head, rows)


def values_table(cells):
    """Return the table of R^2 on sets of numbers."""
    rules = list(cells[0]["rules"])
    rows = []
    for rule in rules:
        scores = np.array([cell["rules"][rule] for cell in cells])
        ridge = np.array(
            [
                max(cell["rules"]["ridge"], cell["rules"]["per-domain scaling + ridge"])
                for cell in cells
            ]
        )
        rows.append([rule, f"{scores.mean():.1f}", f"{(scores - ridge).min():+.1f}"])
    head = ["method", "mean R^2, times 100", "worst to the better ridge"]
    return markdown(head, rows)


def report_of(cells):
    """Write all tables."""
    of_values = [cell for cell in cells if "candidates" not in cell]
    of_classes = [cell for cell in cells if "candidates" in cell]
    parts = []
    for moved, head in ((False, "Sets as they are"), (True, "Class proportions moved")):
        chosen = [cell for cell in of_classes if cell["set"].endswith(", moved") == moved]
        if chosen:
            parts += [f"## {head}", rules_table(chosen), "### Estimated accuracy"]
            parts += [accuracy_table(chosen)]
    if of_values:
        parts += ["## Values", values_table(of_values)]
    return "\n\n".join(parts) + "\n"
