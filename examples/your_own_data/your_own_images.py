"""
Your own photographs
====================

Labelled photographs in one folder, with a folder for each class in it, and unlabelled ones in
another, at any depth. This script takes a network that was trained on ImageNet, trains all of it
further on both, saves the model, reads it back, and prints what it makes of the first unlabelled
photographs::

    python examples/your_own_data/your_own_images.py LABELLED UNLABELLED mobilenet_v2 WEIGHTS
"""

# sphinx_gallery_thumbnail_path = 'stored/your_own_images.png'
import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import domadapt
from domadapt import DeepCORALClassifier, ImageLoader
from domadapt.nn import load_backbone

ENDINGS = {".jpg", ".jpeg", ".png"}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
parser.add_argument("labelled")
parser.add_argument("unlabelled")
parser.add_argument("backbone")
parser.add_argument("weights")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--pixels", type=int, default=224)
parser.add_argument("--model", default="model.safetensors")
arguments = parser.parse_args()


# %%
# Samples are paths. The label of a photograph is the name of the folder that it is in.


def images_below(folder):
    """List the images of a folder, at any depth."""
    return [path for path in sorted(Path(folder).rglob("*")) if path.suffix.lower() in ENDINGS]


source = images_below(arguments.labelled)
labels = np.array([path.parent.name for path in source])
target = images_below(arguments.unlabelled)

# %%
# ``ImageLoader`` says how photographs become arrays of one size. A broken file is an error that
# names it; with ``unreadable="skip"`` training leaves it out. With a checkpoint you may stop the
# script whenever you like: the same command goes on from the last epoch.

clf = DeepCORALClassifier(
    backbone=load_backbone(arguments.backbone, arguments.weights),
    hidden_layer_sizes=256,
    image_loader=ImageLoader(resize=round(arguments.pixels * 256 / 224), crop=arguments.pixels),
    batch_size=32,
    learning_rate=0.01,
    max_epochs=arguments.epochs,
    checkpoint=f"{arguments.model}.checkpoint",
    random_state=0,
)
clf.fit(source, labels, X_target=target)
clf.save(arguments.model)

# %%
# The saved model is one file, and nothing of this script is needed to use it. Look at what it says
# before you rely on it: which classes it predicts, how sure it is, and some photographs.

again = domadapt.load(arguments.model)
predicted, shares = again.predict(target), again.predict_proba(target).max(axis=1)
for path, label, share in list(zip(target, predicted, shares, strict=True))[:5]:
    print(f"{path.name}: {label} ({share:.0%})")

figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
classes, counts = np.unique(labels, return_counts=True)
at = np.arange(len(classes))
axis.bar(at - 0.2, counts / len(labels), 0.4, label="labelled")
axis.bar(at + 0.2, [np.mean(predicted == name) for name in classes], 0.4, label="predicted")
axis.set_xticks(at, classes, rotation=40, ha="right")
axis.set(ylabel="share of the photographs")
axis.legend()

figure, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
for axis, path, label, share in zip(axes, target, predicted, shares, strict=False):
    axis.imshow(Image.open(path).convert("RGB").resize((128, 128)))
    axis.set_title(f"{label} ({share:.0%})", fontsize=9)
    axis.axis("off")

# %%
# What it printed
# ---------------
# This page is not run when the site is built, since the photographs are not ours to pass on. What
# follows was stored by ``python docs/store_examples.py your_own_images``, from 157 photographs by
# a good camera to 295 by a poor one, with three epochs of small pictures. The second figure, of
# photographs, you get when you run it.
#
# .. literalinclude:: /stored/your_own_images.txt
#    :language: text
#
# .. image:: /stored/your_own_images_1.svg
#    :alt: Shares of ten classes among the labelled photographs, and among the predicted ones.
#
# Nobody knows from this whether the model is right: there are no labels. Predicted shares that are
# far from those of the labelled photographs are a first sign that something went wrong, or that
# there really are more things of a kind. If you can label fifty photographs, do, and look. More on
# :doc:`images of your own </your_own_images>`.
