"""
Features from samples without labels
====================================

Three classes are wanted, the digits 7, 8 and 9, and a few of each have labels. There are also a
thousand digits without labels, and they are **of other classes**: 0 to 6. What strokes look like
can be learnt from these too. The field calls it *self-taught learning*. Is it worth its while?
Once with clean pictures, and once with pictures so noisy that a single pixel says little.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from domadapt.inductive import SelfTaughtFeatures

X, y = load_digits(return_X_y=True)
noisy = X + 8 * np.random.default_rng(0).normal(size=X.shape)
EACH, N_DRAWS = [1, 2, 5, 10, 20], 10

# %%
# :class:`~domadapt.inductive.SelfTaughtFeatures` learns from the samples without labels: principal
# components, or an autoencoder, which is a network that has to give back what it was shown.
# ``FrozenEstimator`` keeps the features as they are in a pipeline, of which only the classifier is
# fitted to the labelled digits. Beside them stands the same classifier on the pixels.


def accuracies(X):
    """Return the mean accuracy of each model by the number of labelled samples."""
    linear = LogisticRegression(max_iter=1000)
    models = {"the pixels": linear}
    for method, n_features in (("pca", 20), ("autoencoder", 64)):
        learnt = SelfTaughtFeatures(method, n_features=n_features, random_state=0).fit(X[y < 7])
        models[method] = make_pipeline(FrozenEstimator(learnt), linear)
    found = {name: np.zeros((N_DRAWS, len(EACH))) for name in models}
    for seed in range(N_DRAWS):
        rng = np.random.default_rng(seed)
        by_class = [rng.permutation(np.flatnonzero(y == digit)) for digit in (7, 8, 9)]
        others = np.concatenate([rows[max(EACH) :] for rows in by_class])
        for k, n in enumerate(EACH):
            shots = np.concatenate([rows[:n] for rows in by_class])
            for name, clf in models.items():
                found[name][seed, k] = clf.fit(X[shots], y[shots]).score(X[others], y[others])
    return {name: values.mean(axis=0) for name, values in found.items()}


# %%
# Means over ten draws of the labelled digits.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for axis, (title, pictures) in zip(axes, {"clean": X, "noisy": noisy}.items(), strict=True):
    print(f"{title}; labelled of each: " + "    ".join(map(str, EACH)))
    for sign, (name, values) in zip(("s--", "o-", "^-"), accuracies(pictures).items(), strict=True):
        print(f"{name:>22}: " + " ".join(f"{value:.2f}" for value in values))
        axis.plot(EACH, values, sign, label=name)
    axis.set(title=f"{title} pictures", xlabel="labelled samples of each digit", xticks=EACH)
axes[0].set_ylabel("accuracy on other 7, 8 and 9")
axes[0].legend()

# %%
# With clean pictures nothing is gained: the pixels are good columns already. With noisy ones
# principal components of the unlabelled digits are a little better, since each of them puts many
# pixels together. The autoencoder loses in both. **Try the columns alone first.** Measured on two
# sets of digits: :doc:`self-taught learning </self_taught_learning>`.
