"""The rows that a diagnosis looks at: checked, some of many, numbers as quarters."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import type_of_target

from domadapt.domains.splitting import split_domains
from domadapt.shallow._adapter import Adapter

# Rows of a class from which on held-out rows say something about it.
FEWEST = 4
# Entries of a dense array of some rows, 400 MB in float64.
LARGEST = 50_000_000


class Reader(Adapter):
    """What a diagnosis takes: tables of numbers, sparse ones too."""

    _learns: ClassVar[Any] = "classes"
    _dtypes: ClassVar[Any] = np.float64

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class ReaderOfNumbers(Reader):
    """The same where labels are numbers."""

    _learns: ClassVar[Any] = "values"


@dataclass(frozen=True)
class Looked:
    """The rows that are looked at, dense, and how many there are.

    ``source`` and ``target`` are of shape (n_rows, n_columns) in float64, ``codes`` of shape
    (n_source_rows,) are the classes as positions in ``classes``, which are names of quarters
    where labels are numbers. ``left_out`` are classes of too few rows.
    """

    source: np.ndarray
    codes: np.ndarray
    target: np.ndarray
    classes: list
    left_out: list
    columns: list
    n_source: int
    n_target: int
    are_values: bool
    n_sources: int


def look(X, y, X_target, sample_domain, max_samples, rng):
    """Return the rows that a diagnosis looks at."""
    are_values = y is not None and _are_values(y, sample_domain)
    reader = ReaderOfNumbers() if are_values else Reader()
    domains = split_domains(reader, X, y, sample_domain=sample_domain, X_target=X_target)
    if domains.target is None:
        raise ValueError(
            "diagnose compares two domains, and no target came. Pass the target as X_target, or "
            "both domains stacked with sample_domain."
        )
    n_source, n_target = len(domains.source), len(domains.target)
    for name, number in (("source", n_source), ("target", n_target)):
        if number < 10:
            raise ValueError(
                f"The {name} has {number} rows, and 10 at least were expected: nothing can be "
                "told from fewer. Collect more rows first."
            )
    labels = np.asarray(domains.y)
    if are_values and labels.ndim > 1:
        raise ValueError(
            f"y has {labels.shape[1]} columns, and one was expected: diagnose looks at one output "
            "at a time. Pass y[:, 0], for example."
        )
    names, codes = _quarters(labels) if are_values else np.unique(labels, return_inverse=True)
    kept, left_out = _without_rare(codes, names)
    rows = _some(kept, max_samples, rng)
    rows_of_target = _some(np.arange(n_target), max_samples, rng)
    present, codes = np.unique(codes[rows], return_inverse=True)
    columns = getattr(reader, "feature_names_in_", np.arange(domains.source.X.shape[1]))
    return Looked(
        _dense(domains.source.take(rows)),
        codes,
        _dense(domains.target.take(rows_of_target)),
        np.asarray(names)[present].tolist(),
        left_out,
        list(np.asarray(columns).tolist()),
        n_source,
        n_target,
        are_values,
        domains.n_sources,
    )


def _are_values(y, sample_domain):
    """Return whether source labels are numbers to predict and no classes."""
    y = np.asarray(y)
    if sample_domain is not None and np.shape(sample_domain) == y.shape[:1]:
        y = y[np.asarray(sample_domain) > 0]
    if y.dtype.kind != "f" or not y.size or not np.isfinite(y).all():
        return False
    return type_of_target(y).startswith("continuous")


def _quarters(values):
    """Return names of the quarters of numbers, and in which of them each number is."""
    edges = np.unique(np.quantile(values, [0.25, 0.5, 0.75]))
    codes = np.searchsorted(edges, values, side="left")
    texts = [f"{edge:.4g}" for edge in edges]
    between = [f"{a} to {b}" for a, b in pairwise(texts)]
    return [f"up to {texts[0]}", *between, f"above {texts[-1]}"], codes


def _without_rare(codes, names):
    """Return the rows of classes with rows enough, and the names of the other classes."""
    counts = np.bincount(codes, minlength=len(names))
    rare = counts < FEWEST
    if (~rare).sum() < 2:
        raise ValueError(
            f"{(~rare).sum()} classes have {FEWEST} source rows or more, and two were expected: "
            f"the classes have {counts.tolist()} rows. Join rare classes or collect more rows."
        )
    left_out = [names[i] for i in np.flatnonzero(rare & (counts > 0))]
    return np.flatnonzero(~rare[codes]), np.asarray(left_out).tolist()


def _some(rows, max_samples, rng):
    """Return as many rows as are allowed, by chance, in their order."""
    if max_samples is None or len(rows) <= max_samples:
        return rows
    return np.sort(rng.choice(rows, max_samples, replace=False))


def _dense(X):
    if not sparse.issparse(X):
        return np.asarray(X, dtype=np.float64)
    if np.prod(X.shape, dtype=float) > LARGEST:
        raise ValueError(
            f"The rows that are looked at have {X.shape[0]:,} x {X.shape[1]:,} entries, too many "
            "for a dense array. Pass a smaller max_samples, or reduce the columns first, for "
            "example with TruncatedSVD fitted on both domains."
        )
    return X.toarray().astype(np.float64)
