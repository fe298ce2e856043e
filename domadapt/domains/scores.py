"""Scores of every estimator, which leave out samples without a label."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import _check_sample_weight, _num_samples

from domadapt.domains.labels import has_label
from domadapt.domains.samples import check_same_length, plain_labels


class ClassifierScore(ClassifierMixin):
    """Accuracy on the samples whose label is known."""

    def score(self, X: Any, y: Any, sample_weight: Any = None, sample_domain: Any = None) -> float:
        """Return the accuracy on the samples whose label is known.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        y : array-like of shape (n_samples,)
            Their labels. Where what :func:`~domadapt.pack` fills in stands, None or NaN, a
            sample does not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then normalised by the statistics
            of the source. By default all samples are taken for target.

        Returns
        -------
        accuracy : float
            The share of labels that are right.

        Raises
        ------
        ValueError
            If no label is known.
        """
        true, predicted, weight = _to_score(self, X, y, sample_weight, sample_domain)
        return accuracy(true, predicted, weight)


class RegressorScore(RegressorMixin):
    """Coefficient of determination on the samples whose value is known."""

    def score(self, X: Any, y: Any, sample_weight: Any = None, sample_domain: Any = None) -> float:
        """Return the coefficient of determination, R^2, of the samples whose value is known.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
            Samples of the kind of those of ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their values. Where what :func:`~domadapt.pack` fills in stands, None or NaN, a
            sample does not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive for samples of the source, which are then normalised by the statistics
            of the source. By default all samples are taken for target.

        Returns
        -------
        r2 : float
            1 at best; 0 is what the mean would reach.

        Raises
        ------
        ValueError
            If no value is known.
        """
        true, predicted, weight = _to_score(self, X, y, sample_weight, sample_domain)
        return float(r2_score(true, predicted, sample_weight=weight))


def accuracy(y, predicted, sample_weight=None):
    """Return the share of labels that are right; numbers may be objects, as ``fit`` takes them."""
    y = plain_labels(np.asarray(y))
    return float(accuracy_score(y, predicted, sample_weight=sample_weight))


def _to_score(estimator, X, y, sample_weight, sample_domain):
    """Return what is predicted and true where a label is known, and the weights."""
    y = np.asarray(y)
    check_same_length("y", y, "X", _num_samples(X))
    known = has_label(y)
    if not known.any():
        raise ValueError(
            "y knows no label: only what pack fills in, None or NaN stands there. Pass some "
            "labels to score by."
        )
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X)[known]
    predicted = estimator.predict(X, sample_domain=sample_domain)
    return y[known], predicted[known], sample_weight
