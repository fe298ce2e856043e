"""Small fits with dropout and batch normalisation, for the tests of checkpoints."""

import numpy as np
import torch
from torch import nn

from domadapt import DANClassifier

EPOCHS = 5
SMALL = {
    "hidden_layer_sizes": (8,),
    "batch_size": 16,
    "max_epochs": EPOCHS,
    "steps_per_epoch": 2,
    "random_state": 3,
    # What a GPU computes may differ in the last bit from run to run.
    "device": "cpu",
}


def vectors():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 5)).astype(np.float32)
    X_target = 1 + generator.normal(size=(33, 5)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int), X_target


def columns():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.2))


def make_dan(**changes):
    return DANClassifier(**{**SMALL, **changes})


def fit(estimator, data):
    X, y, X_target = data
    return estimator.fit(X, y, X_target=X_target)
