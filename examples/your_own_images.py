"""Train on photographs of your own: labelled ones here, unlabelled ones there.

    python examples/your_own_images.py LABELLED UNLABELLED mobilenet_v2 WEIGHTS

LABELLED holds one folder of images for each class, UNLABELLED images at any depth. The
script fine-tunes the backbone, saves the model, reads it back and prints what it makes of
the first unlabelled images.
"""

import argparse
from pathlib import Path

import numpy as np

import domadapt
from domadapt import DeepCORALClassifier, ImageLoader
from domadapt.nn import load_backbone

ENDINGS = {".jpg", ".jpeg", ".png"}


def images_below(folder):
    """List the images of a folder, at any depth."""
    return [path for path in sorted(Path(folder).rglob("*")) if path.suffix.lower() in ENDINGS]


def main():
    """Train, save, load, predict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labelled")
    parser.add_argument("unlabelled")
    parser.add_argument("backbone")
    parser.add_argument("weights")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--model", default="model.safetensors")
    arguments = parser.parse_args()

    source = images_below(arguments.labelled)
    labels = np.array([path.parent.name for path in source])
    target = images_below(arguments.unlabelled)

    clf = DeepCORALClassifier(
        backbone=load_backbone(arguments.backbone, arguments.weights),
        hidden_layer_sizes=256,
        image_loader=ImageLoader(
            resize=round(arguments.pixels * 256 / 224), crop=arguments.pixels, unreadable="skip"
        ),
        batch_size=32,
        learning_rate=0.01,
        max_epochs=arguments.epochs,
        # Stop it whenever you like: the same command resumes from here.
        checkpoint=f"{arguments.model}.checkpoint",
        random_state=0,
        verbose=True,
    )
    clf.fit(source, labels, X_target=target)
    clf.save(arguments.model)

    again = domadapt.load(arguments.model)
    sample = target[:5]
    for path, label, share in zip(
        sample, again.predict(sample), again.predict_proba(sample).max(1), strict=True
    ):
        print(f"{path.name}: {label} ({share:.0%})")


if __name__ == "__main__":
    main()
