"""Losses that ought to count otherwise than they do: rare classes, and a criterion of wild scale.

Rare classes: of the digits 3 and 8, one in twenty is an 8. The focal loss takes weight from rows
that are right already, class weights give it to the rare class. Wild scale: the squared distance
of the means of two domains, times a thousand. Weights that are found make up for it.
"""

import numpy as np
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from domadapt import AlignmentClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
common, rare = np.flatnonzero(y == 3), np.flatnonzero(y == 8)
rows, others = train_test_split(np.concatenate([common, rare]), random_state=0)
rows = np.concatenate([rows[y[rows] == 3], rows[y[rows] == 8][:7]])
ways = {
    "cross-entropy": {},
    "focal loss": {"focal_gamma": 2.0},
    "class weights": {"class_weight": "balanced"},
    "both": {"focal_gamma": 2.0, "class_weight": "balanced"},
}
print("One row in twenty is an 8, balanced accuracy:")
estimators = {"logistic regression": LogisticRegression(max_iter=1000)} | {
    name: AlignmentClassifier(alignment=None, random_state=0, **settings)
    for name, settings in ways.items()
}
for name, clf in estimators.items():
    predicted = clf.fit(X[rows], y[rows]).predict(X[others])
    print(f"{name:>20}: {balanced_accuracy_score(y[others], predicted):.3f}")


def thousandfold(source_features, target_features):
    """Return a distance of the domains that is a thousand times as large as others."""
    return 1000 * (source_features.mean(0) - target_features.mean(0)).square().sum()


Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
print("A criterion a thousand times as large, the weights of the task and of it:")
for weights in ("uncertainty", "gradnorm"):
    clf = AlignmentClassifier([(1.0, thousandfold)], loss_weights=weights, random_state=0)
    clf.set_params(max_epochs=5).fit(Xs, ys, X_target=Xt)
    task, criterion = clf.loss_weights_
    print(f"{weights:>20}: {task:.2g} and {criterion:.2g}")
