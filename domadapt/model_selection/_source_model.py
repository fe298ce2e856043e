"""What plain source models are sure of: held-out, calibrated, and asked about the target."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse, special
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, check_random_state

from domadapt.model_selection._calibration import fit_temperature, tempered
from domadapt.model_selection._smoothness import Neighborhood, compare_roughness
from domadapt.shallow._scores import class_scores

N_FOLDS = 5


@dataclass(frozen=True)
class SourceBeliefs:
    """What plain classifiers of the source say of both domains, averaged and calibrated.

    ``held_out`` are probabilities of source samples by classifiers that have not seen them,
    ``target`` those of target samples, ``codes`` columns of the source labels; ``agreed`` are
    the target samples that all of the classifiers give the same label. ``excess_roughness`` is
    by how much oftener their labels differ between neighbouring target samples than true labels
    do in the source; 0 where that is not known.
    """

    classes: np.ndarray
    codes: np.ndarray
    held_out: np.ndarray
    target: np.ndarray
    agreed: np.ndarray
    excess_roughness: float = 0.0

    @property
    def accuracy(self):
        """Share of held-out source labels that are right."""
        return float((self.held_out.argmax(axis=1) == self.codes).mean())

    @property
    def proportions(self):
        """Proportions of the classes in the source."""
        return np.bincount(self.codes, minlength=len(self.classes)) / len(self.codes)


@dataclass(frozen=True)
class SourceValues:
    """What plain regressors of the source say of both domains, in columns for outputs."""

    values: np.ndarray
    held_out: np.ndarray
    target: np.ndarray


def plain_classifiers(random_state):
    """Return a linear classifier and trees, unfitted: they err in different places."""
    return [LogisticRegression(max_iter=1000), ExtraTreesClassifier(random_state=random_state)]


def plain_regressors(random_state):
    """Return a linear regressor and trees, unfitted."""
    return [RidgeCV(np.logspace(-2, 4, 7)), ExtraTreesRegressor(random_state=random_state)]


def scaled_tables(Xs, Xt):
    """Return both domains as rows of numbers, scaled together; images become rows of pixels."""
    source, target = _as_table("Xs", Xs), _as_table("Xt", Xt)
    if sparse.issparse(source):
        source, target = (X.astype(np.float64) for X in (source, target))
    # Columns that are all but constant in the source would explode in the target by its scale.
    filled = SimpleImputer(keep_empty_features=True)
    scaler = make_pipeline(filled, StandardScaler(with_mean=not sparse.issparse(source)))
    scaler.fit(_stacked(source, target))
    return scaler.transform(source), scaler.transform(target)


def _stacked(source, target):
    return (
        sparse.vstack([source, target]) if sparse.issparse(source) else np.vstack([source, target])
    )


def _as_table(name, X):
    if sparse.issparse(X):
        return X.tocsr()
    X = np.asarray(X)
    if X.dtype.kind not in "biuf" or X.ndim < 2:
        raise ValueError(
            f"{name} has shape {X.shape} and the dtype {X.dtype}, for which there is no plain "
            "source model: numbers in rows, or images, were expected. Pass source_model, such as "
            "AlignmentClassifier(alignment=None, backbone=...) for paths of images."
        )
    return X.reshape(len(X), -1)


def source_beliefs(models, Xs, ys, Xt, random_state):
    """Return what clones of classifiers, fitted to the source, say of samples held out."""
    classes, codes = np.unique(np.asarray(ys), return_inverse=True)
    counts = np.bincount(codes)
    if len(classes) < 2 or counts.min() < 2:
        raise ValueError(
            f"ys has classes {classes.tolist()} with {counts.tolist()} samples, and at least two "
            "classes of at least two samples each were expected: one of each is held back to see "
            "how it is predicted. Leave rarer classes out."
        )
    folds = StratifiedKFold(min(N_FOLDS, counts.min()), shuffle=True, random_state=random_state)
    held_out = np.zeros((len(codes), len(classes)))
    targets = []
    for model in models:
        for seen, held in folds.split(codes, codes):
            fitted = clone(model).fit(_safe_indexing(Xs, seen), classes[codes[seen]])
            held_out[held] += _probabilities(fitted, _safe_indexing(Xs, held), classes)
        targets.append(_probabilities(clone(model).fit(Xs, classes[codes]), Xt, classes))
    held_out, target = held_out / len(models), np.mean(targets, axis=0)
    labels = np.argmax(targets, axis=2)
    temperature = fit_temperature(held_out, codes)
    return SourceBeliefs(
        classes,
        codes,
        tempered(held_out, temperature),
        tempered(target, temperature),
        (labels == labels[0]).all(axis=0),
    )


def with_roughness(beliefs, Xs, Xt, random_state):
    """Return beliefs together with how rough the labels are that they give to scaled samples."""
    generator = check_random_state(random_state)
    source, target = Neighborhood(Xs, generator), Neighborhood(Xt, generator)
    found, expected = compare_roughness(
        source,
        beliefs.codes[source.rows],
        target,
        beliefs.target[target.rows].argmax(axis=1),
        len(beliefs.classes),
        generator,
    )
    return replace(beliefs, excess_roughness=found - expected)


def _probabilities(fitted, X, classes):
    scores, are_probabilities = class_scores(fitted, X, classes)
    return scores if are_probabilities else special.softmax(scores, axis=1)


def source_values(models, Xs, ys, Xt, random_state):
    """Return what clones of regressors, fitted to the source, say of samples held out."""
    values = np.asarray(ys, dtype=np.float64)
    held_out, targets = np.zeros_like(values), []
    folds = KFold(min(N_FOLDS, len(values)), shuffle=True, random_state=random_state)
    for model in models:
        for seen, held in folds.split(values):
            fitted = clone(model).fit(_safe_indexing(Xs, seen), values[seen])
            held_out[held] += fitted.predict(_safe_indexing(Xs, held)).reshape(values[held].shape)
        targets.append(np.asarray(clone(model).fit(Xs, values).predict(Xt)))
    columns = (values, held_out / len(models), np.mean(targets, axis=0))
    return SourceValues(*(v.reshape(len(v), -1) for v in columns))
