"""Features from digits without labels, and of other classes, for three that are wanted.

Principal components of the digits 0 to 6 are kept as they are in a pipeline, of which only the
classifier is fitted on fifteen labelled images of 7, 8 and 9.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from domadapt.inductive import SelfTaughtFeatures

X, y = load_digits(return_X_y=True)
unlabelled = X[y < 7]
shots = np.concatenate([np.flatnonzero(y == digit)[:5] for digit in (7, 8, 9)])
others = np.setdiff1d(np.flatnonzero(y >= 7), shots)

for method, n_features in (("pca", 20), ("autoencoder", 64)):
    features = SelfTaughtFeatures(method, n_features=n_features, random_state=0).fit(unlabelled)
    clf = make_pipeline(FrozenEstimator(features), LogisticRegression(max_iter=1000))
    clf.fit(X[shots], y[shots])
    print(f"{method:>12}: {clf.score(X[others], y[others]):.2f}")
