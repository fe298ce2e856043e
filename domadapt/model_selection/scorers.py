"""Scorers by name, which go where scikit-learn takes ``scoring=``."""

import copy
import difflib
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._metadata_requests import _MetadataRequester
from sklearn.utils.metadata_routing import UNUSED

from domadapt.model_selection import scores
from domadapt.model_selection._answers import Answers, all_labels, columns_of, labels_of
from domadapt.model_selection._calibration import fit_temperature, tempered
from domadapt.model_selection._other_models import mixes, source_model_proba, trained_anew
from domadapt.model_selection.scores._parameters import check_parameters
from domadapt.shallow.label_shift import EMProportions

__all__ = ["domain_scorer_names", "get_domain_scorer"]

SCORERS: dict[str, Callable[..., float]] = {}
OF_VALUES: set[str] = set()


def _scorer(*, of_values=False):
    """Register a function of answers as the scorer of its name."""

    def register(function):
        name = function.__name__.strip("_")
        SCORERS[name] = function
        if of_values:
            OF_VALUES.add(name)
        return function

    return register


def domain_scorer_names() -> list[str]:
    """Return the names that :func:`get_domain_scorer` takes, sorted.

    Examples
    --------
    >>> from domadapt.model_selection import domain_scorer_names
    >>> "information_maximization" in domain_scorer_names()
    True
    """
    return sorted(SCORERS)


def get_domain_scorer(name: str, **parameters: Any) -> "_DomainScorer":
    """Return a scorer without target labels, for ``scoring=`` of scikit-learn.

    ``scorer(estimator, X, y, sample_domain=None)`` returns the score ``NAME_score`` of a fitted
    estimator on samples of both domains; larger is better. Target samples are those of negative
    ``sample_domain``; without it those where :func:`~domadapt.has_label` of ``y`` is False, so
    that labels that are known make a sample one of the source. Labels of target samples are
    never read. Source samples are predicted as such.

    Features are what ``transform`` of the estimator returns, else that of the steps before it
    in a pipeline, else X. Probabilities are those of ``predict_proba``, else the softmax of
    ``decision_function``. Regressors have the scorers ``source_validation``,
    ``importance_weighted``, ``circular_validation``, ``disagreement`` and
    ``ensemble_agreement``, as minus mean squared errors.

    Cost: that of the score and of the predictions it needs. ``circular_validation``, and
    ``disagreement`` without ``other``, train the estimator once more, on the samples to score.

    Parameters
    ----------
    name : str
        One of :func:`domain_scorer_names`. Where each is known to fail stands with its
        function of arrays.
    **parameters
        ``loss``, "zero_one" or "log_loss": of ``source_validation``, ``importance_weighted`` and
        ``deep_embedded_validation``.

        ``prior``, "uniform", "source", "estimated" (by EM from the source model) or an array in
        the order of the classes: of ``information_maximization``.

        ``source_model``, a fitted classifier that has not seen the samples to score, by default
        logistic regression on their source samples: of ``contradiction``, and
        ``information_maximization`` with an estimated prior. It is calibrated by a temperature.

        ``ensemble``, a list of fitted estimators: of ``ensemble_agreement``, which needs it.

        ``other``, a second fitted estimator: of ``disagreement``.

        ``class_proportions``, by default those of the source: of
        ``confidence_optimal_transport``.

        ``larger_part``, 0.55 by default, is the part of the first of two samples that ``mixval``
        mixes.

        ``clip``, ``confidence``, ``delta``, ``p`` and ``temperature`` as of the functions of
        arrays. ``random_state`` of what draws is 0 by default, so that candidates are compared
        on the same draws.

    Returns
    -------
    scorer : callable
        With ``set_score_request`` for metadata routing, where it asks for ``sample_domain``
        by default. It can be cloned and pickled.

    Raises
    ------
    ValueError
        If there is no scorer of the name, or a parameter is not as described.
    TypeError
        If the scorer has no parameter of the name, or lacks one that it needs.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from domadapt import pack
    >>> from domadapt.model_selection import get_domain_scorer
    >>> from domadapt.shallow import AdaptedClassifier
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[3, 4], [9, 4]], random_state=1)
    >>> X, y, d = pack(Xs, ys, Xt)
    >>> search = GridSearchCV(
    ...     AdaptedClassifier(LogisticRegression()),
    ...     {"adapter": ["gaussian", "coral"]},
    ...     scoring=get_domain_scorer("information_maximization"),
    ...     cv=2,
    ... )
    >>> search.fit(X, y, sample_domain=d).best_params_
    {'adapter': 'coral'}
    """
    if name not in SCORERS:
        near = difflib.get_close_matches(str(name).removesuffix("_score"), SCORERS, n=2)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"There is no scorer {name!r}.{hint} Names are {', '.join(domain_scorer_names())}."
        )
    known = list(inspect.signature(SCORERS[name]).parameters.values())[1:]
    names = [parameter.name for parameter in known]
    unknown = [given for given in parameters if given not in names]
    if unknown:
        raise TypeError(
            f"Scorer {name!r} has no parameter {unknown[0]!r}. It has {', '.join(names) or 'none'}."
        )
    lacking = [p.name for p in known if p.default is p.empty and p.name not in parameters]
    if lacking:
        raise TypeError(
            f"Scorer {name!r} needs {lacking[0]}=: pass "
            f"get_domain_scorer({name!r}, {lacking[0]}=[...]) with fitted estimators."
        )
    check_parameters(f"scorer {name!r}", **parameters)
    if not parameters.get("ensemble", True):
        raise ValueError(f"ensemble of scorer {name!r} is empty: pass a list of fitted estimators.")
    return _DomainScorer(name, parameters)


class _DomainScorer(_MetadataRequester):
    """A scorer without target labels: ``scorer(estimator, X, y, sample_domain=None)``."""

    __metadata_request__score: ClassVar[dict[str, Any]] = {
        "estimator": UNUSED,
        "sample_domain": True,
    }

    def __init__(self, name, parameters):
        self.name, self.parameters = name, parameters

    def __call__(self, estimator: Any, X: Any, y: Any = None, sample_domain: Any = None) -> float:
        """Return the score of a fitted estimator, larger being better."""
        answers = Answers(f"Scorer {self.name!r}", estimator, X, y, sample_domain)
        if answers.takes_values and self.name not in OF_VALUES:
            raise TypeError(
                f"Scorer {self.name!r} is one for classes, and {type(estimator).__name__} predicts "
                f"values. Use one of {', '.join(sorted(OF_VALUES))}."
            )
        return float(SCORERS[self.name](answers, **self.parameters))

    # By the name of which metadata is asked for.
    score = __call__

    def __repr__(self):
        given = "".join(f", {name}={value!r}" for name, value in self.parameters.items())
        return f"get_domain_scorer({self.name!r}{given})"

    def _routing_repr(self):
        return repr(self)

    def _accept_sample_weight(self):
        return False

    def __sklearn_clone__(self):
        return copy.deepcopy(self)


def _judged(answers, loss):
    """Return labels, predictions and what they mean, as functions of arrays take them."""
    if answers.takes_values:
        return answers.y_source, answers.source_labels, {"loss": "squared_error"}
    if loss == "log_loss":
        known = {"loss": loss, "classes": answers.classes}
        return answers.y_source, answers.source_proba, known
    return answers.y_source, answers.source_labels, {"loss": loss}


def _loss(answers):
    """Return the loss of answers that are classes or values."""
    return "squared_error" if answers.takes_values else "zero_one"


def _weights(answers, clip, random_state, normalize=True):
    """Return importance weights of source samples."""
    features = answers.source_features, answers.target_features
    return scores.importance_weights(
        *features, clip=clip, normalize=normalize, random_state=random_state
    )


def _calibrated(answers):
    """Return probabilities of both domains, calibrated on source samples to score."""
    temperature = fit_temperature(answers.source_proba, answers.codes)
    return tempered(answers.source_proba, temperature), tempered(answers.target_proba, temperature)


@_scorer(of_values=True)
def _source_validation(answers, *, loss="zero_one"):
    y, predicted, options = _judged(answers, loss)
    return scores.source_validation_score(y, predicted, **options)


@_scorer(of_values=True)
def _importance_weighted(answers, *, loss="zero_one", clip=20.0, random_state=0):
    y, predicted, options = _judged(answers, loss)
    weights = _weights(answers, clip, random_state)
    return scores.importance_weighted_score(y, predicted, weights, **options)


@_scorer()
def _deep_embedded_validation(answers, *, loss="zero_one", clip=20.0, random_state=0):
    y, predicted, options = _judged(answers, loss)
    weights = _weights(answers, clip, random_state, normalize=False)
    return scores.deep_embedded_validation_score(y, predicted, weights, **options)


@_scorer()
def _entropy(answers):
    return scores.entropy_score(answers.target_proba)


@_scorer()
def _information_maximization(answers, *, prior="uniform", source_model=None, random_state=0):
    if isinstance(prior, str):
        prior = _named_prior(answers, prior, source_model, random_state)
    return scores.information_maximization_score(answers.target_proba, prior)


def _named_prior(answers, prior, source_model, random_state):
    """Return the proportions of the classes that a name stands for."""
    if prior == "uniform":
        return None
    if prior == "source":
        return answers.source_proportions
    proba, classes = source_model_proba(answers, source_model, random_state)
    there = columns_of(np.unique(answers.y_source), classes)
    proba = proba[:, there] / proba[:, there].sum(axis=1, keepdims=True)
    columns = columns_of(classes[there], answers.classes)
    found = np.zeros(len(answers.classes))
    found[columns] = EMProportions().estimate(proba, answers.source_proportions[columns])
    return found


@_scorer()
def _soft_neighborhood_density(answers, *, temperature=0.05):
    return scores.soft_neighborhood_density_score(answers.target_proba, temperature=temperature)


@_scorer()
def _nuclear_norm(answers):
    return scores.nuclear_norm_score(answers.target_proba)


@_scorer()
def _class_ami(answers, *, random_state=0):
    labels, features = answers.target_labels, answers.target_features
    n_clusters = min(max(2, len(labels_of(answers.estimator))), len(labels))
    return scores.class_ami_score(
        labels, features, n_clusters=n_clusters, random_state=random_state
    )


@_scorer()
def _mano(answers, *, p=4.0):
    return scores.mano_score(answers.target_proba, p=p)


@_scorer(of_values=True)
def _ensemble_agreement(answers, *, ensemble):
    X, loss = answers.X_target, _loss(answers)
    if answers.takes_values:
        found = [answers.predicted(each, X) for each in ensemble]
        return scores.ensemble_agreement_score(answers.target_labels, found, loss=loss)
    classes = all_labels([labels_of(each) for each in (answers.estimator, *ensemble)])
    own, *found = (
        answers.probabilities(each, X, classes) for each in (answers.estimator, *ensemble)
    )
    return scores.ensemble_agreement_score(own, found, loss=loss)


@_scorer()
def _mixval(answers, *, larger_part=0.55, random_state=0):
    labels = answers.target_labels
    mixed, first, second = mixes(answers.name, answers.X_target, labels, larger_part, random_state)
    found = answers.predicted(answers.estimator, mixed)
    return scores.mixval_score(labels[first], labels[second], found)


@_scorer(of_values=True)
def _circular_validation(answers):
    X, y, labels = answers.X_source, answers.y_source, answers.target_labels
    if not answers.takes_values and len(np.unique(labels)) < 2:
        # No classifier learns a single class, and one that did would predict no other.
        back = np.repeat(labels[:1], len(y))
    else:
        fitted = trained_anew(answers.estimator, answers.X_target, labels, X)
        back = answers.predicted(fitted, X)
    return scores.circular_validation_score(y, back, loss=_loss(answers))


@_scorer()
def _average_thresholded_confidence(answers, *, confidence="maximum"):
    probas = _calibrated(answers)
    return scores.average_thresholded_confidence_score(
        answers.codes, *probas, confidence=confidence
    )


@_scorer()
def _difference_of_confidences(answers):
    return scores.difference_of_confidences_score(answers.codes, *_calibrated(answers))


@_scorer(of_values=True)
def _disagreement(answers, *, other=None, random_state=0):
    if other is None:
        given = answers.X_source, answers.y_source, answers.X_target
        other = trained_anew(answers.estimator, *given, seed=random_state)
    found = answers.predicted(other, answers.X_target)
    return scores.disagreement_score(answers.target_labels, found, loss=_loss(answers))


@_scorer()
def _confidence_optimal_transport(answers, *, class_proportions=None):
    if class_proportions is None:
        class_proportions = answers.source_proportions
    return scores.confidence_optimal_transport_score(_calibrated(answers)[1], class_proportions)


@_scorer()
def _disagreement_discrepancy(answers, *, delta=0.01):
    labels = answers.y_source, answers.source_labels, answers.target_labels
    features = answers.source_features, answers.target_features
    return scores.disagreement_discrepancy_score(*labels, *features, delta=delta)


@_scorer()
def _importance_weighted_aggregation(answers, *, clip=20.0, random_state=0):
    weights = _weights(answers, clip, random_state)
    given = answers.codes, answers.source_proba, answers.target_proba
    return scores.importance_weighted_aggregation_score(*given, weights)


@_scorer()
def _contradiction(answers, *, source_model=None, random_state=0):
    proba, classes = source_model_proba(answers, source_model, random_state)
    return scores.contradiction_score(answers.target_labels, proba, classes=classes)
