"""Scores from how sure and how varied predictions for the target are."""

from typing import Any

import numpy as np
from scipy import special

from domadapt.domains.arrays import as_floats, read_probabilities, read_proportions
from domadapt.model_selection.scores._losses import TINY
from domadapt.model_selection.scores._parameters import check_parameters

__all__ = [
    "entropy_score",
    "information_maximization_score",
    "mano_score",
    "nuclear_norm_score",
]

# Proportions of a prior below this are lifted to it, so that one that is 0 is no proof.
RAREST = 1e-4
# Rows whose mean cross-entropy to uniform probabilities is below this are not sure (MaNo).
UNSURE = 5.0


def entropy_score(target_proba: Any) -> float:
    r"""Minus the mean entropy of target predictions, divided by its largest value.

    :math:`-\frac{1}{n} \sum_j H(p_j) / \log C`, from -1 for uniform predictions to 0 for sure
    ones.

    Cost: n C.

    It prefers models that are sure, right or wrong: one that predicts a single class for all
    of the target has the best score that there is. In the stored results of skada-bench
    choosing by it loses 6.4 points against target labels.

    Parameters
    ----------
    target_proba : array-like of shape (n_target, n_classes)
        Predicted probabilities of target samples.

    Returns
    -------
    score : float
        From -1 to 0.

    Raises
    ------
    ValueError
        If these are no probabilities.

    References
    ----------
    Morerio, Cavazza, Murino (2018). "Minimal-entropy correlation alignment for unsupervised deep
    domain adaptation". ICLR.

    Examples
    --------
    >>> from domadapt.model_selection import entropy_score
    >>> entropy_score([[1.0, 0.0], [0.5, 0.5]])
    -0.5
    """
    proba = read_probabilities("target_proba", target_proba)
    return -_mean_entropy(proba) / _log_classes(proba) + 0.0


def information_maximization_score(target_proba: Any, prior: Any = None) -> float:
    r"""Predictions that are sure one by one, and together have the expected proportions.

    With :math:`\bar p` the mean of the probabilities and a uniform prior,
    :math:`(H(\bar p) - \frac1n \sum_j H(p_j)) / \log C`, the mutual information of sample and
    class; for any prior :math:`\pi`,
    :math:`(\log C - KL(\bar p \| \pi) - \frac1n \sum_j H(p_j)) / \log C`, which is the same for
    the uniform one.

    Cost: n C.

    One class for all of the target has the score 0, and so have uniform predictions. It is
    as good as its prior: where class proportions of the target moved, a uniform prior or that
    of the source prefers models that move samples to the wrong class. It does not see classes
    that changed places. Choosing the five best by it and mixing them harmed 12 of 96 pairs by
    more than a point, with weight on contradiction of the source model.

    Parameters
    ----------
    target_proba : array-like of shape (n_target, n_classes)
        Predicted probabilities of target samples.
    prior : array-like of shape (n_classes,), default=None
        Expected proportions of the classes in the target: those of the source, or estimated
        ones. None stands for uniform ones. Entries below 1e-4 are lifted to it.

    Returns
    -------
    score : float
        At most 1; for a uniform prior at least 0.

    Raises
    ------
    ValueError
        If these are no probabilities, or the prior has another number of classes.

    References
    ----------
    Shi, Sha (2012). "Information-theoretical learning of discriminative clusters for unsupervised
    domain adaptation". ICML.

    Examples
    --------
    >>> from domadapt.model_selection import information_maximization_score
    >>> information_maximization_score([[1.0, 0.0], [0.0, 1.0]])
    1.0
    >>> information_maximization_score([[1.0, 0.0], [1.0, 0.0]])
    0.0
    """
    proba = read_probabilities("target_proba", target_proba)
    n_classes = proba.shape[1]
    if prior is None:
        prior = np.full(n_classes, 1 / n_classes)
    prior = np.maximum(read_proportions("prior", prior, n_classes), RAREST)
    prior /= prior.sum()
    divergence = special.rel_entr(proba.mean(axis=0), prior).sum()
    return float(1 - (divergence + _mean_entropy(proba)) / _log_classes(proba))


def nuclear_norm_score(target_proba: Any) -> float:
    r"""Nuclear norm of the matrix of target predictions, which is large for sure and varied ones.

    :math:`\|P\|_* / \sqrt{n \min(n, C)}`, with the sum of the singular values of the matrix of
    probabilities: 1 for sure predictions of all classes equally often.

    Cost: n C^2.

    One class for all of the target has the score :math:`1 / \sqrt{C}`, less than all others
    that are sure. Like every score that looks at predictions alone it does not see sure
    mistakes, nor classes that changed places, and where proportions moved the best score is
    not that of the right answers. As an estimate of the accuracy it is among the steadiest.

    Parameters
    ----------
    target_proba : array-like of shape (n_target, n_classes)
        Predicted probabilities of target samples.

    Returns
    -------
    score : float
        Above 0, at most 1.

    Raises
    ------
    ValueError
        If these are no probabilities.

    References
    ----------
    Deng, Suh, Gould, Zheng (2023). "Confidence and dispersity speak: characterizing prediction
    matrix for unsupervised accuracy estimation". ICML.

    Cui, Wang, Zhuo, Li, Huang, Tian (2020). "Towards discriminability and diversity: batch
    nuclear-norm maximization under label insufficient situations". CVPR.

    Examples
    --------
    >>> from domadapt.model_selection import nuclear_norm_score
    >>> round(nuclear_norm_score([[1.0, 0.0], [0.0, 1.0]]), 9)
    1.0
    >>> round(nuclear_norm_score([[1.0, 0.0], [1.0, 0.0]]), 9)
    0.707106781
    """
    proba = read_probabilities("target_proba", target_proba)
    norm = np.linalg.svd(proba, compute_uv=False).sum()
    return float(norm / np.sqrt(len(proba) * min(proba.shape)))


def mano_score(target_logits: Any, *, p: float = 4.0) -> float:
    r"""Size of normalised target logits in an :math:`L_p` norm (MaNo).

    Rows of logits z become :math:`q_k = v(z_k) / \sum_l v(z_l)` and the score is
    :math:`(\frac{1}{nC} \sum_{jk} q_{jk}^p)^{1/p}`. With
    :math:`\Phi = -\frac{1}{nC} \sum_{jk} \log \mathrm{softmax}(z_j)_k`, :math:`v = \exp` where
    :math:`\Phi > 5`, the model being sure, and else its Taylor expansion
    :math:`v(z) = 1 + z + z^2 / 2`, which does not take errors of logits to an exponent.

    Cost: n C.

    The larger ``p``, the more only sure rows count. It has no term for variety, so that one
    class for all of the target is as good as any. Models on different sides of the
    switch are not compared by the same rule, and the expansion is large for logits
    far below 0 as well. For one model as the shift grows it is among the steadiest estimates.

    Parameters
    ----------
    target_logits : array-like of shape (n_target, n_classes)
        Logits of target samples. Rows that all are probabilities are taken for such: logits
        are then their logarithms, with mean 0 in each row.
    p : float, default=4.0
        Exponent of the norm.

    Returns
    -------
    score : float
        Above 0, at most :math:`C^{-1/p}`.

    Raises
    ------
    ValueError
        If logits are no finite numbers, or ``p`` is not above 0.

    References
    ----------
    Xie, Odonnat, Feofanov, Deng, Zhang, An (2024). "MaNo: exploiting matrix norm for unsupervised
    accuracy estimation under distribution shifts". NeurIPS.

    Examples
    --------
    >>> from domadapt.model_selection import mano_score
    >>> round(mano_score([[0.0, 0.0]]), 9)
    0.5
    >>> mano_score([[9.0, -9.0], [-9.0, 9.0]]) > mano_score([[1.0, -1.0], [-1.0, 1.0]])
    True
    """
    check_parameters("mano_score", p=p)
    logits = _read_logits(target_logits)
    log_proba = special.log_softmax(logits, axis=1)
    if -log_proba.mean() > UNSURE:
        q = np.exp(log_proba)
    else:
        values = 1 + logits + np.square(logits) / 2
        q = values / values.sum(axis=1, keepdims=True)
    return float(np.mean(q**p) ** (1 / p))


def _read_logits(logits):
    """Return logits in float64, those of probabilities where these came."""
    logits = as_floats("target_logits", logits)
    if logits.ndim != 2 or logits.shape[1] < 2 or not np.isfinite(logits).all() or not len(logits):
        raise ValueError(
            f"target_logits has shape {logits.shape}, and finite numbers of shape (n_target, "
            "n_classes) were expected, with two classes at least."
        )
    if (logits >= 0).all() and np.allclose(logits.sum(axis=1), 1, atol=1e-3):
        logits = np.log(np.maximum(logits, TINY))
        logits = logits - logits.mean(axis=1, keepdims=True)
    return logits


def _mean_entropy(proba):
    """Return the mean over rows of their entropy."""
    return float(special.entr(proba).sum(axis=1).mean())


def _log_classes(proba):
    """Return the largest entropy that there is, of two classes at least."""
    return float(np.log(max(proba.shape[1], 2)))
