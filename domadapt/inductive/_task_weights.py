"""Weights of several tasks, and penalties that draw their networks together."""

import torch
from torch import nn

from domadapt.inductive._sharing import first_layer
from domadapt.nn.layers import scale_gradient


class GivenWeights(nn.Module):
    """Weights of tasks that are given and stay.

    Parameters
    ----------
    weights : list of float
        Of each task.
    """

    weights: torch.Tensor

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.get_default_dtype()))

    def factors(self):
        """Return the weights."""
        return self.weights

    def weigh(self, losses, features):
        """Return the sum of the losses as they are, with the gradient of the weighted ones."""
        pairs = zip(losses, self.weights, strict=True)
        return torch.stack([scale_gradient(loss, weight) for loss, weight in pairs]).sum()


class Penalised(nn.Module):
    """Weights of tasks, with a penalty on the network beside the weighted losses.

    The penalty is not weighed against the losses: its strength is what a person chose.

    Parameters
    ----------
    weights : nn.Module
        Weighs the losses of the tasks.
    penalty : callable
        Returns a tensor of shape () from nothing. It is the network's, and no module here.
    """

    def __init__(self, weights, penalty):
        super().__init__()
        self.weights, self.penalty = weights, penalty

    def factors(self):
        """Return the weights of the tasks."""
        return self.weights.factors()

    def weigh(self, losses, features):
        """Return the weighed losses and the penalty together."""
        return self.weights.weigh(losses, features) + self.penalty()


def distance_from_mean(modules):
    """Return half the squared distance of modules from their mean, over all parameters.

    Parameters
    ----------
    modules : list of nn.Module
        Of the same layers.

    Returns
    -------
    distance : Tensor of shape ()
    """
    squares = []
    for parameters in zip(*(module.parameters() for module in modules), strict=True):
        stacked = torch.stack(parameters)
        squares.append((stacked - stacked.mean(0)).square().sum())
    return torch.stack(squares).sum() / 2


def joint_column_norms(layers):
    """Return the l2,1 norm of the weights that several layers have for the same columns.

    Parameters
    ----------
    layers : list of nn.Linear
        The first layers of tasks, of the same number of columns.

    Returns
    -------
    norm : Tensor of shape ()
        The sum over columns of the norm of all weights that any task has for it.
    """
    weights = torch.cat([layer.weight for layer in layers])
    return torch.linalg.vector_norm(weights, dim=0).sum()


def penalty_of(sharing, network, strength):
    """Return what a way of sharing penalises in a network, as a callable, or None."""
    if strength == 0.0 or sharing not in STRENGTHS:
        return None
    extractors, heads = network.feature_extractor.extractors, network.classifier
    if sharing == "joint_features":
        layers = [first_layer(extractor) for extractor in extractors]
        return lambda: strength * joint_column_norms(layers)
    networks = list(extractors)
    if heads.alike:
        pairs = zip(extractors, heads.heads, strict=True)
        networks = [nn.ModuleList(pair) for pair in pairs]
    return lambda: strength * distance_from_mean(networks)


# What the penalty of a way of sharing is multiplied by, where nothing else is asked for.
STRENGTHS = {"mean_regularised": 1.0, "joint_features": 0.01}
