"""Digits that come as three tasks, one after the other, and what is left of the first.

    python examples/chain_of_tasks.py

The rows of a task are not there any more when the next one comes.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from domadapt.inductive import TaskChainClassifier

GROUPS = {"0 to 3": range(4), "4 to 6": range(4, 7), "7 to 9": range(7, 10)}


def by_group(X, y):
    """Return the digits as tasks of a few classes each."""
    rows = {name: np.isin(y, group) for name, group in GROUPS.items()}
    return {name: (X[r], y[r]) for name, r in rows.items()}


def main():
    """Learn the chain by each strategy and print the table of forgetting."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.3, stratify=y, random_state=0)
    for strategy in ("plain", "ewc", "distillation", "progressive"):
        clf = TaskChainClassifier(strategy, hidden_layer_sizes=(64, 64, 64), random_state=0)
        clf.fit(by_group(X, y), validation=by_group(X_test, y_test))
        print(f"{strategy}\n{clf.forgetting_}\n")


if __name__ == "__main__":
    main()
