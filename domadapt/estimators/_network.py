"""The network of an estimator: a backbone, given or default, with a classifier on top."""

import copy
from collections import OrderedDict

import torch
from torch import nn

from domadapt.nn import FeatureClassifier, conv_backbone, mlp_backbone, mlp_head

DEFAULT_HIDDEN_LAYER_SIZES = (256,)


def build_network(sample, n_classes, *, backbone, hidden_layer_sizes, batch_norm, dropout):
    """Build the network for rows like those of a sample.

    Parameters
    ----------
    sample : Tensor of shape (n, ...)
        A few rows, on the device and of the dtype of the network.
    n_classes : int
        Columns of the logits.
    backbone : nn.Module or None
        A feature extractor, which is copied, or None for the default: an MLP for
        vectors, a small convolutional network for image stacks.
    hidden_layer_sizes : tuple of int or None
        Layers of the default, or between the given backbone and the classifier. None
        stands for 256 units in the default, and for no layer otherwise.
    batch_norm : bool
        Whether these layers have batch normalisation.
    dropout : float
        Share of their units that are set to zero in training.

    Returns
    -------
    network : FeatureClassifier
        On the sample's device.
    trained_backbone : nn.Module or None
        The part of it that is a copy of the given backbone.

    Raises
    ------
    ValueError
        If the backbone fails on the sample or returns anything but one row of features
        for each row, or the rows are neither vectors nor images.
    """
    copied = None
    extra = {"batch_norm": batch_norm, "dropout": dropout}
    if backbone is None:
        sizes = hidden_layer_sizes
        sizes = DEFAULT_HIDDEN_LAYER_SIZES if sizes is None else sizes
        extractor = put_beside(sample, _default_backbone(sample.shape[1:], sizes, extra))
        n_features = count_features(extractor, sample)
    else:
        extractor = copied = put_beside(sample, copy.deepcopy(backbone))
        n_features = count_features(extractor, sample)
        if hidden_layer_sizes:
            layers = put_beside(sample, mlp_backbone(n_features, hidden_layer_sizes, **extra))
            extractor, n_features = stack(extractor, layers), hidden_layer_sizes[-1]
    classifier = mlp_head(n_classes, in_features=n_features).to(sample)
    return FeatureClassifier(extractor, classifier), copied


def stack(backbone, layers):
    """Put layers of ours on a backbone that was given.

    Parameters
    ----------
    backbone, layers : nn.Module
        The second takes what the first returns.

    Returns
    -------
    feature_extractor : nn.Sequential
        Both, under these names.
    """
    return nn.Sequential(OrderedDict(backbone=backbone, layers=layers))


def put_beside(sample, module):
    """Bring a module to where a sample is, in place.

    Parameters
    ----------
    sample : Tensor of shape (n, ...)
        A few rows. For images the weights are put in channels-last order, which is
        faster.
    module : nn.Module
        Any module.

    Returns
    -------
    module : nn.Module
        The same.
    """
    module = module.to(sample)
    # A lazy layer has no weights yet whose order could be changed.
    if sample.ndim == 4 and not any(map(nn.parameter.is_lazy, module.parameters())):
        return module.to(memory_format=torch.channels_last)
    return module


def dtype_of(backbone):
    """Tell in which precision to train: float64 for a backbone in float64, else float32.

    Parameters
    ----------
    backbone : nn.Module or None
        A feature extractor.

    Returns
    -------
    dtype : torch.dtype
        The precision.
    """
    weights = [] if backbone is None else backbone.parameters()
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
        f"X has rows of shape {tuple(shape)}. Expected vectors, grey images of shape "
        "(height, width) or images of shape (channels, height, width); for anything else "
        "pass a backbone."
    )


@torch.no_grad()
def count_features(extractor, sample):
    """Count what a feature extractor returns for a row, and see that it does.

    Parameters
    ----------
    extractor : nn.Module
        It is put in evaluation mode.
    sample : Tensor of shape (n, ...)
        A few rows.

    Returns
    -------
    n_features : int
        Columns of its output.

    Raises
    ------
    ValueError
        If it fails on the sample or returns anything but one row of features for each.
    """
    came = f"rows of shape {tuple(sample.shape[1:])}"
    extractor.eval()
    try:
        features = extractor(sample)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"backbone failed on {came}: {error}") from error
    if isinstance(features, torch.Tensor) and features.is_floating_point():
        if features.ndim == 2 and len(features) == len(sample):
            return features.shape[1]
        returned = f"shape {tuple(features.shape)}"
    else:
        returned = f"{getattr(features, 'dtype', type(features).__name__)}"
    raise ValueError(
        f"backbone returned {returned} for {len(sample)} {came}. Expected floating-point "
        f"features of shape ({len(sample)}, n_features), one row for each row."
    )
