"""Digits of one camera to another, with five labelled digits of each class.

The second camera blurs the picture and is turned by a quarter of a right angle. A network that was
trained on the first is fine-tuned on fifty digits of the second, and compared with the same
network trained on these fifty alone.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, rotate
from sklearn.datasets import load_digits

from domadapt import AlignmentClassifier
from domadapt.inductive import FineTuneClassifier

X, y = load_digits(return_X_y=True)
images = X.reshape(-1, 1, 8, 8).astype(np.float32) / 16
Xs, ys, yt = images[:900], y[:900], y[900:]
turned = rotate(images[900:], 22.5, axes=(2, 3), reshape=False, order=1)
Xt = gaussian_filter(turned, sigma=(0, 0, 0.7, 0.7))

few = np.concatenate([np.flatnonzero(yt == c)[:5] for c in range(10)])
rest = np.setdiff1d(np.arange(len(yt)), few)

source = AlignmentClassifier(alignment=None, random_state=0).fit(Xs, ys)
alone = AlignmentClassifier(alignment=None, random_state=0).fit(Xt[few], yt[few])
for name, clf in [("source alone", source), ("the fifty alone", alone)]:
    print(f"{name:>32}: {100 * clf.score(Xt[rest], yt[rest]):.1f} %")
for strategy in ("full", "head", "gradual", "discriminative"):
    tuned = FineTuneClassifier(source, strategy=strategy, random_state=0).fit(Xt[few], yt[few])
    print(f"{'fine-tuning, ' + strategy:>32}: {100 * tuned.score(Xt[rest], yt[rest]):.1f} %")
