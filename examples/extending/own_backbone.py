"""
A network of your own, inside an estimator
==========================================

Any ``torch.nn.Module`` that maps a mini-batch to features can be the ``backbone``. The estimator
copies it, so that yours stays as it is, and puts a classifier on top. Here: two convolutions over
digits as images, with the source alone and with alignment.
"""

import matplotlib.pyplot as plt
from torch import nn

from domadapt import AlignmentClassifier, DSANClassifier
from domadapt.datasets import load_camera_digits
from domadapt.plotting import TrainingHistoryDisplay

data = load_camera_digits(random_state=0)
# Image stacks have the shape (n_samples, channels, height, width).
Xs, Xt = (X.reshape(-1, 1, 8, 8).astype("float32") for X in (data.X_source, data.X_target))
Xs, Xt = ((X - X.mean()) / X.std() for X in (Xs, Xt))

backbone = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, padding=1, stride=2),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 64),
    nn.ReLU(),
)

# %%
# ``backbone_rate`` is the share of the learning rate that the backbone gets: one here, since its
# weights are new, and a tenth where they come from elsewhere.

settings = {"backbone": backbone, "backbone_rate": 1.0, "max_epochs": 15, "random_state": 0}
alone = AlignmentClassifier(None, **settings).fit(Xs, data.y_source)
aligned = DSANClassifier(**settings).fit(Xs, data.y_source, X_target=Xt)
for name, clf in (("source only", alone), ("DSAN", aligned)):
    print(f"{name:<12} {100 * clf.score(Xt, data.y_target):.1f} % of the target right")

# %%
# What the losses did, epoch by epoch. A falling loss of alignment is no proof of anything: see
# :doc:`when adapting harms </when_adapting_harms>`.

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
TrainingHistoryDisplay.from_estimator(aligned, ax=axis)
