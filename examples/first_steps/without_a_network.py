"""
Without a network: two instruments, and two clinics
===================================================

Two cases in which no network is needed: numbers to predict where each instrument has a gain and an
offset of its own, and classes whose proportions differ between two clinics.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge

from domadapt.shallow import AdaptedClassifier, AdaptedRegressor


def draw_spectra(rng, n_samples, gain, offset):
    """Return spectra of 200 channels under one instrument, and the concentration in each."""
    concentration = rng.uniform(0, 1, size=n_samples)
    channels = np.linspace(0, 1, 200)
    peak = np.exp(-((channels - 0.4) ** 2) / 0.002)
    background = np.exp(-((channels - 0.7) ** 2) / 0.05)
    amount = rng.uniform(0.5, 1.5, size=n_samples)
    spectra = np.outer(concentration, peak) + np.outer(amount, background)
    spectra += rng.normal(scale=0.01, size=spectra.shape)
    return spectra * gain + offset, concentration


# %%
# Ridge alone, and ridge whose columns are scaled for each instrument by itself.

rng = np.random.default_rng(0)
Xs, ys = draw_spectra(rng, 80, 1.0, 0.0)
gain = 1.5 + 0.5 * np.sin(np.linspace(0, 9, 200))
Xt, yt = draw_spectra(rng, 80, gain, 0.4)
alone = Ridge(alpha=1e-3).fit(Xs, ys)
adapted = AdaptedRegressor(Ridge(alpha=1e-3), "per_domain_scaling").fit(Xs, ys, X_target=Xt)
print(f"ridge alone: R^2 {alone.score(Xt, yt):.2f} on the other instrument")
print(f"each instrument scaled by itself: R^2 {adapted.score(Xt, yt):.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot(Xs[:5].T, color="#3f8fe0", linewidth=0.8)
left.plot(Xt[:5].T, color="#e06a2f", linewidth=0.8)
left.set(xlabel="channel", ylabel="intensity", title="Source in blue, target in orange")
right.scatter(yt, alone.predict(Xt), s=10, color="0.6", label="ridge alone")
right.scatter(yt, adapted.predict(Xt), s=10, label="scaled by instrument")
right.set(xlabel="true concentration", ylabel="predicted", ylim=(-1, 3))
right.legend()

# %%
# Classes whose proportions differ between two clinics. The tables have missing values, which trees
# take.


def draw_patients(rng, n_samples, share_ill):
    """Return three measurements of patients, some of them missing, and who is ill."""
    y = (rng.uniform(size=n_samples) < share_ill).astype(int)
    X = rng.normal(size=(n_samples, 3)) + 1.2 * y[:, None]
    X[rng.uniform(size=X.shape) < 0.1] = np.nan
    return X, np.array(["well", "ill"])[y]


rng = np.random.default_rng(0)
Xs, ys = draw_patients(rng, 1500, 0.5)
Xt, yt = draw_patients(rng, 1500, 0.05)
trees = HistGradientBoostingClassifier(max_iter=50, random_state=0)
right = trees.fit(Xs, ys).score(Xt, yt)
adapted = AdaptedClassifier(trees, "em", random_state=0).fit(Xs, ys, X_target=Xt)
shares = dict(zip(adapted.classes_, adapted.adapter_.class_proportions_, strict=True))
print(f"trees alone: {100 * right:.1f} % right in the other clinic")
print(f"corrected for {shares['ill']:.2f} ill: {100 * adapted.score(Xt, yt):.1f} % right")
