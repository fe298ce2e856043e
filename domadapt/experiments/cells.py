"""One cell of a run: train, measure the accuracy on the target after every epoch, and return it."""

import json
import time
from dataclasses import replace

import numpy as np
import torch
from sklearn.utils import Bunch

from domadapt._storage.files import atomic_write
from domadapt.domains.samples import Samples
from domadapt.experiments.files import CELL, read_details
from domadapt.experiments.progress import Bar, duration, log
from domadapt.experiments.recipes import (
    fine_tuning,
    named_backbone,
    on_vectors,
    recipe_loader,
    with_equal_updates,
)
from domadapt.experiments.tasks import domain_of
from domadapt.experiments.vector_methods import read_vector_method
from domadapt.inputs.frozen import FrozenBackbone, frozen_features, progress_text
from domadapt.inputs.reader import PRECISIONS, Reader, rank, resolve_device
from domadapt.plotting._features import features_of, project
from domadapt.training import NonFiniteLossError
from domadapt.training.together import run_together


class TimeIsUpError(Exception):
    """The time of a run is up; what a cell has reached is kept."""


# What ends a cell and leaves others as they are.
ENDS = (NonFiniteLossError, TimeIsUpError)
# Points of each domain on a map of the features.
POINTS_ON_MAP = 200
# What an automatic choice says of itself.
OWN_ESTIMATE = ("estimated_accuracy", "adapts")


def run_cell(cell, experiment, tell=None):
    """Train one cell, from its checkpoint where there is one.

    Parameters
    ----------
    cell : Cell
        What to train on what.
    experiment : Experiment
        Its settings, folders and machine.
    tell : callable, default=None
        Called after every epoch with the cell, the share of its epochs that are done, and a
        line of text.

    Returns
    -------
    details : dict
        What the file of the cell is to hold: ``source``, ``target``, ``method``, ``seed``,
        ``target_accuracy`` after every epoch in percent, what was predicted, the history and
        the map. Of the automatic choice also its ``estimated_accuracy``, and whether it
        ``adapts``.
    """
    if (method := read_vector_method(cell.method)) is not None:
        _limit_threads(experiment)
        source, target = (read_domain(experiment, name) for name in (cell.source, cell.target))
        return _run_on_vectors(method, cell, experiment, source, target)
    ((_, details),) = run_seeds([cell], experiment, tell)
    if isinstance(details, Exception):
        raise details
    return details


def result_of(details):
    """Return the place of a cell in the table, out of the details of the cell.

    Parameters
    ----------
    details : dict
        As :func:`run_cell` returns them.

    Returns
    -------
    result : dict
        ``source``, ``target``, ``method``, ``seed``, ``accuracy`` after the last epoch
        and ``best_accuracy_by_target_labels``, both in percent, and what an automatic choice
        says of itself.
    """
    accuracies = details["target_accuracy"]
    return {
        **{name: details[name] for name in CELL},
        "accuracy": accuracies[-1],
        "best_accuracy_by_target_labels": max(accuracies),
        **{name: details[name] for name in OWN_ESTIMATE if name in details},
    }


def run_seeds(cells, experiment, tell=None):
    """Train cells that differ in their seeds, as one where they can go together.

    Parameters
    ----------
    cells : list of Cell
        What to train on the same two domains, by a method that has epochs.
    experiment : Experiment
        Its settings, folders and machine.
    tell : callable, default=None
        As in :func:`run_cell`.

    Returns
    -------
    details : list of (Cell, dict or error)
        As of :func:`run_cell`, or why there are none: a loss that is not finite, or the time.
    """
    _limit_threads(experiment)
    Xs, ys = read_domain(experiment, cells[0].source)
    Xt, yt = read_domain(experiment, cells[0].target)
    runs = []
    for cell in cells:
        clf, path = make_estimator(cell, experiment), experiment.file_of(cell, "json")
        is_there = path is not None and path.exists()
        before = read_details(path, experiment.settings, resumed=True) if is_there else {}
        watch = TargetWatch(cell, Xt, yt, path, tell, before.get("target_accuracy", []), experiment)
        given = {"X_target": Xt}
        if cell.method == "source":
            clf, given = with_equal_updates(clf, len(Xs), len(Xt)), {}
        runs.append((cell, clf.set_callbacks(watch), watch, given))
    errors = run_together([clf._fitting(Xs, ys, **given) for _, clf, _, given in runs])
    for error in errors:
        if not (error is None or isinstance(error, ENDS)):
            raise error
    return [
        (cell, error or _finish(cell, clf, watch, experiment, (Xs, ys), (Xt, yt)))
        for (cell, clf, watch, _), error in zip(runs, errors, strict=True)
    ]


def _limit_threads(experiment):
    if experiment.n_threads is not None:
        torch.set_num_threads(min(experiment.n_threads, torch.get_num_threads()))


def _finish(cell, clf, watch, experiment, source, target):
    """Return the details of a fitted cell."""
    (Xs, ys), (Xt, yt) = source, target
    classes = _classes(experiment)
    return watch.details(clf) | {
        "map": _map(clf, Xs, ys, Xt, yt, classes) if cell.seed == 0 else None,
        "class_names": experiment.data.class_names,
        "target_predicted": _columns_of(clf.predict(Xt), ys),
    }


def _run_on_vectors(method, cell, experiment, source, target):
    """Fit a method that has no epochs of its own, and return its details."""
    (Xs, ys), (Xt, yt) = source, target
    clf = method.build("classes", cell.seed)
    known = {"X_target": Xt} if method.sees_target else {}
    predicted = clf.fit(Xs, ys, **known).predict(Xt)
    accuracy = round(100 * float(np.mean(predicted == yt)), 4)
    details = vars(cell) | _own_estimate(clf) | {"target_accuracy": [accuracy], "map": None}
    details["class_names"] = experiment.data.class_names
    details["target_predicted"] = _columns_of(predicted, ys)
    if cell.seed == 0:
        details["map"] = _map(clf, Xs, ys, Xt, yt, _classes(experiment))
    return details


def _own_estimate(clf):
    """Return what an automatic choice says of itself, without target labels."""
    if not hasattr(clf, "estimated_accuracy_"):
        return {}
    estimate = round(100 * float(clf.estimated_accuracy_), 4)
    return dict(zip(OWN_ESTIMATE, (estimate, bool(clf.adapts_)), strict=True))


def _columns_of(predicted, ys):
    """Return predicted labels as places among the source's classes, -1 for any other label."""
    classes = np.unique(ys)
    places = np.searchsorted(classes, predicted).clip(max=len(classes) - 1)
    return np.where(classes[places] == predicted, places, -1).tolist()


def make_estimator(cell, experiment):
    """Build the estimator of a cell, not fitted."""
    settings = experiment.settings
    common = {
        "random_state": cell.seed,
        "device": experiment.device,
        "epochs": settings["epochs"],
        "precision": settings["precision"],
    }
    if settings["batch_size"] is not None:
        common["batch_size"] = settings["batch_size"]
    if not experiment.fine_tunes:
        return on_vectors(cell.method, **common)
    return fine_tuning(
        cell.method,
        backbone=named_backbone(settings["backbone"], settings["weights"]),
        image_loader=_loader(experiment),
        steps_per_epoch=settings["steps_per_epoch"],
        checkpoint=experiment.file_of(cell, "safetensors"),
        **common,
    )


def read_domain(experiment, name, tell=None):
    """Return what is trained on, features of photographs where the backbone is frozen, and y."""
    settings, (X, y) = experiment.settings, domain_of(experiment.data, name)
    if not settings["freeze"] or experiment.vectors is not None:
        return X, y
    device, precision = resolve_device(experiment.device), PRECISIONS[settings["precision"]]
    reader = Reader(_loader(experiment), device, torch.float32, precision)
    backbone = named_backbone(settings["backbone"], settings["weights"])
    frozen = FrozenBackbone(backbone, reader.sample(Samples(X)))
    return frozen_features(Samples(X), frozen, experiment.features, reader, tell), y


def with_features(experiment, domain_names):
    """Return an experiment with the features of domains by the frozen backbone as its data."""
    data = experiment.data
    n_images = sum(len(domain_of(data, name)[1]) for name in domain_names)
    parts = []
    with Bar(n_images, "images") as bar:
        for name in domain_names:
            start = time.monotonic()
            computed: list[int] = []

            def tell(n_done, n_images, name=name, computed=computed):
                computed.append(n_done)
                bar.reach(name, n_done)
                log(f"{name}: {progress_text(n_done, n_images)}")

            parts.append(read_domain(experiment, name, tell))
            n_samples = len(parts[-1][1])
            bar.reach(name, n_samples)
            # Features that were kept say nothing about the speed of this machine.
            speed = f", {n_samples / (time.monotonic() - start):.0f}/s"
            log(f"features of {name}: {n_samples} images{speed if computed else ', kept before'}")
    vectors = Bunch(
        X=np.concatenate([X for X, _ in parts]),
        y=np.concatenate([y for _, y in parts]),
        domain=np.repeat(domain_names, [len(y) for _, y in parts]),
        class_names=data.class_names,
    )
    return replace(experiment, vectors=vectors)


def _loader(experiment):
    return recipe_loader(
        experiment.settings["image_size"],
        n_workers=experiment.n_workers,
        cache_megabytes=experiment.cache_megabytes,
        cache_folder=experiment.cache_folder,
    )


class TargetWatch:
    """A callback that records the accuracy on the target after every epoch.

    It reads target labels, and nothing of what it records reaches the training.

    Parameters
    ----------
    cell : Cell
        What is trained.
    X, y : ndarrays
        The target and its labels.
    path : Path or None
        The file in which the cell's history is kept; None keeps it nowhere.
    tell : callable or None
        As in :func:`run_cell`.
    accuracies : list of float
        In percent, of each epoch before an interruption. Those of further epochs follow.
    experiment : Experiment or None, default=None
        Says when the time is up, which ends the fit.
    """

    def __init__(self, cell, X, y, path, tell, accuracies, experiment=None):
        self.cell, self.X, self.y, self.path, self.tell = cell, X, y, path, tell
        self.accuracies, self.experiment = accuracies, experiment

    def setup(self, estimator, context):
        """Do nothing before the fit."""

    def teardown(self, estimator, context):
        """Do nothing after the fit."""

    def on_fit_task_begin(self, estimator, context):
        """Record when an epoch begins."""
        self.begin = time.monotonic()

    def on_fit_task_end(self, estimator, context):
        """Measure the accuracy after an epoch and write the history."""
        if context.task_name != "epoch":
            return
        seconds = time.monotonic() - self.begin
        histories = _histories(estimator)
        done = sum(len(history["task_loss"]) for history in histories)
        accuracy = round(100 * float(np.mean(estimator.predict(self.X) == self.y)), 4)
        # Of an epoch that is run again after an interruption, the new figure counts.
        self.accuracies = [*self.accuracies[: done - 1], accuracy]
        self.write(estimator)
        n_epochs = context.parent.max_subtasks
        if self.experiment is not None and self.experiment.time_is_up and done < n_epochs:
            raise TimeIsUpError("The time is up.")
        if self.tell is not None:
            left = (n_epochs - done) * (time.monotonic() - self.begin)
            # Where the domains are aligned afterwards, nothing is learnt from labels then.
            loss = histories[-1]["task_loss" if len(histories) == 1 else "alignment_loss"][-1]
            steps = estimator.steps_per_epoch
            # Vectors are all trained on in every epoch, by however many updates that takes.
            speed = "" if steps is None else f"{steps / seconds:.1f} updates/s, "
            self.tell(
                self.cell,
                done / n_epochs,
                f"epoch {done}/{n_epochs}, loss {loss:.3f}, target {accuracy:.1f} %, "
                f"{speed}about {duration(left)} left in this cell",
            )

    def write(self, estimator):
        """Write the history so far."""
        if self.path is not None and rank() == 0:
            atomic_write(self.path, json.dumps(self.details(estimator)))

    def details(self, estimator):
        """Return the history so far."""
        known = dict(zip(("history", "adaptation_history"), _histories(estimator), strict=False))
        return vars(self.cell) | known | {"target_accuracy": self.accuracies}


def _histories(estimator):
    """Return the history of each stage so far; a few methods have a second one."""
    second = getattr(estimator, "adaptation_history_", None)
    return [estimator.history_] if second is None else [estimator.history_, second]


def _classes(experiment):
    """Return the labels that the class names are the names of, in that order."""
    data = experiment.data
    if experiment.settings["dataset"] == "features":
        return np.unique(data.y)
    # An image that is left out may have been the only one of its class.
    return np.arange(len(data.class_names))


def _map(clf, Xs, ys, Xt, yt, classes):
    """Project some features of both domains onto the plane of their largest variance."""
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(len(X))[:POINTS_ON_MAP] for X in (Xs, Xt)]
    features = np.concatenate(features_of(clf, Xs[chosen[0]], Xt[chosen[1]]))
    points = project(features, "pca", 0)
    labels = np.concatenate([ys[chosen[0]], yt[chosen[1]]])
    return {
        "projection": "PCA",
        "n_features": features.shape[1],
        "x": points[:, 0].round(3).tolist(),
        "y": points[:, 1].round(3).tolist(),
        "is_target": np.repeat([False, True], [len(rows) for rows in chosen]).tolist(),
        # Counted over all classes of the data: those that are not on the map keep their numbers.
        "label": np.searchsorted(classes, labels).tolist(),
    }
