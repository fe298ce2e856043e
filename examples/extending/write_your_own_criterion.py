"""
A criterion of your own
=======================

A *criterion* is a number that is small when two domains are alike, and that a network can be
trained to make small. Here it is a function, or an ``nn.Module``, **whose parameters are named
after what it needs**: ask for ``source_features`` and you get those. The same object serves an
estimator and a training loop of your own.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier
from domadapt.alignment import MMD
from domadapt.datasets import load_camera_digits


def mean_distance(source_features, target_features):
    """Squared distance between the means of both domains."""
    return (source_features.mean(0) - target_features.mean(0)).square().sum()


data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))

# %%
# In an estimator: alone, or with weights next to others, such as the maximum mean discrepancy
# (MMD), a distance of two samples by a kernel. Labels of the target are for the printed accuracy
# alone.

settings = {"hidden_layer_sizes": (128,), "max_epochs": 20, "random_state": 0}
choices = {
    "without": None,
    "distance of the means": mean_distance,
    "the same, and 3 times MMD": [(1.0, mean_distance), (3.0, MMD())],
}
curves = {}
for name, alignment in choices.items():
    clf = AlignmentClassifier(alignment, **settings)
    clf.fit(Xs, data.y_source, **({} if alignment is None else {"X_target": Xt}))
    print(f"{name:<26} target accuracy {100 * clf.score(Xt, data.y_target):.1f} %")
    if alignment is not None:
        curves[name] = clf.history_["mean_distance"]

# %%
# What became of the distance, epoch by epoch: ``history_`` has each criterion by its name.

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for sign, (name, values) in zip(("-", "--"), curves.items(), strict=True):
    axis.plot(range(1, len(values) + 1), values, sign, label=name)
axis.set(xlabel="epoch", ylabel="squared distance of the means", xticks=range(0, 21, 5))
axis.legend()

# %%
# In a loop of your own, a criterion is a loss like any other.

network = torch.nn.Linear(64, 16)
criterion = MMD()
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
source, target = torch.from_numpy(Xs), torch.from_numpy(Xt)
for _ in range(20):
    loss = criterion(network(source), network(target))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"MMD between the features after 20 steps: {loss.item():.4f}")

# %%
# Made small without labels, as in this loop, a distance is worth nothing: features that are all
# zero have none. What else a criterion may ask for, and how to test one: :doc:`write your own
# criterion </write_your_own_criterion>`.
