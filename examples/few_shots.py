"""Three new digits from five labelled images of each, after learning from seven others.

Prototypes are learnt from tasks drawn from the digits 0 to 6. What they have learnt is how to
tell classes apart by a few samples, and 7, 8 and 9 are then taken from fifteen images.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from domadapt.inductive import FewShotClassifier

X, y = load_digits(return_X_y=True)
X = X / 16
many = y < 7
shots = np.concatenate([np.flatnonzero(y == digit)[:5] for digit in (7, 8, 9)])
others = np.setdiff1d(np.flatnonzero(~many), shots)

clf = FewShotClassifier(random_state=0).fit(X[many], y[many])
clf.adapt(X[shots], y[shots])
plain = LogisticRegression().fit(X[shots], y[shots])
print(f"the shots alone: {plain.score(X[others], y[others]):.2f}")
print(f"     prototypes: {clf.score(X[others], y[others]):.2f}")
