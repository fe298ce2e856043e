"""New classes from three labelled rows of each, after learning from forty other classes.

Six columns tell classes apart, and thirty of noise do not, whatever the classes are. Three rows
of each new class are too few to see that. Tasks drawn from many classes show it.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from domadapt.inductive import FewShotClassifier

N_CLASSES, N_ROWS, N_SHOTS = 45, 30, 3
rng = np.random.default_rng(0)
y = np.repeat(np.arange(N_CLASSES), N_ROWS)
useful = rng.normal(size=(N_CLASSES, 6))[y] + 0.5 * rng.normal(size=(len(y), 6))
X = np.column_stack([useful, rng.normal(size=(len(y), 30))])
many = y < 40
clf = FewShotClassifier(n_shots=N_SHOTS, random_state=0).fit(X[many], y[many])

new = np.flatnonzero(~many).reshape(5, N_ROWS)
shots, others = new[:, :N_SHOTS].ravel(), new[:, N_SHOTS:].ravel()
clf.adapt(X[shots], y[shots])
plain = LogisticRegression().fit(X[shots], y[shots])
print(f"the shots alone: {plain.score(X[others], y[others]):.2f}")
print(f"     prototypes: {clf.score(X[others], y[others]):.2f}")
