"""
Numbers instead of classes
==========================

Two columns decide over the value; twenty others are noise. With few samples a network takes
some of that noise for something, which does little harm until the noise moves: in the
target it is stronger, and elsewhere. Aligned features have to do without what has moved.
"""

import matplotlib.pyplot as plt
import numpy as np

from domadapt import AlignmentRegressor, DANNRegressor, DANRegressor, RSDRegressor

rng = np.random.default_rng(0)
useful, noise = rng.normal(size=(500, 2)), rng.normal(size=(500, 20))
y = 10.0 + useful[:, 0] - useful[:, 1]
Xs = np.column_stack([useful, noise])[:200]
ys = y[:200] + rng.normal(scale=0.7, size=200)
Xt = np.column_stack([useful, 2.0 + 3.0 * noise])[200:]
yt = y[200:]

# %%
# The values of the target, ``yt``, are for the figures alone.

settings = {"hidden_layer_sizes": (128,), "max_epochs": 40, "batch_size": 64, "random_state": 0}
settings |= {"learning_rate": 3e-3, "batch_norm": "joint"}
figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained", sharex=True, sharey=True)
regressors = (
    AlignmentRegressor(alignment=None, **settings),
    DANRegressor(**settings),
    DANNRegressor(alignment_weight=3.0, **settings),
    RSDRegressor(alignment_weight=1.0, **settings),
)
for axis, reg in zip(axes, regressors, strict=True):
    r2 = reg.fit(Xs, ys, X_target=Xt).score(Xt, yt)
    print(f"{type(reg).__name__:>20}: R^2 on the target {r2:.2f}")
    axis.scatter(yt, reg.predict(Xt), s=6, alpha=0.6)
    axis.axline((10, 10), slope=1, color="0.5", linewidth=0.8)
    name = "source only" if reg.alignment is None else type(reg).__name__
    axis.set(title=f"{name}, R² {r2:.2f}", xlabel="true value")
axes[0].set_ylabel("predicted value")
