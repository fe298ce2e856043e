"""Digits of one camera to another, with five labelled digits of each class.

The second camera inverts the picture and blurs it. A network that was trained on the first is
fine-tuned on fifty digits of the second, and compared with the same network trained on
these fifty alone.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from domadapt import AlignmentClassifier
from domadapt.inductive import FineTuneClassifier

X, y = load_digits(return_X_y=True)
images = X.reshape(-1, 1, 8, 8).astype(np.float32) / 16
Xs, ys = images[:900], y[:900]
Xt, yt = 1 - gaussian_filter(images[900:], sigma=(0, 0, 0.6, 0.6)), y[900:]

few = np.concatenate([np.flatnonzero(yt == c)[:5] for c in range(10)])
rest = np.setdiff1d(np.arange(len(yt)), few)

source = AlignmentClassifier(alignment=None, random_state=0).fit(Xs, ys)
alone = AlignmentClassifier(alignment=None, random_state=0).fit(Xt[few], yt[few])
for name, clf in [("source alone", source), ("the fifty alone", alone)]:
    print(f"{name:>32}: {100 * clf.score(Xt[rest], yt[rest]):.1f} %")
for strategy in ("full", "head", "gradual", "discriminative"):
    tuned = FineTuneClassifier(source, strategy=strategy, random_state=0).fit(Xt[few], yt[few])
    print(f"{'fine-tuning, ' + strategy:>32}: {100 * tuned.score(Xt[rest], yt[rest]):.1f} %")
