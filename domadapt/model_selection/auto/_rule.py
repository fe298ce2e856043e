"""The rule of the automatic choice for classes: from what candidates predict to a mixture.

All of it is computed from labelled source samples and unlabelled target samples.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from domadapt.model_selection._smoothness import class_roughness
from domadapt.model_selection.scores import information_maximization_score

LOWEST = 1e-4
# Plain models weigh by their agreement with their own vote, to this power.
VOTE_POWER = 4
# Plain labels that are smoother than true ones by more than this tell of no errors; rougher
# ones do, the more so the farther plain models are apart: where all speaks for adapting the
# weight of their vote falls from most to least.
SMOOTH, ROUGH = -0.05, 0.0
AGREED, APART = 0.85, 0.70
MOST, LEAST = 4.0, 0.5
# What a candidate is rated by beside its agreement with the anchored consensus.
SURENESS, ROUGHNESS = (0.25, 0.5, 0.75), 2.0
# Shares of the candidates, the best first, whose mean is taken.
SHARES = (0.25, 0.35, 0.45)
N_ROUNDS = 3
# A class is erased where a candidate predicts it less often than this share of the vote's.
ERASED = 0.1


@dataclass(frozen=True)
class Mixture:
    """Weights of candidates, and of the plain vote that they are multiplied with.

    The probabilities are proportional to ``(sum_i weights_i p_i) * anchor ** exponent``, or
    those of the plain vote where ``exponent`` is infinite.
    """

    weights: np.ndarray
    vote_weights: np.ndarray
    exponent: float
    agreement: np.ndarray
    erased: np.ndarray
    roughness: np.ndarray
    rating: np.ndarray

    @property
    def is_plain(self):
        """Whether the plain vote stands alone."""
        return bool(np.isinf(self.exponent))

    def combine(self, proba, anchor):
        """Return the probabilities of the mixture of those of the candidates, (M, n, C)."""
        if self.is_plain:
            return anchor
        mean = np.tensordot(self.weights, proba, axes=1)
        return special.softmax(np.log(mean + 1e-9) + self.exponent * log_anchor(anchor), axis=1)


def log_anchor(anchor):
    """Return the logarithm of the anchor, in units in which two classes and many are alike."""
    return np.log(np.maximum(anchor, LOWEST)) / np.log2(anchor.shape[1])


def vote_weights(plain):
    """Return the weights of plain models, (M, n, C), by how much they agree with their vote."""
    weights = np.full(len(plain), 1 / len(plain))
    labels = plain.argmax(axis=2)
    for _ in range(N_ROUNDS):
        voted = np.tensordot(weights, plain, axes=1).argmax(axis=1)
        agreement = np.mean(labels == voted, axis=1) ** VOTE_POWER
        weights = agreement / max(agreement.sum(), 1e-300)
    return weights


def smoothed(vote, of_neighbors):
    """Return the anchor: half the vote of each sample, half the mean of its neighbours'."""
    return (vote + of_neighbors.mean(axis=1)) / 2


def anchor_exponent(excess, agreement):
    """Return how strongly the plain vote holds.

    Where plain labels change as seldom between neighbours as true labels do, nothing tells of
    errors that adapting could mend: infinity. Where they change more often, and plain models
    contradict each other, little.

    Parameters
    ----------
    excess : float
        By how much the labels of the vote are rougher than true labels.
    agreement : float
        How often two of the plain models agree.

    Returns
    -------
    exponent : float
        At least LEAST.
    """
    if excess < SMOOTH:
        return np.inf
    roughness = np.clip((excess - SMOOTH) / (ROUGH - SMOOTH), 0.0, 1.0)
    doubt = np.clip((AGREED - agreement) / (AGREED - APART), 0.0, 1.0)
    return float(MOST * (LEAST / MOST) ** (roughness * doubt))


def mix(proba, is_plain, anchor, exponent, neighbors, vote):
    """Rate candidates and return the mixture of the best.

    Parameters
    ----------
    proba : ndarray of shape (n_candidates, n_target, n_classes)
        What the candidates predict for target samples.
    is_plain : ndarray of shape (n_candidates,), bool
        Which are the plain models.
    anchor : ndarray of shape (n_target, n_classes)
        The vote of the plain models, smoothed over neighbours.
    exponent : float
        As :func:`anchor_exponent` returns it.
    neighbors : ndarray of shape (n_target, n_neighbors)
        For each target sample the places of its neighbours.
    vote : ndarray of shape (n_plain,)
        Weights of the plain models.

    Returns
    -------
    mixture : Mixture
        The weights, and what each candidate was rated by.
    """
    n_classes, labels = proba.shape[2], proba.argmax(axis=2)
    voted = np.tensordot(vote, proba[is_plain], axes=1)
    erased = _erased(labels, voted.argmax(axis=1), n_classes)
    rough = np.array([class_roughness(codes, neighbors, n_classes) for codes in labels])
    sure = np.array([information_maximization_score(p) for p in proba])
    log_a = log_anchor(anchor)
    strength = MOST if np.isinf(exponent) else exponent
    weights = np.full(len(proba), 1 / len(proba))
    for _ in range(N_ROUNDS):
        consensus = np.log(np.tensordot(weights, proba, axes=1) + 1e-9) + strength * log_a
        agreement = np.mean(labels == consensus.argmax(axis=1), axis=1)
        ratings = [w * sure + agreement - erased - ROUGHNESS * rough for w in SURENESS]
        weights = np.mean([_best(rating, share) for rating in ratings for share in SHARES], axis=0)
    return Mixture(
        *(weights, vote, exponent, agreement, erased, rough), rating=np.mean(ratings, axis=0)
    )


def _erased(labels, voted, n_classes):
    """Return for each candidate the share of classes that the vote has and it does not."""
    shares = np.array([np.bincount(codes, minlength=n_classes) for codes in labels])
    shares = shares / labels.shape[1]
    of_vote = np.bincount(voted, minlength=n_classes) / len(voted)
    return np.where(shares < ERASED * of_vote, of_vote - shares, 0.0).sum(axis=1)


def _best(rating, share):
    """Return equal weights of the best so many."""
    n_best = max(1, round(share * len(rating)))
    weights = np.zeros(len(rating))
    weights[np.argsort(-rating, kind="stable")[:n_best]] = 1 / n_best
    return weights
