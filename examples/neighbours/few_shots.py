"""
New classes from a few samples of each
======================================

Forty classes have thirty labelled samples each. Then five new classes come, with one, two, three
or ten labelled samples of each, the *shots*. In this drawn case six columns tell classes apart,
whatever the classes are, and thirty columns are noise. A few samples are too few to see which is
which; the forty other classes show it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from domadapt.inductive import FewShotClassifier

N_CLASSES, N_ROWS = 45, 30
rng = np.random.default_rng(0)
y = np.repeat(np.arange(N_CLASSES), N_ROWS)
useful = rng.normal(size=(N_CLASSES, 6))[y] + 0.5 * rng.normal(size=(len(y), 6))
X = np.column_stack([useful, rng.normal(size=(len(y), 30))])

# %%
# :class:`~domadapt.inductive.FewShotClassifier` trains on small tasks that are drawn from the many
# classes: tell five classes apart by three samples of each. It learns features in which the mean
# of a few samples, the *prototype*, stands for a class.

many = y < 40
clf = FewShotClassifier(n_shots=3, random_state=0).fit(X[many], y[many])

# %%
# ``adapt`` takes the shots of the new classes and trains nothing any more. Beside it stands
# logistic regression on the shots alone. Both are asked about the same other samples.

new = np.flatnonzero(~many).reshape(5, N_ROWS)
others = new[:, 10:].ravel()
n_shots, alone, with_many = [1, 2, 3, 5, 10], [], []
for n in n_shots:
    shots = new[:, :n].ravel()
    clf.adapt(X[shots], y[shots])
    plain = LogisticRegression().fit(X[shots], y[shots])
    alone.append(plain.score(X[others], y[others]))
    with_many.append(clf.score(X[others], y[others]))
    print(f"{n:>2} shots alone: {alone[-1]:.2f}, prototypes: {with_many[-1]:.2f}")

# %%

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.plot(n_shots, with_many, "o-", label="prototypes, after forty other classes")
axis.plot(n_shots, alone, "s--", label="the shots alone (logistic regression)")
axis.axhline(0.2, color="0.6", linestyle=":", label="guessing")
axis.set(xlabel="labelled samples of each new class", ylabel="accuracy on others of these classes")
axis.set_xticks(n_shots)
axis.legend()

# %%
# The case is drawn so that other classes help. Where what tells the new classes apart is of
# another kind, the forty do not. Measured on real data: :doc:`few shots </few_shots>`.
