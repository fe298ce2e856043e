"""Samples of the source and of the target, and their labels, checked."""

import re
from dataclasses import dataclass, replace
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_array, column_or_1d

from domadapt.domains.labels import has_label, is_missing

# Its square is still a float64.
LARGEST_VALUE = 1e150


@dataclass(frozen=True)
class Samples:
    """Some rows of an array, referred to and not copied.

    ``X`` is the whole array, the caller's own where it needed no conversion, a DataFrame where
    its columns are for others to read, or paths of images as an array of str; ``index`` are
    the rows that are meant, in order, None for all.
    """

    X: Any
    index: np.ndarray | None = None

    def __len__(self):
        return self.X.shape[0] if self.index is None else len(self.index)

    def take(self, rows):
        """Return some samples: a view of ``X`` where all are meant and ``rows`` is a slice."""
        rows = rows if self.index is None else self.index[rows]
        return self.X.iloc[rows] if hasattr(self.X, "iloc") else self.X[rows]

    def subset(self, rows):
        """Return some samples without copying them."""
        return Samples(self.X, rows if self.index is None else self.index[rows])

    @property
    def are_paths(self):
        """Whether the samples are paths of images."""
        return not hasattr(self.X, "iloc") and self.X.dtype.kind == "U"


@dataclass(frozen=True)
class Domains:
    """What ``fit`` was given, as source and target.

    Parameters
    ----------
    source : Samples
        The labelled samples that count: those of weight zero are left out.
    y : ndarray of shape (len(source),) or None
        Their labels, as the caller spelled them; None where they are not read.
    sample_weight : ndarray of shape (len(source),), float64, or None
        Their weights.
    target : Samples or None
        The unlabelled samples; None where ``fit`` was given a source alone.
    source_domain : ndarray of shape (len(source),), int64, or None, default=None
        Which of several sources each sample is from, counted from 0; None for one source.
    known : ndarray of shape (n_known,), int64, or None, default=None
        Positions of the target samples whose labels were given.
    y_known : ndarray of shape (n_known,) or None, default=None
        Their labels.
    source_numbers : ndarray of shape (n_sources,) or None, default=None
        What the several sources were numbered by in ``sample_domain``, sorted.
    """

    source: Samples
    y: np.ndarray
    sample_weight: np.ndarray | None
    target: Samples | None
    source_domain: np.ndarray | None = None
    known: np.ndarray | None = None
    y_known: np.ndarray | None = None
    source_numbers: np.ndarray | None = None

    @property
    def n_sources(self):
        """Number of domains that the source consists of."""
        return 1 if self.source_domain is None else int(self.source_domain.max()) + 1

    def keep(self, source=None, target=None):
        """Return the domains without the samples where these masks are False."""
        changes: dict[str, Any] = {}
        if source is not None:
            rows = np.flatnonzero(source)
            changes = {"source": self.source.subset(rows), "y": self.y[rows]}
            for name in ("sample_weight", "source_domain"):
                values = getattr(self, name)
                changes[name] = None if values is None else values[rows]
        if target is not None and self.target is not None:
            changes["target"] = self.target.subset(np.flatnonzero(target))
            if self.known is not None and self.y_known is not None:
                stays = target[self.known]
                changes["known"] = (np.cumsum(target) - 1)[self.known[stays]]
                changes["y_known"] = self.y_known[stays]
        return replace(self, **changes)


def check_weights(sample_weight, X):
    """Return the weights of samples, if they are finite numbers of at least 0."""
    try:
        return _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    except (TypeError, ValueError) as error:
        # Not all of scikit-learn's messages name the parameter.
        raise type(error)(f"sample_weight: {error}") from error


def check_same_length(name, value, rows_name, n_rows):
    """Check that there is one entry for each sample."""
    length = _num_samples(value)
    if length != n_rows:
        raise ValueError(
            f"{name} has length {length}, but {rows_name} has {n_rows} samples: one entry "
            "is needed for each."
        )


def check_classes(y, *, weighted):
    """Return the labels of source samples, if there are two classes of them at least."""
    y = column_or_1d(y, warn=True)
    _check_kinds(y)
    y = check_array(
        plain_labels(y), ensure_2d=False, ensure_min_samples=0, dtype=None, input_name="y"
    )
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y has {len(classes)} class on the source samples"
            f"{' of non-zero sample_weight' if weighted else ''}: {classes.tolist()}. "
            "A classifier needs at least 2 classes."
        )
    return y


def _check_kinds(y):
    """Check that labels are of one kind, which has an order, and none of them is missing."""
    if y.dtype != object:
        return
    missing = [is_missing(label) for label in y]
    if any(missing):
        at = int(np.argmax(missing))
        raise ValueError(
            f"y holds no label for {sum(missing)} source samples: {y[at]} stands at the first of "
            f"them, source sample {at} (counted from 0). Input contains NaN or None; every source "
            "sample needs a label."
        )
    kinds = sorted({"number" if _is_number(label) else type(label).__name__ for label in y})
    unordered = [kind for kind in kinds if kind in ("tuple", "list", "dict", "set", "ndarray")]
    if unordered:
        raise ValueError(
            f"y holds labels of the kind {unordered[0]}, such as {y[0]!r}. Numbers or texts were "
            "expected: pass ['-'.join(map(str, label)) for label in y], for example."
        )
    if len(kinds) > 1:
        raise ValueError(
            f"y holds labels of different kinds, {' and '.join(kinds)}: Label types have to be the "
            "same. Numbers or texts alone were expected."
        )


def _is_number(label):
    return isinstance(label, (bool, Number, np.bool_))


def check_values(y, name="y"):
    """Return values as float64, if all of them are finite numbers."""
    try:
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name=name)
    except (TypeError, ValueError) as error:
        if re.search(rf"\b{name}\b", str(error)):
            raise
        raise ValueError(f"{name} must hold numbers to predict. {error}") from error
    largest = abs(y).max()
    if largest > LARGEST_VALUE:
        raise ValueError(
            f"{name} holds numbers as large as {largest:.3g}, of which no variance can be "
            f"computed. Numbers up to {LARGEST_VALUE:g} were expected: divide them all."
        )
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def plain_labels(y):
    """Return numbers that were objects because of what stood beside them as numbers."""
    if y.dtype == object and (numbers := np.array(y.tolist())).dtype.kind in "biuf":
        return numbers
    return y


def read_known(y_target, y, *, are_values):
    """Return the positions and the labels of the target samples whose label is known."""
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
    known = np.flatnonzero(has_label(given))
    if len(known) == 0:
        raise ValueError(
            "y_target knows no label: all of its entries are missing. Leave it out, or give the "
            "labels that are known and None or NaN for the others."
        )
    if are_values:
        return known, check_values(given[known], "y_target")
    labels = np.array(given[known].tolist())
    unknown = [label for label in np.unique(labels).tolist() if label not in y]
    if unknown:
        raise ValueError(
            f"y_target holds labels that no source sample has: {unknown}. Labels out of "
            f"{np.unique(y).tolist()} were expected, and None or NaN where they are not known."
        )
    return known, labels.astype(y.dtype)


def read_sample_domain(sample_domain, n_samples):
    """Return the number of each domain, and the rows of the source and of the target."""
    domain = read_numbers(sample_domain, n_samples)
    source, target = np.flatnonzero(domain > 0), np.flatnonzero(domain < 0)
    for name, sign, rows in [("source", "positive", source), ("target", "negative", target)]:
        if len(rows) == 0:
            raise ValueError(
                f"sample_domain names no {name} sample: none of its {n_samples} numbers is "
                f"{sign}, so the {name} domain is empty."
            )
    return domain, source, target


def read_numbers(sample_domain, n_samples):
    """Return the number of the domain of each sample."""
    try:
        domain = check_array(sample_domain, ensure_2d=False, input_name="sample_domain")
    except (TypeError, ValueError) as error:
        raise ValueError(
            "sample_domain must hold a number for each sample of X, positive for source and "
            f"negative for target: {error}"
        ) from error
    if domain.shape != (n_samples,):
        raise ValueError(
            f"sample_domain has shape {domain.shape}, expected ({n_samples},): one number "
            "for each sample of X, positive for source and negative for target."
        )
    if (domain == 0).any():
        raise ValueError(
            f"sample_domain is 0 for {(domain == 0).sum()} samples. A sample is source (positive, "
            "such as 1) or target (negative, such as -1)."
        )
    return domain
