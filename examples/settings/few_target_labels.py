"""
A few labels of the target
==========================

Somebody labelled a few samples of the target: one, three or ten of each digit. ``y_target`` takes
them, with NaN for the others, and the fit learns from them beside all the rest. A model of these
few alone is the other way to use them, and has to be beaten.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from domadapt import MCCClassifier
from domadapt.datasets import load_camera_digits

data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
ys, yt = data.y_source, data.y_target

# %%
# The labelled samples are drawn class by class, and left out of the accuracy.

each = [0, 1, 3, 10]
together, alone = [], []
rng = np.random.default_rng(0)
by_class = [rng.permutation(np.flatnonzero(yt == label)) for label in range(10)]
for n in each:
    known = np.concatenate([rows[:n] for rows in by_class])
    others = np.setdiff1d(np.arange(len(yt)), known)
    y_target = np.full(len(yt), np.nan)
    y_target[known] = yt[known]
    given = {"X_target": Xt, "y_target": y_target} if n else {"X_target": Xt}
    clf = MCCClassifier(max_epochs=30, random_state=0).fit(Xs, ys, **given)
    together.append(100 * clf.score(Xt[others], yt[others]))
    few = LogisticRegression(max_iter=1000).fit(Xt[known], yt[known]) if n else None
    alone.append(np.nan if few is None else 100 * few.score(Xt[others], yt[others]))
    print(f"{n:>2} of each digit: {together[-1]:.1f} % with the source, {alone[-1]:.1f} % alone")

# %%

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.plot(each, together, "o-", label="source, target and the few labels (MCC)")
axis.plot(each, alone, "s--", label="the few labels alone (logistic regression)")
axis.set(xlabel="labelled target samples of each digit", ylabel="accuracy on the other samples, %")
axis.set_xticks(each)
axis.legend()

# %%
# A model that somebody else trained can be moved by the same few labels:
# :ref:`sphx_glr_gallery_neighbours_fine_tuning.py`.
