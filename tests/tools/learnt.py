"""What every estimator learns on small data, stored, and compared with what was stored before.

    python tests/tools/learnt.py store before.npz
    python tests/tools/learnt.py compare before.npz

A change that only moves code leaves every number as it was, to the last bit.
"""

import argparse
import inspect
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.datasets import make_blobs
from torch import nn

import domadapt
from domadapt import AlignmentClassifier, AlignmentRegressor, ImageLoader, estimators, pack
from domadapt.alignment import CORAL, MCC, MMD, DeepCORAL

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "batch_size": 16, "random_state": 0}
# Names of before 0.1.0 and the names that stand for the same now.
RENAMED = {
    "DeepCORALRegressor": "CORALRegressor",
    "coral": "deepcoral",
    "bsp": "spectral_penalty",
    "dsn": "domain_separation",
    "adda": "untied_adversarial",
}
CRITERIA = [
    "mmd",
    "jan",
    "dsan",
    "cmd",
    "coral",
    "dann",
    "cdan",
    "wdgrl",
    "confusion",
    "mcd",
    "mdd",
    "mcc",
    "bnm",
    "entropy",
    "afn",
    "bsp",
    "deepjdot",
    "swd",
    "pseudo_labels",
    "mean_teacher",
    "vat",
    "self_supervision",
    "adda",
    "dsn",
    "pada",
    "centroids",
]
OF_VALUES = ("deepjdot", "rsd", "mmd", "cmd", "dann", "wdgrl", "confusion", "swd")
IS_RENAMED = hasattr(domadapt, "CORALRegressor")
WEIGHTING = "loss_weights" if IS_RENAMED else "alignment_weighting"


def named(name):
    """Return the name by which the package that is imported knows something."""
    return RENAMED.get(name, name) if IS_RENAMED else name


def make_data():
    """Return two sources, a target, classes and values."""
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=3.0, size=(3, 10))
    X, y = make_blobs(60, centers=centres, random_state=0)
    X_target, y_target = make_blobs(45, centers=centres + 1.5, random_state=1)
    values = X[:, 0] + X[:, 1] ** 2
    return X.astype(np.float32), y, X_target.astype(np.float32), y_target, values


class StopAfter:
    """A callback that ends a fit after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def setup(self, estimator, context):
        """Begin."""
        self.seen = 0

    def teardown(self, estimator, context):
        """End."""

    def on_fit_task_begin(self, estimator, context):
        """Ignore the begin of an epoch."""

    def on_fit_task_end(self, estimator, context):
        """Count an epoch."""
        self.seen += context.task_name == "epoch"
        return self.seen >= self.n_epochs


def results_of(estimator, X):
    """Return everything that a fitted estimator can be asked."""
    results = {"predict": estimator.predict(X), "transform": estimator.transform(X)}
    if is_classifier(estimator):
        results["predict_proba"] = estimator.predict_proba(X)
    for name in ("transduction_", "loss_weights_", "classes_", "unknown_", "n_steps_"):
        if hasattr(estimator, name):
            results[name] = getattr(estimator, name)
    for name in ("history_", "adaptation_history_"):
        for key in ("task_loss", "alignment_loss", "alignment_weight", "learning_rate"):
            if hasattr(estimator, name):
                results[f"{name}.{key}"] = getattr(estimator, name)[key]
    return {key: np.asarray(value) for key, value in results.items()}


def vectors():
    """Yield every estimator on vectors, in both spellings of fit."""
    X, y, Xt, _, values = make_data()
    both, labels, domain = pack(X, y, Xt)
    several = domain.copy()
    several[:30] = 2
    names = [n for n in estimators.__all__ if n not in ("CORALRegressor", "DeepCORALRegressor")]
    for name in [*names, named("DeepCORALRegressor")]:
        kind = getattr(estimators, name)
        old = next((k for k, v in RENAMED.items() if v == name), name)
        learnt = y if is_classifier(kind()) else values
        stacked = np.concatenate([learnt, np.full(len(Xt), learnt[0])])
        at = several if name == "M3SDAClassifier" else domain
        yield f"{old} stacked", kind(**SMALL).fit(both, stacked, sample_domain=at), Xt
        if name != "M3SDAClassifier":
            yield f"{old} apart", kind(**SMALL).fit(X, learnt, X_target=Xt), Xt
            yield f"{old} alone", kind(**SMALL).fit(X, learnt), Xt
    for name in CRITERIA:
        clf = AlignmentClassifier(named(name), **SMALL)
        yield f"alignment={name}", clf.fit(X, y, X_target=Xt), Xt
    for name in OF_VALUES:
        reg = AlignmentRegressor(name, **SMALL)
        yield f"regression, alignment={name}", reg.fit(X, values, X_target=Xt), Xt
    for name in ("DANNClassifier", "CDANClassifier"):
        clf = getattr(domadapt, name)(**SMALL)
        yield f"{name}, several sources", clf.fit(both, labels, sample_domain=several), Xt
    columns = np.stack([values, X[:, 2]], axis=1)
    reg = domadapt.DANNRegressor(**SMALL).fit(X, columns, X_target=Xt)
    yield "two columns", reg, Xt


def options():
    """Yield fits with other parameters."""
    X, y, Xt, yt, values = make_data()

    def mean_distance(source_features, target_features, progress):
        gap = (source_features.mean(0) - target_features.mean(0)).square().sum()
        return gap * (1.0 + progress)

    def falling(progress):
        return 1.0 - 0.5 * progress

    pair = [(falling, DeepCORAL()), (0.5, MCC())]
    settings = {
        "function": {"alignment": mean_distance},
        "list": {"alignment": pair},
        "uncertainty": {"alignment": pair, WEIGHTING: "uncertainty"},
        "gradnorm": {"alignment": pair, WEIGHTING: "gradnorm"},
        "biased": {"alignment": MMD(unbiased=False, bandwidth=3.0)},
        "features": {"alignment": CORAL(scaling="coral"), "alignment_weight": 0.1},
        "none": {"alignment": None},
        "joint": {"batch_norm": "joint", "optimizer": "adamw"},
        "no batch norm": {"batch_norm": None, "optimizer": "adam", "learning_rate": 1e-3},
        "dropout": {"dropout": 0.4},
        "bfloat16": {"precision": "bfloat16"},
        "schedules": {"alignment_schedule": falling, "learning_rate_schedule": falling},
        "steps": {"steps_per_epoch": 5},
        "deep": {"hidden_layer_sizes": (8, 6), "class_weight": "balanced"},
        "float64": {"backbone": backbone().double()},
        "frozen": {"backbone": backbone(), "freeze": True},
        "trained": {"backbone": backbone(), "backbone_rate": 0.1, "hidden_layer_sizes": None},
    }
    for name, changes in settings.items():
        yield name, AlignmentClassifier(**{**SMALL, **changes}).fit(X, y, X_target=Xt), Xt
    weight = np.random.default_rng(1).uniform(0, 2, len(X))
    weight[:3] = 0
    clf = domadapt.DANClassifier(**SMALL).fit(X, y, X_target=Xt, sample_weight=weight)
    yield "sample_weight", clf, Xt
    known = np.where(np.arange(len(Xt)) % 9 == 0, yt, np.nan)
    for estimator in (domadapt.DANNClassifier, domadapt.MCCClassifier):
        clf = estimator(**SMALL).fit(X, y, X_target=Xt, y_target=known)
        yield f"y_target, {estimator.__name__}", clf, Xt
    some = np.where(np.arange(len(Xt)) % 9 == 0, 1.5, np.nan)
    yield (
        "y_target, numbers",
        domadapt.DANRegressor(**SMALL).fit(X, values, X_target=Xt, y_target=some),
        Xt,
    )
    names = np.array(["cup", "pen", "mug"])[y]
    yield "texts", domadapt.MCCClassifier(**SMALL).fit(X, names, X_target=Xt), Xt
    yield (
        "sparse",
        AlignmentClassifier(**SMALL).fit(sparse.csr_matrix(X), y, X_target=sparse.csr_matrix(Xt)),
        sparse.csr_matrix(Xt),
    )
    for alignment in ("shot", "batch_norm", "mcc", "vat"):
        clf = AlignmentClassifier(None, **SMALL, batch_norm="per_domain").fit(X, y)
        yield f"adapt {alignment}", clf.adapt(Xt, alignment=alignment), Xt
    clf = AlignmentClassifier(None, **SMALL, batch_norm="per_domain").fit(X, y)
    clf.adapt(Xt).adapt(Xt[:20])
    yield "adapt twice", clf, Xt


def backbone():
    """Return a small feature extractor with weights that are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(10, 12), nn.BatchNorm1d(12), nn.ReLU())


def checkpoints(folder):
    """Yield fits that were stopped and went on, and models that were saved and loaded."""
    X, y, Xt, *_ = make_data()
    for name in ("DANNClassifier", "SHOTClassifier", "DSNClassifier"):
        settings = SMALL | {"max_epochs": 4, "dropout": 0.2}
        path = folder / name
        kind = getattr(domadapt, name)
        first = kind(**settings, checkpoint=path).set_callbacks(StopAfter(2))
        first.fit(X, y, X_target=Xt)
        yield f"{name} stopped", first, Xt
        yield f"{name} resumed", kind(**settings, checkpoint=path).fit(X, y, X_target=Xt), Xt
        first.save(folder / "model")
        yield f"{name} loaded", domadapt.load(folder / "model"), Xt


def images(folder):
    """Yield fits on image stacks and on paths of photographs."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    stack = (rng.normal(size=(24, 3, 8, 8)) + y[:, None, None, None]).astype(np.float32)
    for name, X in (("colour", stack), ("grey", stack[:, 0])):
        clf = domadapt.DeepCORALClassifier(**SMALL).fit(X, y, X_target=X + 0.3)
        yield f"{name} stacks", clf, X
    paths = []
    for number, label in enumerate(y):
        pixels = rng.integers(0, 80, (20, 24, 3)) + 80 * label
        paths.append(str(folder / f"{number:02}.png"))
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    paths = np.array(paths)
    loader = ImageLoader(resize=18, crop=16, n_workers=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        small = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
    settings = SMALL | {"backbone": small, "image_loader": loader}
    for freeze in (False, True):
        clf = domadapt.DANNClassifier(**settings, freeze=freeze)
        yield f"paths, freeze={freeze}", clf.fit(paths, y, X_target=paths[::2]), paths
    cached = domadapt.DANClassifier(**settings, freeze=True, feature_cache=folder / "cache")
    yield "paths, cached", cached.fit(paths, y, X_target=paths[::2]), paths
    yield "paths, cached again", cached.fit(paths, y, X_target=paths[::2]), paths


def everything():
    """Return all results by the name of the fit and of the result."""
    torch.set_num_threads(1)
    learnt = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(folder)
        for case in (vectors(), options(), checkpoints(folder), images(folder)):
            for name, estimator, X in case:
                for key, value in results_of(estimator, X).items():
                    learnt[f"{name}: {key}"] = value
    return learnt


def compare(before, after):
    """Return what is missing, and by how much the others differ."""
    missing = sorted(set(before) - set(after))
    differing = {}
    for name in sorted(set(before) & set(after)):
        a, b = before[name], after[name]
        if a.shape != b.shape:
            differing[name] = np.inf
        elif not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            is_number = a.dtype.kind == "f"
            differing[name] = float(np.nanmax(np.abs(a - b))) if is_number else np.inf
    return missing, differing


def main():
    """Store or compare."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules["__main__"]))
    parser.add_argument("do", choices=["store", "compare"])
    parser.add_argument("path")
    arguments = parser.parse_args()
    learnt = everything()
    if arguments.do == "store":
        np.savez_compressed(arguments.path, **learnt)
        print(f"{len(learnt)} results")
        return 0
    with np.load(arguments.path) as stored:
        missing, differing = compare(dict(stored), learnt)
    for name in missing:
        print("missing", name)
    for name, by in differing.items():
        print(f"{by:.1e}", name)
    print(f"{len(learnt)} results, {len(missing)} missing, {len(differing)} differ")
    return 1 if missing or differing else 0


if __name__ == "__main__":
    sys.exit(main())
