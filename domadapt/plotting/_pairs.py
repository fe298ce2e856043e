"""Scores of pairs of domains: by fits of clones, by predictions, as a matrix."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import _num_samples

from domadapt.domains.arrays import as_floats
from domadapt.domains.labels import has_label
from domadapt.domains.samples import check_same_length
from domadapt.model_selection._answers import ask
from domadapt.model_selection._other_models import trained_anew


def check_domains(domains):
    """Check samples and labels of domains by name."""
    if not isinstance(domains, Mapping):
        raise TypeError(
            f"domains is a {type(domains).__name__}, and a dict was expected: samples and labels "
            "by the name of each domain, {'amazon': (X1, y1), 'webcam': (X2, y2)}."
        )
    if len(domains) < 2:
        raise ValueError(
            f"domains has {len(domains)} entries, and two at least were expected: a pair has a "
            "source and a target."
        )
    for name, given in domains.items():
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise TypeError(
                f"domains[{name!r}] is a {type(given).__name__}, and a tuple (X, y) was expected: "
                "samples and labels of the domain."
            )
        X, y = given
        check_same_length(f"y of {name!r}", y, f"X of {name!r}", _num_samples(X))
        if n_unknown := np.sum(~has_label(np.asarray(y))):
            raise ValueError(
                f"y of {name!r} has {n_unknown} missing labels, and each domain is scored by its "
                "own. Leave these samples out."
            )
    firsts = {name: np.asarray(y).ravel()[:1].tolist() for name, (_, y) in domains.items()}
    texts = [name for name, first in firsts.items() if first and isinstance(first[0], str)]
    if 0 < len(texts) < len(domains):
        raise ValueError(
            f"Labels of {texts} are texts, and those of the other domains are numbers. The same "
            "classes are called alike in all domains."
        )


def check_estimator(parameter, estimator):
    """Check that something can be fitted and predicts."""
    if isinstance(estimator, type) or not all(hasattr(estimator, n) for n in ("fit", "predict")):
        kind = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise TypeError(
            f"{parameter} is {'the class ' if isinstance(estimator, type) else 'a '}{kind}, and an "
            "estimator was expected: an object with fit and predict, such as DANNClassifier()."
        )


def check_same_score(estimator, baseline):
    """Check that both are scored alike."""
    if is_regressor(estimator) != is_regressor(baseline):
        raise ValueError(
            f"Of estimator={type(estimator).__name__} and baseline={type(baseline).__name__} one "
            "is a regressor: the gain is a difference of scores of the same kind. Pass two of them."
        )


def fit_scores(estimator, domains):
    """Return the score on the target of a clone fitted to each pair of domains.

    Labels of the target are read after the fit, for the score alone.
    """
    scores = {}
    for source, (X, y) in domains.items():
        for target, (X_target, y_target) in domains.items():
            if source != target:
                fitted = trained_anew(estimator, X, y, X_target)
                scores[source, target] = _score(fitted, X_target, y_target)
    return scores


def fit_source_scores(estimator, domains):
    """Return the score on each other domain of a clone fitted to one alone."""
    scores: dict[tuple[str, str], float] = {}
    for source, (X, y) in domains.items():
        fitted = clone(estimator).fit(X, y)
        others = [name for name in domains if name != source]
        scores |= {(source, name): _score(fitted, *domains[name]) for name in others}
    return scores


def _score(fitted, X, y):
    metric = r2_score if is_regressor(fitted) else accuracy_score
    return float(metric(y, ask(fitted, "predict", X)))


def scores_of_predictions(y_true, y_pred, metric):
    """Return the scores of the predictions of each pair, by true labels of pairs or targets."""
    for name, given in (("y_true", y_true), ("y_pred", y_pred)):
        if not isinstance(given, Mapping) or not given:
            raise TypeError(
                f"{name} is a {type(given).__name__}, and a dict with at least one entry was "
                "expected: labels by pair, {('amazon', 'webcam'): labels}."
            )
    if not callable(metric):
        raise TypeError(
            f"metric is {metric!r}, and a function of true and predicted labels was expected, such "
            "as sklearn.metrics.balanced_accuracy_score."
        )
    check_pairs("y_pred", y_pred)
    scores = {}
    for pair, predicted in y_pred.items():
        true = y_true.get(pair, y_true.get(pair[1]))
        if true is None:
            raise ValueError(
                f"y_true has neither the pair {pair!r} nor the target {pair[1]!r}, which y_pred "
                f"has. Its keys are {list(y_true)[:6]}."
            )
        check_same_length(f"y_pred[{pair!r}]", predicted, "its y_true", _num_samples(true))
        scores[pair] = float(metric(true, predicted))
    return scores


def check_pairs(name, by_pair):
    """Check that keys are pairs of a source and a target."""
    for pair in by_pair:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(
                f"{name} has the key {pair!r}, and pairs were expected: (source, target), such as "
                "('amazon', 'webcam')."
            )


def as_matrix(name, scores, sources, targets):
    """Return scores by pair, or as an array, as a matrix; NaN where there is none."""
    shape = (len(sources), len(targets))
    if isinstance(scores, Mapping):
        check_pairs(name, scores)
        of_pairs = [[scores.get((s, t), np.nan) for t in targets] for s in sources]
        matrix = as_floats(name, of_pairs).reshape(shape)
    else:
        matrix = as_floats(name, scores)
        if matrix.shape != shape:
            raise ValueError(
                f"{name} has shape {matrix.shape}, and {shape} was expected: a row for each source "
                "and a column for each target."
            )
    if np.isinf(matrix).any():
        raise ValueError(f"{name} holds an infinite score. NaN stands for a pair without one.")
    return matrix


def check_names(domains, found):
    """Check that domains name all that are in scores."""
    if unknown := sorted(map(str, set(found) - set(domains))):
        raise ValueError(
            f"scores has the domains {unknown}, which domains={list(domains)} does not name. Add "
            "them, or leave domains out."
        )


def names_in(scores):
    """Return the sources and the targets of scores by pair, in the order of the domains."""
    check_pairs("scores", scores)
    domains = list(dict.fromkeys([s for s, _ in scores] + [t for _, t in scores]))
    sources, targets = {s for s, _ in scores}, {t for _, t in scores}
    return [d for d in domains if d in sources], [d for d in domains if d in targets]
