"""
Open set: the target has classes that nobody labelled
=====================================================

The source has the digits 0 to 4. The target is a scanner out of focus, and sees all ten. A
classifier that knows five classes calls every 7 one of them. :class:`~domadapt.OSBPClassifier`
learns to say *unknown*.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, OSBPClassifier

X, y = load_digits(return_X_y=True)
Xs, Xt, ys, yt = train_test_split(X, y, test_size=0.5, random_state=0)
Xt = gaussian_filter(Xt.reshape(-1, 8, 8), sigma=(0, 0.8, 0.8)).reshape(-1, 64)
Xs, ys = Xs[ys < 5], ys[ys < 5]
Xs, Xt = (StandardScaler().fit_transform(X) for X in (Xs, Xt))
# -1 stands for every class that the source does not have. For the figures below alone.
truth = np.where(yt < 5, yt, -1)

# %%
# The plain network and the one for open sets. Nothing tells either which target samples are new.

plain = AlignmentClassifier(None, random_state=0).fit(Xs, ys)
opened = OSBPClassifier(unknown=-1, random_state=0).fit(Xs, ys, X_target=Xt)

# %%
# Two figures say how well that went, and one alone would mislead: the share of *known* target
# samples that are right, and the share of new ones that are found. A model that calls everything
# unknown has 100 % of the second.

figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for axis, (name, clf) in zip(axes, {"source only": plain, "OSBP": opened}.items(), strict=True):
    predicted = clf.predict(Xt)
    known, new = truth >= 0, truth < 0
    right, found = np.mean(predicted[known] == truth[known]), np.mean(predicted[new] == -1)
    print(
        f"{name:<12} known classes right: {100 * right:.1f} %, new ones found: {100 * found:.1f} %"
    )
    names = ["unknown", *range(5)]
    ConfusionMatrixDisplay.from_predictions(
        truth,
        predicted,
        labels=range(-1, 5),
        display_labels=names,
        normalize="true",
        values_format=".0%",
        colorbar=False,
        ax=axis,
    )
    axis.set(title=name, xlabel="predicted", ylabel="true")

# %%
# Finding new classes has a price: some known samples are called unknown. On other data the price
# was higher, up to most of the known samples where the shift is strong. So look at a few samples
# that are called unknown before you believe it. More on targets with other classes: :doc:`other
# settings </methods/other_settings>`.
