"""Checks of the arrays that scores take: probabilities, labels, values, features, weights."""

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _get_feature_names, check_array

from domadapt.domains.labels import has_label


def as_floats(name, values):
    """Return an array in float64, of any shape."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, as many in each row: {error}") from error


def read_probabilities(name, proba, n_classes=None, n_samples=None):
    """Return probabilities in float64, whose rows have the sum 1 but for rounding."""
    proba = check_probabilities(name, as_floats(name, proba), n_classes)
    check_length(name, proba, n_samples)
    # Those of float32 are off by some 1e-7.
    return proba / proba.sum(axis=1, keepdims=True)


def check_probabilities(name, probabilities, n_classes=None):
    """Return probabilities as float64, if each row of them is one of a distribution."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise ValueError(
            f"{name} has shape {probabilities.shape}, and (n_samples, n_classes) was expected, as "
            "predict_proba returns it."
        )
    if n_classes is not None and probabilities.shape[1] != n_classes:
        raise ValueError(
            f"{name} has {probabilities.shape[1]} columns, and {n_classes} were expected: one for "
            "each class."
        )
    if not (probabilities >= 0).all() or abs(probabilities.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError(
            f"{name} holds rows that are no probabilities: numbers of at least 0 with sum 1 were "
            "expected, as predict_proba returns them."
        )
    return probabilities


def check_length(name, value, n_samples):
    """Check that an array has as many rows as the one that it goes with."""
    if n_samples is not None and value.shape[0] != n_samples:
        raise ValueError(
            f"{name} has {value.shape[0]} rows, and {n_samples} were expected: one for each sample."
        )


def has_columns(name, values):
    """Tell probabilities from labels, by whether each row has several numbers."""
    try:
        shape = np.shape(values)
    except ValueError as error:
        raise ValueError(f"{name} must have rows of one length: {error}") from error
    return len(shape) == 2 and shape[1] > 1


def read_labels(name, labels, n_samples=None):
    """Return labels of any kind, one for each sample, none of which is missing."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(
            f"{name} has shape {labels.shape}, and (n_samples,) was expected: one label for each "
            "sample."
        )
    check_length(name, labels, n_samples)
    missing = ~has_label(labels)
    if missing.any():
        raise ValueError(
            f"{name} holds no label for {missing.sum()} samples. Labels of the samples that are "
            "scored were expected: leave the others out."
        )
    # Numbers that were objects because of what stood beside them.
    return np.array(labels.tolist()) if labels.dtype == object else labels


def check_same_kind(name, labels, other_name, others):
    """Check that labels can be equal to others, as text and numbers never are."""
    if (labels.dtype.kind in "biuf") != (others.dtype.kind in "biuf"):
        raise ValueError(
            f"{name} holds labels such as {labels.tolist()[0]!r}, and {other_name} such as "
            f"{others.tolist()[0]!r}: labels of one kind were expected, text or numbers. Convert "
            "one of them."
        )


def read_codes(name, codes, shape):
    """Return labels as columns of probabilities of a shape, which they must be already."""
    codes = read_labels(name, codes, shape[0])
    wrong = codes if codes.dtype.kind not in "biuf" else codes[codes != np.round(codes)]
    if len(wrong):
        raise ValueError(
            f"{name} holds labels such as {wrong.tolist()[0]!r}, and columns of the probabilities "
            f"were expected, 0 to {shape[1] - 1}. Pass np.searchsorted(classes, labels), or "
            "classes= where there is that parameter."
        )
    codes = codes.astype(np.int64)
    if codes.min() < 0 or codes.max() >= shape[1]:
        raise ValueError(
            f"{name} goes from {codes.min()} to {codes.max()}, and columns of the probabilities, "
            f"0 to {shape[1] - 1}, were expected."
        )
    return codes


def codes_of(name, y, shape, classes=None):
    """Return the columns of labels in probabilities of a shape, given what its columns mean."""
    if classes is None:
        return read_codes(name, y, shape)
    y, classes = read_labels(name, y, shape[0]), np.asarray(classes)
    check_classes(classes, shape[1])
    column = {label: code for code, label in enumerate(classes.tolist())}
    unknown = sorted(set(y.tolist()) - column.keys(), key=str)
    if unknown:
        raise ValueError(
            f"{name} holds labels that are not among classes: {unknown[:5]}. Labels out of "
            f"{classes.tolist()} were expected."
        )
    return np.array([column[label] for label in y.tolist()], dtype=np.int64)


def check_classes(classes, n_classes):
    """Check that each column of probabilities has a label of its own."""
    if classes.shape != (n_classes,):
        raise ValueError(
            f"classes has shape {classes.shape}, and ({n_classes},) was expected: the label of "
            "each column of the probabilities."
        )
    if len(set(classes.tolist())) < n_classes:
        raise ValueError(
            f"classes is {classes.tolist()}, which holds a label twice: a different one for each "
            "column of the probabilities was expected."
        )


def read_values(name, values, n_samples=None):
    """Return values to predict in float64, of shape (n_samples, n_outputs)."""
    try:
        values = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold finite numbers: {error}") from error
    check_length(name, values, n_samples)
    return values.reshape(len(values), -1)


def read_features(name, features, n_samples=None, n_columns=None):
    """Return features in float64, of shape (n_samples, n_columns), dense or sparse in rows."""
    try:
        features = check_array(
            features, accept_sparse="csr", dtype=np.float64, ensure_2d=True, input_name=name
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must hold finite numbers in the shape (n_samples, n_features). Where samples "
            "are images, texts or tables with categories or missing values, pass what a "
            f"transformer or the transform of a network makes of them. {error}"
        ) from error
    check_length(name, features, n_samples)
    if n_columns is not None and features.shape[1] != n_columns:
        raise ValueError(
            f"{name} has {features.shape[1]} columns, and {n_columns} were expected: those of the "
            "other domain."
        )
    return features


def read_both_features(source_features, target_features):
    """Return the features of both domains, which have the same columns."""
    names = [_get_feature_names(features) for features in (source_features, target_features)]
    if not any(own is None for own in names) and list(names[0]) != list(names[1]):
        raise ValueError(
            f"source_features has the columns {list(names[0])[:8]}, and target_features "
            f"{list(names[1])[:8]}. The same ones in the same order were expected."
        )
    source = read_features("source_features", source_features)
    target = read_features("target_features", target_features, n_columns=source.shape[1])
    if sparse.issparse(source) != sparse.issparse(target):
        source, target = (z.toarray() if sparse.issparse(z) else z for z in (source, target))
    return source, target


def read_weights(name, weights, n_samples):
    """Return weights of samples in float64: finite, at least 0, and not all 0."""
    weights = as_floats(name, weights)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"{name} has shape {weights.shape}, and ({n_samples},) was expected: a weight for "
            "each sample."
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError(
            f"{name} must hold finite numbers of at least 0, some of them above, and they go from "
            f"{weights.min()} to {weights.max()}."
        )
    return weights


def read_proportions(name, proportions, n_classes):
    """Return proportions of classes in float64, with sum 1."""
    proportions = as_floats(name, proportions)
    if proportions.shape != (n_classes,):
        raise ValueError(
            f"{name} has shape {proportions.shape}, and ({n_classes},) was expected: a proportion "
            "for each class."
        )
    good = np.isfinite(proportions).all() and (proportions >= 0).all()
    if not good or proportions.sum() <= 0:
        raise ValueError(
            f"{name} is {proportions.tolist()}, and numbers of at least 0, some above, were "
            "expected."
        )
    return proportions / proportions.sum()
