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
from domadapt.experiments.recipes import METHODS, named_backbone, on_vectors, recipe_loader
from domadapt.saving import load


def fit(arguments):
    """Train a model and save it.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of the command line.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing, unknown or not as described.
    """
    if arguments.method not in METHODS:
        raise ValueError(
            f"method {arguments.method!r} is unknown. There are: {', '.join(METHODS)}."
        )
    _check_writable(arguments.out)
    X, y = read_labelled(arguments.source, arguments.label)
    X_target = read_rows(arguments.target, arguments.label)
    parameters = {"random_state": arguments.seed, "device": arguments.device, "verbose": True}
    parameters["precision"] = arguments.precision
    if Path(arguments.source).is_dir():
        parameters |= _image_parameters(arguments)
    clf = on_vectors(arguments.method, epochs=arguments.epochs, **parameters)
    # What is printed is for the person who waits; results of a command go to its files.
    with contextlib.redirect_stdout(sys.stderr):
        clf.fit(X, y, X_target=None if arguments.method == "source" else X_target)
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
    """Predict the label, or the values, of every row or image and write them as csv.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of the command line.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing, unknown or not as described.
    """
    if arguments.out is not None:
        _check_writable(arguments.out)
    clf = load(arguments.model, device=arguments.device)
    X = read_rows(arguments.data)
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
    """Give the titles of the columns, and what they hold for each row."""
    if is_regressor(estimator):
        if with_probabilities:
            raise ValueError("--probabilities was given, but the model predicts values.")
        values = estimator.predict(X).reshape(len(X), -1)
        numbers = [""] if values.shape[1] == 1 else range(values.shape[1])
        return [f"value{number}" for number in numbers], [[f"{v:.6g}" for v in r] for r in values]
    if not with_probabilities:
        return ["label"], [[label] for label in estimator.predict(X)]
    # Not classes_, which lacks the label of unknown rows.
    labels, probabilities = estimator._all_labels, estimator.predict_proba(X)
    best = labels[probabilities.argmax(1)]
    rows = [
        [label, *(f"{p:.6g}" for p in shares)]
        for label, shares in zip(best, probabilities, strict=True)
    ]
    return ["label", *map(str, labels)], rows


def read_labelled(path, label):
    """Read rows with their labels.

    Parameters
    ----------
    path : str
        A csv file, an npz file with ``X`` and ``y``, or a folder with one folder of
        images for each class.
    label : str
        The column of labels in a csv file.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
        Rows, or paths of images.
    y : ndarray of shape (n_samples,)
        Labels; of images the names of their folders.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing or not as described.
    """
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


def read_rows(path, label=None):
    """Read rows without labels.

    Parameters
    ----------
    path : str
        A csv file, an npz file with ``X``, or a folder of images, at any depth.
    label : str, default=None
        A column of a csv file that is left out where it is there.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features) or ndarray of shape (n_samples, ...)
        Rows, or paths of images.

    Raises
    ------
    FileNotFoundError, ValueError
        If something is missing or not as described.
    """
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
