"""
Label shift in a clinic: the same illness, more often
=====================================================

A model is trained where two in five of the samples of tissue are malignant. In the clinic where
it is used it is one in ten, or nine in ten. The tissue looks the same: only the proportions of
the classes moved. This is *label shift*, and aligning the domains is the wrong answer to it. The
right one is to find the new proportions, without any label, and to correct the probabilities by
them.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from domadapt import DANNClassifier, diagnose
from domadapt.shallow import AdaptedClassifier

X, benign = load_breast_cancer(return_X_y=True)
y = np.where(benign == 1, "benign", "malignant")
# The last of the thirty columns are hard to come by in this clinic, which leaves room for doubt.
X = X[:, :5]
Xs, X_rest, ys, y_rest = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
scaler = StandardScaler().fit(Xs)
Xs, X_rest = scaler.transform(Xs), scaler.transform(X_rest)


def clinic(share, n=110):
    """Draw samples of which a share is malignant."""
    rng = np.random.default_rng(0)
    n_ill = round(share * n)
    ill, well = (np.flatnonzero(y_rest == name) for name in ("malignant", "benign"))
    rows = np.concatenate([rng.choice(ill, n_ill), rng.choice(well, n - n_ill)])
    return X_rest[rows], y_rest[rows]


# %%
# What the diagnosis says of the clinic where nine in ten are malignant, without its labels:

Xt, yt = clinic(0.9)
print(diagnose(Xs, ys, Xt))

# %%
# Three answers, over clinics with more and more malignant samples. The labels of the clinic are
# used for the lines of the picture alone.

shares = [0.1, 0.25, 0.4, 0.6, 0.75, 0.9]
models = {
    "source only": LogisticRegression(),
    "proportions corrected (EM)": AdaptedClassifier(LogisticRegression(), "em"),
    "aligned (DANN)": DANNClassifier(max_epochs=30, random_state=0),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for name, model in models.items():
    accuracy, found = [], []
    for share in shares:
        Xt, yt = clinic(share)
        given = {} if name == "source only" else {"X_target": Xt}
        predicted = model.fit(Xs, ys, **given).predict(Xt)
        accuracy.append(100 * np.mean(predicted == yt))
        found.append(100 * np.mean(predicted == "malignant"))
    print(f"{name:<28}", " ".join(f"{value:5.1f}" for value in accuracy), "% right")
    left.plot(100 * np.array(shares), accuracy, "o-", label=name)
    right.plot(100 * np.array(shares), found, "o-", label=name)
left.set(xlabel="malignant samples in the clinic, %", ylabel="accuracy, %")
left.legend()
right.plot([10, 90], [10, 90], color="0.6", linestyle=":", label="as many as there are")
right.set(xlabel="malignant samples in the clinic, %", ylabel="predicted as malignant, %")
right.legend()
