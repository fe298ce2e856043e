"""A table of sources by their use for a small labelled target."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata

from domadapt._storage.columns import Columns
from domadapt._storage.files import read_tensors
from domadapt.domains.base import MODEL
from domadapt.estimators._building import DEEP, read_estimator
from domadapt.inductive._joint import BaseMultiTask
from domadapt.inductive._kinds import KINDS
from domadapt.inductive.transferability._classes import bhattacharyya_separability, h_score
from domadapt.inductive.transferability._evidence import log_me
from domadapt.inductive.transferability._source_classes import (
    leep,
    negative_conditional_entropy,
)

OF_FEATURES: dict[str, Callable[[Any, Any], float]] = {
    "log_me": log_me,
    "h_score": h_score,
    "gbc": bhattacharyya_separability,
}
SCORES = (*OF_FEATURES, "leep", "nce")


class TransferabilityTable(Columns):
    """Columns by name, arrays with one entry for each source, the best first.

    It goes into a ``pandas.DataFrame`` as it is; printed it is a table. ``"source"`` are the
    names, ``"mean_rank"`` is what sources are sorted by, and each other column is a score, NaN
    where a source cannot have it.
    """

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns as lists of plain numbers and texts, None for NaN."""
        return {
            name: [None if value != value else value for value in column.tolist()]
            for name, column in self.items()
        }


def transferability_table(
    sources: Mapping[str, Any], X: Any, y: Any, *, values: bool = False
) -> TransferabilityTable:
    """Rank source models by their use for a small labelled target.

    Each source model sees the target samples, as target samples: its ``transform`` gives
    features, ``predict_proba`` and ``predict`` what it takes them for. No model is trained.

    Parameters
    ----------
    sources : dict of str to estimator or path
        Fitted source models by name, or the files that ``save`` of a deep estimator wrote.
        Estimators of domadapt, or anything fitted with ``transform``, ``predict_proba`` or
        both, but none of several tasks, whose predictions are one for each.
    X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
        Labelled target samples, of the kind that every source was fitted to.
    y : array-like of shape (n_samples,), or (n_samples, n_outputs) with ``values``
        Their labels. The classes need not be those of the sources.
    values : bool, default=False
        Whether ``y`` holds numbers to predict. :func:`log_me` is then the only score.

    Returns
    -------
    table : TransferabilityTable
        The scores :func:`log_me`, :func:`h_score`, ``gbc``
        (:func:`bhattacharyya_separability`), :func:`leep` and ``nce``
        (:func:`negative_conditional_entropy`) of each source, and ``mean_rank``, the mean of
        its ranks by them, 1 being the best. Ranks are taken of the scores that all sources
        have. Where sources are level, they stay in the order that they came in.

    Raises
    ------
    TypeError
        If ``sources`` is no dict of fitted models.
    ValueError
        If there is no source or no score that all of them have, or samples or labels are not
        as described; the name of the source is in the message.

    Notes
    -----
    A classifier's LEEP and NCE are about its last layer, the other scores about its features.
    Scores rank sources for one target. They are not to be compared between targets, and none
    of them says whether the best source is better than none: see the figures in the docs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import AlignmentClassifier
    >>> from domadapt.inductive import transferability_table
    >>> X, y = make_blobs(200, centers=3, random_state=0)
    >>> near = AlignmentClassifier(None, random_state=0).fit(X, y)
    >>> other = np.random.default_rng(0).permutation(y)
    >>> of_no_use = AlignmentClassifier(None, random_state=0).fit(X, other)
    >>> table = transferability_table({"useless": of_no_use, "near": near}, X[:30], y[:30])
    >>> table["source"].tolist()
    ['near', 'useless']
    """
    if not isinstance(sources, Mapping):
        raise TypeError(
            f"sources is a {type(sources).__name__}, and a dict of names to fitted models was "
            "expected, such as {'amazon': clf}."
        )
    if not sources:
        raise ValueError("sources is empty. Fitted models by name were expected.")
    models = {name: _read(name, source) for name, source in sources.items()}
    found = [_scores_of(name, model, X, y, values) for name, model in models.items()]
    scores = {name: np.array([one[name] for one in found]) for name in SCORES}
    ranks = [rankdata(-column) for column in scores.values() if np.isfinite(column).all()]
    if not ranks:
        raise ValueError(
            "No score is one that all sources have: those of classes and of features come from "
            "predict_proba and from transform. Compare sources that have the same."
        )
    mean_rank = np.mean(ranks, axis=0)
    order = np.argsort(mean_rank, kind="stable")
    columns = {"source": np.array(list(sources), dtype=object), "mean_rank": mean_rank} | scores
    return TransferabilityTable({name: column[order] for name, column in columns.items()})


def _read(name, source):
    """Return a source model, out of its file where that is what came."""
    if isinstance(source, (str, os.PathLike)):
        tensors, info = read_tensors(source, kind=MODEL)
        if info["class"] not in DEEP | KINDS:
            raise ValueError(
                f"sources[{name!r}]: {str(source)!r} holds a {info['class']!r}, which is no deep "
                "estimator. Pass domadapt.load(path) instead of the path."
            )
        source = read_estimator(source, tensors, info, {}, DEEP | KINDS)
    if isinstance(source, type):
        raise TypeError(
            f"sources[{name!r}] is the class {source.__name__}. A fitted model was expected."
        )
    if not (hasattr(source, "transform") or hasattr(source, "predict_proba")):
        raise TypeError(
            f"sources[{name!r}] is a {type(source).__name__}, which has neither transform nor "
            "predict_proba. A fitted model with one of them was expected, or the path of its file."
        )
    if isinstance(source, BaseMultiTask):
        raise TypeError(
            f"sources[{name!r}] is a {type(source).__name__}, whose predictions are one for each "
            "task. A model of one task was expected: score features of a task by log_me(clf."
            "transform(X, task=...), y)."
        )
    return source


def _scores_of(name, source, X, y, values):
    """Return the scores of a source, NaN for those that it cannot have."""
    found = dict.fromkeys(SCORES, np.nan)
    try:
        if hasattr(source, "transform"):
            features = source.transform(X)
            if values:
                return found | {"log_me": log_me(features, y, values=True)}
            found |= {score: function(features, y) for score, function in OF_FEATURES.items()}
        if hasattr(source, "predict_proba") and not values:
            found["leep"] = leep(source.predict_proba(X), y)
            found["nce"] = negative_conditional_entropy(source.predict(X), y)
    except ValueError as error:
        raise type(error)(f"sources[{name!r}]: {error}") from error
    return found
