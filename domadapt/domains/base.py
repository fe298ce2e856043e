"""The base of every estimator: both spellings of ``fit`` become source and target here."""

import contextlib
import copy
import difflib
import inspect
import os
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Never, Self, TypeVar, dataclass_transform

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_array, validate_data

from domadapt._storage.files import write_tensors
from domadapt.domains.cautions import warn_of_filler
from domadapt.domains.explanations import check_channels, check_numbers, explained
from domadapt.domains.labels import is_filled
from domadapt.domains.samples import (
    Domains,
    Samples,
    check_classes,
    check_same_length,
    check_values,
    check_weights,
    read_known,
    read_sample_domain,
)

MODEL = "model"
CHECKS: dict[str, Any] = {"accept_sparse": "csr", "allow_nd": True, "dtype": "numeric"}
Kind = TypeVar("Kind", bound=type)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
def estimator(kind: Kind) -> Kind:
    """Make the annotated attributes of an estimator the keywords of its constructor."""
    dataclass(kw_only=True, eq=False, repr=False)(kind)
    return kind


class Watch:
    """Lets scikit-learn's callbacks watch the epochs of a fit, and end it."""

    def __init__(self, fit_task=None, seen=None):
        self.fit_task, self.seen, self.ended = fit_task, seen, False

    @contextlib.contextmanager
    def epoch(self):
        """Watch the epoch that runs inside."""
        if self.fit_task is None:
            yield
            return
        task = self.fit_task.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(**self.seen)
        yield
        self.ended = bool(task.call_on_fit_task_end(**self.seen))


class BaseDomainEstimator(CallbackSupportMixin, BaseEstimator):
    """What every estimator has: parameters, both spellings of ``fit``, ``save``.

    Subclasses declare their parameters under :func:`estimator`, and have
    ``_check_parameters()``, ``_fit_domains(domains)`` and ``_to_file()``.
    """

    _learns: ClassVar[str] = "classes"
    transduction_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __new__(cls, *args: Any, **parameters: Any) -> Self:
        # Python's own message would not tell the name that was meant.
        known = inspect.signature(cls.__init__).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
        for name in [] if takes_any else [n for n in parameters if n not in known]:
            meant = sorted({n for n in known if n.startswith(name)} | _alike(name, known))
            hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
            raise TypeError(f"{cls.__name__} has no parameter {name!r}.{hint}")
        return super().__new__(cls)

    def fit(
        self,
        X: Any,
        y: Any,
        *too_many: Never,
        sample_domain: Any = None,
        X_target: Any = None,
        sample_weight: Any = None,
        y_target: Any = None,
    ) -> Self:
        """Train on labelled source samples together with unlabelled target samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Source samples; with ``sample_domain``, source and target samples stacked. An
            image stack has the shape (n_samples, channels, height, width) or
            (n_samples, height, width); paths of images have the shape (n_samples,).
        y : array-like of shape (n_samples,)
            Labels of any kind; for a regressor numbers, of shape (n_samples, n_outputs)
            where there are several. What stands at target samples is never read.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for source samples, negative for target samples. Sources that differ
            have numbers that differ: 1, 2 and so on.
        X_target : array-like or sparse matrix of shape (n_target, n_features), default=None
            Target samples, where ``X`` holds the source alone. With neither keyword the
            estimator is trained on the source alone.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of source samples in the task loss; samples of weight 0 are left out
            altogether. The weights of target samples change nothing.
        y_target : array-like of shape (n_target,), default=None
            Labels of a few target samples that are known, None or NaN for the others; with
            ``sample_domain`` of shape (n_samples,), what stands at source samples being
            unread. Every mini-batch then holds some of these too, and learns their labels.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            Before any training, if a parameter or the data are not as described.
        NonFiniteLossError
            If a criterion's loss is not finite on the first mini-batch, before any training;
            or if a loss is no longer finite. The weights are then those of the last epoch
            that ended with finite ones.
        """
        if too_many:
            raise TypeError(
                f"{type(self).__name__}.fit takes X and y by position, and {2 + len(too_many)} "
                "arrays came. Pass the target by its name: fit(X, y, X_target=X_target)."
            )
        return self._fit(
            *(X, y),
            sample_domain=sample_domain,
            X_target=X_target,
            sample_weight=sample_weight,
            y_target=y_target,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, y, **given):
        self._check_parameters()
        self._fit_domains(split_domains(self, X, y, **given))
        return self

    def _check_parameters(self):
        """Raise an error where parameters do not go together, before anything is read."""

    def _fit_domains(self, domains):
        raise NotImplementedError

    @contextlib.contextmanager
    def _watched(self, domains, n_epochs, *attributes):
        """Let callbacks watch a fit. They see the source: its labels may be read."""
        seen = {
            "estimator": self,
            "X": lambda: domains.source.take(slice(None)),
            "y": domains.y,
            "reconstruction_attributes": lambda: {
                name: copy.deepcopy(getattr(self, name)) for name in attributes
            },
        }
        fit_task = self._init_callback_context(max_subtasks=n_epochs)
        fit_task.call_on_fit_task_begin(**seen)
        yield Watch(fit_task, seen)
        fit_task.call_on_fit_task_end(**seen)

    def _to_file(self):
        """Return tensors, and what else JSON can hold, from which the estimator can be read."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file: numbers in safetensors, the rest in JSON.

        Parameters
        ----------
        path : str or path
            The file, to be read by :func:`domadapt.load`. What stands there is replaced
            when all is written.

        Raises
        ------
        NotFittedError
            If it was not fitted.
        TypeError
            If the labels are of a kind that JSON does not have, or the class is not
            domadapt's own.
        OSError
            If the file cannot be written. What stood there is still there.
        """
        kind = type(self)
        if kind.__module__.partition(".")[0] != __name__.partition(".")[0]:
            raise TypeError(
                f"{kind.__name__} is no class of domadapt's own, so it cannot be saved."
            )
        write_tensors(path, *self._to_file(), kind=MODEL)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags


def _alike(name, known):
    """Return the names that a misspelled or abbreviated one may stand for."""
    initials = {n for n in known if "".join(word[0] for word in n.split("_")) == name}
    return initials | set(difflib.get_close_matches(name, known))


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
    X = _check_X(estimator, X)
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    n_samples = X.shape[0]
    check_same_length("y", y, "X", n_samples)
    source = target = source_domain = stacked_target = None
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
    y = _take(y, source)
    are_values = estimator._learns == "values"
    _check_known(y, sample_domain)
    y = check_values(y) if are_values else check_classes(y, weighted=sample_weight is not None)
    if target is None and not are_values:
        warn_of_filler(y)
    if sample_domain is not None:
        source_domain = _number_sources(domain[source])
    domains = Domains(Samples(X, source), y, sample_weight, target, source_domain)
    if y_target is None:
        return domains
    if target is None:
        raise ValueError("y_target was given without a target: pass X_target or sample_domain too.")
    stacked = stacked_target is not None
    expected = ("X", n_samples) if stacked else ("X_target", len(target))
    check_same_length("y_target", y_target, *expected)
    known, y_known = read_known(_take(y_target, stacked_target), y, are_values=are_values)
    return replace(domains, known=known, y_known=y_known)


def _check_known(y, sample_domain):
    """Check that no source sample has the filler of :func:`domadapt.pack` for a label."""
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


def _number_sources(domain):
    """Return the number of the source of each sample, counted from 0; None for one source."""
    names, numbers = np.unique(domain, return_inverse=True)
    return None if len(names) < 2 else numbers


def _take(y, rows):
    """Return the labels of some samples, of all where ``rows`` is None, before any conversion."""
    if rows is None:
        return y
    if not hasattr(y, "iloc") and hasattr(y, "__array__"):
        y = np.asarray(y)
    return _safe_indexing(y, rows)


def _check_X(estimator, X, *, reset=True):
    """Return an array, or paths of images as an array of str, validated."""
    paths = _as_paths(X)
    if paths is None:
        try:
            checked = validate_data(estimator, X, reset=reset, **CHECKS)
        except (TypeError, ValueError) as error:
            raise explained("X", X, error) from error
        check_numbers("X", X, checked)
        check_channels("X", checked)
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
    paths = _as_paths(X_target)
    if (paths is None) != (X.dtype.kind != "U"):
        raise ValueError(
            "One of X and X_target holds paths of images and the other does not. Both domains "
            "need samples of the same kind."
        )
    if paths is not None:
        _check_files("X_target", paths)
        return paths
    try:
        checked = check_array(X_target, input_name="X_target", ensure_min_samples=0, **CHECKS)
    except (TypeError, ValueError) as error:
        # Not all of scikit-learn's messages name the array that they are about.
        told = str(explained("X_target", X_target, error)).removeprefix("X_target: ")
        raise ValueError(f"X_target must hold samples like those of X. {told}") from error
    check_numbers("X_target", X_target, checked)
    if checked.shape[0] == 0:
        raise ValueError(
            "X_target has 0 samples: the target domain is empty. Pass its unlabelled samples, or "
            "leave X_target out to train on the source alone."
        )
    if checked.shape[1:] != X.shape[1:]:
        raise ValueError(
            f"X_target has samples of shape {checked.shape[1:]}, but X has samples of shape "
            f"{X.shape[1:]}. Both domains need the same columns."
        )
    # Compares the column names of a DataFrame.
    validate_data(estimator, X_target, reset=False, skip_check_array=True)
    return checked


def check_samples(estimator, X, sample_shape):
    """Return samples that come after ``fit``, validated, for ``predict`` and its kin."""
    X = _check_X(estimator, X, reset=False)
    if X.shape[1:] != sample_shape:
        raise ValueError(
            f"X has {_kind_of_samples(X.shape[1:])}, but {type(estimator).__name__} was fitted "
            f"on {_kind_of_samples(sample_shape)}."
        )
    return Samples(X)


def _kind_of_samples(shape):
    return f"samples of shape {shape}" if shape else "paths of images"
