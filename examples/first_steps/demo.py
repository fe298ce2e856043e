"""
Digits by a poor camera: what adaptation adds, in a minute
==========================================================

The source is one half of scikit-learn's handwritten digits. The target is the other
half as a poor camera would see it: turned, blurred, at half the contrast, in front of
patches of photographs. Target labels are used for the last column of the table and for
nothing else.

``make demo`` trains every method on three seeds, prints a table, and saves a picture of the
feature space before and after adaptation as ``demo.png``.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from domadapt import AlignmentClassifier, DANClassifier, DANNClassifier, DeepCORALClassifier
from domadapt.datasets import load_camera_digits

SEEDS = (0, 1, 2)
N_SHOWN = 400

SETTINGS = {"hidden_layer_sizes": (256, 128), "max_epochs": 60}
METHODS = {
    "source only": AlignmentClassifier(alignment=None, **SETTINGS),
    "DAN": DANClassifier(**SETTINGS),
    "DeepCORAL": DeepCORALClassifier(**SETTINGS),
    "DANN": DANNClassifier(**SETTINGS),
}


def load(seed):
    """Load both domains, each standardised by its own mean and variance."""
    data = load_camera_digits(random_state=seed)
    Xs, Xt = (StandardScaler().fit_transform(X) for X in (data.X_source, data.X_target))
    return Xs, data.y_source, Xt, data.y_target


def train(name, Xs, ys, Xt, seed):
    """Fit one method; the target takes part without its labels, or not at all."""
    clf = METHODS[name].set_params(random_state=seed).set_callbacks(ProgressBar())
    return clf.fit(Xs, ys) if name == "source only" else clf.fit(Xs, ys, X_target=Xt)


def draw(axis, title, clf, Xs, Xt, yt):
    """Draw the features of both domains in the plane."""
    features = np.concatenate([clf.transform(Xs[:N_SHOWN]), clf.transform(Xt[:N_SHOWN])])
    plane = TSNE(init="pca", random_state=0).fit_transform(features)
    source, target = plane[:N_SHOWN], plane[N_SHOWN:]
    axis.scatter(*source.T, s=12, c="lightgrey", label="source")
    points = axis.scatter(*target.T, s=12, c=yt[:N_SHOWN], cmap="tab10", label="target")
    axis.set(title=title, xticks=[], yticks=[])
    return points


def main(path):
    """Train, print the table, draw the picture, and save it where a path is given."""
    accuracy = {name: [] for name in METHODS}
    figure, axes = plt.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
    for seed in SEEDS:
        Xs, ys, Xt, yt = load(seed)
        for name in METHODS:
            clf = train(name, Xs, ys, Xt, seed)
            accuracy[name].append(100 * clf.score(Xt, yt))
            if seed == SEEDS[0] and name in ("source only", "DAN"):
                axis, when = axes[int(name == "DAN")], "before" if name != "DAN" else "after"
                title = f"Features {when} adaptation ({name}, {accuracy[name][0]:.1f} %)"
                points = draw(axis, title, clf, Xs, Xt, yt)
    figure.suptitle("Source in grey, target coloured by its true digit")
    figure.colorbar(points, ax=axes, ticks=range(10), shrink=0.6)

    print(f"\n{'method':<12} target accuracy in %, mean and spread over {len(SEEDS)} seeds")
    for name, values in accuracy.items():
        gain = np.mean(values) - np.mean(accuracy["source only"])
        print(f"{name:<12} {np.mean(values):5.1f} ± {np.std(values):3.1f}   {gain:+5.1f}")
    if path is not None:
        figure.savefig(path, dpi=120)
        print(f"\nThe feature space before and after adaptation: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Digits by a poor camera.")
    parser.add_argument("--output", help="where to save the picture; not saved by default")
    main(parser.parse_args().output)
