"""The Office-31 table in plain words: what ``domadapt bench office31`` does, to be read.

python benchmarks/office31.py OFFICE31_FOLDER RESNET50_WEIGHTS
"""

import argparse
import itertools

import numpy as np

from domadapt import AlignmentClassifier, ImageLoader
from domadapt.alignment import CORAL, MMD, DomainAdversarial
from domadapt.datasets import load_office31
from domadapt.nn import load_backbone

# Learning rate, its decay per update, weight decay, epochs of so many updates, and the rest.
RECIPES = {
    "source only": (1e-3, 3e-4, 5e-4, 5, 500, {"alignment": None, "batch_norm": "joint"}),
    "DAN": (3e-3, 3e-4, 5e-4, 20, 500, {"alignment": MMD(unbiased=True), "dropout": 0.5}),
    "DeepCORAL": (3e-3, 3e-4, 5e-4, 20, 500, {"alignment": CORAL(), "alignment_weight": 10.0}),
    "DANN": (
        *(1e-2, 1e-3, 1e-3, 20, 1000),
        {
            "alignment": DomainAdversarial(hidden_layer_sizes=(1024, 1024)),
            "alignment_schedule": lambda p: 2.0 / (1.0 + np.exp(-20.0 * p)) - 1.0,
            "batch_norm": "joint",
        },
    ),
}
SHARED = {"backbone_rate": 0.1, "batch_size": 32, "label_smoothing": 0.0, "batch_norm": None}
SHARED |= {"alignment_weight": 1.0, "alignment_schedule": "constant"}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("root", help="the folder that holds amazon, dslr and webcam")
parser.add_argument("weights", help="ImageNet weights, safetensors or a torch state dict")
parser.add_argument("--backbone", default="resnet50")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--epochs", type=int, help="in place of the recipes'")
parser.add_argument("--steps", type=int, help="updates in an epoch, in place of the recipes'")
parser.add_argument("--pixels", type=int, default=224)
arguments = parser.parse_args()

data = load_office31(arguments.root)
backbone = load_backbone(arguments.backbone, arguments.weights)
loader = ImageLoader(resize=round(arguments.pixels * 256 / 224), crop=arguments.pixels)
for method, (rate, decay, weight_decay, epochs, steps, own) in RECIPES.items():
    epochs, steps = arguments.epochs or epochs, arguments.steps or steps
    means = []
    for source, target in itertools.permutations(data.domain_names, 2):
        s, t = data.domain == source, data.domain == target
        scores = []
        for seed in range(arguments.seeds):
            clf = AlignmentClassifier(
                backbone=backbone,
                image_loader=loader,
                hidden_layer_sizes=None if method == "source only" else 256,
                learning_rate=rate,
                learning_rate_schedule=lambda p, k=decay * steps * epochs: (1.0 + k * p) ** -0.75,
                weight_decay=weight_decay,
                max_epochs=epochs,
                steps_per_epoch=steps,
                random_state=seed,
                **{**SHARED, **own},
            )
            X_target = None if method == "source only" else data.paths[t]
            clf.fit(data.paths[s], data.y[s], X_target=X_target)
            # The only place where target labels are read: the last epoch's accuracy.
            scores.append(100 * clf.score(data.paths[t], data.y[t]))
        means.append(np.mean(scores))
        print(f"{method}: {source} > {target} {means[-1]:.1f}", flush=True)
    print(f"{method}: mean {np.mean(means):.1f}", flush=True)
