"""Models that scores need beside the one that is scored: of the source alone, and trained anew."""

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import has_fit_parameter

from domadapt.domains.arrays import read_features
from domadapt.domains.stacking import pack
from domadapt.model_selection._answers import all_labels, columns_of, in_columns, labels_of
from domadapt.model_selection._calibration import fit_temperature, tempered

# Folds of the source by which the source model is calibrated.
FOLDS = 5


def domain_keywords(estimator):
    """Return the keywords by which ``fit`` takes sample_domain, one for each step that does."""
    if isinstance(estimator, Pipeline):
        steps = {name: step for name, step in estimator.steps if hasattr(step, "fit")}
        found = {name: domain_keywords(step) for name, step in steps.items()}
        if not found.get(estimator.steps[-1][0]):
            # A last step that knows no domains would take target samples for labelled ones.
            return []
        return [f"{name}__{keyword}" for name, several in found.items() for keyword in several]
    if isinstance(estimator, BaseSearchCV):
        return domain_keywords(estimator.estimator)
    return ["sample_domain"] if has_fit_parameter(estimator, "sample_domain") else []


def trained_anew(estimator, X, y, X_target, seed=None):
    """Return a clone, trained on labelled samples and on unlabelled ones where it takes them."""
    estimator = clone(estimator)
    if seed is not None:
        generator = check_random_state(seed)
        parameters = estimator.get_params()
        names = [n for n in sorted(parameters) if n.rpartition("__")[2] == "random_state"]
        seeds = {n: int(generator.randint(np.iinfo(np.int32).max)) for n in names}
        estimator.set_params(**seeds)
    keywords = domain_keywords(estimator)
    # With metadata routing a pipeline would have to be told what its steps want.
    with config_context(enable_metadata_routing=False):
        if not keywords:
            return estimator.fit(X, y)
        X, y, sample_domain = pack(X, y, X_target)
        return estimator.fit(X, y, **dict.fromkeys(keywords, sample_domain))


def source_model_proba(answers, source_model, random_state):
    """Return calibrated probabilities of target samples by a source model, and its classes.

    It is calibrated on the labelled source samples to score, which a model that was passed has
    not seen. Without one, logistic regression is trained on them, in folds for the calibration.
    """
    y = answers.y_source
    if source_model is None:
        classes, held_out, of_target = _plain_model(answers, y, random_state)
    else:
        classes = all_labels([labels_of(source_model), np.unique(y)])
        held_out = answers.probabilities(
            source_model, answers.X_source, classes, answers.source_domain
        )
        of_target = answers.probabilities(source_model, answers.X_target, classes)
    temperature = fit_temperature(held_out, columns_of(y, classes))
    return tempered(of_target, temperature), classes


def _plain_model(answers, y, random_state):
    """Return classes and probabilities of held-out source and of target samples."""
    X, X_target = (_as_table(answers.name, X) for X in (answers.X_source, answers.X_target))
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{answers.name} trains a source model on the source samples to score, which have but "
            f"one class, {classes.tolist()[0]!r}. Use larger folds, stratified by label, or pass "
            "source_model=, a fitted classifier."
        )
    model = make_pipeline(
        StandardScaler(with_mean=not sparse.issparse(X)), LogisticRegression(max_iter=1000)
    )
    held_out = np.full((len(codes), len(classes)), 1 / len(classes))
    for seen, held in _folds(codes, random_state):
        if len(np.unique(codes[seen])) > 1:
            fitted = clone(model).fit(X[seen], codes[seen])
            proba = fitted.predict_proba(X[held])
            held_out[held] = in_columns(proba, fitted.classes_, np.arange(len(classes)))
    return classes, held_out, model.fit(X, codes).predict_proba(X_target)


def _folds(codes, random_state):
    """Return folds with all classes in each, as far as there are samples for that."""
    generator, counts = check_random_state(random_state), np.bincount(codes)
    kind = StratifiedKFold if counts.min() >= 2 else KFold
    n_folds = min(FOLDS, counts.min() if counts.min() >= 2 else len(codes))
    return kind(n_folds, shuffle=True, random_state=generator).split(codes[:, None], codes)


def _as_table(name, X):
    """Return samples as rows of numbers."""
    if not hasattr(X, "iloc") and not sparse.issparse(X):
        X = np.asarray(X)
        X = X.reshape(len(X), -1) if X.ndim > 2 else X
    try:
        return read_features("X", X)
    except ValueError as error:
        raise ValueError(
            f"{name} trains logistic regression on X for a source model, which needs numbers. Pass "
            f"source_model=, a fitted classifier for samples of this kind. {error}"
        ) from error


def mixes(name, X, labels, larger_part, random_state):
    """Return mixed samples and the rows of both parts of each.

    Each row is mixed with one of the same label, where there is another, and with one of
    another label.
    """
    generator, labels = check_random_state(random_state), np.unique(labels, return_inverse=True)[1]
    pairs = []
    for code in range(labels.max() + 1):
        own, others = np.flatnonzero(labels == code), np.flatnonzero(labels != code)
        order = generator.permutation(own)
        if len(own) > 1:
            pairs.append((order, np.roll(order, 1)))
        if len(others):
            pairs.append((own, generator.choice(others, len(own))))
    if not pairs:
        raise ValueError(f"{name} needs two target samples at least, and there is 1.")
    first, second = np.hstack(pairs)
    a, b = _safe_indexing(X, first), _safe_indexing(X, second)
    return _mixed(name, a, b, larger_part), first, second


def _mixed(name, a, b, larger_part):
    """Return weighted means of two arrays of samples, of their kind."""
    if hasattr(a, "iloc"):
        values = _mixed(name, a.to_numpy(), b.to_numpy(), larger_part)
        return type(a)(values, columns=a.columns)
    if not sparse.issparse(a):
        a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} mixes samples, and those of dtype {a.dtype} cannot be: columns of numbers or "
            "images were expected. Use 'information_maximization' or 'ensemble_agreement'."
        )
    mixed = larger_part * a + (1 - larger_part) * b
    if a.dtype == np.uint8:
        return np.rint(mixed).astype(np.uint8)
    return mixed.astype(a.dtype) if a.dtype.kind == "f" else mixed
