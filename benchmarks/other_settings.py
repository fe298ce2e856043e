"""Several sources, targets with fewer classes, and targets with unknown samples.

On the sets of ``real_data.py`` that allow it, with default parameters:

- several sources: every domain is the target of all others, where there are three or more;
- partial: the target holds the first half of the classes alone;
- open set: the source holds the first half alone, and other samples of the target are unknown.
  Right is the share of right samples, unknown ones being right where they are called unknown;
  then follow the shares among known and among unknown samples.

For several sources samples are standardised within their own domain, otherwise by the source,
for domains of other classes differ in their means. Target labels decide which samples there
are, and are used for the accuracies and nothing else.

    DOMADAPT_DATA=... python benchmarks/other_settings.py \
        --output benchmarks/results/other_settings
"""

import argparse
import itertools
import os
from pathlib import Path

import numpy as np
import torch
from _accuracy_tables import BASELINE, VALUES
from _markdown import markdown
from _report import environment, write_json
from joblib import Parallel, delayed
from real_data import find_sets
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler, normalize

from domadapt import methods
from domadapt.datasets import load_features
from domadapt.experiments.recipes import on_vectors, with_equal_updates

SETTINGS = ("several sources", "partial", "open set")
DANN = methods.METHODS["dann"].title
ONE_SOURCE = f"{DANN}, one source"


def methods_for(setting):
    """Return the estimators that are compared in a setting: source only, DANN and its own."""
    names = ["source", "dann"]
    names += [name for name, method in methods.METHODS.items() if method.setting == setting]
    found = {methods.METHODS[name].title: on_vectors(name) for name in names}
    if setting == "several sources":
        found[ONE_SOURCE] = on_vectors("dann")
    return found


METHODS = {setting: methods_for(setting) for setting in SETTINGS}
UNKNOWN = -1


def load_domains(folder):
    """Load the domains of a folder by name, counts of words as shares."""
    data = load_features(folder)
    is_surf = Path(folder).name == "surf"
    domains = {}
    for name in data.domain_names:
        rows = data.domain == name
        X = data.X[rows].astype(np.float32)
        domains[name] = normalize(X, norm="l1") if is_surf else X, data.y[rows]
    return domains


def several_sources(domains):
    """Yield each domain as the target of all others.

    Yields
    ------
    target : str
        Its name.
    X, y, sample_domain, Xt, yt : ndarrays
        Samples of the sources with their domains, and of the target.
    """
    if len(domains) < 3:
        return
    scaled = {name: StandardScaler().fit_transform(X) for name, (X, _) in domains.items()}
    for target, (_, yt) in domains.items():
        others = [name for name in domains if name != target]
        X, y = np.concatenate([scaled[n] for n in others]), [domains[n][1] for n in others]
        numbers = np.repeat(np.arange(len(others)) + 1, [len(labels) for labels in y])
        yield target, X, np.concatenate(y), numbers, scaled[target], yt


def half_of_the_classes(domains, setting):
    """Yield each pair with half of the classes on one side.

    Yields
    ------
    name : str
        Of the pair.
    X, y, sample_domain, Xt, yt : ndarrays
        Samples of the source, all of domain 1, and of the target.
    """
    classes = np.unique(np.concatenate([y for _, y in domains.values()]))
    if len(classes) < 4:
        return
    some = classes[: len(classes) // 2]
    for source, target in itertools.permutations(domains, 2):
        (X, y), (Xt, yt) = domains[source], domains[target]
        if setting == "partial":
            Xt, yt = Xt[np.isin(yt, some)], yt[np.isin(yt, some)]
        else:
            X, y = X[np.isin(y, some)], y[np.isin(y, some)]
            yt = np.where(np.isin(yt, some), yt, UNKNOWN)
        scaler = StandardScaler().fit(X)
        numbers = np.ones(len(y), dtype=np.int64)
        yield f"{source} to {target}", scaler.transform(X), y, numbers, scaler.transform(Xt), yt


def run_task(setting, name, task, seeds):
    """Fit every method of a setting on one task, with every seed."""
    torch.set_num_threads(1)
    title, X, y, sample_domain, Xt, yt = task
    cells = []
    for method, seed in itertools.product(METHODS[setting], range(seeds)):
        clf = clone(METHODS[setting][method]).set_params(random_state=seed)
        if method == BASELINE:
            with_equal_updates(clf, len(X), len(Xt)).fit(X, y)
        elif method == ONE_SOURCE:
            clf.fit(X, y, X_target=Xt)
        else:
            stacked = np.concatenate([X, Xt]), np.concatenate([y, np.full(len(Xt), UNKNOWN)])
            clf.fit(*stacked, sample_domain=np.concatenate([sample_domain, np.full(len(Xt), -1)]))
        right = clf.predict(Xt) == yt
        cell = {"setting": setting, "set": name, "task": title, "method": method, "seed": seed}
        cell["right"] = round(100 * float(right.mean()), 2)
        if setting == "open set":
            for kind, rows in (("known", yt != UNKNOWN), ("unknown", yt == UNKNOWN)):
                cell[kind] = round(100 * float(right[rows].mean()), 2)
        cells.append(cell)
    print(f"{setting}, {name}: {title} done", flush=True)
    return cells


def table(cells, setting):
    """Write one row for each method and one column for each set."""
    kinds = ["right", "known", "unknown"] if setting == "open set" else ["right"]
    cells = [c for c in cells if c["setting"] == setting]
    columns = [(name, kind) for name in dict.fromkeys(c["set"] for c in cells) for kind in kinds]
    titles = [name if kind == "right" else f"{name}, {kind}" for name, kind in columns]
    rows = []
    for method in METHODS[setting]:
        values = [
            np.mean([c[kind] for c in cells if (c["method"], c["set"]) == (method, name)])
            for name, kind in columns
        ]
        rows.append([method, *(f"{value:.1f}" for value in values)])
    return markdown(["method", *titles], rows)


def report_of(cells, seeds):
    """Write one table for each setting."""
    drawn = "one seed" if seeds == 1 else f"mean of {seeds} seeds"
    parts = [f"Right target samples in %, {drawn}, default parameters."]
    for setting in SETTINGS:
        parts += [f"### {setting.capitalize()}", table(cells, setting)]
    return "\n\n".join(parts) + "\n"


def main():
    """Run all tasks, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root, default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    tasks = []
    for name in arguments.sets or [name for name in sets if name not in VALUES]:
        domains = load_domains(sets[name])
        tasks += [(SETTINGS[0], name, task) for task in several_sources(domains)]
        for setting in SETTINGS[1:]:
            tasks += [(setting, name, task) for task in half_of_the_classes(domains, setting)]
    results = Parallel(n_jobs=arguments.jobs)(
        delayed(run_task)(*task, arguments.seeds) for task in tasks
    )
    cells = list(itertools.chain.from_iterable(results))
    report = report_of(cells, arguments.seeds)
    print(report)
    if arguments.output:
        settings = environment() | {"seeds": arguments.seeds}
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(report)


if __name__ == "__main__":
    main()
