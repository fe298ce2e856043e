"""Whether a source was of use: fine-tuning against training from scratch, on held-out rows."""

import numpy as np
from scipy.stats import binomtest, wilcoxon
from sklearn.base import is_classifier
from sklearn.model_selection import KFold, StratifiedKFold

from domadapt.domains.cautions import warn

# Half of the rows train, the other half is predicted, and the reverse.
N_PARTS = 2
LEVEL = 0.05


def check_can_compare(estimator, domains):
    """Check that each half of the rows can be trained on.

    Raises
    ------
    ValueError
        If a class has one row, or there are fewer than four values.
    """
    y = domains.y
    if is_classifier(estimator):
        classes, counts = np.unique(y, return_counts=True)
        if counts.min() < N_PARTS:
            raise ValueError(
                f"compare=True trains on half of the rows, and class "
                f"{classes.tolist()[counts.argmin()]!r} has {counts.min()}. At least {N_PARTS} rows of each "
                "class were expected, or compare=False."
            )
    elif len(y) < 2 * N_PARTS:
        raise ValueError(
            f"compare=True trains on half of the rows, and there are {len(y)}. At least "
            f"{2 * N_PARTS} were expected, or compare=False."
        )


def compare_with_scratch(estimator, domains):
    """Return the scores of fine-tuning and of training from scratch on rows held out.

    Each half of the rows is predicted by fits on the other. Differences are tested in pairs of
    rows: classes by McNemar's exact test, values by Wilcoxon's of their squared errors. A warning
    comes where training from scratch is better at the level of 5 %.
    """
    seed = estimator._draw_seed()
    classifies = is_classifier(estimator)
    folds = (StratifiedKFold if classifies else KFold)(N_PARTS, shuffle=True, random_state=seed)
    rows, y = np.arange(len(domains.y)), domains.y
    losses = np.empty((2, len(y)))
    for train, test in folds.split(rows, y if classifies else None):
        weight = domains.sample_weight
        for losses_of_one, from_scratch in zip(losses, (False, True), strict=True):
            fresh = _fresh(estimator, seed, from_scratch=from_scratch)
            fresh.fit(
                domains.source.take(train),
                y[train],
                sample_weight=None if weight is None else weight[train],
            )
            found = fresh.predict(domains.source.take(test))
            wrong = found != y[test] if classifies else np.square(found - y[test])
            losses_of_one[test] = wrong.reshape(len(test), -1).mean(axis=1)
    return _judged(estimator, losses, classifies=classifies)


def _fresh(estimator, seed, *, from_scratch):
    """Return an unfitted estimator for one half of the rows."""
    parameters = estimator.get_params(deep=False)
    parameters |= {"compare": False, "checkpoint": None, "verbose": False, "random_state": seed}
    if from_scratch:
        parameters |= {"strategy": "full", "regularisation": None}
    fresh = type(estimator)(**parameters)
    fresh._from_scratch = from_scratch
    return fresh


def _judged(estimator, losses, *, classifies):
    """Return the mean of both and the p-value, and warn where fine-tuning loses."""
    difference = losses[0] - losses[1]
    worse, better = int((difference > 0).sum()), int((difference < 0).sum())
    if worse + better == 0:
        p_value = 1.0
    elif classifies:
        p_value = binomtest(worse, worse + better, alternative="greater").pvalue
    else:
        p_value = wilcoxon(difference, alternative="greater").pvalue
    means = losses.mean(axis=1)
    scores = (1.0 - means) if classifies else means
    if p_value < LEVEL:
        kind = "accuracy" if classifies else "mean squared error"
        tuned, scratch = (f"{100 * s:.1f} %" if classifies else f"{s:.4g}" for s in scores)
        warn(
            f"Training from scratch is better than fine-tuning here: {kind} {scratch} against "
            f"{tuned} on {losses.shape[1]} rows held out (p = {p_value:.2g}). This source does "
            f"harm: train {type(estimator).__name__}'s network on these rows alone, or take "
            "another source."
        )
    fine_tuned, from_scratch = map(float, scores)
    return {"fine_tuned": fine_tuned, "from_scratch": from_scratch, "p_value": float(p_value)}
