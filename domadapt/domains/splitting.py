"""Both spellings of ``fit`` become source and target here, validated."""

import os
import warnings
from dataclasses import replace

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import check_array, validate_data

from domadapt.domains.cautions import warn_of_filler
from domadapt.domains.explanations import (
    check_channels,
    check_density,
    check_numbers,
    check_table,
    explained,
)
from domadapt.domains.hdf5 import DatasetRows, is_dataset
from domadapt.domains.labels import is_filled
from domadapt.domains.mapped import check_finite, check_whole, is_mapped
from domadapt.domains.samples import (
    LARGEST_VALUE,
    Domains,
    Samples,
    check_classes,
    check_same_length,
    check_values,
    check_weights,
    read_known,
    read_sample_domain,
)


def split_domains(
    estimator, X, y, *, sample_domain=None, X_target=None, sample_weight=None, y_target=None
):
    """Return what ``fit`` was given, validated, as :class:`Domains`.

    Both spellings end here: stacked samples with ``sample_domain``, or two arrays with
    ``X_target``. With neither, all samples are source. Labels of target samples are dropped
    unread, before anything is computed from ``y``. The estimator receives
    ``n_features_in_`` and, from a DataFrame, ``feature_names_in_``.

    Raises
    ------
    ValueError
        If both spellings come at once, a domain has no samples, lengths or columns differ,
        values are missing or infinite, fewer than two classes have a weight above zero,
        or ``y_target`` comes without a target, knows no label or one that is no class
        of the source.
    """
    if sample_domain is not None and X_target is not None:
        raise ValueError(
            "Both sample_domain and X_target were given. Pass sample_domain with source "
            "and target samples stacked in X, or X_target with source samples alone in X."
        )
    given = {"X": X, "X_target": X_target, "y": y, "y_target": y_target}
    given |= {"sample_domain": sample_domain, "sample_weight": sample_weight}
    for name, values in given.items():
        check_whole(name, values)
    X = _check_X(estimator, X)
    if y is None and estimator._learns is not None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    n_samples = X.shape[0]
    if estimator._learns is None:
        y = None
    else:
        check_same_length("y", y, "X", n_samples)
    source = target = source_domain = source_numbers = stacked_target = None
    if sample_domain is not None:
        domain, source, stacked_target = read_sample_domain(sample_domain, n_samples)
        target = Samples(X, stacked_target)
    elif X_target is not None:
        target = Samples(_check_X_target(estimator, X, X_target))
    if sample_weight is not None:
        sample_weight = check_weights(sample_weight, X)
        source = np.arange(n_samples) if source is None else source
        source = source[sample_weight[source] > 0]
        sample_weight = sample_weight[source]
    are_values = estimator._learns == "values"
    if y is not None:
        y = _check_y(_take(y, source), sample_domain, are_values, sample_weight is not None)
        if target is None and not are_values:
            warn_of_filler(y)
    if sample_domain is not None:
        source_domain, source_numbers = _number_sources(domain[source])
    domains = Domains(
        *(Samples(X, source), y, sample_weight, target, source_domain),
        source_numbers=source_numbers,
    )
    if y_target is None:
        return domains
    if target is None:
        raise ValueError("y_target was given without a target: pass X_target or sample_domain too.")
    stacked = stacked_target is not None
    expected = ("X", n_samples) if stacked else ("X_target", len(target))
    check_same_length("y_target", y_target, *expected)
    known, y_known = read_known(_take(y_target, stacked_target), y, are_values=are_values)
    return replace(domains, known=known, y_known=y_known)


def _check_y(y, sample_domain, are_values, weighted):
    """Return the labels of source samples, none of which is the filler of ``pack``."""
    try:
        filled = is_filled(np.asarray(y))
    except ValueError as error:
        raise ValueError(f"y holds samples with different numbers of values: {error}") from error
    if filled.any():
        where = "source samples" if sample_domain is not None else "samples"
        raise ValueError(
            f"y holds what pack fills in for no label at {filled.sum()} {where}. Pass "
            "sample_domain, which says which samples are of the target."
        )
    return check_values(y) if are_values else check_classes(y, weighted=weighted)


def _number_sources(domain):
    """Return the number of the source of each sample, from 0, and all names; None for one."""
    names, numbers = np.unique(domain, return_inverse=True)
    return (None, None) if len(names) < 2 else (numbers, names)


def _take(y, rows):
    """Return the labels of some samples, of all where ``rows`` is None, before any conversion."""
    if rows is None:
        return y
    if not hasattr(y, "iloc") and hasattr(y, "__array__"):
        y = np.asarray(y)
    return _safe_indexing(y, rows)


def checks_of(estimator):
    """Return what is checked of samples, as the tags of an estimator tell."""
    tags = get_tags(estimator).input_tags
    return {
        "accept_sparse": "csr" if tags.sparse else False,
        "allow_nd": tags.three_d_array,
        "dtype": estimator._dtypes,
        "ensure_all_finite": "allow-nan" if tags.allow_nan else True,
    }


def _checks_for(estimator, X):
    """Return what is checked of samples at once; what a file holds is read in blocks for it."""
    checks = checks_of(estimator)
    return checks | {"ensure_all_finite": False} if _are_in_file(X) else checks


def _in_parts(name, X, estimator):
    """Return a dataset of h5py as its rows, where a network reads them in parts."""
    # Other estimators compute with all rows at once, and read it as they do any array-like.
    takes_parts = get_tags(estimator).input_tags.three_d_array
    return DatasetRows(name, X) if takes_parts and is_dataset(X) else X


def _are_in_file(X):
    return isinstance(X, DatasetRows) or is_mapped(X)


def _first(X):
    """Return samples for checks of their kind and shape: of a dataset the first."""
    return X[:2] if isinstance(X, DatasetRows) else X


def _all_rows(X, checked):
    """Return the samples whose first were checked."""
    return X if isinstance(X, DatasetRows) else checked


def _check_parts(estimator, X, checked):
    """Check that what a file holds is finite."""
    if _are_in_file(X):
        check_finite(checked, allow_nan=get_tags(estimator).input_tags.allow_nan)


def _is_kept_as_table(estimator, X):
    """Return whether samples are a table of columns of any kind, for others to read."""
    return (
        hasattr(X, "iloc") and hasattr(X, "columns") and get_tags(estimator).input_tags.categorical
    )


def _check_X(estimator, X, *, reset=True):
    """Return an array, or paths of images as an array of str, validated."""
    if _is_kept_as_table(estimator, X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        check_table("X", X)
        return X
    paths = _as_paths(X) if get_tags(estimator).input_tags.three_d_array else None
    if paths is None:
        check_density("X", X, estimator)
        X = _in_parts("X", X, estimator)
        try:
            checks = _checks_for(estimator, X)
            checked = _all_rows(X, validate_data(estimator, _first(X), reset=reset, **checks))
            _check_parts(estimator, X, checked)
        except (TypeError, ValueError) as error:
            raise explained("X", X, error) from error
        check_numbers("X", X, checked)
        check_channels("X", checked)
        _check_sizes("X", checked, estimator)
        return checked
    _check_files("X", paths)
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):
            vars(estimator).pop(name, None)
    return paths


def _as_paths(X):
    """Return paths as an array of str, and None where X is anything else."""
    if not (isinstance(X, (list, tuple, np.ndarray)) or hasattr(X, "iloc")):
        return None
    if getattr(X, "ndim", 1) != 1 or len(X) == 0:
        return None
    values = X.tolist() if hasattr(X, "tolist") else X
    if not all(isinstance(value, (str, os.PathLike)) for value in values):
        return None
    return np.array([os.fspath(value) for value in values], dtype=str)


def _check_files(name, paths):
    missing = [path for path in paths.tolist() if not os.path.isfile(path)]
    if missing:
        raise ValueError(
            f"{name} names {len(missing)} paths at which there is no file, such as {missing[0]!r}. "
            "Paths of images, which are regular files, were expected."
        )


def _check_X_target(estimator, X, X_target):
    """Return the target, validated by its own name and against the source."""
    if hasattr(X, "iloc"):
        return _check_table_target(estimator, X, X_target)
    paths = _as_paths(X_target)
    if (paths is None) != (X.dtype.kind != "U"):
        raise ValueError(
            "One of X and X_target holds paths of images and the other does not. Both domains "
            "need samples of the same kind."
        )
    if paths is not None:
        _check_files("X_target", paths)
        return paths
    check_density("X_target", X_target, estimator)
    X_target = _in_parts("X_target", X_target, estimator)
    checks = _checks_for(estimator, X_target) | {"input_name": "X_target", "ensure_min_samples": 0}
    try:
        checked = _all_rows(X_target, check_array(_first(X_target), **checks))
        _check_parts(estimator, X_target, checked)
    except (TypeError, ValueError) as error:
        # Not all of scikit-learn's messages name the array that they are about.
        told = str(explained("X_target", X_target, error)).removeprefix("X_target: ")
        raise ValueError(f"X_target must hold samples like those of X. {told}") from error
    check_numbers("X_target", X_target, checked)
    _check_sizes("X_target", checked, estimator)
    _check_some(checked)
    if checked.shape[1:] != X.shape[1:]:
        raise ValueError(
            f"X_target has samples of shape {checked.shape[1:]}, but X has samples of shape "
            f"{X.shape[1:]}. Both domains need the same columns."
        )
    # Compares the column names of a DataFrame.
    validate_data(estimator, X_target, reset=False, skip_check_array=True)
    return checked


def _check_sizes(name, X, estimator):
    """Check that squares of numbers are finite, where no network computes in other units."""
    values = X.data if sparse.issparse(X) else X
    if get_tags(estimator).input_tags.three_d_array or is_mapped(X) or not values.size:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        # A float32 would have to hold the limit too.
        largest = float(max(np.nanmax(values), -np.nanmin(values)))
    if largest > LARGEST_VALUE:
        raise ValueError(
            f"{name} holds numbers as large as {largest:.3g}, of which no variance can be "
            f"computed. Numbers up to {LARGEST_VALUE:g} were expected: scale the columns."
        )


def _check_some(X_target):
    if X_target.shape[0] == 0:
        raise ValueError(
            "X_target has 0 samples: the target domain is empty. Pass its unlabelled samples, or "
            "leave X_target out to train on the source alone."
        )


def _check_table_target(estimator, X, X_target):
    """Return a target of the same columns as a source that is kept as a table."""
    if not _is_kept_as_table(estimator, X_target):
        raise ValueError(
            f"X is a table and X_target a {type(X_target).__name__}. Both domains need samples of "
            "the same kind."
        )
    check_table("X_target", X_target)
    _check_some(X_target)
    validate_data(estimator, X_target, reset=False, skip_check_array=True)
    return X_target


def check_samples(estimator, X, sample_shape):
    """Return samples that come after ``fit``, validated, for ``predict`` and its kin."""
    check_whole("X", X)
    X = _check_X(estimator, X, reset=False)
    if X.shape[1:] != sample_shape:
        raise ValueError(
            f"X has {_kind_of_samples(X.shape[1:])}, but {type(estimator).__name__} was fitted "
            f"on {_kind_of_samples(sample_shape)}."
        )
    return Samples(X)


def _kind_of_samples(shape):
    return f"samples of shape {shape}" if shape else "paths of images"
