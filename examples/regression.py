"""Values instead of classes, where columns of noise move in the target.

Two columns decide over the value; twenty others are noise. With few samples a network takes
some of that noise for something, which does little harm until the noise moves: in the
target it is stronger, and elsewhere. Aligned features have to do without what has moved.
"""

import numpy as np

from domadapt import AlignmentRegressor, DANNRegressor, DANRegressor, RSDRegressor

rng = np.random.default_rng(0)
useful, noise = rng.normal(size=(500, 2)), rng.normal(size=(500, 20))
y = 10.0 + useful[:, 0] - useful[:, 1]
Xs = np.column_stack([useful, noise])[:200]
ys = y[:200] + rng.normal(scale=0.7, size=200)
Xt = np.column_stack([useful, 2.0 + 3.0 * noise])[200:]
yt = y[200:]

settings = {"hidden_layer_sizes": (128,), "max_epochs": 40, "batch_size": 64, "random_state": 0}
settings |= {"learning_rate": 3e-3, "batch_norm": "joint"}
for reg in (
    AlignmentRegressor(alignment=None, **settings),
    DANRegressor(**settings),
    DANNRegressor(alignment_weight=3.0, **settings),
    RSDRegressor(alignment_weight=1.0, **settings),
):
    reg.fit(Xs, ys, X_target=Xt)
    # Target values are for this figure alone.
    print(f"{type(reg).__name__:>20}: R^2 on the target {reg.score(Xt, yt):.2f}")
