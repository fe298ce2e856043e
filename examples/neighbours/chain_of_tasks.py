"""
A chain of tasks, and what is forgotten
=======================================

A network learns to tell the digits 0 to 3 apart. Then it learns 4 to 6, and then 7 to 9, and the
samples of a task are gone when the next one comes. Training on the new task overwrites what the
old one needed: the field calls that *catastrophic forgetting*. Four ways to go on are compared,
and the first of them does nothing about it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from domadapt.inductive import TaskChainClassifier

GROUPS = {"0 to 3": range(4), "4 to 6": range(4, 7), "7 to 9": range(7, 10)}


def by_group(X, y):
    """Return the digits as tasks of a few classes each."""
    rows = {name: np.isin(y, group) for name, group in GROUPS.items()}
    return {name: (X[r], y[r]) for name, r in rows.items()}


X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.3, stratify=y, random_state=0)

# %%
# :class:`~domadapt.inductive.TaskChainClassifier` takes the tasks in their order. After each one
# it is scored on held-out samples of all tasks so far: a row of the table for each task that was
# learnt, a column for each task that is asked about.

names = {
    "plain": "plain: train on",
    "ewc": "EWC: weights that mattered are held",
    "distillation": "distillation: old answers are held",
    "progressive": "progressive: a new network beside the old",
}
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for sign, (strategy, label) in zip("osD^", names.items(), strict=True):
    clf = TaskChainClassifier(strategy, hidden_layer_sizes=(64, 64, 64), random_state=0)
    clf.fit(by_group(X, y), validation=by_group(X_test, y_test))
    print(f"{strategy}\n{clf.forgetting_}\n")
    axis.plot(list(GROUPS), 100 * clf.accuracies_[:, 0], f"{sign}-", label=label)
axis.set(xlabel="after the task", ylabel="accuracy on the first task, 0 to 3, %")
axis.legend()

# %%
# A network for each task forgets nothing, and grows with every task. The two in the middle keep
# one network, and pay for it with some of the new or some of the old. More on :doc:`chains of
# tasks </chains_of_tasks>`.
