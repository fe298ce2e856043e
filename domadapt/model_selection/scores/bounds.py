"""A bound on the error on the target, by a critic that disagrees there as much as it can."""

from typing import Any

import numpy as np
from scipy import optimize, sparse, special
from sklearn.preprocessing import StandardScaler

from domadapt.domains.arrays import check_same_kind, read_both_features, read_labels
from domadapt.model_selection.scores._parameters import check_parameters

__all__ = ["disagreement_discrepancy_score"]

# Of squared coefficients, so that critics of domains that are told apart wholly stay finite.
RIDGE = 1e-4
MAX_ITER = 200


def disagreement_discrepancy_score(
    y_source: Any,
    source_labels: Any,
    target_labels: Any,
    source_features: Any,
    target_features: Any,
    *,
    delta: float = 0.01,
) -> float:
    r"""1 minus the Dis^2 bound on the error on the target: an accuracy that is rarely missed.

    A critic h', linear on the features, is trained to agree with the predictions h on source
    samples and to disagree with them on target samples. The error on the target is at most

    .. math:: \hat\epsilon_S(h) + [\hat\epsilon_T(h, h') - \hat\epsilon_S(h, h')]_+
        + \sqrt{\frac{(n_S + 4 n_T) \log(1 / \delta)}{2 n_S n_T}}

    with probability :math:`1 - \delta`, provided that h' disagrees with h on the target, compared
    with the source, as much as the true labels do. That is an assumption, which held nearly
    always in practice. Both are counted on the samples that the critic was trained on, where it
    disagrees more than on others, so that the bound is the looser. On the source the loss is the
    cross-entropy over :math:`\log C`, on the target
    :math:`\log(1 + \exp(z_h - \frac{1}{C-1} \sum_{k \ne h} z_k)) / \log 2`, both convex.
    The score is 1 minus the bound, and below 0 where that says nothing.

    Cost: some hundred steps of n d C, with d features.

    It is a bound and no estimate. With few samples to a feature a critic disagrees at will, and
    the bound is vacuous for all models alike. It sees no more than the features do: a model
    that maps target samples onto the wrong classes of the source wholly passes, and so does one
    that has collapsed in its features, whose errors on the source alone tell it. As a score to
    choose by, rules like it harmed 7 of 96 pairs significantly.

    Parameters
    ----------
    y_source : array-like of shape (n_source,)
        True labels of source samples that were not trained on.
    source_labels : array-like of shape (n_source,)
        What is predicted for them.
    target_labels : array-like of shape (n_target,)
        What is predicted for target samples.
    source_features : array-like or sparse matrix of shape (n_source, n_features)
        Features of the source samples.
    target_features : array-like or sparse matrix of shape (n_target, n_features)
        Features of the target samples.
    delta : float, default=0.01
        How probable it may be that the bound is missed by chance.

    Returns
    -------
    score : float
        At most 1.

    Raises
    ------
    ValueError
        If lengths or columns differ, labels are missing, or ``delta`` is not between 0 and 1.

    References
    ----------
    Rosenfeld, Garg (2023). "(Almost) provable error bounds under distribution shift via
    disagreement discrepancy". NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.model_selection import disagreement_discrepancy_score
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2))
    >>> def score(Xt):  # of a rule that is right on the source
    ...     ys, yt = Xs[:, 0] > 0, Xt[:, 0] > 0
    ...     return disagreement_discrepancy_score(ys, ys, yt, Xs, Xt)
    >>> score(Xt) > 0.8 > 0.6 > score(Xt + [1, 0])
    True
    """
    check_parameters("disagreement_discrepancy_score", delta=delta)
    source, target = read_both_features(source_features, target_features)
    y = read_labels("y_source", y_source, source.shape[0])
    of_source = read_labels("source_labels", source_labels, source.shape[0])
    of_target = read_labels("target_labels", target_labels, target.shape[0])
    check_same_kind("source_labels", of_source, "y_source", y)
    check_same_kind("target_labels", of_target, "y_source", y)
    error = np.mean(y != of_source)
    discrepancy = _largest_discrepancy(y, of_source, of_target, source, target)
    n_s, n_t = source.shape[0], target.shape[0]
    by_chance = np.sqrt((n_s + 4 * n_t) * np.log(1 / delta) / (2 * n_s * n_t))
    return float(1 - error - max(discrepancy, 0.0) - by_chance)


def _largest_discrepancy(y, of_source, of_target, source, target):
    """Return how much more a critic disagrees on the target than on the source."""
    classes, codes = np.unique(np.concatenate([y, of_source, of_target]), return_inverse=True)
    codes_s, codes_t = codes[len(y) : 2 * len(y)], codes[2 * len(y) :]
    if len(classes) < 2:
        return 0.0
    both = (sparse.vstack if sparse.issparse(source) else np.vstack)([source, target])
    scaler = StandardScaler(with_mean=not sparse.issparse(both)).fit(both)
    source, target = scaler.transform(source), scaler.transform(target)
    weights, bias = _critic(source, codes_s, target, codes_t, len(classes))
    said_s, said_t = ((Z @ weights + bias).argmax(axis=1) for Z in (source, target))
    return float(np.mean(said_t != codes_t) - np.mean(said_s != codes_s))


def _critic(source, codes_s, target, codes_t, n_classes):
    """Return coefficients and bias of the linear critic whose loss is the least."""
    n_features = source.shape[1]
    rows_s, rows_t = np.arange(len(codes_s)), np.arange(len(codes_t))
    # By how much the logits of a row count in the margin of its predicted class.
    sign = np.full((len(codes_t), n_classes), -1.0 / (n_classes - 1))
    sign[rows_t, codes_t] = 1.0
    unit_s = 1 / (len(codes_s) * np.log(n_classes))
    unit_t = 1 / (len(codes_t) * np.log(2))

    def loss(parameters):
        table = parameters.reshape(n_features + 1, n_classes)
        weights, bias = table[:-1], table[-1]
        log_p = special.log_softmax(source @ weights + bias, axis=1)
        margin = (sign * (target @ weights + bias)).sum(axis=1)
        value = -unit_s * log_p[rows_s, codes_s].sum() + unit_t * np.logaddexp(0, margin).sum()
        slope_s = np.exp(log_p)
        slope_s[rows_s, codes_s] -= 1
        slope_s *= unit_s
        slope_t = sign * (unit_t * special.expit(margin))[:, None]
        gradient = np.vstack(
            [
                source.T @ slope_s + target.T @ slope_t + RIDGE * weights,
                slope_s.sum(axis=0) + slope_t.sum(axis=0),
            ]
        )
        return value + RIDGE / 2 * np.square(weights).sum(), gradient.ravel()

    found = optimize.minimize(
        loss,
        np.zeros((n_features + 1) * n_classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITER},
    ).x.reshape(n_features + 1, n_classes)
    return found[:-1], found[-1]
