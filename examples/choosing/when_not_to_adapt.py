"""
When not to adapt: three cases that look alike
==============================================

Three new hospitals ask for predictions. In the first the machines measure on another scale, in
the second nothing has changed, in the third the rule that leads from measurements to illness is
another. Adapting helps in the first, is idle in the second, and cannot help in the third, whatever
the method. Nobody labelled anything there. What can be known?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from domadapt import DANNClassifier, diagnose
from domadapt.plotting import DomainShiftDisplay
from domadapt.shallow import AdaptedClassifier

rng = np.random.default_rng(0)
weights = np.array([1.5, -1.0, 0.8, 0.0, 0.0, 0.0])


def patients(n, weights=weights):
    """Draw six measurements and who is ill."""
    X = rng.normal(size=(n, 6))
    return X, (X @ weights + rng.normal(scale=0.5, size=n) > 0).astype(int)


Xs, ys = patients(500)
X_plain, y_plain = patients(500)
X_new, y_new = patients(500)
# The same patients by other machines: every column is stretched, moved and mixed a little.
mixing = np.diag(rng.uniform(0.5, 2.0, 6)) + 0.15 * rng.normal(size=(6, 6))
X_new = X_new @ mixing + 3 * rng.normal(size=6)
# The same machines, and another illness: two of the weights have changed their sign.
X_other, y_other = patients(500, weights * np.array([-1, -1, 1, 1, 1, 1]))

hospitals = {
    "other machines": (X_new, y_new),
    "nothing changed": (X_plain, y_plain),
    "another rule": (X_other, y_other),
}

# %%
# What the samples alone say. The diagnosis sees the measurements of the new hospital, and none of
# its labels.

figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
for axis, (name, (Xt, _)) in zip(axes, hospitals.items(), strict=True):
    found = diagnose(Xs, ys, Xt)
    print(f"--- {name}. Kind of shift: {found.kind}. Answer: {found.advice}.")
    print("\n".join(found.reasons), "\n")
    DomainShiftDisplay.from_diagnosis(found, show="scores", ax=axis)
    axis.set_title(name)

# %%
# What adapting does, which nobody can see there: the labels of the new hospitals are used for
# these lines alone.

for name, (Xt, yt) in hospitals.items():
    scaled = AdaptedClassifier(LogisticRegression(), "per_domain_scaling")
    models = {
        "logistic regression": LogisticRegression().fit(Xs, ys),
        "each hospital scaled by itself": scaled.fit(Xs, ys, X_target=Xt),
        "DANN": DANNClassifier(random_state=0).fit(Xs, ys, X_target=Xt),
    }
    right = ", ".join(f"{key} {100 * model.score(Xt, yt):.1f}" for key, model in models.items())
    print(f"{name:<16} {right} % right")

# %%
# Three lessons. The second and the third case look the same from outside: the measurements are
# distributed as before, no test finds a shift, and without labels nothing can tell that the rule
# has changed. A small labelled sample is the only way to know. Not to adapt is right in both.
#
# In the first case the advice is too careful. A linear model stays smooth where columns move, and
# smooth is what a model looks like that needs no mending. A change of units is to be taken away
# before any question of adapting comes up, by scaling each hospital by itself, which is safe as
# long as the ill are as many in each: see :doc:`how to scale columns </scaling_columns>`.
