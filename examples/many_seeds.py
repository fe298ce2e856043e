"""Ten seeds of three methods at once: how much of a gain is luck.

A difference between two methods counts where it is larger than what another seed changes. All
thirty networks train as one.
"""

import numpy as np
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, fit_together
from domadapt.datasets import load_camera_digits

data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
methods = ["coral", "dan", "dann"]
settings = {"hidden_layer_sizes": (32,), "max_epochs": 10}
fits = {
    (method, seed): AlignmentClassifier(method, random_state=seed, **settings)
    for method in methods
    for seed in range(10)
}
fit_together(fits.values(), Xs, data.y_source, X_target=Xt)
for method in methods:
    scores = [fits[method, seed].score(Xt, data.y_target) for seed in range(10)]
    print(f"{method:>5}: {100 * np.mean(scores):.1f} % ± {100 * np.std(scores):.1f}")
