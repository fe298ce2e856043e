"""Networks: feature extractors, heads, and a feature extractor with a classifier on top."""

import itertools
from collections import OrderedDict
from numbers import Integral

import torch
from torch import nn

from domadapt.nn.compiled import copy_module
from domadapt.nn.random_numbers import Dropout, LazyLinear, make_layer

CONVOLUTION_CHANNELS = (32, 64)
POOLED_SIZE = 4
DEFAULT_HIDDEN_LAYER_SIZES = (256,)


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
        layers.append(make_layer(nn.Linear, fan_in, width, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(Dropout(dropout))
    return nn.Sequential(*layers)


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
        layers.append(make_layer(nn.Conv2d, fan_in, width, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        # The maximum of what ReLU leaves is what ReLU leaves of the maximum, of a quarter.
        layers += [nn.MaxPool2d(2, ceil_mode=True), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(POOLED_SIZE), nn.Flatten()]
    pooled = CONVOLUTION_CHANNELS[-1] * POOLED_SIZE**2
    linear = mlp_backbone(pooled, hidden_layer_sizes, batch_norm=batch_norm, dropout=dropout)
    return nn.Sequential(*layers, *linear)


def mlp_head(n_outputs, hidden_layer_sizes=(), *, in_features=None):
    """Build a head: linear layers with ReLU between, and plain outputs.

    Parameters
    ----------
    n_outputs : int
        Columns of the output, such as one logit for each class.
    hidden_layer_sizes : tuple of int, default=()
        Units in each hidden layer. With none, the head is linear.
    in_features : int or None, default=None
        Columns of the features. None sizes all layers at the first batch.

    Returns
    -------
    head : nn.Sequential
        Maps (n, in_features) to (n, n_outputs).

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import mlp_head
    >>> mlp_head(3, (8,))(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """
    widths = (*hidden_layer_sizes, n_outputs)
    if in_features is None:
        # All lazy, so that all weights are drawn at the first batch, from one seed.
        linear: list[nn.Linear] = [LazyLinear(width) for width in widths]
    else:
        pairs = itertools.pairwise((in_features, *widths))
        linear = [make_layer(nn.Linear, *pair) for pair in pairs]
    return nn.Sequential(*(layer for one in linear for layer in (one, nn.ReLU())))[:-1]


class FeatureClassifier(nn.Module):
    """A feature extractor with a classifier on top.

    Parameters
    ----------
    feature_extractor : nn.Module
        Maps inputs to features of shape (n, d).
    classifier : nn.Module
        Maps features to logits of shape (n, n_classes).

    Examples
    --------
    >>> import torch
    >>> from domadapt.nn import FeatureClassifier, mlp_backbone, mlp_head
    >>> network = FeatureClassifier(mlp_backbone(4, (8,)), mlp_head(3, in_features=8))
    >>> network(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, feature_extractor, classifier):
        super().__init__()
        self.feature_extractor = feature_extractor
        self.classifier = classifier

    def forward(self, x):
        return self.classifier(self.feature_extractor(x))

    @property
    def dtype(self):
        """Floating-point type of the weights, and so of the inputs."""
        return next(self.classifier.parameters()).dtype

    @property
    def device(self):
        """Where the weights are, and the inputs are to be."""
        return next(self.classifier.parameters()).device


def build_network(sample, n_outputs, *, backbone, hidden_layer_sizes, batch_norm, dropout):
    """Return a network for samples like the given ones, and its copy of the backbone or None.

    ``backbone=None`` builds an MLP for vectors and a small convolutional network for image
    stacks, with ``hidden_layer_sizes`` or 256 units. A given backbone is copied, and gets
    hidden layers after it where there are any.

    Raises
    ------
    ValueError
        If the backbone fails on the samples or returns anything but one row of features
        for each, or they are neither vectors nor images.
    """
    copied = None
    extra = {"batch_norm": batch_norm, "dropout": dropout}
    if backbone is None:
        sizes = hidden_layer_sizes
        sizes = DEFAULT_HIDDEN_LAYER_SIZES if sizes is None else sizes
        extractor = move_to(sample, _default_backbone(sample.shape[1:], sizes, extra))
        n_features = count_features(extractor, sample)
    else:
        extractor = copied = move_to(sample, copy_module(backbone))
        n_features = count_features(extractor, sample)
        if hidden_layer_sizes:
            layers = move_to(sample, mlp_backbone(n_features, hidden_layer_sizes, **extra))
            extractor, n_features = stack_layers(extractor, layers), hidden_layer_sizes[-1]
    classifier = mlp_head(n_outputs, in_features=n_features).to(sample)
    return FeatureClassifier(extractor, classifier), copied


def stack_layers(backbone, layers):
    """Return a feature extractor of a backbone and layers that take what it returns."""
    return nn.Sequential(OrderedDict(backbone=backbone, layers=layers))


def move_to(sample, module):
    """Move a module to the device, dtype and memory format of a sample, in place."""
    module = module.to(sample)
    # A lazy layer has no weights yet whose order could be changed.
    if sample.ndim == 4 and not any(map(nn.parameter.is_lazy, module.parameters())):
        return module.to(memory_format=torch.channels_last)
    return module


def training_dtype(backbone):
    """Return float64 for a backbone with float64 weights, and float32 for any other."""
    weights = backbone.parameters() if isinstance(backbone, nn.Module) else []
    return torch.float64 if any(w.dtype == torch.float64 for w in weights) else torch.float32


def _default_backbone(shape, hidden_layer_sizes, extra):
    if len(shape) == 1:
        return mlp_backbone(shape[0], hidden_layer_sizes, **extra)
    if len(shape) == 3:
        return conv_backbone(shape[0], hidden_layer_sizes, **extra)
    if len(shape) == 2:
        add_channel = nn.Unflatten(1, (1, shape[0]))
        grey = conv_backbone(1, hidden_layer_sizes, **extra)
        return nn.Sequential(add_channel, *grey)
    raise ValueError(
        f"X has samples of shape {tuple(shape)}. Expected vectors, grey images of shape "
        "(height, width) or images of shape (channels, height, width); for anything else "
        "pass a backbone."
    )


@torch.no_grad()
def count_features(extractor, sample, name="backbone"):
    """Return how many features an extractor has for a sample; it is put in evaluation mode.

    The name is what messages call it.

    Raises
    ------
    ValueError
        If it fails on the samples or returns anything but one row of features for each.
    """
    came = f"samples of shape {tuple(sample.shape[1:])}"
    extractor.eval()
    try:
        features = extractor(sample)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{name} failed on {came}: {error}") from error
    if isinstance(features, torch.Tensor) and features.is_floating_point():
        if features.ndim == 2 and len(features) == len(sample):
            return features.shape[1]
        returned = f"shape {tuple(features.shape)}"
    else:
        returned = f"{getattr(features, 'dtype', type(features).__name__)}"
    raise ValueError(
        f"{name} returned {returned} for {len(sample)} {came}. Expected floating-point "
        f"features of shape ({len(sample)}, n_features), one row for each sample."
    )


def check_layer_sizes(sizes):
    """Return ``hidden_layer_sizes`` as a tuple, or None."""
    if sizes is None:
        return None
    if isinstance(sizes, Integral):
        return (int(sizes),)
    if not all(isinstance(size, Integral) and int(size) > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes={sizes!r} must hold whole numbers above 0, such as (256, 64)."
        )
    return tuple(int(size) for size in sizes)
