"""The Office-31 table in plain words: what ``domadapt bench office31`` does, to be read.

python benchmarks/office31.py OFFICE31_FOLDER RESNET50_WEIGHTS
"""

import argparse
import itertools

import numpy as np

from domadapt import AlignmentClassifier, ImageLoader
from domadapt.datasets import load_office31
from domadapt.methods import METHODS
from domadapt.nn import load_backbone

# What all recipes share; each has a learning rate, its decay and so on of its own.
SHARED = {"backbone_rate": 0.1, "batch_size": 32, "label_smoothing": 0.0, "optimizer": "sgd"}
SHARED |= {"alignment_weight": 1.0, "alignment_schedule": "constant"}


def make(method, *, epochs=None, steps=None, **parameters):
    """Build the estimator that fine-tunes a backbone by the recipe of a method."""
    recipe = method.recipe
    epochs, steps = epochs or recipe.epochs, steps or recipe.steps_per_epoch
    criterion = None if method.classes is None else method.classes()
    if recipe.criterion:
        criterion.set_params(**recipe.criterion)
    settings = {
        "learning_rate": recipe.learning_rate,
        "learning_rate_schedule": lambda p: (1.0 + recipe.decay * steps * epochs * p) ** -0.75,
        "weight_decay": recipe.weight_decay,
        "max_epochs": epochs,
        "steps_per_epoch": steps,
    }
    return AlignmentClassifier(criterion, **SHARED | settings | recipe.parameters | parameters)


def main():
    """Fit every method on every pair and print the last epoch's accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="the folder that holds amazon, dslr and webcam")
    parser.add_argument("weights", help="ImageNet weights, safetensors or a torch state dict")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--methods", nargs="*", default=["source", "dan", "dann", "deepcoral"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="in place of the recipes'")
    parser.add_argument("--steps", type=int, help="updates in an epoch, in place of the recipes'")
    parser.add_argument("--pixels", type=int, default=224)
    arguments = parser.parse_args()

    data = load_office31(arguments.root)
    backbone = load_backbone(arguments.backbone, arguments.weights)
    loader = ImageLoader(resize=round(arguments.pixels * 256 / 224), crop=arguments.pixels)
    for name in arguments.methods:
        method, means = METHODS[name], []
        for source, target in itertools.permutations(data.domain_names, 2):
            s, t = data.domain == source, data.domain == target
            scores = []
            for seed in range(arguments.seeds):
                clf = make(
                    method,
                    epochs=arguments.epochs,
                    steps=arguments.steps,
                    backbone=backbone,
                    image_loader=loader,
                    random_state=seed,
                )
                X_target = None if name == "source" else data.paths[t]
                clf.fit(data.paths[s], data.y[s], X_target=X_target)
                # The only place where target labels are read: the last epoch's accuracy.
                scores.append(100 * clf.score(data.paths[t], data.y[t]))
            means.append(np.mean(scores))
            print(f"{method.title}: {source} > {target} {means[-1]:.1f}", flush=True)
        print(f"{method.title}: mean {np.mean(means):.1f}", flush=True)


if __name__ == "__main__":
    main()
