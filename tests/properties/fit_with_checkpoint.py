"""Fit a small classifier with dropout, and write a checkpoint after every epoch."""

import sys

import numpy as np
import torch

from domadapt import DANNClassifier


def main():
    """Fit, from the checkpoint that the first argument names if it is there."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 20)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    clf = DANNClassifier(
        checkpoint=sys.argv[1],
        dropout=0.2,
        max_epochs=40,
        hidden_layer_sizes=(64,),
        random_state=0,
        device="cpu",
    )
    clf.fit(X, y, X_target=X + 0.5)


if __name__ == "__main__":
    main()
