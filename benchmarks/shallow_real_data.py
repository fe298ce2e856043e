"""Methods without a network, and estimators alone, on every pair of the real data sets.

The sets are those of ``real_data.py``, and one of values. Columns are standardised by both
domains together, since to scale each by itself is one of the methods. Estimators stand with
scikit-learn's defaults. Target labels are used for the scores in the last columns and nothing
else.

    DOMADAPT_DATA=... python benchmarks/shallow_real_data.py --output \\
        benchmarks/results/shallow_real_data
"""

import argparse
import itertools
import os
import warnings
from pathlib import Path

import numpy as np
import ot
import torch
from _accuracy_tables import HEADS, KINDS, VALUES, kind_of, of_kind
from _report import environment, read_kept, write_json
from _shallow_tables import shallow_summary
from joblib import Parallel, delayed
from real_data import find_sets
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import get_tags

from domadapt import shallow
from domadapt.methods import ADAPTERS
from domadapt.shallow._combinations import read_shallow

PLAIN = {
    "vectors": ["lr", "svc", "1nn", "extra_trees"],
    "tables": ["lr", "svc", "1nn", "extra_trees", "boosted_trees"],
    "values": ["ridge", "extra_trees", "boosted_trees"],
}
LINEAR = {"vectors": "lr", "tables": "lr", "values": "ridge"}
# Boosted trees on hundreds of columns take longer than all others together.
TREES = {kind: [p for p in PLAIN[kind] if p.endswith("_trees")] for kind in KINDS}


def methods_for(kind):
    """Return the names of the methods for a kind of sets.

    Every adapter stands around a linear model; around trees those that leave samples as they are.
    """
    found = list(PLAIN[kind])
    learns = "values" if kind == "values" else "classes"
    for name, method in ADAPTERS.items():
        if learns not in method.learns or method.setting != "one source":
            continue
        tags = get_tags(getattr(shallow, method.adapter)())
        inner = [LINEAR[kind], *(TREES[kind] if tags.input_tags.categorical else [])]
        found += [f"{name}+{plain}" for plain in inner]
    return found


def load_pairs(folder):
    """Yield every ordered pair of domains, with columns standardised by both together."""
    domains = {}
    for path in sorted(Path(folder).glob("*.npz")):
        with np.load(path) as data:
            X = data["X"].astype(np.float64)
            domains[path.stem] = normalize(X, norm="l1") if folder.name == "surf" else X, data["y"]
    for source, target in itertools.permutations(domains, 2):
        (Xs, ys), (Xt, yt) = domains[source], domains[target]
        scaler = StandardScaler().fit(np.concatenate([Xs, Xt]))
        yield source, target, scaler.transform(Xs), ys, scaler.transform(Xt), yt


def run_task(name, pair, methods, seeds):
    """Fit methods on one pair of domains, with every seed."""
    torch.set_num_threads(1)
    source, target, Xs, ys, Xt, yt = pair
    learns = "values" if name in VALUES else "classes"
    cells = []
    for method, seed in itertools.product(methods, range(seeds)):
        shallow_method = read_shallow(method)
        clf = shallow_method.build(learns, seed)
        known = {} if shallow_method.adapter is None else {"X_target": Xt}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = clf.fit(Xs, ys, **known).score(Xt, yt)
        cell = {"set": name, "source": source, "target": target, "method": shallow_method.title}
        cells.append(cell | {"seed": seed, "score": round(100 * float(score), 2)})
    print(f"{name}: {source} to {target} done", flush=True)
    return cells


def report_of(cells, seeds):
    """Write the tables of a result file, one for each kind of sets."""
    parts = []
    for kind in KINDS:
        found = of_kind(cells, kind)
        if found:
            parts += [f"{HEADS[kind]}, {seeds} seed{'s' if seeds != 1 else ''}."]
            parts += [shallow_summary(found)]
    return "\n\n".join(parts) + "\n"


def main():
    """Run all tasks, print the tables and write the result files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("DOMADAPT_DATA"))
    parser.add_argument("--sets", nargs="*", help="folders below the root; keep those of others")
    parser.add_argument("--methods", nargs="*", help="names; keep the results of others")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--output", help="where to write .json and .md, without the ending")
    arguments = parser.parse_args()
    if not arguments.root:
        parser.error("name the data folder with --root or the variable DOMADAPT_DATA")
    sets = find_sets(arguments.root)
    settings = environment() | {"seeds": arguments.seeds}
    settings["versions"]["pot"] = ot.__version__
    tasks = []
    for name in arguments.sets or list(sets):
        fitting = methods_for(kind_of(name))
        chosen = [m for m in fitting if arguments.methods is None or m in arguments.methods]
        tasks += [(name, pair, chosen, arguments.seeds) for pair in load_pairs(sets[name])]
    new = {(t[0], *t[1][:2], read_shallow(m).title) for t in tasks for m in t[2]}

    def is_new(cell):
        return tuple(cell[key] for key in ("set", "source", "target", "method")) in new

    kept = []
    if arguments.output:
        kept, _ = read_kept(f"{arguments.output}.json", settings, is_new)
    results = Parallel(n_jobs=arguments.jobs)(delayed(run_task)(*task) for task in tasks)
    cells = sorted(
        kept + list(itertools.chain.from_iterable(results)),
        key=lambda cell: (cell["set"], cell["source"], cell["target"], cell["method"]),
    )
    text = report_of(cells, arguments.seeds)
    print(text)
    if arguments.output:
        write_json(f"{arguments.output}.json", settings | {"cells": cells})
        Path(f"{arguments.output}.md").write_text(text)


if __name__ == "__main__":
    main()
