"""
A search without labels of the target
=====================================

How strong should the alignment be? A search with labels of the target would know, and nobody has
them. Here a grid is scored three ways: by held-out samples of the source, by a score that needs no
label of the target, and, for the picture alone, by the labels that nobody has.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from domadapt import DANNClassifier, pack
from domadapt.datasets import load_camera_digits
from domadapt.model_selection import StratifiedDomainKFold, get_domain_scorer

data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
X, y, sample_domain = pack(Xs, data.y_source, Xt)

# %%
# The scorers see held-out samples of both domains, and only the source's labels.

grid = {"alignment_weight": [0.0, 0.1, 0.3, 1.0, 3.0, 10.0]}
names = ["source_validation", "mixval", "nuclear_norm"]
search = GridSearchCV(
    DANNClassifier(max_epochs=20, random_state=0),
    grid,
    scoring={name: get_domain_scorer(name) for name in names},
    cv=StratifiedDomainKFold(n_splits=2, shuffle=True, random_state=0),
    refit="mixval",
)
search.fit(X, y, sample_domain=sample_domain)

# %%
# What each score says of each weight, and what is true.

weights = [str(value) for value in grid["alignment_weight"]]
truth = []
for value in grid["alignment_weight"]:
    clf = DANNClassifier(max_epochs=20, alignment_weight=value, random_state=0)
    truth.append(100 * clf.fit(Xs, data.y_source, X_target=Xt).score(Xt, data.y_target))
figure, axes = plt.subplots(1, 4, figsize=(14, 3.5), layout="constrained", sharex=True)
for axis, name in zip(axes, names, strict=False):
    scores = search.cv_results_[f"mean_test_{name}"]
    axis.plot(weights, scores, "o-", color="0.4")
    axis.plot(weights[np.argmax(scores)], scores.max(), "o", color="#e06a2f", markersize=11)
    chosen = truth[int(np.argmax(scores))]
    axis.set(title=f"{name}\nchooses {weights[np.argmax(scores)]}: {chosen:.1f} % right")
    print(f"{name:<18} chooses alignment_weight={weights[np.argmax(scores)]}: {chosen:.1f} %")
axes[3].plot(weights, truth, "o-", color="#2a9d6b")
axes[3].set(title=f"right on the target, unknown\nbest {max(truth):.1f} %")
figure.supxlabel("alignment_weight")

# %%
# No score is right everywhere: :doc:`what was measured of them </scores_without_target_labels>`.
