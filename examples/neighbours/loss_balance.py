"""
Rare classes, and losses of another scale
=========================================

A network learns from a sum of losses, and what is large in the sum wins. Two cases: a class so
rare that its samples hardly count, and a criterion that is a thousand times as large as the loss
of the labels.
"""

import matplotlib.pyplot as plt
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

# %%
# Of the digits 3 and 8 one in twenty is an 8. The *focal loss* takes weight from samples that are
# right already; *class weights* give it to the rare class. Balanced accuracy is the mean over the
# two classes: a model that never says 8 has 0.5.

ways = {
    "cross-entropy": {},
    "focal loss": {"focal_gamma": 2.0},
    "class weights": {"class_weight": "balanced"},
    "both": {"focal_gamma": 2.0, "class_weight": "balanced"},
}
estimators = {"logistic regression": LogisticRegression(max_iter=1000)} | {
    name: AlignmentClassifier(alignment=None, random_state=0, **settings)
    for name, settings in ways.items()
}
balanced = {}
print("One row in twenty is an 8, balanced accuracy:")
for name, clf in estimators.items():
    predicted = clf.fit(X[rows], y[rows]).predict(X[others])
    balanced[name] = balanced_accuracy_score(y[others], predicted)
    print(f"{name:>20}: {balanced[name]:.3f}")

figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
bars = axis.barh(list(balanced), list(balanced.values()), color=["0.7"] * 2 + ["#3f8fe0"] * 3)
axis.bar_label(bars, fmt="%.3f", padding=3)
axis.invert_yaxis()
axis.set(xlabel="balanced accuracy where one in twenty is an 8", xlim=(0.5, 1.05))

# %%
# The second case: a distance of two domains, times a thousand. With ``loss_weights`` the fit finds
# weights of the losses by itself: from how uncertain each is, or so that their gradients are of
# like size (GradNorm).


def thousandfold(source_features, target_features):
    """Return a distance of the domains that is a thousand times as large as others."""
    return 1000 * (source_features.mean(0) - target_features.mean(0)).square().sum()


Xs, ys = make_blobs(200, centers=[[0, 0], [6, 0]], random_state=0)
Xt, yt = make_blobs(200, centers=[[2, 4], [8, 4]], random_state=1)
print("A criterion a thousand times as large, the weights of the task and of it:")
for weights in ("uncertainty", "gradnorm"):
    clf = AlignmentClassifier([(1.0, thousandfold)], loss_weights=weights, random_state=0)
    clf.set_params(max_epochs=20).fit(Xs, ys, X_target=Xt)
    task, criterion = clf.loss_weights_
    print(f"{weights:>20}: {task:.2g} and {criterion:.2g}")

# %%
# Both take most of the weight from the criterion. More on weights of losses: :doc:`several
# criteria </methods/several_criteria>`.
