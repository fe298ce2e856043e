"""Many fits at once, on the same samples."""

from collections.abc import Sequence
from typing import Any

from domadapt.domains.base import BaseDomainEstimator
from domadapt.domains.cautions import warn
from domadapt.estimators._deep import BaseDeepEstimator
from domadapt.training.together import WholeFit, run_together


def fit_together(
    estimators: Sequence[Any],
    X: Any,
    y: Any,
    *,
    sample_domain: Any = None,
    X_target: Any = None,
    sample_weight: Any = None,
    y_target: Any = None,
    on_error: str = "raise",
    verbose: bool = False,
) -> list[Any]:
    """Fit several estimators to the same samples at once.

    Deep estimators whose networks have the same layers train as one: their weights stand along
    a first axis, and one step updates all. They may differ in ``random_state``, in rates,
    weights and schedules, in ``max_epochs``, and in the criterion and its parameters. Each ends
    as its own ``fit`` would leave it, up to rounding: with the same mini-batches, history,
    callbacks and checkpoints, at its own last epoch.

    What cannot go together is fitted one after the other: networks of other layers, or with
    layers that are not known here, several stages, photographs read from files, mini-batches
    that ``accumulate`` runs in parts, ``bfloat16``, ``loss_weights`` that are found in training,
    and estimators without a network.

    Parameters
    ----------
    estimators : sequence of estimators
        Each once. They are fitted in place.
    X : array-like or sparse matrix of shape (n_samples, n_features), image stack or paths
        As in ``fit`` of the estimators.
    y : array-like of shape (n_samples,)
        As in ``fit``.
    sample_domain : array-like of shape (n_samples,), default=None
        As in ``fit``.
    X_target : array-like or sparse matrix of shape (n_target, n_features), default=None
        As in ``fit``.
    sample_weight : array-like of shape (n_samples,), default=None
        As in ``fit``.
    y_target : array-like of shape (n_target,), default=None
        As in ``fit``.
    on_error : {"raise", "warn"}, default="raise"
        What to do where a fit ends before its end, for instance by a loss that is not finite:
        raise its error when the others are done, or warn. It is then as its own ``fit`` would
        have left it.
    verbose : bool, default=False
        Print which estimators are fitted by themselves, and why. ``verbose`` of an estimator
        prints its epochs.

    Returns
    -------
    estimators : list of estimators
        Those that were passed, fitted.

    Raises
    ------
    TypeError
        If something is no estimator of domadapt's.
    ValueError
        If there is none, one comes twice, or ``on_error`` is unknown; and before any training,
        what ``fit`` of one of them raises for its parameters or the samples.
    NonFiniteLossError
        When all others are fitted, if a loss of one was no longer finite.

    See Also
    --------
    domadapt.AutoAdaptClassifier : Fits several methods, and chooses without target labels.

    Notes
    -----
    On one core the gain is large for small networks: there a step alone spends most of its time
    on the way to its operations. For networks with a million weights it is small.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from domadapt import DANNClassifier, fit_together
    >>> Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
    >>> Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
    >>> seeds = [DANNClassifier(max_epochs=20, random_state=seed) for seed in range(3)]
    >>> fitted = fit_together(seeds, Xs, ys, X_target=Xt)
    >>> [bool(clf.score(Xt, yt) > 0.8) for clf in fitted]
    [True, True, True]
    """
    fitted = _check_estimators(estimators)
    if on_error not in ("raise", "warn"):
        raise ValueError(f"on_error={on_error!r} is unknown: use 'raise' or 'warn'.")
    given = {
        "sample_domain": sample_domain,
        "X_target": X_target,
        "sample_weight": sample_weight,
        "y_target": y_target,
    }
    fits = [_fitting_of(estimator, X, y, given) for estimator in fitted]
    errors = run_together(fits, print if verbose else None, strict=on_error == "raise")
    for number, (estimator, error) in enumerate(zip(fitted, errors, strict=True)):
        if error is None:
            continue
        which = f"estimators[{number}], {type(estimator).__name__}"
        if on_error == "raise":
            error.add_note(f"This is {which}. All that raised nothing are fitted.")
            raise error
        warn(f"{which}: {type(error).__name__}: {error}")
    return fitted


def _fitting_of(estimator, X, y, given):
    """Return a generator that yields for each epoch; one without a network has a single one."""
    if isinstance(estimator, BaseDeepEstimator):
        return estimator._fitting(X, y, **given)
    return _as_one_epoch(lambda: estimator.fit(X, y, **given))


def _as_one_epoch(fit):
    yield None
    yield WholeFit(fit)


def _check_estimators(estimators):
    estimators = list(estimators)
    if not estimators:
        raise ValueError("estimators holds none. Pass at least one.")
    for number, estimator in enumerate(estimators):
        if isinstance(estimator, type) or not isinstance(estimator, BaseDomainEstimator):
            raise TypeError(
                f"estimators[{number}]={estimator!r} is no estimator of domadapt's. Pass "
                "instances, such as DANNClassifier(random_state=0)."
            )
        first = next(i for i, other in enumerate(estimators) if other is estimator)
        if first < number:
            raise ValueError(
                f"estimators[{number}] is the same object as estimators[{first}]. Pass a copy "
                "of each, such as sklearn.base.clone returns."
            )
    return estimators
