"""
Several sources, and one target
===============================

Two labelled sources: upright digits, and the same digits upside down. The target is a poor camera,
which holds them upright. More sources are not always better: here are the answers of each source
alone, of both thrown together, and of two methods that align each source with the target.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, DANNClassifier, M3SDAClassifier
from domadapt.datasets import load_camera_digits

data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
ys, yt = data.y_source, data.y_target
# As images, upside down: the last pixel comes first.
turned = Xs[:, ::-1]

# %%
# Sources are the numbers 1, 2, ... in ``sample_domain``, and the target is -1. The labels of target
# samples are never read, whatever stands there.

X = np.concatenate([Xs, turned, Xt])
y = np.concatenate([ys, ys, np.full(len(Xt), -1)])
sample_domain = np.repeat([1, 2, -1], [len(Xs), len(Xs), len(Xt)])
sources = sample_domain > 0

models = {
    "upright alone": AlignmentClassifier(None, random_state=0).fit(Xs, ys),
    "upside down alone": AlignmentClassifier(None, random_state=0).fit(turned, ys),
    "both thrown together": AlignmentClassifier(None, random_state=0).fit(X[sources], y[sources]),
    "upright, DANN": DANNClassifier(random_state=0).fit(Xs, ys, X_target=Xt),
    "both, DANN": DANNClassifier(random_state=0).fit(X, y, sample_domain=sample_domain),
    "both, M3SDA": M3SDAClassifier(random_state=0).fit(X, y, sample_domain=sample_domain),
}
right = {name: 100 * clf.score(Xt, yt) for name, clf in models.items()}
for name, accuracy in right.items():
    print(f"{name:<22} {accuracy:5.1f} % of the target right")

# %%
# The second source does harm in every way of using it, and less where each is aligned by itself
# than where both are thrown together. Which source is of use can be asked before:
# :ref:`sphx_glr_gallery_choosing_which_source.py`.

figure, axis = plt.subplots(figsize=(8, 3.5), layout="constrained")
bars = axis.barh(list(right), list(right.values()), color=["0.7"] * 3 + ["#3f8fe0"] * 3)
axis.bar_label(bars, fmt="%.1f", padding=3)
axis.invert_yaxis()
axis.set(xlabel="target accuracy in %", xlim=(0, 100))
