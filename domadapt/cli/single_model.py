"""What ``domadapt fit`` and ``domadapt predict`` do: files in, a model or predictions out."""

import ast
import contextlib
import difflib
import sys

import numpy as np
from sklearn.base import is_regressor
from sklearn.pipeline import Pipeline

from domadapt._storage.files import atomic_write, write_tensors
from domadapt._storage.text import csv_text
from domadapt.cli.files import (
    TABLES,
    align_tables,
    check_writable,
    kind_of,
    read_labelled,
    read_samples,
    tell,
    with_columns,
)
from domadapt.cli.parts import are_large, blocks, encoded, joined
from domadapt.domains.base import MODEL
from domadapt.experiments.recipes import named_backbone, on_vectors, recipe_loader
from domadapt.experiments.tasks import find_method
from domadapt.experiments.vector_methods import read_vector_method, sees_no_target
from domadapt.inputs import ImageLoader
from domadapt.inputs.tables import TableEncoder
from domadapt.saving import load

# Whole numbers that are classes are seldom more than this.
MANY_CLASSES = 50
# Rows of predictions that are written at once.
MOST_ROWS = 100_000


def fit(arguments):
    """Train a model by the arguments of the command line and save it."""
    n_sources = len(arguments.source)
    find_method(arguments.method, learns=None, n_sources=n_sources)
    check_writable(arguments.out)
    kind = _one_kind([*arguments.source, arguments.target])
    takes_vectors = read_vector_method(arguments.method)
    if takes_vectors is not None:
        _check_on_vectors(arguments, takes_vectors, kind)
    parameters = {"random_state": arguments.seed, "device": arguments.device, "verbose": True}
    parameters["precision"] = arguments.precision
    if kind == "folder":
        parameters |= _image_parameters(arguments)
    domains = [read_labelled(path, arguments.label) for path in arguments.source]
    sources, labels = [list(part) for part in zip(*domains, strict=True)]
    target = read_samples(arguments.target, arguments.label)
    y, learns = _stack_labels(labels, arguments)
    method = find_method(arguments.method, learns=learns, n_sources=n_sources)
    if takes_vectors is None:
        model = on_vectors(method, learns=learns, epochs=arguments.epochs, **parameters)
    else:
        model = takes_vectors.to_save(learns, arguments.seed)
    _set_parameters(model, arguments.set or [])
    encoder = None
    if kind in TABLES:
        sources, target = align_tables(sources, target, arguments.source, arguments.target)
    elif kind != "folder":
        _check_shapes([*sources, target], [*arguments.source, arguments.target])
    if kind in TABLES or target.ndim == 2:
        encoder = TableEncoder(scaling=not arguments.no_scaling)
        sources, target = _encode(encoder, sources, target)
    with contextlib.redirect_stdout(sys.stderr), _blamed_on(arguments.set):
        _fit_domains(model, sources, y, None if sees_no_target(method) else target)
    if hasattr(model, "explain"):
        tell(model.explain())
    if encoder is None:
        model.save(arguments.out)
    else:
        tensors, info = model._to_file()
        columns = {"columns": encoder.to_state()}
        write_tensors(arguments.out, tensors, info | columns, kind=MODEL)
    tell(f"written to {arguments.out}")


def _one_kind(paths):
    """Return the kind of several files or folders, which have to be of one."""
    kinds = [kind_of(path) for path in paths]
    for path, kind in zip(paths, kinds, strict=True):
        if kind != kinds[0]:
            raise ValueError(
                f"{path!r} is a {kind} where {paths[0]!r} is a {kinds[0]}. Sources and target have "
                "to be of the same kind."
            )
    return kinds[0]


def _stack_labels(labels, arguments):
    """Return the labels of all sources, and whether they are ``"classes"`` or ``"values"``."""
    for y, path in zip(labels, arguments.source, strict=True):
        if (y.dtype.kind == "U") != (labels[0].dtype.kind == "U"):
            raise ValueError(
                f"{path!r} and {arguments.source[0]!r} have labels of different kinds: text in "
                "one, numbers in the other."
            )
        if y.shape[1:] != labels[0].shape[1:]:
            raise ValueError(
                f"{path!r} has labels of shape {y.shape}, but {arguments.source[0]!r} of shape "
                f"{labels[0].shape}."
            )
    y = np.concatenate(labels)
    are_broken = y.ndim > 1 or (y.dtype.kind == "f" and bool((y != np.floor(y)).any()))
    learns = arguments.task
    if learns == "auto":
        learns = "values" if are_broken else "classes"
    if learns == "values":
        if y.dtype.kind == "U":
            raise ValueError(
                f"--task values: labels such as {str(y[0])!r} of {arguments.source[0]!r} are no "
                "numbers."
            )
        return y.astype(np.float64), learns
    if are_broken:
        raise ValueError(
            f"--task classes: the labels of {arguments.source[0]!r} are numbers that are not "
            "whole, or several for each sample. Leave --task out, or write --task values."
        )
    n_classes = len(np.unique(y))
    if arguments.task == "auto" and y.dtype.kind in "iuf" and n_classes > MANY_CLASSES:
        tell(
            f"the labels are {n_classes} whole numbers, taken for classes; to predict numbers, add "
            "--task values"
        )
    return y, learns


def _check_shapes(arrays, paths):
    for array, path in zip(arrays, paths, strict=True):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"{path!r} has samples of shape {array.shape[1:]}, but {paths[0]!r} has samples of "
                f"shape {arrays[0].shape[1:]}."
            )


def _encode(encoder, sources, target):
    """Fit the encoder on all domains together, without their labels, and encode each."""
    tables = [*sources, target]
    if are_large(tables):
        encoder.fit_parts(rows for table in tables for _, rows in blocks(table))
    else:
        encoder.fit(_stack(tables))
    sizes = {name: len(values) for name, values in encoder.categories_.items()}
    if sizes:
        counts = ", ".join(f"{name} ({size})" for name, size in sizes.items())
        tell(f"columns of categories: {counts}")
    *sources, target = [encoded(encoder, table) for table in tables]
    return sources, target


def _stack(tables):
    if not hasattr(tables[0], "columns"):
        return np.concatenate(tables)
    names = tables[0].columns
    stacked = {name: np.concatenate([table[name].to_numpy() for table in tables]) for name in names}
    return type(tables[0])(stacked)


def _fit_domains(model, sources, y, target):
    if target is None:
        model.fit(joined(sources), y)
    elif len(sources) == 1:
        model.fit(sources[0], y, X_target=target)
    else:
        sizes = [*map(len, sources), len(target)]
        domain = np.repeat([*range(1, len(sizes)), -1], sizes)
        # Labels of the target are not read: any fill their places.
        filled = np.concatenate([y, np.repeat(y[:1], len(target), axis=0)])
        model.fit(joined([*sources, target]), filled, sample_domain=domain)


def _check_on_vectors(arguments, method, kind):
    """Check that nothing was asked for that a method without a backbone does not have."""
    if kind == "folder":
        raise ValueError(
            f"--method {method.name} {method.trait}, and needs vectors. Compute features of the "
            "images by a frozen backbone first, and pass npz files with X and y; or use another "
            "method, such as dan."
        )
    given = [name for name in ("epochs", "backbone", "weights") if getattr(arguments, name)]
    if given:
        raise ValueError(
            f"--{given[0]} does not go with --method {method.name}, which {method.trait}."
        )


def _set_parameters(model, assignments):
    """Set parameters of an estimator, each given as ``name=value``."""
    for assignment in assignments:
        name, is_given, text = assignment.partition("=")
        name = name.strip()
        if not (is_given and name):
            raise ValueError(f"--set {assignment!r} is not of the form parameter=value.")
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = text
        known = model.get_params()
        if name not in known:
            alike = difflib.get_close_matches(name, known, n=3)
            hint = f"Did you mean {' or '.join(alike)}?" if alike else f"There are: {_names(known)}"
            raise ValueError(f"--set {name}: {type(model).__name__} has no such parameter. {hint}")
        try:
            model.set_params(**{name: value})
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(f"--set {name}={text}: {error}") from error
    if assignments:
        try:
            model._validate_params()
            model._check_parameters()
        except (ValueError, TypeError) as error:
            raise ValueError(f"--set {' '.join(assignments)}: {error}") from error


@contextlib.contextmanager
def _blamed_on(assignments):
    """Name the parameters that were set where training fails in a way that no check foresees."""
    try:
        yield
    except (TypeError, RuntimeError) as error:
        if not assignments:
            raise
        raise ValueError(f"--set {' '.join(assignments)}: {error}") from error


def _names(known):
    return f"{', '.join(sorted(known))}."


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
            cache_folder=arguments.cache_folder,
        ),
    }


def predict(arguments):
    """Predict the label, or the values, of every sample and write them as csv."""
    if arguments.out is not None:
        check_writable(arguments.out)
    model = load(arguments.model, device=arguments.device)
    kind = kind_of(arguments.data)
    if arguments.skip_unreadable and kind != "folder":
        raise ValueError(f"--skip-unreadable is for images, and {arguments.data!r} is a {kind}.")
    if isinstance(model, Pipeline):
        X = _read_table(model["columns"], kind, arguments.data)
    else:
        X = _read_other(model, kind, arguments)
    parts = _csv_parts(model, X, kind == "folder", arguments.probabilities)
    if arguments.out is not None:
        atomic_write(arguments.out, parts)
        return
    for part in parts:
        print(part, end="")


def _csv_parts(model, X, are_images, with_probabilities):
    """Yield predictions as csv, some rows at a time."""
    for start, samples in blocks(X, MOST_ROWS):
        header, predicted = _predicted(model, samples, with_probabilities)
        names = samples if are_images else range(start, start + len(samples))
        rows = [(name, *values) for name, values in zip(names, predicted, strict=True)]
        head = [("image" if are_images else "row", *header)] if start == 0 else []
        yield csv_text([*head, *rows])


def _read_table(encoder, kind, path):
    """Read a table with the columns that a model knows."""
    if kind == "folder":
        raise ValueError(f"{path!r} is a folder, but the model was trained on a table.")
    texts = [name for name in encoder.categories_ if encoder._kind(name) == "text"]
    X = read_samples(path, texts=texts)
    if kind in TABLES and hasattr(encoder, "feature_names_in_"):
        names = encoder.feature_names_in_.tolist()
        X = with_columns(X, names, path, "that the model was trained on")
    # What is wrong with it is told by the name of the file.
    for start, rows in blocks(X):
        encoder.read(rows, repr(path), start)
    return X


def _read_other(model, kind, arguments):
    X = read_samples(arguments.data)
    if kind in TABLES and hasattr(model, "feature_names_in_"):
        names = list(model.feature_names_in_)
        return with_columns(X, names, arguments.data, "that the model was trained on")
    if arguments.skip_unreadable:
        readable = (model.image_loader or ImageLoader()).find_readable(X)
        tell(f"{(~readable).sum()} of {len(X)} images cannot be read and are left out")
        X = X[readable]
        if len(X) == 0:
            raise ValueError(f"None of the images of {arguments.data!r} can be read.")
    return X


def _predicted(model, X, with_probabilities):
    """Return the titles of the columns, and their entries for each sample."""
    if is_regressor(model):
        if with_probabilities:
            raise ValueError("--probabilities was given, but the model predicts values.")
        values = model.predict(X).reshape(len(X), -1)
        numbers = [""] if values.shape[1] == 1 else range(values.shape[1])
        return [f"value{number}" for number in numbers], [[f"{v:.6g}" for v in r] for r in values]
    if not with_probabilities:
        return ["label"], [[label] for label in model.predict(X)]
    estimator = model[-1] if isinstance(model, Pipeline) else model
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(f"--probabilities was given, but {estimator} has none.")
    # Not classes_ of a network, which lacks the label of unknown samples.
    labels = getattr(estimator, "_all_labels", estimator.classes_)
    probabilities = model.predict_proba(X)
    best = labels[probabilities.argmax(1)]
    rows = [
        [label, *(f"{p:.6g}" for p in shares)]
        for label, shares in zip(best, probabilities, strict=True)
    ]
    return ["label", *map(str, labels)], rows
