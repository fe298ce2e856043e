"""
Source-free: the labelled samples are gone
==========================================

A classifier is fitted where the labelled samples are, in a hospital say, which may not pass them
on. The saved model may leave. Elsewhere it is adapted by samples of the target alone: first by
taking the statistics of its batch normalisation anew, which takes no time, then by training its
feature extractor (SHOT).
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import domadapt
from domadapt.datasets import load_camera_digits

data = load_camera_digits(random_state=0)
# Each domain by its own mean and variance: that needs nothing of the other.
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))

# %%
# Where the labels are. *Batch normalisation* scales what goes through a layer by its mean and
# variance, which are of the source here, and can be replaced by the target's. If nothing is to be
# replaced later, a network without it does better; so does, often, no network at all.

folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "digits.safetensors")
settings = {"alignment": None, "random_state": 0}
clf = domadapt.AlignmentClassifier(batch_norm="per_domain", **settings)
clf.fit(Xs, data.y_source).save(path)
plain = {
    "logistic regression": LogisticRegression(max_iter=1000),
    "network": domadapt.AlignmentClassifier(**settings),
}
right = {
    name: model.fit(Xs, data.y_source).score(Xt, data.y_target) for name, model in plain.items()
}

# %%
# Where the target is. Its labels are for the scores alone.

for alignment, name in ((None, "as it was"), ("batch_norm", "batch_norm"), ("shot", "shot")):
    clf = domadapt.load(path)
    if alignment is not None:
        clf.adapt(Xt, alignment=alignment)
    right[name] = clf.score(Xt, data.y_target)
folder.cleanup()
for name, accuracy in right.items():
    print(f"{name:>20}: target accuracy {100 * accuracy:.1f} %")

figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
names = ["logistic regression", "network without it", "saved: as it was"]
names += ["saved: statistics taken anew", "saved: SHOT"]
bars = axis.barh(names, [100 * v for v in right.values()], color=["0.7"] * 3 + ["#3f8fe0"] * 2)
axis.bar_label(bars, fmt="%.1f", padding=3)
axis.invert_yaxis()
axis.set(xlabel="target accuracy, %", xlim=(0, 105))

# %%
# SHOT makes predictions sure, and evenly spread over the classes. The ten digits are about equally
# common here. Where classes are not, it does great harm:
# :ref:`sphx_glr_gallery_your_own_data_sensors_across_people.py`.
