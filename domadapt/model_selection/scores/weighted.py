"""Scores from source samples whose labels are known, weighted or not."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from domadapt.domains.arrays import read_both_features, read_weights
from domadapt.domains.cautions import warn
from domadapt.model_selection._calibration import fit_temperature, tempered
from domadapt.model_selection.scores._losses import as_score, sample_losses
from domadapt.model_selection.scores._parameters import check_parameters

__all__ = [
    "deep_embedded_validation_score",
    "importance_weighted_score",
    "importance_weights",
    "source_validation_score",
]

# Folds in each of which the domain classifier has not seen the samples that it weighs.
FOLDS = 5


def source_validation_score(
    y: Any, predicted: Any, *, loss: str = "zero_one", classes: Any = None
) -> float:
    r"""Score on held-out source samples.

    :math:`1 - \frac1n \sum_i [\hat y_i \ne y_i]`, the accuracy; minus the mean loss for the
    other losses.

    Cost: n.

    It knows nothing of the target. It sees a model that has lost the source, and prefers
    one that does not adapt: choosing by it, and by other scores that look at the source,
    came .03 to .09 below choosing with target labels, and harmed ten and more of 54 pairs of
    domains. The learner that is best on the source may be far off on the target.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels of source samples that were not trained on, or values.
    predicted : array-like of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
        Predicted labels, probabilities or values. Beside probabilities ``y`` holds their
        columns, or labels out of ``classes``.
    loss : {"zero_one", "log_loss", "squared_error"}, default="zero_one"
        "log_loss" needs probabilities, "squared_error" values.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns of probabilities. None stands for 0 to n_classes - 1.

    Returns
    -------
    score : float
        An accuracy, from 0 to 1; otherwise at most 0.

    Raises
    ------
    ValueError
        If lengths, labels or probabilities are not as described.

    References
    ----------
    Ganin, Lempitsky (2015). "Unsupervised domain adaptation by backpropagation". ICML.

    Examples
    --------
    >>> from domadapt.model_selection import source_validation_score
    >>> source_validation_score([0, 1, 1, 0], [0, 1, 0, 0])
    0.75
    """
    return as_score(sample_losses(y, predicted, loss, classes).mean(), loss)


def importance_weights(
    source_features: Any,
    target_features: Any,
    *,
    clip: float | None = 20.0,
    normalize: bool = True,
    random_state: Any = None,
) -> np.ndarray:
    r"""Ratios of the densities of target and source at source samples, from features.

    With :math:`q(x)` the probability that a balanced, calibrated domain classifier gives to
    the target, :math:`w(x) = q(x) / (1 - q(x))`. It is logistic regression on scaled features,
    and each sample is weighed by one that has not seen it, in five folds; a temperature makes
    the probabilities of these mean what they say.

    Cost: five fits of logistic regression.

    Where features tell the domains apart wholly, as those of a model that was not adapted
    often do, the ratio is anything: few samples then have weights that count, which ``clip``
    and the temperature hold back only. Where labels depend on features in another way in the
    target, no weights help.

    Parameters
    ----------
    source_features : array-like or sparse matrix of shape (n_source, n_features)
        Features of source samples.
    target_features : array-like or sparse matrix of shape (n_target, n_features)
        Features of target samples.
    clip : float or None, default=20.0
        Weights above this multiple of their mean are clipped to it. None clips nothing.
    normalize : bool, default=True
        Whether weights get the mean 1. The control variate of
        :func:`deep_embedded_validation_score` does nothing then: pass False for that.
    random_state : int, RandomState instance or None, default=None
        Which samples are in which fold.

    Returns
    -------
    weights : ndarray of shape (n_source,), float64
        Above 0.

    Raises
    ------
    ValueError
        If features are no finite numbers, differ in columns, ``clip`` is below 1, or a domain
        has fewer than two samples.

    References
    ----------
    Bickel, Brueckner, Scheffer (2009). "Discriminative learning under covariate shift". Journal
    of Machine Learning Research 10.

    Examples
    --------
    >>> import numpy as np
    >>> from domadapt.model_selection import importance_weights
    >>> rng = np.random.default_rng(0)
    >>> Xs, Xt = rng.normal(0, 1, (300, 1)), rng.normal(1, 1, (300, 1))
    >>> weights = importance_weights(Xs, Xt, random_state=0)
    >>> bool(weights[Xs[:, 0] > 1].mean() > 3 * weights[Xs[:, 0] < 0].mean())
    True
    """
    check_parameters("importance_weights", clip=clip)
    source, target = read_both_features(source_features, target_features)
    sizes = source.shape[0], target.shape[0]
    if min(sizes) < 2:
        raise ValueError(
            "importance_weights needs two samples of each domain at least, and there are "
            f"{sizes[0]} of the source and {sizes[1]} of the target."
        )
    X = (sparse.vstack if sparse.issparse(source) else np.vstack)([source, target])
    is_target = np.repeat([0, 1], sizes)
    classifier = make_pipeline(
        StandardScaler(with_mean=not sparse.issparse(X)),
        LogisticRegression(class_weight="balanced", max_iter=1000),
    )
    generator = check_random_state(random_state)
    folds = StratifiedKFold(min(FOLDS, *sizes), shuffle=True, random_state=generator)
    q = cross_val_predict(classifier, X, is_target, cv=folds, method="predict_proba")
    balanced = (1 / np.asarray(sizes))[is_target]
    q = tempered(q, fit_temperature(q, is_target, balanced / balanced.mean()))[: sizes[0]]
    weights = q[:, 1] / q[:, 0]
    if clip is not None:
        weights = np.minimum(weights, clip * weights.mean())
    return weights / weights.mean() if normalize else weights


def importance_weighted_score(
    y: Any, predicted: Any, weights: Any, *, loss: str = "zero_one", classes: Any = None
) -> float:
    r"""Score on source samples weighted by how much more likely they are in the target.

    :math:`1 - \sum_i w_i [\hat y_i \ne y_i] / \sum_i w_i`, importance-weighted validation;
    minus the weighted mean for the other losses.

    Cost: n, and that of the weights.

    Under covariate shift, where the source covers the target, it estimates the accuracy on the
    target. Where it does not, few samples decide. In the stored results of skada-bench choosing
    by it loses 2 to 3 points against target labels, at worst 41 on shallow methods.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels of source samples that were not trained on, or values.
    predicted : array-like of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
        Predicted labels, probabilities or values. Beside probabilities ``y`` holds their
        columns, or labels out of ``classes``.
    weights : array-like of shape (n_samples,)
        Weights of at least 0, those of :func:`importance_weights` for example.
    loss : {"zero_one", "log_loss", "squared_error"}, default="zero_one"
        "log_loss" needs probabilities, "squared_error" values.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns of probabilities. None stands for 0 to n_classes - 1.

    Returns
    -------
    score : float
        An accuracy, from 0 to 1; otherwise at most 0.

    Raises
    ------
    ValueError
        If lengths, labels, probabilities or weights are not as described.

    References
    ----------
    Sugiyama, Krauledat, Müller (2007). "Covariate shift adaptation by importance weighted cross
    validation". Journal of Machine Learning Research 8.

    Examples
    --------
    >>> from domadapt.model_selection import importance_weighted_score
    >>> importance_weighted_score([0, 1, 1, 0], [0, 1, 0, 0], [1.0, 1.0, 2.0, 0.0])
    0.5
    """
    losses = sample_losses(y, predicted, loss, classes)
    weights = read_weights("weights", weights, len(losses))
    return as_score(weights @ losses / weights.sum(), loss)


def deep_embedded_validation_score(
    y: Any, predicted: Any, weights: Any, *, loss: str = "zero_one", classes: Any = None
) -> float:
    r"""Importance-weighted score with a control variate, deep embedded validation (DEV).

    With weighted losses :math:`l_i w_i` and :math:`\eta = -\mathrm{Cov}(lw, w) / \mathrm{Var}(w)`,
    the risk is :math:`\overline{lw} + \eta \bar w - \eta`; its variance is smaller where weights
    and weighted losses go together. The score is 1 minus the risk for the share of errors, and
    minus the risk for the other losses. With weights of mean 1 exactly it is the
    importance-weighted score: pass those of the ratio itself.

    Cost: n, and that of the weights.

    It is known to fail, and warns each time: it chooses collapsed models, whose features have
    weights that say nothing. In the stored results of skada-bench choosing by it loses 7.7
    points against target labels on average, and 88 at worst. The estimate may lie outside of
    0 and 1.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        True labels of source samples that were not trained on, or values.
    predicted : array-like of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
        Predicted labels, probabilities or values. Beside probabilities ``y`` holds their
        columns, or labels out of ``classes``.
    weights : array-like of shape (n_samples,)
        Weights of at least 0, those of :func:`importance_weights` with ``normalize=False``.
    loss : {"zero_one", "log_loss", "squared_error"}, default="zero_one"
        "log_loss" needs probabilities, "squared_error" values.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns of probabilities. None stands for 0 to n_classes - 1.

    Returns
    -------
    score : float
        Larger is better.

    Raises
    ------
    ValueError
        If lengths, labels, probabilities or weights are not as described.

    Warns
    -----
    UserWarning
        Always, for what is said above.

    References
    ----------
    You, Wang, Long, Jordan (2019). "Towards accurate model selection in deep unsupervised domain
    adaptation". ICML.

    Examples
    --------
    >>> import warnings
    >>> from domadapt.model_selection import deep_embedded_validation_score
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     deep_embedded_validation_score([0, 1], [0, 0], [0.5, 1.0])
    0.0
    """
    warn(
        "Deep embedded validation (DEV) is known to fail: it chooses collapsed models, and loses "
        "7.7 points against choosing with target labels on average, 88 at worst (skada-bench). "
        "Use information_maximization together with ensemble_agreement or contradiction instead."
    )
    losses = sample_losses(y, predicted, loss, classes)
    weights = read_weights("weights", weights, len(losses))
    weighted = weights * losses
    apart = weights - weights.mean()
    variance = apart @ apart
    # Rounding leaves weights that are all the same some 1e-33 of their squares.
    varies = variance > 1e-24 * (weights @ weights)
    eta = -(apart @ (weighted - weighted.mean())) / variance if varies else 0.0
    return as_score(weighted.mean() + eta * weights.mean() - eta, loss)
