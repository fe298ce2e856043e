"""Class proportions of the target, and how far a source model tells its classes apart."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import special
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from domadapt.domains.samples import Domains, Samples
from domadapt.shallow import BBSEProportions, EMProportions
from domadapt.shallow.label_shift._calibration import fit_scaling, floor_of, logits_of, scaled
from domadapt.shallow.label_shift._proportions import (
    HeldOut,
    fold_scores,
    unexplained_share,
)

FOLDS = 5
N_BOOTSTRAPS, LEVEL = 100, 0.95
# Rows between which all distances are looked at.
FOR_DISTANCES = 1000
# Probabilities below this are as good as 0, and logarithms beyond this as good as infinite.
SMALLEST, FARTHEST = 1e-6, 8.0


@dataclass(frozen=True)
class SourceModel:
    """What classifiers of the source say of source rows that they have not seen, and of the target.

    Calibrated probabilities of shapes (n_source, n_classes) and (n_target, n_classes).
    """

    held_out: HeldOut
    target: np.ndarray

    @property
    def accuracy(self):
        """Share of held-out source rows that are predicted as what they are."""
        return float(np.mean(self.held_out.probabilities.argmax(axis=1) == self.held_out.codes))

    def features(self):
        """Return what it says of either domain as columns, by which domains are told apart."""
        return _functions_of(self.held_out.probabilities), _functions_of(self.target)

    def difference(self, weight):
        """Return how far predictions of weighted source rows and of target rows are apart.

        The largest difference of distribution functions, and what chance makes of it.
        """
        return unexplained_share(self.held_out, weight, self.target)


@dataclass(frozen=True)
class ClassProportion:
    """The share of one class in either domain.

    Attributes
    ----------
    name : object
        The class; where labels are numbers, a quarter of them.
    source : float
        Its share of the source.
    em : float
        Its share of the target by EM, if nothing else moved.
    em_interval : tuple of float
        Its interval of 95 %, by bootstrap over the rows of both domains.
    bbse : float or None
        The same by the confusion matrix; None where that is singular.
    bbse_interval : tuple of float or None
        Its interval.
    """

    name: object
    source: float
    em: float
    em_interval: tuple
    bbse: float | None
    bbse_interval: tuple | None


def _functions_of(probabilities):
    """Return probabilities, their logarithms, and how sure they are."""
    logs = np.log(np.maximum(probabilities, SMALLEST))
    logs -= logs.mean(axis=1, keepdims=True)
    ordered = np.sort(probabilities, axis=1)
    entropy = special.entr(probabilities).sum(axis=1)
    sure = [ordered[:, -1], ordered[:, -1] - ordered[:, -2], entropy]
    return np.column_stack([np.clip(logs, -FARTHEST, FARTHEST), probabilities, *sure])


def source_model(source, codes, target, features):
    """Return what a classifier on features of the rows says, held out and calibrated."""
    fewest = int(np.bincount(codes).min())
    folds = StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=0)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    rows = [Samples(features(part)) for part in (source, target)]
    domains = Domains(rows[0], codes, None, rows[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = fold_scores(classifier, domains, np.unique(codes), codes, folds)
    weight = np.ones(len(codes))
    floor = floor_of(found[0])
    logits = logits_of(found[0], floor)
    scaling = fit_scaling(logits, codes, weight, "bias_corrected")
    held_out = HeldOut(np.exp(scaled(logits, *scaling)), codes, weight)
    return SourceModel(held_out, np.exp(scaled(logits_of(found[1], floor), *scaling)))


def class_proportions(model, names, rng):
    """Return the proportions of the classes in the target, with intervals."""
    em, bbse = _estimates(model.held_out, model.target)
    drawn = [_estimates(*_resampled(model, rng)) for _ in range(N_BOOTSTRAPS)]
    em_low, em_high = _interval([one for one, _ in drawn])
    of_bbse = [one for _, one in drawn if one is not None]
    found = []
    for j, name in enumerate(names):
        second = None if bbse is None or len(of_bbse) < N_BOOTSTRAPS / 2 else float(bbse[j])
        interval = None
        if second is not None:
            low, high = _interval(of_bbse)
            interval = (min(float(low[j]), second), max(float(high[j]), second))
        first = float(em[j])
        of_em = (min(float(em_low[j]), first), max(float(em_high[j]), first))
        share = float(model.held_out.proportions[j])
        found.append(ClassProportion(name, share, first, of_em, second, interval))
    return found


def _estimates(held_out, target):
    """Return proportions by EM and by the confusion matrix, None where that is singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        em = EMProportions(max_iter=500, tol=1e-4).estimate(target, held_out.proportions)
        try:
            bbse = BBSEProportions().estimate(target, held_out.probabilities, held_out.codes)
        except ValueError:
            bbse = None
    return em, bbse if bbse is not None and np.isfinite(bbse).all() else None


def _resampled(model, rng):
    """Return the model's answers for rows drawn with replacement, source rows class by class."""
    codes = model.held_out.codes
    rows = rng.integers(len(codes), size=len(codes))
    # Every class stays: each keeps its first row.
    rows = np.append(rows, np.unique(codes, return_index=True)[1])
    held_out = HeldOut(model.held_out.probabilities[rows], codes[rows], np.ones(len(rows)))
    return held_out, model.target[rng.integers(len(model.target), size=len(model.target))]


def _interval(estimates):
    return np.quantile(estimates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)


@dataclass(frozen=True)
class Separability:
    """How far the classes are apart, on the source by labels, on the target by predictions.

    Attributes
    ----------
    source_accuracy : float
        Accuracy of a linear model on held-out source rows.
    source_confidence, target_confidence : float
        Mean of its largest calibrated probability.
    source_silhouette, target_silhouette : float
        Mean silhouette of the true classes of source rows and of the predicted ones of the
        target, from -1 to 1; 0 where there is but one class.
    agreement_with_clusters : float
        Adjusted mutual information of the target's predicted classes and as many clusters
        (k-means); about 1 where each cluster is one class, 0 where they are unrelated.
    """

    source_accuracy: float
    source_confidence: float
    target_confidence: float
    source_silhouette: float
    target_silhouette: float
    agreement_with_clusters: float


def separability(model, source, target, rng):
    """Return how far classes are apart; ``source`` and ``target`` are standardised columns."""
    of_source = rng.permutation(len(source))[:FOR_DISTANCES]
    of_target = rng.permutation(len(target))[:FOR_DISTANCES]
    predicted = model.target.argmax(axis=1)
    n_classes = model.target.shape[1]
    seed = int(rng.integers(np.iinfo(np.int32).max))
    n_clusters = min(n_classes, len(np.unique(target, axis=0)))
    clusters = KMeans(n_clusters, n_init=3, random_state=seed).fit_predict(target)
    return Separability(
        model.accuracy,
        float(model.held_out.probabilities.max(axis=1).mean()),
        float(model.target.max(axis=1).mean()),
        _silhouette(source[of_source], model.held_out.codes[of_source]),
        _silhouette(target[of_target], predicted[of_target]),
        float(adjusted_mutual_info_score(predicted, clusters)),
    )


def _silhouette(X, labels):
    n_labels = len(np.unique(labels))
    return float(silhouette_score(X, labels)) if 1 < n_labels < len(labels) else 0.0
