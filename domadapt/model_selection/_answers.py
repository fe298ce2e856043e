"""What a fitted estimator says of the source and target rows that a scorer is given."""

import inspect
from functools import cached_property

import numpy as np
from scipy import special
from sklearn.base import is_regressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from domadapt.domains.labels import has_label
from domadapt.domains.samples import check_same_length, read_numbers


def unwrapped(estimator):
    """Return the best estimator of a fitted search, and any other as it is."""
    while isinstance(estimator, BaseSearchCV) and hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def last_step(estimator):
    """Return the estimator that answers: the last one of a pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = unwrapped(estimator.steps[-1][1])
    return estimator


def ask(estimator, method, X, sample_domain=None):
    """Return what a method says of samples, by their domain where it knows of domains."""
    estimator = unwrapped(estimator)
    if isinstance(estimator, Pipeline):
        # Asked itself, it would have to be told by metadata routing what its steps want.
        X = transformed(estimator, X, sample_domain)
        return ask(estimator.steps[-1][1], method, X, sample_domain)
    answering = getattr(estimator, method)
    if sample_domain is None or "sample_domain" not in inspect.signature(answering).parameters:
        return answering(X)
    return answering(X, sample_domain=sample_domain)


def transformed(pipeline, X, sample_domain=None):
    """Return what the steps before the last of a pipeline make of samples, by their domain."""
    for _, step in pipeline.steps[:-1]:
        if step is not None and step != "passthrough":
            X = ask(step, "transform", X, sample_domain)
    return X


def labels_of(estimator):
    """Return the labels of the columns of probabilities: the classes, and what is unknown."""
    last = last_step(unwrapped(estimator))
    return np.asarray(getattr(last, "_all_labels", last.classes_))


class Answers:
    """Rows of both domains, and what an estimator says of them, computed when it is needed.

    Labels of target rows are not in here: they are dropped unread.
    """

    def __init__(self, name, estimator, X, y, sample_domain):
        self.name, self.estimator, self._X = name, unwrapped(estimator), X
        n_samples = _num_samples(X)
        if y is not None:
            check_same_length("y", y, "X", n_samples)
        if sample_domain is not None:
            domain = read_numbers(sample_domain, n_samples)
            source, self._target = np.flatnonzero(domain > 0), np.flatnonzero(domain < 0)
        elif y is None:
            raise ValueError(
                f"{name} was given neither y nor sample_domain, and cannot tell source from "
                "target samples. Pass one of them."
            )
        else:
            known = has_label(y)
            domain = np.where(known, 1, -1)
            source, self._target = np.flatnonzero(known), np.flatnonzero(~known)
        # Without what stands at target rows, whose kind could change that of all labels.
        labels = np.full(len(source), np.nan)
        if y is not None:
            labels = np.asarray(_safe_indexing(y, source))
        known = has_label(labels)
        self._source, self._y = source[known], labels[known]
        self.source_domain = domain[self._source]

    @property
    def takes_values(self):
        """Whether values are predicted and no classes."""
        return is_regressor(self.estimator)

    @cached_property
    def X_source(self):
        """Labelled source samples."""
        if len(self._source) == 0:
            raise ValueError(
                f"{self.name} needs source samples with their labels, and there are none among "
                f"the {_num_samples(self._X)} samples to score. Use folds with samples of both "
                "domains, such as those of StratifiedKFold on sample_domain."
            )
        return _safe_indexing(self._X, self._source)

    @cached_property
    def X_target(self):
        """Target samples."""
        if len(self._target) == 0:
            raise ValueError(
                f"{self.name} needs target samples, and there are none among the "
                f"{_num_samples(self._X)} samples to score: none has a negative sample_domain, or "
                "without sample_domain what pack fills in for no label. Use folds with samples of "
                "both domains, and pass sample_domain to the scorer where target labels are known."
            )
        return _safe_indexing(self._X, self._target)

    @cached_property
    def y_source(self):
        """Labels of source samples."""
        _ = self.X_source
        # Numbers that were objects because of what stood beside them.
        return np.array(self._y.tolist()) if self._y.dtype == object else self._y

    @cached_property
    def source_labels(self):
        """What is predicted for source samples, as those of the source."""
        return self.predicted(self.estimator, self.X_source, self.source_domain)

    @cached_property
    def target_labels(self):
        """What is predicted for target samples."""
        return self.predicted(self.estimator, self.X_target)

    @cached_property
    def classes(self):
        """Labels of the columns of probabilities, then those of y that are not among them."""
        classes = labels_of(self.estimator)
        if len(self._source) == 0:
            return classes
        return all_labels([classes, np.unique(self.y_source)])

    @cached_property
    def source_proba(self):
        """Probabilities of source samples, as those of the source."""
        given = self.estimator, self.X_source, self.classes
        return self.probabilities(*given, self.source_domain)

    @cached_property
    def target_proba(self):
        """Probabilities of target samples."""
        return self.probabilities(self.estimator, self.X_target, self.classes)

    @cached_property
    def codes(self):
        """Columns of the labels of source samples."""
        return columns_of(self.y_source, self.classes)

    @cached_property
    def source_proportions(self):
        """Share of each class among the source samples."""
        return np.bincount(self.codes, minlength=len(self.classes)) / len(self.codes)

    def predicted(self, estimator, X, sample_domain=None):
        """Return what an estimator predicts for samples."""
        return np.asarray(ask(estimator, "predict", X, sample_domain))

    def probabilities(self, estimator, X, classes, sample_domain=None):
        """Return probabilities by an estimator, with a column for each of some classes."""
        estimator = unwrapped(estimator)
        if hasattr(estimator, "predict_proba"):
            proba = np.asarray(ask(estimator, "predict_proba", X, sample_domain), dtype=np.float64)
        elif hasattr(estimator, "decision_function"):
            scores = np.asarray(
                ask(estimator, "decision_function", X, sample_domain), dtype=np.float64
            )
            if scores.ndim == 1:
                # For two classes it is the difference of the logits.
                scores = np.column_stack([-scores / 2, scores / 2])
            proba = special.softmax(scores, axis=1)
        else:
            raise TypeError(
                f"{self.name} needs predict_proba or decision_function, and {estimator!r} has "
                "neither. Use a classifier that has, or a scorer that needs labels alone, such as "
                "'importance_weighted' or 'circular_validation'."
            )
        return in_columns(proba, labels_of(estimator), classes)

    @cached_property
    def source_features(self):
        """Features of source samples, as those of the source."""
        return self._features(self.X_source, self.source_domain)

    @cached_property
    def target_features(self):
        """Features of target samples."""
        return self._features(self.X_target)

    def _features(self, X, sample_domain=None):
        """Return what the estimator makes of samples, or the steps before it, or the samples."""
        if hasattr(self.estimator, "transform"):
            return ask(self.estimator, "transform", X, sample_domain)
        if isinstance(self.estimator, Pipeline):
            return transformed(self.estimator, X, sample_domain)
        return X


def all_labels(several):
    """Return the labels of several classifiers, each once, those of the first first."""
    labels = dict.fromkeys(label for classes in several for label in classes.tolist())
    return np.array(list(labels))


def columns_of(labels, classes):
    """Return for each label its place among the classes, -1 where it is none of them."""
    column = {label: place for place, label in enumerate(classes.tolist())}
    return np.array([column.get(label, -1) for label in labels.tolist()], dtype=np.int64)


def in_columns(proba, labels, classes):
    """Return probabilities with a column for each class, 0 for those that were not known."""
    if proba.shape[1] != len(labels):
        raise ValueError(
            f"Probabilities have {proba.shape[1]} columns, and there are {len(labels)} classes: a "
            "column for each was expected. Pass decision_function_shape='ovr' where there is that "
            "parameter."
        )
    filled = np.zeros((len(proba), len(classes)))
    filled[:, columns_of(labels, classes)] = proba
    return filled
