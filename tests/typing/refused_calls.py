"""Mistakes that ``mypy --strict`` has to find: an ignore that is of no use is an error there."""

import numpy as np

from domadapt import AlignmentClassifier, AutoAdaptClassifier, DANNClassifier, OSBPClassifier
from domadapt.shallow import CORALMapping

X, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])

DANNClassifier(alignment_weight="a")  # type: ignore[arg-type]
DANNClassifier(optimizer="lbfgs")  # type: ignore[arg-type]
OSBPClassifier(threshold="high")  # type: ignore[arg-type]
AlignmentClassifier(loss_weights="equal")  # type: ignore[arg-type]
AutoAdaptClassifier(time_budget="long")  # type: ignore[arg-type]
CORALMapping(regularization="strong")  # type: ignore[arg-type]
DANNClassifier().fit(X, y, X)  # type: ignore[arg-type]
