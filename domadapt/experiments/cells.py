"""One cell of a run: train, judge on the target after every epoch, write down."""

import json
import os
import time

import numpy as np
import torch
from sklearn.decomposition import PCA

from domadapt._storage.files import atomic_write
from domadapt.domains.arguments import Rows
from domadapt.experiments.recipes import (
    fine_tuning,
    named_backbone,
    on_vectors,
    recipe_loader,
)
from domadapt.experiments.tasks import data_of, domain_of, folder_of_cells
from domadapt.inputs.device import PRECISIONS, resolve_device
from domadapt.inputs.frozen import FrozenBackbone, frozen_features
from domadapt.inputs.reader import take_sample
from domadapt.training.distributed import rank

# Points of each domain on a map of the features.
MAP_ROWS = 200


def run_cell(cell, settings, out, place, note=None):
    """Train one cell, going on from its checkpoint where there is one.

    Parameters
    ----------
    cell : Cell
        What to train on what.
    settings : dict
        Of the run.
    out : str or path
        The run folder. The cell's history, accuracies and map go to a file in it.
    place : dict
        ``device`` and ``n_threads``; and ``n_workers`` and ``cache_megabytes``, which may
        be None.
    note : callable, default=None
        Is told after every epoch how far the cell is, in a text.

    Returns
    -------
    result : dict
        ``source``, ``target``, ``method``, ``seed``, ``accuracy`` after the last epoch
        and ``best_accuracy_by_target_labels``, both in percent.
    """
    torch.set_num_threads(min(place["n_threads"], torch.get_num_threads()))
    data = data_of(settings)
    Xs, ys = domain_of(data, cell.source)
    Xt, yt = domain_of(data, cell.target)
    clf = make_estimator(cell, settings, out, place)
    watch = TargetWatch(cell, Xt, yt, folder_of_cells(out) / f"{cell.name}.json", note)
    clf.set_callbacks(watch)
    clf.fit(Xs, ys, X_target=None if cell.method == "source" else Xt)
    feature_map = _map(clf, Xs, ys, Xt, yt) if cell.seed == 0 else None
    watch.write(clf, map=feature_map, class_names=data.class_names)
    if rank() == 0 and clf.checkpoint is not None:
        clf.checkpoint.unlink(missing_ok=True)
    return vars(cell) | {
        "accuracy": watch.accuracies[-1],
        "best_accuracy_by_target_labels": max(watch.accuracies),
    }


def make_estimator(cell, settings, out, place):
    """Build the estimator of a cell.

    Parameters
    ----------
    cell, settings, out, place
        As in :func:`run_cell`.

    Returns
    -------
    estimator : BaseAlignmentClassifier
        Not fitted.
    """
    common = {
        "random_state": cell.seed,
        "device": place["device"],
        "epochs": settings["epochs"],
    }
    if settings["batch_size"] is not None:
        common["batch_size"] = settings["batch_size"]
    if settings["backbone"] is None:
        return on_vectors(cell.method, **common)
    common |= {
        "backbone": named_backbone(settings["backbone"], settings["weights"]),
        "image_loader": _loader(settings, place),
        "precision": settings["precision"],
    }
    if settings["freeze"]:
        return on_vectors(cell.method, freeze=True, feature_cache=_feature_folder(out), **common)
    return fine_tuning(
        cell.method,
        steps_per_epoch=settings["steps_per_epoch"],
        checkpoint=folder_of_cells(out) / f"{cell.name}.safetensors",
        **common,
    )


def _loader(settings, place):
    given = {name: place[name] for name in ("n_workers", "cache_megabytes")}
    return recipe_loader(settings["image_size"], **given)


def extract_features(settings, out, place, note):
    """Compute the frozen features of every domain of a run, so that its cells find them.

    Parameters
    ----------
    settings, out, place
        As in :func:`run_cell`.
    note : callable
        Is told of each domain, in a text.
    """
    data = data_of(settings)
    device, loader = resolve_device(place["device"]), _loader(settings, place)
    where = (loader, device, torch.float32)
    frozen = None
    for name in sorted({name for pair in settings["pairs"] for name in pair}):
        start = time.monotonic()
        rows = Rows(domain_of(data, name)[0])
        if frozen is None:
            backbone = named_backbone(settings["backbone"], settings["weights"])
            frozen = FrozenBackbone(backbone, take_sample(rows, *where))
        precision = PRECISIONS[settings["precision"]]
        frozen_features(rows, frozen, precision, _feature_folder(out), *where)
        rate = len(rows) / (time.monotonic() - start)
        note(f"features of {name}: {len(rows)} images, {rate:.0f} a second")


def _feature_folder(out):
    return os.path.join(out, "features")


class TargetWatch:
    """A callback that notes the accuracy on the target after every epoch.

    It reads target labels, and nothing that it notes comes back to the training.

    Parameters
    ----------
    cell : Cell
        What is trained.
    X, y : ndarrays
        The target with its labels.
    path : Path
        The file in which the cell's history is kept.
    note : callable or None
        Is told after every epoch how far a fine-tuning is, in a text.

    Attributes
    ----------
    accuracies : list of float
        In percent, of each epoch so far, those before an interruption included.
    """

    def __init__(self, cell, X, y, path, note):
        self.cell, self.X, self.y, self.path, self.note = cell, X, y, path, note
        self.accuracies = []
        if path.exists():
            self.accuracies = json.loads(path.read_text())["target_accuracy"]

    def setup(self, estimator, context):
        """Do nothing before the fit.

        Parameters
        ----------
        estimator : BaseAlignmentClassifier
            Being fitted.
        context : CallbackContext
            Of the fit or of an epoch.
        """

    def teardown(self, estimator, context):
        """Do nothing after the fit.

        Parameters
        ----------
        estimator : BaseAlignmentClassifier
            Being fitted.
        context : CallbackContext
            Of the fit or of an epoch.
        """

    def on_fit_task_begin(self, estimator, context):
        """Note when an epoch begins.

        Parameters
        ----------
        estimator : BaseAlignmentClassifier
            Being fitted.
        context : CallbackContext
            Of the fit or of an epoch.
        """
        self.begin = time.monotonic()

    def on_fit_task_end(self, estimator, context):
        """Judge the model after an epoch and write down what is known.

        Parameters
        ----------
        estimator : BaseAlignmentClassifier
            Being fitted.
        context : CallbackContext
            Of the fit or of an epoch.
        """
        if context.task_name != "epoch":
            return
        seconds = time.monotonic() - self.begin
        n_epochs = len(estimator.history_["task_loss"])
        accuracy = round(100 * float(np.mean(estimator.predict(self.X) == self.y)), 4)
        # Of an epoch that is run again after an interruption, the new figure counts.
        self.accuracies = [*self.accuracies[: n_epochs - 1], accuracy]
        self.write(estimator)
        if self.note is not None:
            left = (estimator.max_epochs - n_epochs) * (time.monotonic() - self.begin)
            domains = 1 if self.cell.method == "source" else 2
            images = domains * estimator.batch_size * estimator.steps_per_epoch
            self.note(
                f"epoch {n_epochs}/{estimator.max_epochs}, "
                f"loss {estimator.history_['task_loss'][-1]:.3f}, target {accuracy:.1f} %, "
                f"{images / seconds:.0f} images/s, about {say_duration(left)} left in this cell"
            )

    def write(self, estimator, **more):
        """Write down the history so far.

        Parameters
        ----------
        estimator : BaseAlignmentClassifier
            Fitted, or being fitted.
        **more : object
            What else the file is to hold.
        """
        if rank() != 0:
            return
        known = {"history": estimator.history_, "target_accuracy": self.accuracies}
        atomic_write(self.path, json.dumps(vars(self.cell) | known | more))


def say_duration(seconds):
    """Write a duration for a person.

    Parameters
    ----------
    seconds : float
        How long.

    Returns
    -------
    text : str
        Such as ``"40 s"``, ``"12 min"`` or ``"3.5 h"``.

    Examples
    --------
    >>> from domadapt.experiments.cells import say_duration
    >>> say_duration(40), say_duration(720), say_duration(12600)
    ('40 s', '12 min', '3.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _map(clf, Xs, ys, Xt, yt):
    """Lay some features of both domains out in the plane of their largest variance."""
    rng = np.random.default_rng(0)
    chosen = [rng.permutation(len(X))[:MAP_ROWS] for X in (Xs, Xt)]
    both = list(zip((Xs, Xt), chosen, strict=True))
    if clf.freeze:
        # Those of whole domains are on disk already.
        features = [clf.transform(X)[rows] for X, rows in both]
    else:
        features = [clf.transform(X[rows]) for X, rows in both]
    points = PCA(2, random_state=0).fit_transform(np.concatenate(features))
    labels = np.concatenate([ys[chosen[0]], yt[chosen[1]]])
    return {
        "x": points[:, 0].round(3).tolist(),
        "y": points[:, 1].round(3).tolist(),
        "is_target": np.repeat([False, True], [len(rows) for rows in chosen]).tolist(),
        "label": np.unique(labels, return_inverse=True)[1].tolist(),
    }
