"""The six pairs of Office-31 with a frozen backbone, one estimator each.

Name the folder with amazon, dslr and webcam, and a file with ImageNet weights:

    python examples/office31_in_ten_minutes.py OFFICE31_FOLDER resnet50.pth

The features of each photograph are computed once and kept in ``office31_features``, so a
second run takes seconds. Target labels are read for the printed accuracy alone.
"""

import argparse
import itertools

from domadapt import AlignmentClassifier, DeepCORALClassifier
from domadapt.datasets import load_office31
from domadapt.nn import load_backbone


def main():
    """Fit both methods on all pairs and print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("weights")
    parser.add_argument("--backbone", default="resnet50")
    arguments = parser.parse_args()

    data = load_office31(arguments.root)
    frozen = {
        "backbone": load_backbone(arguments.backbone, arguments.weights),
        "freeze": True,
        "feature_cache": "office31_features",
        "random_state": 0,
    }
    print(f"{'':18}{'source only':>12}{'Deep CORAL':>12}")
    for source, target in itertools.permutations(data.domain_names, 2):
        s, t = data.domain == source, data.domain == target
        alone = AlignmentClassifier(None, **frozen).fit(data.paths[s], data.y[s])
        adapted = DeepCORALClassifier(**frozen)
        adapted.fit(data.paths[s], data.y[s], X_target=data.paths[t])
        scores = [100 * clf.score(data.paths[t], data.y[t]) for clf in (alone, adapted)]
        print(f"{source + ' > ' + target:18}" + "".join(f"{score:12.1f}" for score in scores))


if __name__ == "__main__":
    main()
