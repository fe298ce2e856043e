"""Candidates are fitted one by one or side by side; what fails is noted and stops nothing."""

import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import special
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from domadapt.domains.base import BaseDomainEstimator
from domadapt.domains.stacking import pack
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.model_selection._calibration import fit_temperature, tempered
from domadapt.shallow._scores import class_scores, has_scores
from domadapt.shallow._training import weight_name

HELD_BACK = 0.2
# How sure a classifier is taken to be that tells nothing but a label.
SURE = 0.9
# Known labels of the target are held back in turn, one part of so many.
N_FOLDS = 3


@dataclass(frozen=True)
class Data:
    """What candidates are fitted on: columns as they came, and standardised."""

    X: np.ndarray
    X_target: np.ndarray
    scaled: np.ndarray
    scaled_target: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None
    source_domain: np.ndarray | None
    learns: str
    # Source rows that plain models are fitted on, and those that they are judged on.
    kept: np.ndarray
    held_back: np.ndarray

    def of(self, candidate):
        """Return source and target as a candidate is to see them."""
        if candidate.is_scaled:
            return self.scaled, self.scaled_target
        return self.X, self.X_target

    @property
    def classes(self):
        """The classes, sorted."""
        return np.unique(self.y)


@dataclass
class Trained:
    """A candidate after its fit, or what kept it from one.

    ``answers`` are probabilities for target samples, or values; ``held_back`` those for the
    source samples that a plain model was not shown, calibrated as ``temperature`` makes them,
    or for the target samples with a known label, by models that were not told theirs.
    """

    candidate: Any
    estimator: Any = None
    answers: np.ndarray | None = None
    held_back: np.ndarray | None = None
    temperature: float = 1.0
    seconds: float = 0.0
    problem: str | None = None

    def answer(self, X, data_classes, learns):
        """Return what the candidate predicts for target samples, calibrated if it is plain."""
        found = answer_of(self.estimator, X, data_classes, learns)
        return found if learns == "values" else tempered(found, self.temperature)


def hold_back(y, learns, generator):
    """Return rows to fit plain models on, and rows to judge them on, by class."""
    rows = np.arange(len(y))
    if learns == "values":
        return train_test_split(rows, test_size=HELD_BACK, random_state=generator)
    codes, counts = np.unique(y, return_inverse=True, return_counts=True)[1:]
    # A class with a single sample has to be learnt, and cannot be judged.
    alone = counts[codes] < 2
    n_classes = int((counts >= 2).sum())
    if (~alone).sum() * HELD_BACK < max(n_classes, 1) or n_classes == 0:
        return rows, rows
    kept, held = train_test_split(
        rows[~alone], test_size=HELD_BACK, stratify=codes[~alone], random_state=generator
    )
    return np.sort(np.concatenate([kept, rows[alone]])), np.sort(held)


def train_all(candidates, data, *, n_jobs, deadline, watch, tell, stored):
    """Fit all candidates, in order, and return what became of each.

    Parameters
    ----------
    candidates : list of Candidate
        With estimators that have their seeds.
    data : Data
        Both domains.
    n_jobs : int or None
        How many are fitted at the same time, in processes of joblib.
    deadline : float or None
        When no further fit begins, as ``time.time`` counts on every machine.
    watch : Watch
        Lets callbacks watch each candidate and end the search.
    tell : callable
        Called with each candidate after its fit.
    stored : Stored or None
        What an earlier search has left, and where this one leaves its own.

    Returns
    -------
    trained : list of Trained
        One for each candidate.
    """
    found: list[Trained] = []
    for result_of_next in _pending(candidates, data, n_jobs, deadline, stored):
        with watch.epoch():
            found.append(result_of_next())
            if stored is not None and found[-1].problem is None:
                # Here, too: it may have been fitted on a machine without the folder.
                stored.write(found[-1])
            tell(found[-1])
        if watch.ended:
            break
    rest = candidates[len(found) :]
    return found + [Trained(c, problem="not started: a callback ended the search") for c in rest]


def _pending(candidates, data, n_jobs, deadline, stored):
    """Return for each candidate a function that fits it, or waits until it is fitted."""
    if n_jobs in (None, 1):
        return [partial(train, candidate, data, deadline, stored) for candidate in candidates]
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(train)(candidate, data, deadline, stored) for candidate in candidates
    )
    return [partial(next, results)] * len(candidates)


def train(candidate, data, deadline, stored):
    """Return a candidate after its fit; of an error its message is kept."""
    if stored is not None and (known := stored.read(candidate)) is not None:
        return known
    if deadline is not None and time.time() > deadline:
        return Trained(candidate, problem="not started: time_budget was used up")
    start = time.perf_counter()
    trained = Trained(candidate)
    try:
        # Within a fit scikit-learn checks no parameters, and these are a person's own.
        with config_context(skip_parameter_validation=False), warnings.catch_warnings():
            # They are about one of many models, and name parameters that nobody has set.
            warnings.simplefilter("ignore")
            _fit_and_ask(trained, data)
    except Exception as error:
        trained.estimator = trained.answers = None
        trained.problem = f"{type(error).__name__}: {error}"
    trained.seconds = time.perf_counter() - start
    if stored is not None and stored.is_here and trained.problem is None:
        stored.write(trained)
    return trained


def _fit_and_ask(trained, data):
    candidate = trained.candidate
    X, X_target = data.of(candidate)
    trained.estimator = _fit(candidate, X, data.y, X_target, data, slice(None))
    if candidate.y_target is not None:
        trained.held_back = _answers_untold(candidate, data)
    if candidate.is_plain:
        kept, held = data.kept, data.held_back
        judged = trained.estimator
        if len(kept) < len(data.y):
            judged = _fit(candidate, X[kept], data.y[kept], None, data, kept)
        trained.held_back = found = _checked_answer(judged, X[held], data)
        if data.learns == "classes":
            codes = np.searchsorted(data.classes, data.y[held])
            trained.temperature = fit_temperature(found, codes)
            trained.held_back = tempered(found, trained.temperature)
    trained.answers = _checked_answer(trained.estimator, X_target, data)
    if data.learns == "classes":
        trained.answers = tempered(trained.answers, trained.temperature)


def _answers_untold(candidate, data):
    """Return what fits predict for the known target samples whose labels they were not told."""
    X, X_target = data.of(candidate)
    known = np.flatnonzero([label is not None for label in candidate.y_target])
    codes = np.searchsorted(data.classes, candidate.y_target[known].tolist())
    # By class, as far as there are enough of each.
    fold = np.argsort(np.argsort(codes, kind="stable")) % N_FOLDS
    found = np.empty((len(known), len(data.classes)))
    for place in range(N_FOLDS):
        untold = known[fold == place]
        y_target = candidate.y_target.copy()
        y_target[untold] = None
        fitted = _fit(replace(candidate, y_target=y_target), X, data.y, X_target, data, slice(None))
        found[fold == place] = _checked_answer(fitted, X_target[untold], data)
    return found


def _checked_answer(estimator, X, data):
    """Return what is predicted, if it is finite and of the shape that it has to be of."""
    found = answer_of(estimator, X, data.classes, data.learns)
    each = (len(data.classes),) if data.learns == "classes" else data.y.shape[1:]
    if found.shape != (len(X), *each):
        raise ValueError(f"what it predicts has shape {found.shape}, not {(len(X), *each)}")
    if not np.isfinite(found).all():
        raise ValueError("what it predicts is not finite")
    return found


def _fit(candidate, X, y, X_target, data, rows):
    """Return the fitted estimator, which sees the target unless it is plain."""
    made, known = clone(candidate.estimator), {}
    weight = None if data.sample_weight is None else data.sample_weight[rows]
    domains = None if data.source_domain is None else data.source_domain[rows]
    last = made.steps[-1] if hasattr(made, "steps") else (None, made)
    prefix = "" if last[0] is None else f"{last[0]}__"
    if weight is not None and (name := _weight_keyword(made, last)) is None:
        raise ValueError("it takes no sample_weight")
    if isinstance(last[1], BaseDomainEstimator) and not candidate.is_plain:
        X, y, sample_domain = pack(X, y, X_target)
        if domains is not None:
            sample_domain[: len(domains)] = domains + 1
        known[f"{prefix}sample_domain"] = sample_domain
        if weight is not None:
            weight = np.concatenate([weight, np.ones(len(X_target))])
        if candidate.y_target is not None:
            n_source = len(X) - len(X_target)
            known["y_target"] = np.concatenate([np.full(n_source, None), candidate.y_target])
    if weight is not None:
        known[name] = weight
    return made.fit(X, y, **known)


def _weight_keyword(made, last):
    if isinstance(last[1], BaseDomainEstimator):
        return "sample_weight" if last[0] is None else f"{last[0]}__sample_weight"
    return weight_name(made)


def answer_of(estimator, X, classes, learns):
    """Return probabilities in the order of the classes, or values, in float64.

    Raises
    ------
    ValueError
        If the estimator knows classes that the source does not have.
    """
    if learns == "values":
        return np.asarray(estimator.predict(X), dtype=np.float64)
    own = np.asarray(getattr(estimator, "classes_", classes))
    if not (known := np.isin(own, classes)).all():
        raise ValueError(f"it knows classes that the source lacks: {own[~known].tolist()}")
    if not has_scores(estimator):
        labels = estimator.predict(X)
        codes = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        if not (classes[codes] == labels).all():
            raise ValueError("it predicts labels that the source lacks")
        rest = (1 - SURE) / max(len(classes) - 1, 1)
        return np.where(np.eye(len(classes), dtype=bool)[codes], SURE, rest)
    scores, are_proba = class_scores(estimator, X, classes)
    if not are_proba:
        return special.softmax(scores, axis=1)
    # Rows of zeros would have no logarithm, and float32 does not add up to one exactly.
    scores = np.maximum(scores, 0)
    return scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12)


def is_deep(estimator):
    """Return whether a network can be written to a file as the deep estimators are."""
    return isinstance(estimator, BaseDeepEstimator)
