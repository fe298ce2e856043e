"""The labels of a small target, checked."""

import numpy as np
from sklearn.utils.multiclass import type_of_target

from domadapt.domains.arrays import read_features, read_labels


def read_class_codes(y, n_samples):
    """Return labels as numbers from 0, if there are two classes of them at least."""
    y = read_labels("y", y, n_samples)
    if type_of_target(y).startswith("continuous"):
        raise ValueError(
            f"y holds numbers such as {y[0]}, and classes were expected. Numbers to predict are "
            "for log_me(features, y, values=True) alone: pass them there, or round them."
        )
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y has 1 class: {classes.tolist()}. Labelled samples of at least 2 classes were "
            "expected: nothing can be told of how well one is told from the others."
        )
    return codes


def read_classes(features, y):
    """Return dense features and labels as numbers from 0."""
    features = read_dense(features)
    return features, read_class_codes(y, len(features))


def read_dense(features):
    """Return features in float64 in a dense array."""
    features = read_features("features", features)
    return features if isinstance(features, np.ndarray) else features.toarray()
