"""Whether scores of sources foretell the accuracy after fine-tuning, and what weights gain.

    DOMADAPT_DATA=folder python benchmarks/transferability.py

Every domain of a set is a target in turn, and of every other domain there are three source
models: of all rows, of 100 rows, and of the first half of the classes. A draw of 10 labelled rows
a class of the target, or half of those there are, gives the scores and is what is fine-tuned on;
accuracies are those on the other rows. Columns are standardised within each domain.

The second part fits three sources together, with 3 labelled target rows a class, as they are and
with the labels of the first source shuffled.
"""

import argparse
import itertools
import json
import os
import warnings
from pathlib import Path

import numpy as np
from _report import environment, write_json
from scipy.stats import spearmanr, weightedtau
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier
from domadapt.inductive import FineTuneClassifier, transferability_table

SETS = {
    "persons (sensors)": ("wisdm_activity", ("people_a", "people_b", "people_c", "people_d")),
    "digits": ("mnist_usps", ("mnist", "usps")),
    "photographs, words": ("office_caltech10/surf", ("amazon", "caltech10", "dslr", "webcam")),
    "photographs, features": (
        "office_caltech10/mobilenetv2",
        ("amazon", "caltech10", "dslr", "webcam"),
    ),
}
KINDS = ("all rows", "100 rows", "half of the classes")
SCORES = ("log_me", "h_score", "gbc", "leep", "nce")
TITLES = {
    "mean_rank": "mean rank",
    "log_me": "LogME",
    "h_score": "H-score",
    "gbc": "GBC",
    "leep": "LEEP",
    "nce": "NCE",
    "own": "accuracy of the source model on the labelled rows",
}
OUTCOMES = {"tuned": "fine-tuning", "head": "logistic regression on its features"}
PARTS = ("scores", "weights")
WEIGHTS = {None: "none", "proxy_distance": "proxy distance", "transferability": "transferability"}


def read(folder, domain):
    """Return the standardised rows and the labels of a domain."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / folder / f"{domain}.npz")
    X = content["X"].astype(np.float64).reshape(len(content["X"]), -1)
    return StandardScaler().fit_transform(X), content["y"]


def few_of(y, n_each, seed):
    """Return a mask of the labelled rows: some of each class, and no more than half of them."""
    rng, mask = np.random.default_rng(seed), np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        mask[rows[: min(n_each, len(rows) // 2)]] = True
    return mask


def source_rows(y, kind):
    """Return the rows that a source model is fitted to."""
    if kind == "100 rows":
        return np.sort(np.random.default_rng(0).permutation(len(y))[:100])
    classes = np.unique(y)
    kept = classes[: len(classes) // 2] if kind == "half of the classes" else classes
    return np.flatnonzero(np.isin(y, kept))


def cells_of(name, folder, domains, n_draws):
    """Return scores and accuracies of every source model for every draw of each target."""
    data = {domain: read(folder, domain) for domain in domains}
    models = {}
    for (domain, (X, y)), kind in itertools.product(data.items(), KINDS):
        rows = source_rows(y, kind)
        models[domain, kind] = AlignmentClassifier(None, random_state=0).fit(X[rows], y[rows])
    cells = []
    for (target, (X, y)), draw in itertools.product(data.items(), range(n_draws)):
        few = few_of(y, 10, draw)
        Xf, yf, Xr, yr = X[few], y[few], X[~few], y[~few]
        alone = AlignmentClassifier(None, random_state=draw).fit(Xf, yf)
        sources = {key: model for key, model in models.items() if key[0] != target}
        table = transferability_table(sources, Xf, yf).to_dict()
        for place, (source, kind) in enumerate(table["source"]):
            model = models[source, kind]
            head = LogisticRegression(max_iter=1000).fit(model.transform(Xf), yf)
            cell = {"set": name, "target": target, "draw": draw, "source": source, "kind": kind}
            cell |= {score: table[score][place] for score in (*SCORES, "mean_rank")}
            cell |= {
                "own": float(model.score(Xf, yf)),
                "tuned": float(
                    FineTuneClassifier(model, random_state=draw).fit(Xf, yf).score(Xr, yr)
                ),
                "head": float(head.score(model.transform(Xr), yr)),
                "alone": float(alone.score(Xr, yr)),
            }
            cells.append({k: round(v, 4) if isinstance(v, float) else v for k, v in cell.items()})
        print(f"{name}: {target}, draw {draw} done", flush=True)
    return cells


def weighed(name, folder, domains):
    """Return accuracies of fits to all sources by how these are weighed."""
    data = {domain: read(folder, domain) for domain in domains}
    cells = []
    for target, shuffled in itertools.product(domains, (False, True)):
        others = [domain for domain in domains if domain != target]
        labels = [data[domain][1] for domain in others]
        if shuffled:
            labels[0] = np.random.default_rng(0).permutation(labels[0])
        Xt, yt = data[target]
        few = few_of(yt, 3, 0)
        X = np.concatenate([*(data[domain][0] for domain in others), Xt])
        y = np.concatenate([*labels, np.full(len(Xt), -1)])
        numbers = np.repeat([1, 2, 3, -1], [*map(len, labels), len(Xt)])
        known = np.concatenate([np.full(len(X) - len(Xt), np.nan), np.where(few, yt, np.nan)])
        for weights in WEIGHTS:
            clf = AlignmentClassifier("mmd", source_weights=weights, random_state=0)
            clf.fit(X, y, sample_domain=numbers, y_target=known)
            cell = {"set": name, "target": target, "shuffled": shuffled, "weights": weights}
            cell["found"] = np.round(getattr(clf, "source_weights_", np.ones(3)), 3).tolist()
            cell["accuracy"] = round(float(np.mean(clf.transduction_[~few] == yt[~few])), 4)
            cells.append(cell)
        print(f"{name}: {target}, weights done", flush=True)
    return cells


def by(cells, *names):
    """Return lists of cells that agree in some entries."""
    groups = {}
    for cell in cells:
        groups.setdefault(tuple(cell[name] for name in names), []).append(cell)
    return list(groups.values())


def correlations(group, score, outcome):
    """Return weighted tau and Spearman's correlation of a score and an accuracy."""
    sign = -1 if score == "mean_rank" else 1
    predicted = sign * np.array([cell[score] for cell in group])
    found = np.array([cell[outcome] for cell in group])
    if np.ptp(predicted) == 0 or np.ptp(found) == 0:
        return 0.0, 0.0
    return float(weightedtau(predicted, found)[0]), float(spearmanr(predicted, found)[0])


def lost(group, score, outcome):
    """Return by how many points the source that a score puts first is under the best.

    The mean of those that are level.
    """
    sign = -1 if score == "mean_rank" else 1
    top = max(sign * cell[score] for cell in group)
    first = np.mean([cell[outcome] for cell in group if sign * cell[score] == top])
    return 100 * (max(cell[outcome] for cell in group) - first)


def scores_table(cells, outcome):
    """Return how well each score foretells an accuracy."""
    head = "| score | within a target: weighted tau | Spearman | points lost to the best source "
    head += "| over the pairs of a set: weighted tau | Spearman |"
    lines = [head, "|---|---|---|---|---|---|"]
    targets = by(cells, "set", "target", "draw")
    over = by([cell for cell in cells if cell["kind"] == KINDS[0]], "set", "draw")
    over = [group for group in over if len(group) > 2]
    for score, title in TITLES.items():
        inside, across = (
            np.mean([correlations(group, score, outcome) for group in groups] or [(0, 0)], axis=0)
            for groups in (targets, over)
        )
        regret = np.mean([lost(group, score, outcome) for group in targets])
        figures = [f"{inside[0]:.2f}", f"{inside[1]:.2f}", f"{regret:.1f}"]
        # Ranks are those among the sources of one target.
        figures += ["", ""] if score == "mean_rank" else [f"{value:.2f}" for value in across]
        lines.append(f"| {title} | {' | '.join(figures)} |")
    mean = np.mean([np.mean([100 * c[outcome] for c in g]) for g in targets])
    best = np.mean([max(100 * c[outcome] for c in g) for g in targets])
    lines.append(f"| any source, at random | 0 | 0 | {best - mean:.1f} | | |")
    return lines


def sets_table(cells):
    """Return accuracies of each set by what is done with the labelled rows."""
    lines = [
        "| set | pairs | the few rows alone | best source | mean source | worst source |",
        "|---|---|---|---|---|---|",
    ]
    for group in by(cells, "set"):
        targets = by(group, "target", "draw")
        n_pairs = len({(cell["source"], cell["target"]) for cell in group})
        figures = [
            np.mean([100 * kind(cell["tuned"] for cell in t) for t in targets])
            for kind in (max, lambda values: np.mean(list(values)), min)
        ]
        alone = np.mean([100 * t[0]["alone"] for t in targets])
        shown = " | ".join(f"{value:.1f}" for value in (alone, *figures))
        lines.append(f"| {group[0]['set']} | {n_pairs} | {shown} |")
    return lines


def weights_table(cells):
    """Return accuracies by how sources are weighed."""
    lines = [f"| set | sources | {' | '.join(WEIGHTS.values())} |", "|---|---|---|---|---|"]
    for group in by(cells, "set", "shuffled"):
        means = [
            np.mean([100 * c["accuracy"] for c in group if c["weights"] == weights])
            for weights in WEIGHTS
        ]
        what = "one with shuffled labels" if group[0]["shuffled"] else "as they are"
        shown = " | ".join(f"{mean:.1f}" for mean in means)
        lines.append(f"| {group[0]['set']} | {what} | {shown} |")
    return lines


def report(content):
    """Return the tables of a result file."""
    cells = content["scores"]
    parts = [["### The sets", "", *sets_table(cells)]]
    for outcome, title in OUTCOMES.items():
        parts.append([f"### Accuracy by {title}", "", *scores_table(cells, outcome)])
    parts.append(["### Weights of sources", "", *weights_table(content["weights"])])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def main():
    """Measure, among results that stay, and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    root = Path(__file__).parent / "results" / "transferability"
    parser.add_argument("--output", type=Path, default=root)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    path = given.output.with_suffix(".json")
    content = json.loads(path.read_text()) if path.exists() else {}
    content = environment() | {"draws": given.draws} | {p: content.get(p, []) for p in PARTS}
    for part, name in itertools.product(given.parts, given.sets):
        folder, domains = SETS[name]
        if part == "scores":
            cells = cells_of(name, folder, domains, given.draws)
        else:
            cells = weighed(name, folder, domains) if len(domains) > 2 else []
        cells += [cell for cell in content[part] if cell["set"] != name]
        content[part] = sorted(cells, key=lambda cell: list(SETS).index(cell["set"]))
        write_json(path, content)
        given.output.with_suffix(".md").write_text(report(content))


if __name__ == "__main__":
    main()
