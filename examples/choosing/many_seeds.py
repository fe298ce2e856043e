"""
Many fits at once: how much of a gain is luck
=============================================

A difference between two methods counts where it is larger than what another seed changes. All
thirty networks train as one, which takes the time of a few.
"""

import time

import matplotlib.pyplot as plt
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
start = time.process_time()
fit_together(fits.values(), Xs, data.y_source, X_target=Xt)
together = time.process_time() - start

# %%
# The same networks one by one would learn the same, up to rounding. One of each method tells the
# time.

start = time.process_time()
for method in methods:
    AlignmentClassifier(method, random_state=0, **settings).fit(Xs, data.y_source, X_target=Xt)
alone = 10 * (time.process_time() - start)
print(f"thirty fits one by one take {alone / together:.1f} times the time of the processor")

# %%
# A point for each seed, and the mean. The labels of the target are for this figure alone.

figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
for place, method in enumerate(methods):
    scores = [fits[method, seed].score(Xt, data.y_target) for seed in range(10)]
    print(f"{method:>5}: {100 * np.mean(scores):.1f} % ± {100 * np.std(scores):.1f}")
    axis.plot(100 * np.array(scores), np.full(10, place), "o", alpha=0.6)
    axis.plot(100 * np.mean(scores), place, "k|", markersize=25)
axis.set(xlabel="target accuracy in %, a point for each seed", yticks=range(3), yticklabels=methods)
axis.margins(y=0.3)
