"""The tables that set the libraries beside each other, long and short."""

import statistics

import numpy as np
from _markdown import markdown
from _peer_fits import AS_OURS, DOCUMENTED, NETWORKS, OFFERED, PACKAGES, SHALLOW
from _plain_models import LINEAR, TREES, harmed

NETWORK = "network, source only"
PLAIN = (LINEAR, TREES, NETWORK)
TITLES = {
    "dann": "DANN",
    "cdan": "CDAN",
    "deepcoral": "DeepCORAL",
    "dan": "DAN",
    "coral": "CORAL",
    "subspace_alignment": "subspace alignment",
    "ot": "optimal transport",
    "kmm": "KMM",
    "kliep": "KLIEP",
}
OURS = "domadapt"
SAME = "same predictions as weight 0"


def rows_of(report):
    """Gather the cells of each method, library and training.

    Parameters
    ----------
    report : dict
        The content of the result file.

    Returns
    -------
    rows : dict of (method, peer, training) to dict
        Mean accuracy by pair, the accuracy of all and of each set, targets harmed, the median
        ratio of CPU time to ours, and a note.
    """
    grouped, pairs, ours = {}, [], {}
    for cell in report["cells"]:
        pair = (cell["set"], cell["pair"])
        pairs += [] if pair in pairs else [pair]
        key = (cell["method"], cell["peer"], cell.get("training", ""))
        grouped.setdefault(key, {})[pair] = cell
        if cell["peer"] == OURS and "seconds" in cell:
            ours[cell["method"], pair] = cell["seconds"]
    rows = {key: _row(key[0], cells, pairs, ours) for key, cells in grouped.items()}
    for (method, peer, _), row in rows.items():
        # What has no effect with our settings has none with its own.
        if rows.get((method, peer, AS_OURS), row)["is_idle"] and not row["note"]:
            row["note"] = SAME
    whole = {key: row["scores"] for key, row in rows.items() if len(row["scores"]) == len(pairs)}
    counts = harmed(whole, [key for key in whole if key[1] == "plain"])
    for key, row in rows.items():
        row["harmed"] = counts.get(key, "")
    return rows


def _row(method, cells, pairs, ours):
    ended = {pair: cell for pair, cell in cells.items() if "scores" in cell}
    failed = [cell["failed"] for cell in cells.values() if "failed" in cell]
    row = {"scores": [float(np.mean(ended[pair]["scores"])) for pair in pairs if pair in ended]}
    row["mean"] = float(np.mean(row["scores"])) if len(row["scores"]) == len(pairs) else None
    row["sets"] = {
        name: float(np.mean([np.mean(c["scores"]) for p, c in ended.items() if p[0] == name]))
        for name in dict.fromkeys(pair[0] for pair in ended)
    }
    ratios = [c["seconds"] / ours[method, p] for p, c in ended.items() if (method, p) in ours]
    row["time"] = statistics.median(ratios) if ratios else None
    same = [cell["same at weight 0"] for cell in ended.values() if "same at weight 0" in cell]
    row["is_idle"] = bool(same) and all(same)
    row["note"] = f"{SAME} on {sum(same)} of {len(same)}" if any(same) and not all(same) else ""
    row["failures"] = f"fails on {len(failed)} of {len(pairs)}"
    if failed:
        row["note"] = f"failed on {len(failed)} of {len(pairs)}: `{failed[0]}`".replace("|", "/")
    return row


def _number(value, digits=1):
    return "" if value is None else f"{value:.{digits}f}"


def _in_order(rows, methods):
    """Yield rows method by method, in each domadapt first."""
    for method in methods:
        for peer in OFFERED:
            for training in (DOCUMENTED, AS_OURS):
                if (method, peer, training) in rows:
                    yield method, peer, training, rows[method, peer, training]


def _plain_lines(rows):
    return [rows[title, "plain", ""] for title in PLAIN]


def long_table(report):
    """Write all rows, with and without a network, then the accuracies by set.

    Parameters
    ----------
    report : dict
        The content of the result file.

    Returns
    -------
    text : str
        Markdown.
    """
    rows = rows_of(report)
    parts = []
    head = ["method", "library", "training", "accuracy", "harmed", "CPU time over ours", ""]
    for title, methods in (("With a network", NETWORKS), ("Without a network", SHALLOW)):
        is_deep = methods is NETWORKS
        body = []
        for method, peer, training, row in _in_order(rows, methods):
            cells = [TITLES[method], peer]
            cells += ["its defaults" if peer == OURS else training] if is_deep else []
            time = "" if peer == OURS else _number(row["time"], 2)
            body.append([*cells, _number(row["mean"]), row["harmed"], time, row["note"]])
        for name, row in zip(PLAIN, _plain_lines(rows), strict=True):
            blank = [""] * (2 if is_deep else 1)
            body.append([f"*{name}*", *blank, _number(row["mean"]), "", "", ""])
        shown = head if is_deep else head[:2] + head[3:]
        parts += [f"### {title}", markdown(shown, body)]
    return "\n\n".join([*parts, "### By set", _by_set(report, rows)]) + "\n"


def _by_set(report, rows):
    sets = list(dict.fromkeys(cell["set"] for cell in report["cells"]))
    body = [
        [TITLES[method], peer, training if peer != OURS and method in NETWORKS else ""]
        + [_number(row["sets"].get(name)) for name in sets]
        for method, peer, training, row in _in_order(rows, NETWORKS + SHALLOW)
    ]
    for name, row in zip(PLAIN, _plain_lines(rows), strict=True):
        body.append([f"*{name}*", "", "", *(_number(row["sets"][s]) for s in sets)])
    heads = [name.partition("/")[0].replace("_", " ") for name in sets]
    return markdown(["method", "library", "training", *heads], body)


def short_table(report):
    """Write one line for each method and one column for each library.

    Of two trainings the better one counts, which only the labels of the target tell.

    Parameters
    ----------
    report : dict
        The content of the result file.

    Returns
    -------
    text : str
        Markdown.
    """
    rows = rows_of(report)
    body = []
    for method in NETWORKS + SHALLOW:
        cells = []
        for peer in OFFERED:
            found = [row for m, p, _, row in _in_order(rows, [method]) if p == peer]
            cells.append(_best(found, is_ours=peer == OURS))
        body.append([TITLES[method], *cells])
    best = max(zip(PLAIN, _plain_lines(rows), strict=True), key=lambda one: one[1]["mean"])
    body.append([f"*best plain model: {best[0]}*", _number(best[1]["mean"]), "", "", ""])
    heads = [
        f"{peer} {report['peers'].get(peer, {}).get(PACKAGES[peer][0], '')}" for peer in OFFERED
    ]
    return markdown(["", *(head.strip() for head in heads)], body) + "\n"


def _best(found, *, is_ours):
    ended = [row for row in found if row["mean"] is not None]
    if not found:
        return ""
    if not ended:
        return found[0]["failures"]
    row = max(ended, key=lambda one: one["mean"])
    told = "" if is_ours else f", {row['time']:.1f} x"
    idle = ", adapts nothing" if row["note"] == SAME else ""
    return _number(row["mean"]) + told + idle
