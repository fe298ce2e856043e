"""Rules that choose without target labels, on every pair of the real data sets.

Every pair of domains, of at most 900 samples each, standardised by both together, is given to
the automatic choice with its defaults. Then its candidates are fitted once more with a fifth of
the source held back, and each score of ``domadapt.model_selection`` that is a function of what
they predict names the best of them. Target labels are used for the accuracies in the table and
nothing else.

    DOMADAPT_DATA=... python benchmarks/selection.py --output benchmarks/results/selection
"""

import argparse
import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from _accuracy_tables import kind_of
from _report import environment, write_json
from _selection_tables import report_of
from joblib import Parallel, delayed
from real_data import find_sets
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import check_random_state

from domadapt import AutoAdaptClassifier, AutoAdaptRegressor, model_selection
from domadapt.domains.base import BaseDomainEstimator
from domadapt.model_selection._calibration import fit_temperature, tempered
from domadapt.model_selection.auto._candidates import (
    adapted_candidates,
    plain_candidates,
    seeded,
)
from domadapt.model_selection.auto._training import answer_of, hold_back

MOST_SAMPLES = 900
REFERENCE = "network"
# What moved proportions are drawn with: weights of classes up to this, turned round in the target.
MOVED = 8.0


def load_pairs(folder, moved):
    """Yield pairs of domains, drawn and standardised; with moved proportions every third."""
    domains = {}
    for path in sorted(Path(folder).glob("*.npz")):
        with np.load(path) as data:
            X, y = data["X"].astype(np.float64), data["y"]
        domains[path.stem] = normalize(X, norm="l1") if folder.name == "surf" else X, y
    for place, (source, target) in enumerate(itertools.permutations(domains, 2)):
        if moved and place % 3 != 1:
            continue
        (Xs, ys), (Xt, yt) = domains[source], domains[target]
        generator = np.random.default_rng(place if moved else 0)
        weights = np.ones(len(np.union1d(ys, yt)))
        if moved:
            weights = np.geomspace(1, 1 / MOVED, len(weights))[generator.permutation(len(weights))]
        classes = np.union1d(ys, yt)
        rows_s = _draw(ys, classes, weights, generator, moved)
        rows_t = _draw(yt, classes, 1 / weights, generator, moved)
        scaler = StandardScaler().fit(np.concatenate([Xs[rows_s], Xt[rows_t]]))
        Xs, Xt = scaler.transform(Xs[rows_s]), scaler.transform(Xt[rows_t])
        yield source, target, Xs, ys[rows_s], Xt, yt[rows_t]


def _draw(y, classes, weights, generator, moved):
    if not moved:
        return np.sort(generator.permutation(len(y))[:MOST_SAMPLES])
    share = weights[np.searchsorted(classes, y)]
    n_drawn = min(MOST_SAMPLES, int(0.6 * len(y)))
    return np.sort(generator.choice(len(y), n_drawn, replace=False, p=share / share.sum()))


def scores_of(y_held, held, target, X_held, X_target, shares, weights, source_model):
    """Return every score of one candidate, by its title: the larger the better."""
    labels, held_labels = target.argmax(axis=1), held.argmax(axis=1)
    calibrated = tempered(target, fit_temperature(held, y_held))
    calibrated_held = tempered(held, fit_temperature(held, y_held))
    s, codes = model_selection, np.arange(held.shape[1])
    return {
        "source validation": s.source_validation_score(y_held, held_labels),
        "importance-weighted validation": s.importance_weighted_score(y_held, held_labels, weights),
        "DEV": s.deep_embedded_validation_score(y_held, held_labels, weights),
        "entropy": s.entropy_score(target),
        "information maximisation": s.information_maximization_score(target),
        "information maximisation, source proportions": s.information_maximization_score(
            target, shares
        ),
        "SND": s.soft_neighborhood_density_score(target),
        "nuclear norm": s.nuclear_norm_score(target),
        "class clusters (AMI)": s.class_ami_score(labels, X_target, random_state=0),
        "MaNo": s.mano_score(np.log(np.maximum(target, 1e-6))),
        "ATC": s.average_thresholded_confidence_score(
            y_held, calibrated_held, calibrated, classes=codes
        ),
        "DoC": s.difference_of_confidences_score(
            y_held, calibrated_held, calibrated, classes=codes
        ),
        "COT": s.confidence_optimal_transport_score(calibrated, shares),
        "Dis^2": s.disagreement_discrepancy_score(y_held, held_labels, labels, X_held, X_target),
        "IWA, single candidate": s.importance_weighted_aggregation_score(
            y_held, held, target, weights, classes=codes
        ),
        "contradiction": s.contradiction_score(labels, source_model, classes=codes),
    }


def fit_candidates(Xs, ys, Xt, kept, held, seed):
    """Return what candidates predict for held-back source samples and for the target."""
    generator, classes, found = check_random_state(seed), np.unique(ys[kept]), {}
    for candidate in [*plain_candidates("classes", Xs.shape[1]), *adapted_candidates("classes")]:
        made = seeded(candidate, generator).estimator
        known = {} if candidate.is_plain else {"X_target": Xt}
        made.fit(Xs[kept], ys[kept], **known)
        of_held = answer_of(made, Xs[held], classes, "classes")
        if isinstance(made, BaseDomainEstimator) and not candidate.is_plain:
            of_held = made.predict_proba(Xs[held], sample_domain=np.ones(len(held)))
            of_held = of_held.astype(np.float64) / of_held.sum(axis=1, keepdims=True)
        found[candidate.name] = of_held, answer_of(made, Xt, classes, "classes")
    return classes, found


def run_classes(name, pair, seed):
    """Return accuracies of candidates and rules on one pair."""
    source, target, Xs, ys, Xt, yt = pair
    auto = AutoAdaptClassifier(random_state=seed).fit(Xs, ys, X_target=Xt)
    right = {
        one.candidate.name: auto.classes_[one.answers.argmax(1)] == yt for one in auto._members
    }
    plain = np.array([one.answers for one in auto._members if one.candidate.is_plain])
    vote = np.tensordot(auto._mixture.vote_weights, plain, axes=1)
    cell = {"set": name, "source": source, "target": target, "n_target": len(yt)}
    cell["estimated"] = auto.estimated_accuracy_
    cell["interval"] = auto.accuracy_interval_
    cell["adapts"] = auto.adapts_
    cell["moved"] = auto._correction is not None
    cell["excess"] = auto.roughness_[0] - auto.roughness_[1]
    rules = {
        "automatic choice": auto.transduction_ == yt,
        "vote of plain models": auto.classes_[vote.argmax(axis=1)] == yt,
    }
    kept, held = hold_back(ys, "classes", check_random_state(seed))
    held = held[np.isin(ys[held], ys[kept])]
    classes, found = fit_candidates(Xs, ys, Xt, kept, held, seed)
    named = _named_by_scores(classes, found, Xs, ys, Xt, kept, held)
    rules |= {rule: classes[p.argmax(axis=1)] == yt for rule, p in named.items()}
    cell["candidates"] = {n: round(100 * float(hit.mean()), 2) for n, hit in right.items()}
    cell["rules"] = {n: _against(hit, right[REFERENCE]) for n, hit in (right | rules).items()}
    return cell


def _named_by_scores(classes, found, Xs, ys, Xt, kept, held):
    """Return the probabilities that each rule ends with, by its title."""
    y_held = np.searchsorted(classes, ys[held])
    targets = np.array([target for _, target in found.values()])
    mean = targets.mean(axis=0)
    weights = model_selection.importance_weights(Xs[held], Xt, normalize=False, random_state=0)
    of_held, of_target = found[REFERENCE]
    source_model = tempered(of_target, fit_temperature(of_held, y_held))
    shares = np.bincount(np.searchsorted(classes, ys[kept])) / len(kept)
    rated = [
        scores_of(y_held, of_held, target, Xs[held], Xt, shares, weights, source_model)
        | {"agreement with the ensemble": np.mean(target.argmax(1) == mean.argmax(1))}
        for of_held, target in found.values()
    ]
    named = {rule: targets[int(np.argmax([one[rule] for one in rated]))] for rule in rated[0]}
    named["mean of all candidates"] = mean
    order = np.argsort([-one["agreement with the ensemble"] for one in rated], kind="stable")
    named["mean of the five that agree most"] = targets[order[:5]].mean(axis=0)
    aggregated = model_selection.importance_weighted_aggregation(
        y_held,
        np.array([of_held for of_held, _ in found.values()]),
        targets,
        weights,
        classes=np.arange(len(classes)),
    )
    named["aggregation (IWA)"] = np.tensordot(aggregated, targets, axes=1)
    return named


def _against(hit, reference):
    """Return the accuracy in %, and the gain over the reference with its standard error."""
    gain = hit.astype(float) - reference
    error = gain.std() / np.sqrt(len(gain))
    return [round(100 * float(v), 2) for v in (hit.mean(), gain.mean(), error)]


def run_values(name, pair, seed):
    """Return R^2 of candidates and of the automatic choice on one pair."""
    source, target, Xs, ys, Xt, yt = pair
    auto = AutoAdaptRegressor(random_state=seed).fit(Xs, ys, X_target=Xt)
    cell = {"set": name, "source": source, "target": target, "n_target": len(yt)}
    cell["adapts"], cell["displacement"] = auto.adapts_, auto.displacement_
    cell["rules"] = {"automatic choice": round(100 * auto.score(Xt, yt), 2)}
    for candidate in [*plain_candidates("values", Xs.shape[1]), *adapted_candidates("values")]:
        made = seeded(candidate, check_random_state(seed)).estimator
        known = {} if candidate.is_plain else {"X_target": Xt}
        made.fit(Xs, ys, **known)
        cell["rules"][candidate.name] = round(100 * made.score(Xt, yt), 2)
    return cell


def run_task(name, pair, seed):
    """Run one pair."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = run_values if kind_of(name.removesuffix(", moved")) == "values" else run_classes
        cell = run(name, pair, seed)
    print(f"{name}: {pair[0]} to {pair[1]}: {cell['rules']['automatic choice']}", flush=True)
    return cell


def main():
    """Run all pairs, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    tasks = []
    for name in arguments.sets or list(sets):
        tasks += [(name, pair, arguments.seed) for pair in load_pairs(sets[name], moved=False)]
        if kind_of(name) != "values":
            moved = load_pairs(sets[name], moved=True)
            tasks += [(f"{name}, moved", pair, arguments.seed) for pair in moved]
    cells = Parallel(n_jobs=arguments.jobs)(delayed(run_task)(*task) for task in tasks)
    text = report_of(cells)
    print(text)
    if arguments.output:
        write_json(f"{arguments.output}.json", environment() | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(text)


if __name__ == "__main__":
    main()
