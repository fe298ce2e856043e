"""
Fine-tuning with fifty labels
=============================

A network was trained on the digits of one camera. A second camera blurs them and is turned by a
quarter of a right angle. Somebody labelled fifty of its digits, five of each. Is it better to
train on these fifty alone, or to go on from the first camera's network, which is *fine-tuning*?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter, rotate
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from domadapt import AlignmentClassifier
from domadapt.inductive import FineTuneClassifier

X, y = load_digits(return_X_y=True)
images = X.reshape(-1, 1, 8, 8).astype(np.float32) / 16
Xs, ys, yt = images[:900], y[:900], y[900:]
turned = rotate(images[900:], 22.5, axes=(2, 3), reshape=False, order=1)
Xt = gaussian_filter(turned, sigma=(0, 0, 0.7, 0.7))

few = np.concatenate([np.flatnonzero(yt == c)[:5] for c in range(10)])
rest = np.setdiff1d(np.arange(len(yt)), few)

# %%
# What either part does alone; all are scored on the digits of the second camera that nobody
# labelled for training.

right = {}
source = AlignmentClassifier(alignment=None, random_state=0).fit(Xs, ys)
right["source alone"] = source.score(Xt[rest], yt[rest])
alone = AlignmentClassifier(alignment=None, random_state=0).fit(Xt[few], yt[few])
right["the fifty alone"] = alone.score(Xt[rest], yt[rest])
flat = Xt.reshape(len(Xt), -1)
linear = LogisticRegression(max_iter=1000).fit(flat[few], yt[few])
right["the fifty alone, linear"] = linear.score(flat[rest], yt[rest])

# %%
# Four ways to go on: train all layers, the last one only (the *head*), one layer after the other
# from the head down, or all with smaller steps for the lower ones.

for strategy in ("full", "head", "gradual", "discriminative"):
    tuned = FineTuneClassifier(source, strategy=strategy, random_state=0).fit(Xt[few], yt[few])
    right[f"fine-tuning, {strategy}"] = tuned.score(Xt[rest], yt[rest])
for name, accuracy in right.items():
    print(f"{name:>32}: {100 * accuracy:.1f} %")

figure, axis = plt.subplots(figsize=(8, 3.5), layout="constrained")
colours = ["0.7"] * 3 + ["#3f8fe0"] * 4
bars = axis.barh(list(right), [100 * value for value in right.values()], color=colours)
axis.bar_label(bars, fmt="%.1f", padding=3)
axis.invert_yaxis()
axis.set(xlabel="accuracy on the second camera, %", xlim=(0, 105))

# %%
# More, on real data too: :doc:`fine-tuning </fine_tuning>`. With labels of the first camera still
# at hand, both can be learnt at once: :ref:`sphx_glr_gallery_settings_few_target_labels.py`.
