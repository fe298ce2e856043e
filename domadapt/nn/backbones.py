"""Feature extractors for vectors and for stacks of small images."""

import itertools

from torch import nn


def mlp_backbone(n_features, hidden_layer_sizes=(256,), *, batch_norm=True, dropout=0.0):
    """Build a feature extractor for vectors: linear layers, each with ReLU.

    Parameters
    ----------
    n_features : int
        Columns of the input.
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each layer. The last is the number of features. With none, the input
        itself is the feature.
    batch_norm : bool, default=True
        Normalise each layer's units over the batch before the ReLU.
    dropout : float, default=0.0
        Share of each layer's units that are set to zero in training.

    Returns
    -------
    backbone : nn.Sequential
        Maps float32 of shape (n, n_features) to (n, hidden_layer_sizes[-1]).

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import mlp_backbone
    >>> mlp_backbone(64, (32, 16))(torch.zeros(5, 64)).shape
    torch.Size([5, 16])
    """
    layers: list[nn.Module] = []
    for fan_in, width in itertools.pairwise((n_features, *hidden_layer_sizes)):
        # Batch normalisation has a shift of its own, so the linear layer needs none.
        layers.append(nn.Linear(fan_in, width, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


CONVOLUTION_CHANNELS = (32, 64)
POOLED_SIZE = 4


def conv_backbone(n_channels, hidden_layer_sizes=(256,), *, batch_norm=True, dropout=0.0):
    """Build a small feature extractor for images: two convolutions, then linear layers.

    Parameters
    ----------
    n_channels : int
        Channels of the images.
    hidden_layer_sizes : tuple of int, default=(256,)
        Units in each linear layer after the convolutions.
    batch_norm : bool, default=True
        Normalise each layer's units over the batch before the ReLU.
    dropout : float, default=0.0
        Share of each linear layer's units that are set to zero in training.

    Returns
    -------
    backbone : nn.Sequential
        Maps float32 of shape (n, n_channels, height, width) to
        (n, hidden_layer_sizes[-1]). Height and width are any from 2 pixels up.

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import conv_backbone
    >>> conv_backbone(1, (32,))(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 32])
    """
    layers: list[nn.Module] = []
    for fan_in, width in itertools.pairwise((n_channels, *CONVOLUTION_CHANNELS)):
        layers.append(nn.Conv2d(fan_in, width, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        # The maximum of what ReLU leaves is what ReLU leaves of the maximum, of a quarter.
        layers += [nn.MaxPool2d(2, ceil_mode=True), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(POOLED_SIZE), nn.Flatten()]
    pooled = CONVOLUTION_CHANNELS[-1] * POOLED_SIZE**2
    linear = mlp_backbone(pooled, hidden_layer_sizes, batch_norm=batch_norm, dropout=dropout)
    return nn.Sequential(*layers, *linear)
