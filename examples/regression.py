"""Values instead of classes: a sensor in the source gives the answer away.

Three quantities decide over the value. In the source, a fourth column holds the value
itself, with noise; in the target that sensor is broken. A regressor of the source alone
trusts the sensor. Aligned features have to do without it, for it differs between domains.
"""

import numpy as np

from domadapt import AlignmentRegressor, DANRegressor, DeepCORALRegressor

rng = np.random.default_rng(0)
Xs, Xt = rng.normal(size=(600, 3)), rng.normal(size=(600, 3))
ys, yt = Xs.sum(axis=1) + 10.0, Xt.sum(axis=1) + 10.0
sensor = ys - 10.0 + rng.normal(scale=0.1, size=600)
Xs, Xt = np.column_stack([Xs, sensor]), np.column_stack([Xt, np.full(600, 4.0)])

alone = AlignmentRegressor(alignment=None, random_state=0).fit(Xs, ys)
print(f"{'source only':>20}: R^2 on the target {alone.score(Xt, yt):.2f}")
for estimator in (DANRegressor, DeepCORALRegressor):
    reg = estimator(alignment_weight=3.0, max_epochs=60, random_state=0)
    reg.fit(Xs, ys, X_target=Xt)
    print(f"{estimator.__name__:>20}: R^2 on the target {reg.score(Xt, yt):.2f}")
