"""Importance-weighted aggregation of candidates, and the score of a single one."""

from typing import Any

import numpy as np

from domadapt.domains.arrays import codes_of, read_probabilities, read_weights
from domadapt.model_selection.scores._parameters import check_parameters

__all__ = ["importance_weighted_aggregation", "importance_weighted_aggregation_score"]


def importance_weighted_aggregation(
    y_source: Any,
    source_probas: Any,
    target_probas: Any,
    weights: Any,
    *,
    ridge: float = 1e-3,
    classes: Any = None,
) -> np.ndarray:
    r"""Weights of candidates in the sum that is nearest to the target's labels (IWA).

    With candidates :math:`f_1, \dots, f_m`, :math:`G_{ij} = \frac{1}{n_t} \sum_t \langle f_i(x_t),
    f_j(x_t) \rangle` and :math:`g_i = \sum_s w_s \langle y_s, f_i(x_s) \rangle / \sum_s w_s`, the
    weights are :math:`(G + \lambda \frac{\mathrm{tr} G}{m} I)^{-1} g`. The sum of the candidates'
    probabilities with these weights has the least squared error on the target, as the
    weighted source tells; in theory at most twice that of the best sum, asymptotically.

    Cost: m^2 n C.

    Weights may be below 0, and the sum is no probability: take its largest column. It is as
    good as the importance weights, so that it fails where the source does not cover the
    target, and candidates that are much alike get large weights of both signs, which ``ridge``
    holds back. It harmed 9 of 96 pairs significantly.

    Parameters
    ----------
    y_source : array-like of shape (n_source,)
        Labels of held-out source samples: columns of the probabilities, or out of ``classes``.
    source_probas : array-like of shape (n_candidates, n_source, n_classes)
        Probabilities of these by every candidate.
    target_probas : array-like of shape (n_candidates, n_target, n_classes)
        Probabilities of target samples by every candidate.
    weights : array-like of shape (n_source,)
        Weights of the source samples, those of :func:`importance_weights` for example.
    ridge : float, default=1e-3
        :math:`\lambda`, at least 0.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. None stands for 0 to n_classes - 1.

    Returns
    -------
    aggregation : ndarray of shape (n_candidates,), float64
        The weights of the candidates.

    Raises
    ------
    ValueError
        If there are no candidates, or lengths, labels, probabilities, weights or ``ridge`` are
        not as described.

    References
    ----------
    Dinu, Holzleitner, Beck, Nguyen, Huber, Eghbal-zadeh, Moser, Pereverzyev, Hochreiter,
    Zellinger (2023). "Addressing parameter choice issues in unsupervised domain adaptation by
    aggregation". ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.model_selection import importance_weighted_aggregation
    >>> right, wrong = np.eye(2), np.eye(2)[::-1]
    >>> found = importance_weighted_aggregation([0, 1], [right, wrong], [right, wrong], [1, 1])
    >>> found.round(2)
    array([1., 0.])
    """
    check_parameters("importance_weighted_aggregation", ridge=ridge)
    source, target = list(source_probas), list(target_probas)
    if not source or len(source) != len(target):
        raise ValueError(
            f"source_probas are of {len(source)} candidates, and target_probas of {len(target)}: "
            "as many were expected, one at least."
        )
    G, g = _products(
        y_source,
        {f"source_probas[{i}]": proba for i, proba in enumerate(source)},
        {f"target_probas[{i}]": proba for i, proba in enumerate(target)},
        weights,
        classes,
    )
    scale = np.trace(G) / len(g)
    # Candidates that are the same share what one would get, where ridge is 0 too.
    return np.linalg.lstsq(G + ridge * scale * np.eye(len(g)), g, rcond=None)[0]


def importance_weighted_aggregation_score(
    y_source: Any, source_proba: Any, target_proba: Any, weights: Any, *, classes: Any = None
) -> float:
    r"""Minus the squared error on the target, as aggregation by importance weights sees it.

    What :func:`importance_weighted_aggregation` minimises, of one candidate: :math:`2 g - G - 1`
    with :math:`G = \frac{1}{n_t} \sum_t \|f(x_t)\|^2` and
    :math:`g = \sum_s w_s f(x_s)_{y_s} / \sum_s w_s`. Lengths of predictions are those on the
    target itself, only the part that needs labels is weighted.

    Cost: n C, and that of the weights.

    It is as good as the importance weights, and fails where the source does not cover the
    target. Source and target part may not go together then, so that it may be above 0: a model
    that is right on the source and not sure on the target is favoured.

    Parameters
    ----------
    y_source : array-like of shape (n_source,)
        Labels of held-out source samples: columns of the probabilities, or out of ``classes``.
    source_proba : array-like of shape (n_source, n_classes)
        Their predicted probabilities.
    target_proba : array-like of shape (n_target, n_classes)
        Those of target samples.
    weights : array-like of shape (n_source,)
        Weights of the source samples, those of :func:`importance_weights` for example.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. None stands for 0 to n_classes - 1.

    Returns
    -------
    score : float
        From -2 to 1, 0 for a model that is sure and right.

    Raises
    ------
    ValueError
        If lengths, labels, probabilities or weights are not as described.

    References
    ----------
    Dinu, Holzleitner, Beck, Nguyen, Huber, Eghbal-zadeh, Moser, Pereverzyev, Hochreiter,
    Zellinger (2023). "Addressing parameter choice issues in unsupervised domain adaptation by
    aggregation". ICLR.

    Examples
    --------
    >>> from domadapt.model_selection import importance_weighted_aggregation_score
    >>> right = [[1.0, 0.0], [0.0, 1.0]]
    >>> importance_weighted_aggregation_score([0, 1], right, right, [1.0, 1.0])
    0.0
    """
    given = {"source_proba": source_proba}, {"target_proba": target_proba}
    G, g = _products(y_source, *given, weights, classes)
    return float(2 * g[0] - G[0, 0] - 1)


def _products(y, source_probas, target_probas, weights, classes):
    """Return products of all candidates on the target, and with the labels of the source."""
    source = _read_alike(source_probas)
    target = _read_alike(target_probas, source[0].shape[1])
    codes = codes_of("y_source", y, source[0].shape, classes)
    weights = read_weights("weights", weights, len(codes))
    flat = np.stack([p.ravel() for p in target])
    G = flat @ flat.T / len(target[0])
    g = np.array([weights @ p[np.arange(len(codes)), codes] for p in source]) / weights.sum()
    return G, g


def _read_alike(probas, n_classes=None):
    """Return probabilities, given by name, which are all of the same samples and classes."""
    read: list[np.ndarray] = []
    for name, proba in probas.items():
        n_samples, n_classes = read[0].shape if read else (None, n_classes)
        read.append(read_probabilities(name, proba, n_classes, n_samples))
    return read
