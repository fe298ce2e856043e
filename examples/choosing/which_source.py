"""
Which of several sources is of use
==================================

Digits by a poor camera are the target, of which 50 have labels. The sources are clean digits, the
same upside down (as images), and clean digits with shuffled labels.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier
from domadapt.datasets import load_camera_digits
from domadapt.inductive import FineTuneClassifier, transferability_table

data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
ys, yt = data.y_source, data.y_target
few = np.zeros(len(yt), dtype=bool)
for label in range(10):
    few[np.flatnonzero(yt == label)[:5]] = True
settings = {"max_epochs": 15, "random_state": 0}

rng = np.random.default_rng(0)
first, second, third = np.array_split(rng.permutation(len(Xs)), 3)
parts = {
    "clean": (Xs[first], ys[first]),
    "upside down": (Xs[second][:, ::-1], ys[second]),
    "shuffled labels": (Xs[third], rng.permutation(ys[third])),
}
sources = {
    name: AlignmentClassifier(alignment=None, **settings).fit(X, y)
    for name, (X, y) in parts.items()
}

# %%
# The ranking needs the few labels of the target, and no training.

table = transferability_table(sources, Xt[few], yt[few])
print(table)

# %%
# Was the ranking right? All other labels of the target are for these figures alone.

figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
for name in table["source"]:
    tuned = FineTuneClassifier(sources[name], **settings).fit(Xt[few], yt[few])
    right = 100 * tuned.score(Xt[~few], yt[~few])
    print(f"{name:>16}: {right:.1f} % after fine-tuning")
    axis.bar_label(axis.barh(name, right, color="#3f8fe0"), fmt="%.1f", padding=3)
axis.invert_yaxis()
axis.set(
    xlabel="accuracy after fine-tuning, %", xlim=(0, 100), title="From the best of the ranking"
)

# %%
# One network of all three sources and the target, first with the same weight for each.
X = np.concatenate([*(X for X, _ in parts.values()), Xt])
y = np.concatenate([*(y for _, y in parts.values()), np.full(len(Xt), -1)])
domain = np.repeat([1, 2, 3, -1], [*(len(y) for _, y in parts.values()), len(Xt)])
known = np.concatenate([np.full(len(Xs), np.nan), np.where(few, yt, np.nan)])
for rule in (None, "transferability"):
    clf = AlignmentClassifier("mmd", source_weights=rule, **settings)
    clf.fit(X, y, sample_domain=domain, y_target=known)
    right = np.mean(clf.transduction_[~few] == yt[~few])
    print(f"weights {rule}: {100 * right:.1f} %")
    if rule is not None:
        print("  ", dict(zip(parts, clf.source_weights_.round(2).tolist(), strict=True)))
