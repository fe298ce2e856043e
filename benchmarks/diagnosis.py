"""Whether ``diagnose`` names the kind of drawn shifts, what its advice is worth, and its cost.

    DOMADAPT_DATA=folder python benchmarks/diagnosis.py --draws 100

Domains of 300 to 2,000 rows, 2 to 20 columns and 2 to 4 classes are drawn with no shift, a
covariate shift, a label shift, and with moved columns whose labels move along. The thresholds of
``diagnose`` were chosen on seeds below 1,000 of the families that ``DEVELOPED`` names; what is
reported has seeds from 10,000 on, and the other families were never looked at before.

What adapting gains on a draw is the accuracy of logistic regression with an adapter for the kind
that was named, less that without; labels of the target are read there and nowhere else. Of each
real set one pair is looked at, and halves of single domains, between which there is no shift.
"""

import argparse
import collections
import os
import resource
import time
import warnings
from pathlib import Path

import numpy as np
from _drawn_domains import DEVELOPED, DRAWS
from _report import environment, write_json
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from domadapt import diagnose
from domadapt.shallow import AdaptedClassifier

FIRST_SEED = 10_000
KINDS = ("none", "covariate", "label", "concept")
ADAPTERS = {"covariate": "domain_classifier", "label": "em", "concept": "coral"}
ADVICE = ("do not adapt", "adapt with care", "adapt")
# Points by which accuracies differ that matters.
MATTERS = 0.05
# Of each set one pair of domains; of the last labels are numbers.
PAIRS = {
    "digits": ("mnist_usps/mnist", "mnist_usps/usps"),
    "photographs, features": (
        "office_caltech10/mobilenetv2/amazon",
        "office_caltech10/mobilenetv2/caltech10",
    ),
    "photographs, words": ("office_caltech10/surf/amazon", "office_caltech10/surf/caltech10"),
    "reviews": ("amazon_reviews_400/books", "amazon_reviews_400/kitchen"),
    "persons (sensors)": ("wisdm_activity/people_a", "wisdm_activity/people_b"),
    "occupied rooms": ("occupancy/february_a", "occupancy/february_b"),
    "air, a number": ("beijing_air/dongsi", "beijing_air/huairou"),
}
N_HALVINGS = 20


def one(kind, seed):
    """Diagnose one draw; return what was said, the CPU seconds and what adapting gains."""
    Xs, ys, Xt, yt, family = DRAWS[kind](np.random.default_rng([seed, KINDS.index(kind)]))
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = diagnose(Xs, ys, Xt)
        seconds = time.process_time() - start
        gain = None if found.kind == "none" else gain_of(ADAPTERS[found.kind], Xs, ys, Xt, yt)
    said = {"kind": kind, "family": family, "seed": seed, "said": found.kind}
    roughness = [round(v, 4) for v in (found.roughness.found, found.roughness.expected)]
    about = {"advice": found.advice, "roughness": roughness, "gain": gain}
    return said | about | {"seconds": round(seconds, 2)}


def gain_of(adapter, Xs, ys, Xt, yt):
    """Return the accuracy that an adapter adds to logistic regression."""
    scaler = StandardScaler().fit(np.vstack([Xs, Xt]))
    Xs, Xt = scaler.transform(Xs), scaler.transform(Xt)
    plain = LogisticRegression(max_iter=500)
    adapted = AdaptedClassifier(plain, adapter).fit(Xs, ys, X_target=Xt).predict(Xt)
    return round(float(np.mean(adapted == yt) - np.mean(plain.fit(Xs, ys).predict(Xt) == yt)), 4)


def cost(n_rows=10_000, n_columns=100):
    """Return the CPU seconds of a diagnosis of two large domains, and the growth of the peak."""
    rng = np.random.default_rng(0)
    ys, yt = rng.integers(5, size=(2, n_rows))
    centres = rng.normal(size=(5, n_columns)) / 2
    Xs, Xt = (centres[y] + rng.normal(size=(n_rows, n_columns)) for y in (ys, yt))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    diagnose(Xs, ys, Xt + 0.5)
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"cpu_seconds": round(seconds, 1), "megabytes": round(grown / 1024)}


def read(name):
    """Return the rows and labels of a domain of a real set."""
    content = np.load(Path(os.environ["DOMADAPT_DATA"]) / f"{name}.npz")
    X = content["X"].astype(np.float64)
    return X.reshape(len(X), -1), content["y"]


def real_pairs():
    """Return what is said of one pair of each set."""
    cells = []
    for name, (source, target) in PAIRS.items():
        found = diagnose(*read(source), read(target)[0])
        cells.append(
            {
                "set": name,
                "pair": [source, target],
                "said": found.kind,
                "advice": found.advice,
                "auc": round(found.domain_classifier.auc, 3),
                "roughness": [
                    round(v, 4) for v in (found.roughness.found, found.roughness.expected)
                ],
                "displacement": found.displacement and round(found.displacement, 2),
            }
        )
    return cells


def halvings():
    """Return what is said of random halves of single domains."""
    domains = [domain for pair in PAIRS.values() for domain in pair]
    cells = []
    for seed in range(N_HALVINGS):
        name = domains[seed % len(domains)]
        X, y = read(name)
        order = np.random.default_rng(FIRST_SEED + seed).permutation(len(X))
        a, b = np.array_split(order, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = diagnose(X[a], y[a], X[b])
        said = {"said": found.kind, "advice": found.advice, "p_value": found.p_value}
        cells.append({"domain": name, "seed": FIRST_SEED + seed} | said)
    return cells


def rates_table(cells):
    """Return how often the drawn kind is named."""
    lines = ["| drawn | right | said otherwise |", "|---|---|---|"]
    for kind in KINDS:
        of_kind = [c for c in cells if c["kind"] == kind]
        said = collections.Counter(c["said"] for c in of_kind)
        others = ", ".join(f"{name} {n}" for name, n in said.items() if name != kind)
        lines.append(f"| {kind} | {said[kind]} of {len(of_kind)} | {others} |")
    return lines


def advice_table(cells):
    """Return what adapting gained where it was advised and where not, of draws with a shift."""
    lines = [
        "| drawn | advice | draws | mean gain | gains 5 points | loses 5 points |",
        "|---|---|---|---|---|---|",
    ]
    for kind in KINDS[1:]:
        for advice in ADVICE:
            same = [c for c in cells if c["kind"] == kind and c["advice"] == advice]
            gains = np.array([c["gain"] for c in same if c["gain"] is not None])
            if len(gains):
                more, less = np.sum(gains > MATTERS), np.sum(gains < -MATTERS)
                said = f"| {kind} | {advice} | {len(gains)} | {gains.mean():+.3f} |"
                lines.append(f"{said} {more} | {less} |")
    return lines


def real_table(cells):
    """Return what is said of real pairs."""
    lines = [
        "| set | AUC | kind | plain labels differ | true ones | advice |",
        "|---|---|---|---|---|---|",
    ]
    for c in cells:
        found, expected = (f"{value:.3f}" for value in c["roughness"])
        said = f"| {c['set']} | {c['auc']:.2f} | {c['said']} | {found} | {expected} |"
        lines.append(f"{said} {c['advice']} |")
    return lines


def family_table(cells):
    """Return the rates by family."""
    lines = ["| drawn | family | seen before | right |", "|---|---|---|---|"]
    families = collections.defaultdict(list)
    for c in cells:
        families[KINDS.index(c["kind"]), c["family"]].append(c["said"] == c["kind"])
    for (kind, family), right in sorted(families.items()):
        seen = "yes" if family in DEVELOPED else "no"
        lines.append(f"| {KINDS[kind]} | {family} | {seen} | {sum(right)} of {len(right)} |")
    return lines


def text_of(report):
    """Return all tables as Markdown."""
    cells, halves = report["cells"], report["halves"]
    lines = rates_table(cells)
    lines += ["", "What adapting gains on these draws, by the advice:", "", *advice_table(cells)]
    if halves:
        alike = sum(c["said"] == "none" for c in halves)
        calm = sum(c["advice"] == "do not adapt" for c in halves)
        lines += ["", "One pair of each real set:", "", *real_table(report["pairs"]), ""]
        lines.append(
            f"Of {len(halves)} random halvings of single real domains {alike} have the kind "
            f'"none", and {calm} are told not to adapt.'
        )
    lines += [
        "",
        "Two domains of 10,000 rows and 100 columns take {cpu_seconds} CPU seconds, and the peak "
        "of memory grows by {megabytes} MB.".format(**report["cost"]),
    ]
    return "\n".join([*lines, "", "### By family", "", *family_table(cells), ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/diagnosis"))
    arguments = parser.parse_args()
    report = {"environment": environment(), "cost": cost(), "pairs": [], "halves": []}
    if "DOMADAPT_DATA" in os.environ:
        report |= {"pairs": real_pairs(), "halves": halvings()}
    print(report["cost"], *report["pairs"], *report["halves"], sep="\n", flush=True)
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.draws)
    tasks = [delayed(one)(kind, seed) for seed in seeds for kind in KINDS]
    report["cells"] = []
    for cell in Parallel(arguments.jobs, return_as="generator")(tasks):
        report["cells"].append(cell)
        if cell["said"] != cell["kind"]:
            print(len(report["cells"]), cell, flush=True)
    text = text_of(report)
    print(text)
    write_json(arguments.output.with_suffix(".json"), report)
    arguments.output.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
