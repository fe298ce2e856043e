"""Several sources, a few labelled target samples, and targets with fewer or other classes.

All on digits, clean ones as the source and those of a poor camera as the target.
"""

import numpy as np
from sklearn.preprocessing import StandardScaler

from domadapt import (
    AlignmentClassifier,
    DANNClassifier,
    M3SDAClassifier,
    OSBPClassifier,
    PADAClassifier,
)
from domadapt.datasets import load_camera_digits

data = load_camera_digits(random_state=0)
Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
ys, yt = data.y_source, data.y_target
settings = {"max_epochs": 20, "random_state": 0}


def show(name, predicted, labels):
    """Print the share of right target samples. Their labels are for this figure alone."""
    print(f"{name:>28}: {100 * np.mean(predicted == labels):.1f} %")


alone = AlignmentClassifier(alignment=None, **settings).fit(Xs, ys)
show("source only", alone.predict(Xt), yt)

# Several sources: upright digits are one, the same upside down (as images) are another.
X = np.concatenate([Xs, Xs[:, ::-1], Xt])
y = np.concatenate([ys, ys, np.full(len(Xt), -1)])
sample_domain = np.repeat([1, 2, -1], [len(Xs), len(Xs), len(Xt)])
several = M3SDAClassifier(**settings).fit(X, y, sample_domain=sample_domain)
show("two sources, M3SDA", several.predict(Xt), yt)

# Three labelled target samples of each class; all other labels of the target stay unread.
known = np.concatenate([np.flatnonzero(yt == label)[:3] for label in range(10)])
y_target = np.full(len(yt), np.nan)
y_target[known] = yt[known]
few = DANNClassifier(**settings).fit(Xs, ys, X_target=Xt, y_target=y_target)
show("30 labelled samples, DANN", np.delete(few.predict(Xt), known), np.delete(yt, known))

# A target that has the digits below 5 alone.
some = yt < 5
partial = PADAClassifier(**settings).fit(Xs, ys, X_target=Xt[some])
show("digits below 5, PADA", partial.predict(Xt[some]), yt[some])

# A source that has them alone: other digits of the target are unknown, -1.
seen = ys < 5
opened = OSBPClassifier(unknown=-1, **settings).fit(Xs[seen], ys[seen], X_target=Xt)
show("others unknown, OSBP", opened.predict(Xt), np.where(yt < 5, yt, -1))
