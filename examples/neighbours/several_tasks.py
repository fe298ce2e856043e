"""
Several tasks that learn together
=================================

Three people worked on pictures of digits. One wrote down which digit it is, the second whether it
is even, the third how much ink it has, each for other pictures. The three *tasks* have no row in
common, but what a network learns of strokes for one serves the others. It should pay most where
labels are few: here only sixty digits have a name. Does it?
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from domadapt.inductive import MultiTaskRegressor

X, y = load_digits(return_X_y=True)
ink = X.sum(axis=1)
X = StandardScaler().fit_transform(X).astype("float32")
labels = {"digit": y, "parity": y % 2, "ink": ink}

train, test = train_test_split(range(len(X)), test_size=700, random_state=0)
rows = {"digit": train[:60], "parity": train[60:360], "ink": train[360:660]}
tasks = {name: (X[rows[name]], labels[name][rows[name]]) for name in labels}
tested = {name: (X[test], labels[name][test]) for name in labels}

# %%
# First each task alone, by the same estimator. Digit and parity are classes, ink is a number,
# which :class:`~domadapt.inductive.MultiTaskRegressor` is told by ``learns``.

settings = {"learns": {"digit": "classes", "parity": "classes"}, "random_state": 0}
alone = {}
for name, task in tasks.items():
    only = {n: kind for n, kind in settings["learns"].items() if n == name}
    reg = MultiTaskRegressor(**settings | {"learns": only}).fit({name: task})
    alone |= reg.score({name: tested[name]})

# %%
# Then together, in five ways to share: one trunk for all (*hard*), networks side by side that mix
# their layers (*cross-stitch*), tasks on top of each other, a shared part and private ones, and
# networks whose weights are held near their mean.

ways = {"each alone": alone}
for sharing in ("hard", "cross_stitch", "hierarchical", "shared_private", "mean_regularised"):
    reg = MultiTaskRegressor(sharing=sharing, **settings).fit(tasks)
    ways[sharing] = reg.score(tested)
for way, scores in ways.items():
    print(
        f"{way:>16}: digit {100 * scores['digit']:.1f} %, parity {100 * scores['parity']:.1f} %, "
        f"ink R^2 {scores['ink']:.2f}"
    )

# %%

figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), sharey=True, layout="constrained")
titles = {"digit": "which digit, accuracy", "parity": "even or odd, accuracy", "ink": "ink, R^2"}
for axis, (task, title) in zip(axes, titles.items(), strict=True):
    gains = [100 * (scores[task] - alone[task]) for scores in ways.values()]
    colours = ["#3f8fe0" if gain > 0 else "0.6" for gain in gains[1:]]
    bars = axis.barh(list(ways)[1:], gains[1:], color=colours)
    axis.bar_label(bars, fmt="%+.1f", padding=3)
    axis.axvline(0, color="0.4")
    axis.set(title=title, xlim=(-4, 4), xlabel="points over each alone")
axes[0].invert_yaxis()

# %%
# Hardly: no way of sharing gains a point on any task, and some lose one or two on the digits.
# These tasks ask for different things of a picture, and three hundred rows are enough for two of
# them. Where the tasks are one question that is asked in several groups, networks gained more by
# sharing, and trees were better still: :doc:`several tasks </several_tasks>`.
