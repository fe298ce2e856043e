"""What ``domadapt fit`` and ``domadapt predict`` do: files in, a model or predictions out."""

import contextlib
import csv
import io
import os
import sys
from pathlib import Path

import numpy as np
from sklearn.base import is_regressor

from domadapt._storage.files import atomic_write
from domadapt.datasets._folders import IMAGE_ENDINGS
from domadapt.experiments.recipes import named_backbone, on_vectors, recipe_loader
from domadapt.experiments.tasks import find_method
from domadapt.saving import load


def fit(arguments):
    """Train a model by the arguments of the command line and save it."""
    method = find_method(arguments.method)
    _check_writable(arguments.out)
    X, y = read_labelled(arguments.source, arguments.label)
    X_target = read_samples(arguments.target, arguments.label)
    parameters = {"random_state": arguments.seed, "device": arguments.device, "verbose": True}
    parameters["precision"] = arguments.precision
    if Path(arguments.source).is_dir():
        parameters |= _image_parameters(arguments)
    clf = on_vectors(method, epochs=arguments.epochs, **parameters)
    # What is printed is for the person who waits; results of a command go to its files.
    with contextlib.redirect_stdout(sys.stderr):
        clf.fit(X, y, X_target=None if method == "source" else X_target)
    clf.save(arguments.out)
    print(f"written to {arguments.out}", file=sys.stderr)


def _image_parameters(arguments):
    if arguments.backbone is None or arguments.weights is None:
        raise ValueError(
            "Images need a backbone: name one with --backbone, such as resnet50, and a file of "
            "its weights with --weights."
        )
    return {
        "backbone": named_backbone(arguments.backbone, arguments.weights),
        "freeze": arguments.freeze,
        "hidden_layer_sizes": 256,
        "image_loader": recipe_loader(
            arguments.image_size,
            unreadable="skip" if arguments.skip_unreadable else "raise",
            n_workers=arguments.workers,
            cache_megabytes=arguments.cache_megabytes,
        ),
    }


def predict(arguments):
    """Predict the label, or the values, of every sample and write them as csv."""
    if arguments.out is not None:
        _check_writable(arguments.out)
    clf = load(arguments.model, device=arguments.device)
    X = read_samples(arguments.data)
    if hasattr(X, "columns") and hasattr(clf, "feature_names_in_"):
        missing = [name for name in clf.feature_names_in_ if name not in X.columns]
        if missing:
            raise ValueError(
                f"{arguments.data!r} lacks {len(missing)} columns that the model was trained on, "
                f"such as {missing[0]!r}."
            )
        # Others, such as labels, do not matter.
        X = X[list(clf.feature_names_in_)]
    header, predicted = _predicted(clf, X, arguments.probabilities)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    is_images = isinstance(X, np.ndarray) and X.dtype.kind == "U"
    writer.writerow(["image" if is_images else "row", *header])
    for row, values in enumerate(predicted):
        writer.writerow([X[row] if is_images else row, *values])
    if arguments.out is None:
        print(text.getvalue(), end="")
    else:
        atomic_write(arguments.out, text.getvalue())


def _predicted(estimator, X, with_probabilities):
    """Return the titles of the columns, and their entries for each sample."""
    if is_regressor(estimator):
        if with_probabilities:
            raise ValueError("--probabilities was given, but the model predicts values.")
        values = estimator.predict(X).reshape(len(X), -1)
        numbers = [""] if values.shape[1] == 1 else range(values.shape[1])
        return [f"value{number}" for number in numbers], [[f"{v:.6g}" for v in r] for r in values]
    if not with_probabilities:
        return ["label"], [[label] for label in estimator.predict(X)]
    # Not classes_, which lacks the label of unknown samples.
    labels, probabilities = estimator._all_labels, estimator.predict_proba(X)
    best = labels[probabilities.argmax(1)]
    rows = [
        [label, *(f"{p:.6g}" for p in shares)]
        for label, shares in zip(best, probabilities, strict=True)
    ]
    return ["label", *map(str, labels)], rows


def read_labelled(path, label):
    """Read samples and labels from a csv file, an npz file or a folder of classes of images."""
    if Path(path).is_dir():
        paths = _images_below(path)
        loose = [p for p in paths if p.parent == Path(path)]
        if loose:
            raise ValueError(
                f"{path!r} holds images in no class folder, such as {loose[0].name!r}. Expected "
                "one folder of images for each class."
            )
        return np.array([str(p) for p in paths]), np.array([p.parent.name for p in paths])
    if _ending(path) == ".npz":
        return _read_array(path, "X"), _read_array(path, "y")
    frame = _read_csv(path)
    if label not in frame:
        raise ValueError(
            f"{path!r} has no column {label!r} for the labels; name it with --label. There are: "
            f"{', '.join(map(str, frame.columns[:10]))}."
        )
    return frame.drop(columns=label), frame[label].to_numpy()


def read_samples(path, label=None):
    """Read samples from a csv file (without the column of labels), an npz file or a folder."""
    if Path(path).is_dir():
        return np.array([str(p) for p in _images_below(path)])
    if _ending(path) == ".npz":
        return _read_array(path, "X")
    frame = _read_csv(path)
    return frame.drop(columns=label) if label in frame else frame


def _ending(path):
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} is not there.")
    if path.suffix.lower() not in (".csv", ".npz"):
        raise ValueError(f"{str(path)!r} is neither a folder nor a .csv nor a .npz file.")
    return path.suffix.lower()


def _images_below(folder):
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in IMAGE_ENDINGS)
    if not found:
        raise ValueError(f"The folder {str(folder)!r} holds no image.")
    return found


def _read_array(path, name):
    try:
        with np.load(path) as arrays:
            if name in arrays:
                return arrays[name]
            there = ", ".join(arrays) or "nothing"
    except (OSError, ValueError) as error:
        raise ValueError(f"{path!r} is no npz file that can be read: {error}") from error
    raise ValueError(f"{path!r} lacks {name}. It holds: {there}.")


def _read_csv(path):
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("csv files need pandas: pip install domadapt[csv]") from error
    return pd.read_csv(path)


def _check_writable(path):
    folder = Path(path).resolve().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise OSError(f"{str(path)!r} cannot be written: {str(folder)!r} is no folder to write to.")
