"""The plain models that a gain has to beat, and on how many targets a method is below them."""

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

LINEAR, TREES = "logistic regression", "extra trees"
N_TREES = 300


def plain_models(seed=0):
    """Return a linear model and trees, not fitted, by title."""
    trees = ExtraTreesClassifier(N_TREES, n_jobs=1, random_state=seed)
    return {LINEAR: LogisticRegression(max_iter=1000), TREES: trees}


def harmed(means, plain):
    """Count the targets on which each method is below the best plain model of that target.

    Parameters
    ----------
    means : dict of str to list of float
        The mean score on every target, by method.
    plain : collection of str
        Which of the methods are plain models. The best one of each target is found by its labels:
        nobody could choose so well without them.

    Returns
    -------
    counts : dict of str to str
        ``"2 of 6"``, and nothing for the plain models.
    """
    best = np.max([means[title] for title in plain], axis=0)
    below = {title: int(np.sum(np.array(row) < best - 1e-9)) for title, row in means.items()}
    return {title: "" if title in plain else f"{n} of {len(best)}" for title, n in below.items()}
