"""Labels and values of rows, checked: those of the source, and those known of the target."""

import numpy as np
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d


def check_classes(y, *, weighted):
    """Check the labels of source rows.

    Parameters
    ----------
    y : array-like of shape (n_source,)
        Labels of any kind.
    weighted : bool
        Whether rows of weight zero have been left out, for the message.

    Returns
    -------
    y : ndarray of shape (n_source,)
        As the caller spelled them.

    Raises
    ------
    ValueError
        If labels are missing or are not classes, or there are fewer than two of them.
    """
    y = column_or_1d(y, warn=True)
    y = check_array(_plain(y), ensure_2d=False, ensure_min_samples=0, dtype=None, input_name="y")
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y has {len(classes)} class on the source rows"
            f"{' of non-zero sample_weight' if weighted else ''}: {classes.tolist()}. "
            "A classifier needs at least 2 classes."
        )
    return y


def check_values(y, name="y"):
    """Check the values of rows, for regression.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        Numbers.
    name : str, default="y"
        What they are called in a message.

    Returns
    -------
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs), float64
        The numbers.

    Raises
    ------
    ValueError
        If there is anything but finite numbers, or no row at all.
    """
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name=name)
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _plain(y):
    """Give numbers as numbers that were held as objects because of what stood beside them."""
    if y.dtype == object and (numbers := np.array(y.tolist())).dtype.kind in "biuf":
        return numbers
    return y


def read_known(y_target, y, *, are_values):
    """Find the target rows whose label is known.

    Parameters
    ----------
    y_target : array-like of shape (n_target,) or (n_target, n_outputs)
        Labels of target rows; None, NaN, NA or a mask where they are not known.
    y : ndarray of shape (n_source,) or (n_source, n_outputs)
        Labels of the source, checked.
    are_values : bool
        Whether they are values, not classes.

    Returns
    -------
    known : ndarray of shape (n_known,), int64
        Positions in the target.
    labels : ndarray of shape (n_known,) or (n_known, n_outputs)
        Their labels, of the kind of ``y``.

    Raises
    ------
    ValueError
        If no label is known, or one is no class of the source.
    """
    given = np.array(y_target, dtype=object)
    if np.ma.isMaskedArray(y_target):
        given[np.ma.getmaskarray(y_target)] = None
    if given.ndim == 2 and given.shape[1] == 1 and y.ndim == 1:
        given = given[:, 0]
    if given.ndim != y.ndim or given.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"y_target has shape {given.shape}, but y has shape {y.shape}: as many columns were "
            "expected."
        )
    missing = np.reshape([_is_missing(value) for value in given.flat], given.shape)
    known = np.flatnonzero(~missing.reshape(len(given), -1).any(axis=1))
    if len(known) == 0:
        raise ValueError(
            "y_target knows no label: all of its entries are missing. Leave it out, or give the "
            "labels that are known and None or NaN for the others."
        )
    if are_values:
        return known, check_values(given[known].astype(np.float64), "y_target")
    labels = np.array(given[known].tolist())
    unknown = [label for label in np.unique(labels).tolist() if label not in y]
    if unknown:
        raise ValueError(
            f"y_target holds labels that no source row has: {unknown}. Labels out of "
            f"{np.unique(y).tolist()} were expected, and None or NaN where they are not known."
        )
    return known, labels.astype(y.dtype)


def _is_missing(value):
    return value is None or is_scalar_nan(value) or is_pandas_na(value)
