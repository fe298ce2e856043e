"""A fitted classifier that moves to a target when its source is no longer at hand.

The classifier is fitted where the labelled samples are, saved, and adapted elsewhere from
samples of the target alone: first by the statistics of batch normalisation, which takes no time,
then by training its feature extractor (SHOT).
"""

import tempfile
from pathlib import Path

from sklearn.preprocessing import StandardScaler

import domadapt
from domadapt.datasets import load_camera_digits

data = load_camera_digits(random_state=0)
# Each domain by its own mean and variance: that needs nothing of the other.
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "digits.safetensors")
    # Layers whose statistics can be taken anew are for later: alone, plain ones do better.
    settings = {"alignment": None, "batch_norm": "per_domain", "random_state": 0}
    domadapt.AlignmentClassifier(**settings).fit(Xs, data.y_source).save(path)
    for alignment in (None, "batch_norm", "shot"):
        clf = domadapt.load(path)
        if alignment is not None:
            clf.adapt(Xt, alignment=alignment)
        # Target labels are for this figure alone.
        name = alignment or "as it was"
        print(f"{name:>10}: target accuracy {100 * clf.score(Xt, data.y_target):.1f} %")
