"""What all corrections for label shift share: held-out probabilities, and corrected answers."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import special, stats
from sklearn.model_selection import StratifiedKFold
from sklearn.utils._param_validation import Interval, StrOptions

from domadapt.domains.arrays import check_probabilities
from domadapt.domains.base import estimator
from domadapt.domains.cautions import warn
from domadapt.shallow._adapter import Adapter
from domadapt.shallow._scores import check_scores, class_scores
from domadapt.shallow._training import fit_weighted
from domadapt.shallow.label_shift._calibration import (
    ScaledClassifier,
    fit_scaling,
    floor_of,
    logits_of,
    scaled,
)

TINY = np.finfo(np.float64).tiny
# Samples moved where a larger part of the target than this is explained by no proportions, and a
# larger one than chance makes with this probability.
UNEXPLAINED, CHANCE = 0.05, 0.05


@dataclass(frozen=True)
class HeldOut:
    """What classifiers that have not seen them say of source samples.

    ``probabilities`` are of shape (n_source, n_classes), ``codes`` are columns of the true
    classes, ``weight`` are weights of samples.
    """

    probabilities: np.ndarray
    codes: np.ndarray
    weight: np.ndarray

    @property
    def proportions(self):
        """Weighted proportions of the classes."""
        counts = np.bincount(self.codes, self.weight, self.probabilities.shape[1])
        return counts / counts.sum()

    @property
    def confusion(self):
        """Weighted share of the samples that are predicted as i and are j, in row i, column j."""
        n_classes = self.probabilities.shape[1]
        predicted = self.probabilities.argmax(axis=1)
        cells = np.bincount(predicted * n_classes + self.codes, self.weight, n_classes**2)
        return cells.reshape(n_classes, n_classes) / self.weight.sum()

    @property
    def effective_size(self):
        """Number of samples of one weight that would say as much."""
        return self.weight.sum() ** 2 / np.square(self.weight).sum()


@estimator
class Proportions(Adapter):
    """An adapter that corrects predictions for moved proportions of classes.

    Subclasses have ``_estimate(target_probabilities, held_out)``, which returns the
    proportions of the target.
    """

    calibration: str | None = "bias_corrected"
    cv: int = 5
    significance: float = 0.01
    only_explained: bool = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "calibration": [StrOptions({"bias_corrected", "temperature"}), None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "significance": [Interval(Real, 0, 1, closed="both")],
        "only_explained": ["boolean"],
    }

    def _estimate(self, target_probabilities, held_out):
        raise NotImplementedError

    def _check_estimator(self, estimator):
        check_scores(estimator, f"{type(self).__name__} needs to know how sure the classifier is")

    def _train(self, estimator, domains):
        classes, codes = np.unique(domains.y, return_inverse=True)
        folds = self._folds(classes, codes)
        source, target, are_probabilities = fold_scores(estimator, domains, classes, codes, folds)
        weight = np.ones(len(codes)) if domains.sample_weight is None else domains.sample_weight
        floor = floor_of(source) if are_probabilities else None
        logits = logits_of(source, floor)
        temperature, bias = fit_scaling(logits, codes, weight, self.calibration)
        held_out = HeldOut(np.exp(scaled(logits, temperature, bias)), codes, weight)
        target = np.exp(scaled(logits_of(target, floor), temperature, bias))
        is_corrected = self._keep_proportions(target, held_out, domains, classes)
        if self.calibration is not None and not is_corrected:
            # Without biases, predictions are those of the plain classifier.
            temperature, bias = fit_scaling(logits, codes, weight, "temperature")
        self.temperature_ = temperature
        X = domains.source.take(slice(None))
        fitted = fit_weighted(estimator, X, domains.y, domains.sample_weight)
        return ScaledClassifier(fitted, temperature, bias, floor)

    def _folds(self, classes, codes):
        counts = np.bincount(codes)
        rarest = int(counts.argmin())
        if counts[rarest] < 2:
            raise ValueError(
                f"{type(self).__name__} holds source samples of each class back to see how they "
                f"are predicted, and y has {counts[rarest]} sample of class "
                f"{classes.tolist()[rarest]!r}. Two at least were expected: leave the class out, "
                "join it with another, or use an adapter that maps samples, such as 'coral'."
            )
        return StratifiedKFold(min(self.cv, counts[rarest]), shuffle=True, random_state=0)

    def _keep_proportions(self, target, held_out, domains, classes):
        """Keep what was estimated and what of it is used; return whether that corrects."""
        counts, others = np.zeros(len(classes)), target
        if domains.known is not None:
            found, known = np.unique(domains.y_known, return_counts=True)
            counts[np.searchsorted(classes, found)] = known
            others = np.delete(target, domains.known, axis=0)
        source = estimated = held_out.proportions
        self.p_value_, self.unexplained_, is_used = 1.0, 0.0, False
        if len(others):
            estimated = self._estimate(others, held_out)
            self.p_value_ = p_value_of_means(held_out, others)
            is_used = self._is_explained(others, held_out, estimated / source)
            is_used &= self.p_value_ <= self.significance
        self.source_proportions_ = source
        self.estimated_proportions_, self.class_proportions_ = (
            (counts + len(others) * proportions) / len(target)
            for proportions in (estimated, estimated if is_used else source)
        )
        return is_used or domains.known is not None

    def _is_explained(self, target, held_out, ratio):
        """Return whether proportions are to be trusted; warn where more than these moved."""
        weight = held_out.weight * ratio[held_out.codes]
        self.unexplained_, by_chance = unexplained_share(held_out, weight, target)
        if self.unexplained_ <= max(UNEXPLAINED, by_chance):
            return True
        done = "Predictions are not corrected" if self.only_explained else "They are made use of"
        warn(
            f"At least {self.unexplained_:.0%} of the target samples are predicted as no mixture "
            f"of the source's classes is, and chance makes {by_chance:.0%}: more than class "
            f"proportions moved, and those that {type(self).__name__} found may be far off. "
            f"{done} (only_explained={self.only_explained}). For samples that moved there are "
            "adapters such as 'coral'."
        )
        return not self.only_explained

    def _ratio(self):
        """Return by how much each class is more frequent in the target."""
        return self.class_proportions_ / self.source_proportions_

    def _respond(self, estimator, method, X):
        # Classes that the target does not have keep a finite logarithm.
        ratio = np.log(np.maximum(self._ratio(), TINY))
        log_p = estimator.log_probabilities(X) + ratio
        if method == "predict":
            return estimator.classes_[log_p.argmax(axis=1)]
        probabilities = special.softmax(log_p, axis=1)
        is_single = getattr(X, "dtype", None) == np.float32
        return probabilities.astype(np.float32) if is_single else probabilities

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Predictions alone are looked at.
        tags.input_tags.sparse = tags.input_tags.allow_nan = tags.input_tags.categorical = True
        return tags


def fold_scores(estimator, domains, classes, codes, folds):
    """Return scores of both domains by classifiers that have not seen the samples.

    Each fold's classifier answers for as large a part of either domain, so that samples of the
    same distribution have scores of the same distribution.
    """
    source = np.empty((len(codes), len(classes)))
    target, are_probabilities = np.empty((len(domains.target), len(classes))), True
    parts = np.array_split(np.random.default_rng(0).permutation(len(target)), folds.get_n_splits())
    splits = folds.split(np.zeros(len(codes)), codes)
    for (seen, held), asked in zip(splits, parts, strict=True):
        weight = None if domains.sample_weight is None else domains.sample_weight[seen]
        fitted = fit_weighted(estimator, domains.source.take(seen), domains.y[seen], weight)
        X = domains.source.take(held)
        source[held], are_probabilities = class_scores(fitted, X, classes)
        if len(asked):
            target[asked], _ = class_scores(fitted, domains.target.take(asked), classes)
    return source, target, are_probabilities


def p_value_of_means(held_out, target):
    """Return how probable mean probabilities so different are, were the proportions the same.

    By Hotelling's statistic of two samples of one covariance.
    """
    weight, sizes = held_out.weight / held_out.weight.sum(), (held_out.effective_size, len(target))
    difference = target.mean(axis=0) - weight @ held_out.probabilities
    of_source = np.cov(held_out.probabilities.T, aweights=weight, ddof=0)
    pooled = np.average([of_source, np.cov(target.T, ddof=0)], axis=0, weights=sizes)
    covariance = pooled * sum(1 / n for n in sizes)
    # Rows have the sum 1, so that one direction at least has no variance.
    values, vectors = np.linalg.eigh(covariance)
    kept = values > max(values.max(), TINY) * 1e-9
    along = vectors[:, kept].T @ difference
    if np.linalg.norm(difference) > np.linalg.norm(along) + 1e-9:
        # Probabilities without variance that differ, do so for certain.
        return 0.0
    return float(stats.chi2.sf(np.square(along) @ (1 / values[kept]), max(kept.sum(), 1)))


def unexplained_share(held_out, weight, target):
    """Return the share of target samples that weighted source samples do not explain.

    And the share that chance makes, but for the probability CHANCE.
    """
    share = largest_difference(held_out.probabilities, weight, target)
    sizes = weight.sum() ** 2 / np.square(weight).sum(), len(target)
    level = np.log(2 * (target.shape[1] + 1) / CHANCE) / 2
    return share, float(np.sqrt(level * sum(1 / n for n in sizes)))


def largest_difference(source, weight, target):
    """Return the largest difference of distribution functions of predicted probabilities.

    Those of each class, and the largest of each sample. At least this share of the mass of one
    side would have to be moved to get the other.
    """
    # Logarithms, which differ where probabilities are all but 0, without what rounding adds.
    source, target = (
        np.log(np.maximum(np.column_stack([p, p.max(axis=1)]), TINY)).round(6)
        for p in (source, target)
    )
    largest = 0.0
    for ours, theirs in zip(source.T, target.T, strict=True):
        order = np.argsort(ours, kind="stable")
        mass = np.append(0.0, np.cumsum(weight[order]) / weight.sum())
        ours, theirs = ours[order], np.sort(theirs)
        at = np.concatenate([ours, theirs])
        below = np.searchsorted(theirs, at, side="right") / len(theirs)
        difference = mass[np.searchsorted(ours, at, side="right")] - below
        largest = max(largest, float(abs(difference).max()))
    return largest


def read_held_out(source_probabilities, y):
    """Return probabilities and labels that a person held out as :class:`HeldOut`."""
    probabilities = check_probabilities("source_probabilities", source_probabilities)
    classes, codes = np.unique(np.asarray(y), return_inverse=True)
    if codes.shape != (len(probabilities),) or len(classes) != probabilities.shape[1]:
        raise ValueError(
            f"y has {len(codes)} labels of {len(classes)} classes, and source_probabilities has "
            f"shape {probabilities.shape}: a label for each row, and a sample of each class at "
            "least, were expected."
        )
    return HeldOut(probabilities, codes, np.ones(len(codes)))
