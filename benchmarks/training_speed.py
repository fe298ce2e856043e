"""How long fit and predict take, against a bare hand-written loop and against rivals.

Everything that is compared runs in turns in this one process, with one thread, and is
timed in process CPU time; what is reported are ratios of medians. SKADA and
pytorch-adapt take part where they are installed.

    python benchmarks/training_speed.py --output benchmarks/results/training_speed_cpu.json
"""

import argparse
import importlib.util
import itertools
import math
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from _report import environment, write_json
from torch import nn

from domadapt import DANClassifier, DANNClassifier, DeepCORALClassifier

N_ROWS, N_COLUMNS, N_CLASSES, WIDTH = 2000, 1024, 10, 256
BATCH, EPOCHS, RATE = 64, 20, 0.01
N_PREDICT, CHUNK = 100_000, 4096

ESTIMATORS = {"dann": DANNClassifier, "coral": DeepCORALClassifier, "mmd": DANClassifier}


def make_data(n_rows):
    """Draw both domains: Gaussian classes, and the same moved."""
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=0.2, size=(N_CLASSES, N_COLUMNS))
    y = rng.integers(0, N_CLASSES, n_rows)
    X = centres[y] + rng.normal(size=(n_rows, N_COLUMNS))
    X_target = 0.2 + centres[rng.integers(0, N_CLASSES, n_rows)]
    X_target = X_target + rng.normal(size=(n_rows, N_COLUMNS))
    return X.astype(np.float32), y, X_target.astype(np.float32)


class ReverseGradient(torch.autograd.Function):
    """Gradient reversal as everyone writes it."""

    @staticmethod
    def forward(ctx, x, coefficient):
        ctx.coefficient = coefficient
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.coefficient * grad, None


def plain_mmd(source, target):
    """Multi-kernel MMD as a careful person writes it: one Gram matrix, five exponentials."""
    both, n = torch.cat([source, target]), len(source)
    squares = both.square().sum(1)
    distances = (squares[:, None] + squares - 2 * both @ both.T).clamp_min(0)
    bandwidth = distances.detach().sum() / (len(both) * (len(both) - 1))
    kernel = sum(torch.exp(-distances / (bandwidth * 2.0**k)) for k in range(-2, 3))
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def covariance(rows):
    """Unbiased covariance of the columns."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)


def plain_coral(source, target):
    """Deep CORAL as everyone writes it."""
    difference = covariance(source) - covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def bare_loop(method, X, y, X_target, device):
    """Train by hand: rows by index from tensors on the device, autograd throughout."""
    torch.manual_seed(0)
    X, y, X_target = (torch.from_numpy(a).to(device) for a in (X, y, X_target))
    features = nn.Sequential(nn.Linear(N_COLUMNS, WIDTH), nn.ReLU()).to(device)
    head = nn.Linear(WIDTH, N_CLASSES).to(device)
    modules = [features, head]
    if method == "dann":
        discriminator = nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), nn.Linear(256, 1))
        modules.append(discriminator.to(device))
        domain = torch.cat([torch.ones(BATCH), torch.zeros(BATCH)]).to(device)
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=0.9)
    n_steps = len(X) // BATCH
    for epoch in range(EPOCHS):
        order = torch.randperm(len(X), device=device), torch.randperm(len(X), device=device)
        for i in range(n_steps):
            source, target = (rows[i * BATCH : (i + 1) * BATCH] for rows in order)
            weight = 2 / (1 + math.exp(-10 * (epoch * n_steps + i) / (EPOCHS * n_steps))) - 1
            f = features(torch.cat([X[source], X_target[target]]))
            loss = F.cross_entropy(head(f[:BATCH]), y[source])
            if method == "dann":
                logits = discriminator(ReverseGradient.apply(f, weight)).squeeze(1)
                loss = loss + F.binary_cross_entropy_with_logits(logits, domain)
            elif method == "mmd":
                loss = loss + weight * plain_mmd(f[:BATCH], f[BATCH:])
            elif method == "coral":
                loss = loss + weight * plain_coral(f[:BATCH], f[BATCH:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return nn.Sequential(features, head)
